# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The numbers of issuing, over all runs, as text for node_exporter's textfile collector. Pure; time is an argument.

The textfile is its own memory: the next run reads from it what was counted before. So nothing else is kept on the
controller, and a run that ends before it has looked at anything leaves the certificates as they were last seen.
"""

from __future__ import annotations

import contextlib
import typing as t
from dataclasses import dataclass, field
from datetime import datetime

with contextlib.suppress(ImportError):
    from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

from ..instants import CLOCK_SKEW, parse_isoformat_utc
from ..text import shown
from .samples import damages_told, own_samples
from .textfile import exposition

if t.TYPE_CHECKING:
    from prometheus_client import Metric

#: Of a certificate, in a run.
ISSUING_ACTIONS: t.Final = ("issued", "renewed", "stored", "resumed", "staged", "held", "unchanged", "failed")
_PREFIX: t.Final = "certops_issuance_"
#: counter -> its text, its label, and the values that are there from the first run on, so that increase() sees the
#: first event.
_COUNTERS: t.Final[dict[str, tuple[str, str | None, tuple[str, ...]]]] = {
    "runs": ("Runs of issuing by how they ended.", "status", ("success", "error")),
    "certificates": ("Certificates by what runs have done with them.", "action", ISSUING_ACTIONS),
    "acme_requests": ("Requests to certificate authorities, repeated ones too.", None, ("",)),
    "aws_requests": ("Requests to AWS, repeated ones too.", "operation", ()),
}
#: gauge of a certificate -> its text.
_OF_CERTIFICATES: t.Final = {
    "not_before_timestamp_seconds": "Begin of the validity of what is stored.",
    "not_after_timestamp_seconds": "End of the validity of what is stored.",
    "due_timestamp_seconds": "From when on a new one is to be issued.",
    "held": "Whether a new one is due, but has to wait.",
    "staged": "Whether a new one is issued, and waits for its promotion.",
    "held_until_timestamp_seconds": "Until when it has to wait, where that is known.",
    "failed": "Whether the last run that looked at it failed for it.",
}


@dataclass(frozen=True)
class LimitLeft:
    """directory: of the CA; limit: what is limited, such as orders; left, most: in the window of that limit."""

    directory: str
    limit: str
    left: int
    most: int


@dataclass
class IssuanceNumbers:
    """All runs so far. counters: name -> value of its label, "" without one -> count; last_run, last_success: seconds
    since 1970, None before the first one; last_actions: of the last run that looked, action -> certificates;
    certificates: secret -> gauge of a certificate -> value."""

    counters: dict[str, dict[str, float]] = field(
        default_factory=lambda: {
            name: dict.fromkeys(values, 0.0) for name, (_text, _label, values) in _COUNTERS.items()
        }
    )
    last_run: float | None = None
    last_success: float | None = None
    last_run_succeeded: bool | None = None
    last_actions: dict[str, float] = field(default_factory=dict)
    certificates: dict[str, dict[str, float]] = field(default_factory=dict)
    limits: list[LimitLeft] = field(default_factory=list)

    def add(self, succeeded: bool, now: datetime) -> None:
        """Count a run that ends now."""
        self._count("runs", "success" if succeeded else "error", 1)
        self.last_run, self.last_run_succeeded = float(int(now.timestamp())), succeeded
        if succeeded:
            self.last_success = self.last_run
        elif self.last_success is not None and self.last_success - now.timestamp() > CLOCK_SKEW.total_seconds():
            self.last_success = None  # noted by a clock that was wrong

    def see(self, report: t.Mapping[str, t.Any], limits: t.Iterable[LimitLeft] = ()) -> None:
        """What a run has found and done. report: as certificate_issue returns it."""
        items: list[t.Mapping[str, t.Any]] = list(report.get("certificates") or ())
        self.last_actions = dict.fromkeys(ISSUING_ACTIONS, 0.0)
        for item in items:
            action = str(item.get("action"))
            self.last_actions[action] = self.last_actions.get(action, 0.0) + 1
            self._count("certificates", action, 1)
        self._count("acme_requests", "", int(report.get("acme_requests") or 0))
        for operation, count in (report.get("api_calls") or {}).items():
            self._count("aws_requests", str(operation), int(count))
        self.certificates = {str(item["name"]): _of_certificate(item) for item in items}
        self.limits = list(limits)

    def _count(self, name: str, value: str, count: int) -> None:
        self.counters[name][value] = self.counters[name].get(value, 0.0) + count


def render_issuance(numbers: IssuanceNumbers, journal: str) -> bytes:
    """The whole textfile. journal: name of the journal's secret, the label that tells batches apart."""
    own = {"journal": journal}
    families: list[Metric] = []
    for name, (text, label, _values) in _COUNTERS.items():
        counter = CounterMetricFamily(_PREFIX + name, text, labels=[*own, *([label] if label else [])])
        for value, count in sorted(numbers.counters[name].items()):
            counter.add_metric([*own.values(), *([value] if label else [])], count)
        families.append(counter)
    for name, text, number in (
        ("last_run_timestamp_seconds", "When the last run ended.", numbers.last_run),
        ("last_success_timestamp_seconds", "When a run last ended well.", numbers.last_success),
        ("last_run_success", "Whether the last run ended well.", numbers.last_run_succeeded),
    ):
        if number is not None:
            families.append(_gauge(name, text, own, [({}, float(number))]))
    actions = [({"action": action}, count) for action, count in numbers.last_actions.items()]
    text = "Certificates by what the last run that looked at them has done."
    families.append(_gauge("last_run_certificates", text, own, actions, "action"))
    for name, text in _OF_CERTIFICATES.items():
        values = [
            ({"secret": shown(secret)}, gauges[name])
            for secret, gauges in sorted(numbers.certificates.items())
            if name in gauges
        ]
        families.append(_gauge(f"certificate_{name}", text, own, values, "secret"))
    for name, text in (("limit_left", "What is left of a limit of a CA."), ("limit", "How much the limit allows.")):
        values = [
            ({"issuer": shown(each.directory), "limit": each.limit}, each.left if name == "limit_left" else each.most)
            for each in numbers.limits
        ]
        families.append(_gauge(name, text, own, values, "issuer", "limit"))
    return exposition(families)


