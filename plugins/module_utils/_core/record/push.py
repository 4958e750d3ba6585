# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The numbers of pushing, over all runs, as text for node_exporter's textfile collector. Pure; time is an argument.

The textfile is its own memory of what was counted; what is owed is read from the queue each time.
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

    from ..push.entries import OwedEntry

_PREFIX: t.Final = "certops_push_"
#: counter -> its text, its label, and the values that are there from the first run on, so that increase() sees the
#: first event.
_COUNTERS: t.Final[dict[str, tuple[str, str, tuple[str, ...]]]] = {
    "runs": ("Runs of pushing by how they ended.", "status", ("success", "error")),
    "lineages": (
        "Lineages, once for each host, by what runs have come to with them.",
        "outcome",
        ("confirmed", "owed", "dead", "unchanged"),
    ),
    "failures": (
        "Lineages, once for each host, that a run did not bring there, by what was wrong.",
        "fault",
        ("unreachable", "host_key", "denied", "remote", "refused", "taken_back", "local"),
    ),
}
#: gauge of a host -> its text.
_OF_HOSTS: t.Final = {
    "owed": "Lineages that the host is owed.",
    "oldest_owed_timestamp_seconds": "Since when the host has been owed the one that it has been owed longest.",
    "dead": "Lineages that are not pushed to the host any more: all attempts failed.",
}
_INSTANTS: t.Final = {
    "last_run_timestamp_seconds": "When the last run ended.",
    "last_success_timestamp_seconds": "When a run last ended well.",
    "last_run_success": "Whether the last run ended well.",
    "bad": "Files of the queue that are damaged, and were put aside.",
}
_NOT_AFTER: t.Final = "lineage_not_after_timestamp_seconds"


@dataclass
class PushNumbers:
    """counters: name -> value of its label -> count; instants: one of _INSTANTS -> value; hosts: name -> gauge of a
    host -> value; lineages: name -> end of its validity; times in seconds since 1970."""

    counters: dict[str, dict[str, float]] = field(
        default_factory=lambda: {
            name: dict.fromkeys(values, 0.0) for name, (_text, _label, values) in _COUNTERS.items()
        }
    )
    instants: dict[str, float] = field(default_factory=dict)
    hosts: dict[str, dict[str, float]] = field(default_factory=dict)
    lineages: dict[str, float] = field(default_factory=dict)

    def add(self, succeeded: bool, now: datetime) -> None:
        """Count a run that ends now."""
        self._count("runs", "success" if succeeded else "error")
        instant = float(int(now.timestamp()))
        self.instants.update(last_run_timestamp_seconds=instant, last_run_success=float(succeeded))
        if succeeded:
            self.instants["last_success_timestamp_seconds"] = instant
        elif self.instants.get("last_success_timestamp_seconds", 0.0) - instant > CLOCK_SKEW.total_seconds():
            del self.instants["last_success_timestamp_seconds"]  # noted by a clock that was wrong

    def see_run(self, targets: t.Iterable[t.Mapping[str, t.Any]]) -> None:
        """What a run has come to. targets: as certificate_push returns them."""
        for target in targets:
            for lineage in target.get("lineages") or ():
                self._count("lineages", str(lineage.get("outcome")))
                if lineage.get("fault") and not lineage.get("waiting"):
                    self._count("failures", str(lineage["fault"]))

    def see_queue(
        self, hosts: t.Iterable[str], owed: t.Iterable[OwedEntry], dead: t.Iterable[OwedEntry], bad: int
    ) -> None:
        """What is owed now. hosts: those that lineages are pushed to; owed: of claimed ones too; bad: damaged files."""
        self.instants["bad"] = float(bad)
        self.hosts = {host: {"owed": 0.0, "dead": 0.0} for host in hosts}
        for entry in owed:
            gauges = self._of_host(entry.host)
            since = parse_isoformat_utc(entry.queued_at).timestamp()
            gauges["owed"] += 1
            gauges["oldest_owed_timestamp_seconds"] = min(since, gauges.get("oldest_owed_timestamp_seconds", since))
        for entry in dead:
            self._of_host(entry.host)["dead"] += 1

    def see_lineages(self, not_after: t.Mapping[str, str]) -> None:
        """Those that are there to be pushed. not_after: name -> end of its validity, ISO 8601 in UTC."""
        self.lineages = {name: parse_isoformat_utc(instant).timestamp() for name, instant in not_after.items()}

    def _of_host(self, host: str) -> dict[str, float]:
        return self.hosts.setdefault(host, {"owed": 0.0, "dead": 0.0})

    def _count(self, name: str, value: str) -> None:
        self.counters[name][value] = self.counters[name].get(value, 0.0) + 1


def render_push(numbers: PushNumbers, queue: str) -> bytes:
    """The whole textfile. queue: absolute path, the label that tells queues apart."""
    families: list[Metric] = []
    for name, (text, label, _values) in _COUNTERS.items():
        counter = CounterMetricFamily(_PREFIX + name, text, labels=["queue", label])
        for value, count in sorted(numbers.counters[name].items()):
            counter.add_metric([queue, value], count)
        families.append(counter)
    for name, text in _INSTANTS.items():
        if name in numbers.instants:
            families.append(_push_gauge(name, text, queue, {(): numbers.instants[name]}))
    for name, text in _OF_HOSTS.items():
        values: dict[tuple[str, ...], float] = {
            (host,): gauges[name] for host, gauges in sorted(numbers.hosts.items()) if name in gauges
        }
        families.append(_push_gauge(name, text, queue, values, "host"))
    ends: dict[tuple[str, ...], float] = {(lineage,): instant for lineage, instant in sorted(numbers.lineages.items())}
    families.append(
        _push_gauge(_NOT_AFTER, "End of the validity of what is there to be pushed.", queue, ends, "lineage")
    )
    return exposition(families)


@damages_told()
def read_push(text: str, queue: str) -> PushNumbers:
    """What render_push wrote for this queue. Raises ValueError for what is no such text."""
    numbers = PushNumbers()
    for name, labels, value in own_samples(text, _PREFIX, "queue", queue):
        counter = name.removesuffix("_total")
        if counter != name and counter in _COUNTERS:
            numbers.counters[counter]["".join(labels.values())] = value
        elif name in _INSTANTS:
            numbers.instants[name] = value
        elif name in _OF_HOSTS:
            numbers.hosts.setdefault(labels["host"], {})[name] = value
        elif name == _NOT_AFTER:
            numbers.lineages[labels["lineage"]] = value
    return numbers


def _push_gauge(name: str, text: str, queue: str, values: t.Mapping[tuple[str, ...], float], *labels: str) -> Metric:
    family = GaugeMetricFamily(_PREFIX + name, text, labels=["queue", *labels])
    for of, value in values.items():
        family.add_metric([queue, *map(shown, of)], value)
    return family