@damages_told()
def read_issuance(text: str, journal: str) -> IssuanceNumbers:
    """What render_issuance wrote for this journal. Raises ValueError for what is no such text."""
    numbers = IssuanceNumbers()
    limits: dict[tuple[str, str], dict[str, int]] = {}
    for name, labels, value in own_samples(text, _PREFIX, "journal", journal):
        counter = name.removesuffix("_total")
        if counter != name and counter in _COUNTERS:
            numbers.counters[counter]["".join(labels.values())] = value
        elif name == "last_run_certificates":
            numbers.last_actions[labels["action"]] = value
        elif name.startswith("certificate_"):
            gauges = numbers.certificates.setdefault(labels["secret"], {})
            gauges[name.removeprefix("certificate_")] = value
        elif name in ("limit_left", "limit"):
            limits.setdefault((labels["issuer"], labels["limit"]), {})[name] = int(value)
        elif name == "last_run_success":
            numbers.last_run_succeeded = bool(value)
        elif name == "last_run_timestamp_seconds":
            numbers.last_run = value
        elif name == "last_success_timestamp_seconds":
            numbers.last_success = value
    numbers.limits = [
        LimitLeft(*key, left=values["limit_left"], most=values["limit"])
        for key, values in limits.items()
        if len(values) == 2
    ]
    return numbers


def _of_certificate(item: t.Mapping[str, t.Any]) -> dict[str, float]:
    instants = {"not_before": "not_before", "not_after": "not_after", "due": "due", "held_until": "held_until"}
    gauges = {
        f"{gauge}_timestamp_seconds": parse_isoformat_utc(str(item[name])).timestamp()
        for name, gauge in instants.items()
        if item.get(name)
    }
    return {
        **gauges,
        "held": float(item.get("action") == "held"),
        "staged": float(bool(item.get("candidate"))),
        "failed": float(item.get("action") == "failed"),
    }


def _gauge(
    name: str,
    text: str,
    own: t.Mapping[str, str],
    values: t.Iterable[tuple[t.Mapping[str, str], float]],
    *labels: str,
) -> Metric:
    family = GaugeMetricFamily(_PREFIX + name, text, labels=[*own, *labels])
    for more, value in values:
        family.add_metric([*own.values(), *(more[label] for label in labels)], value)
    return family
