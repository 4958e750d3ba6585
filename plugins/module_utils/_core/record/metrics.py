# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The numbers behind the metrics: what is counted over all runs, and what is known of each certificate. Pure."""

from __future__ import annotations

import json
import typing as t
from dataclasses import dataclass, field
from datetime import datetime

from ..instants import CLOCK_SKEW, parse_isoformat_utc
from ..pipeline.causes import CAUSES
from ..pipeline.manifest import Manifest
from ..renewal import renewal_notice
from .status import LAYERS

FORMAT = 1
#: Verdicts of the wire for what could not be asked, of _status.
UNPROVEN: t.Final = ("unanswered", "unasked")
#: Upper bounds in seconds of the histogram of durations; all above the last one count for +Inf.
DURATION_BUCKETS: t.Final = (1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0)
#: counter -> labels that are there from the first run on, so that increase() sees the first event.
_COUNTERS: t.Final[dict[str, tuple[tuple[str, ...], ...]]] = {
    "runs": (("success",), ("error",)),
    "requests": (),
    "reloads": (("success",), ("error",)),
    "hot_updates": (("success",), ("error",)),
    "changes": (("created",), ("updated",), ("removed",)),
}


@dataclass(frozen=True)
class Run:
    """One run to be counted. duration: seconds, None when it is not known; requests: AWS operation -> all requests;
    request_errors: operation -> those of them that failed; reloads, hot_updates: success or error -> count;
    changes: created, updated or removed -> certificates; problems: cause -> what the run failed for.
    """

    succeeded: bool
    duration: float | None = None
    requests: t.Mapping[str, int] = field(default_factory=dict)
    request_errors: t.Mapping[str, int] = field(default_factory=dict)
    reloads: t.Mapping[str, int] = field(default_factory=dict)
    hot_updates: t.Mapping[str, int] = field(default_factory=dict)
    changes: t.Mapping[str, int] = field(default_factory=dict)
    problems: t.Mapping[str, int] = field(default_factory=dict)


@dataclass
class Totals:
    """All runs so far. counters: name -> labels -> count; buckets: runs by duration, not cumulative, +Inf last;
    last_run, last_success: seconds since 1970, None before the first one; layers: certificate -> digest of the version
    and how its layers looked when they were last looked at; problems: of the last run, by cause."""

    counters: dict[str, dict[tuple[str, ...], int]] = field(
        default_factory=lambda: {name: dict.fromkeys(labels, 0) for name, labels in _COUNTERS.items()}
    )
    buckets: list[int] = field(default_factory=lambda: [0] * (len(DURATION_BUCKETS) + 1))
    duration_sum: float = 0.0
    last_run: int | None = None
    last_success: int | None = None
    last_run_succeeded: bool | None = None
    layers: dict[str, dict[str, t.Any]] = field(default_factory=dict)
    problems: dict[str, int] = field(default_factory=dict)

    def add(self, run: Run, now: datetime) -> None:
        """Count a run that ends now."""
        self._count("runs", ("success" if run.succeeded else "error",), 1)
        for operation, requests in run.requests.items():
            errors = min(run.request_errors.get(operation, 0), requests)
            self._count("requests", (operation, "success"), requests - errors)
            self._count("requests", (operation, "error"), errors)
        for name, counts in (("reloads", run.reloads), ("hot_updates", run.hot_updates), ("changes", run.changes)):
            for label, count in counts.items():
                self._count(name, (label,), count)
        if run.duration is not None:
            seconds = max(run.duration, 0.0)  # the clock may have been set back meanwhile
            self.buckets[sum(seconds > bound for bound in DURATION_BUCKETS)] += 1
            self.duration_sum += seconds
        self.last_run = int(now.timestamp())
        self.last_run_succeeded = run.succeeded
        self.problems = {cause: run.problems.get(cause, 0) for cause in CAUSES}
        if run.succeeded:
            self.last_success = self.last_run
        elif self.last_success is not None and self.last_success - now.timestamp() > CLOCK_SKEW.total_seconds():
            self.last_success = None  # noted by a clock that was wrong

    def see(self, manifest: Manifest, seen: t.Mapping[str, t.Mapping[str, str]]) -> None:
        """Keep how layers look, of versions that are deployed. seen: certificate -> layer -> verdict of _status.

        unknown forgets what a layer looked like. The disk is not kept: it is looked at whenever numbers are made.
        """
        kept: dict[str, dict[str, t.Any]] = {}
        for name, entry in manifest.entries.items():
            digest = entry.current.digest
            old = self.layers.get(name, {})
            verdicts = {**(old.get("verdicts", {}) if old.get("digest") == digest else {}), **seen.get(name, {})}
            known = {layer: verdicts[layer] for layer in LAYERS if verdicts.get(layer, "unknown") != "unknown"}
            known.pop("disk", None)
            if known:
                kept[name] = {"digest": digest, "verdicts": known}
        self.layers = kept

    def drift(self, name: str) -> dict[str, bool]:
        """Layer -> whether it was not as deployed when it was last looked at."""
        return {layer: verdict != "ok" for layer, verdict in self._verdicts(name).items() if verdict not in UNPROVEN}

    def unproven(self, name: str) -> str | None:
        """Which one of UNPROVEN it had that the last look at the wire saw nothing; None when it saw something."""
        return next((cause for cause in UNPROVEN if self._verdicts(name).get("wire") == cause), None)

    def _verdicts(self, name: str) -> t.Mapping[str, str]:
        verdicts: t.Mapping[str, str] = self.layers.get(name, {}).get("verdicts", {})
        return verdicts

    def _count(self, name: str, labels: tuple[str, ...], count: int) -> None:
        self.counters[name][labels] = self.counters[name].get(labels, 0) + count

    def to_json(self) -> bytes:
        counters = {
            name: [[*labels, count] for labels, count in sorted(at.items())] for name, at in self.counters.items()
        }
        document = {**vars(self), "format": FORMAT, "counters": counters, "bounds": DURATION_BUCKETS}
        return (json.dumps(document, sort_keys=True) + "\n").encode()

    @classmethod
    def from_json(cls, data: bytes) -> Totals:
        """Raises ValueError for anything that to_json did not write."""
        try:
            document = json.loads(data)
            if document.pop("format") != FORMAT or document.pop("bounds") != list(DURATION_BUCKETS):
                raise ValueError("not the format of this version")
            totals = cls(**{**document, "counters": cls().counters})
            for name, series in document["counters"].items():
                totals.counters[name].update({tuple(map(str, row[:-1])): int(row[-1]) for row in series})
            totals.problems = {cause: int(totals.problems[cause]) for cause in CAUSES if cause in totals.problems}
            totals.buckets = [int(count) for count in totals.buckets]
            if len(totals.buckets) != len(DURATION_BUCKETS) + 1:
                raise ValueError("not as many buckets as bounds")
            if not all(isinstance(known["verdicts"], dict) for known in totals.layers.values()):
                raise ValueError("not layers")
            return totals
        except (KeyError, TypeError, AttributeError, IndexError) as error:
            raise ValueError(type(error).__name__) from None


@dataclass(frozen=True)
class CertificateNumbers:
    """One deployed certificate. domain: its first name; served: its current version was seen in handshakes;
    drift: layer -> whether it is not as deployed, of those that are known; unproven: one of UNPROVEN when the last
    proof could not be had; instants: seconds since 1970."""

    secret: str
    path: str
    domain: str
    not_before: float
    not_after: float
    renewal: float
    served: bool
    drift: t.Mapping[str, bool]
    unproven: str | None = None


def certificate_numbers(
    manifest: Manifest,
    path_of: t.Callable[[str], str],
    drift: t.Callable[[str], t.Mapping[str, bool]],
    unproven: t.Callable[[str], str | None] = lambda _name: None,
) -> list[CertificateNumbers]:
    """Of all deployed certificates, by name. path_of: main path below the directory -> full path; drift, unproven: by
    name."""
    return [
        CertificateNumbers(
            secret=name,
            path=path_of(entry.main_path),
            domain=next(iter(summary.get("subject_alternative_names") or [name])),
            not_before=not_before.timestamp(),
            not_after=not_after.timestamp(),
            renewal=(not_after - renewal_notice(not_before, not_after)).timestamp(),
            served=entry.proven == entry.current.digest,
            drift=drift(name),
            unproven=unproven(name),
        )
        for name, entry in sorted(manifest.entries.items())
        for summary in [entry.current.summary]
        if summary.get("not_before") and summary.get("not_after")
        for not_before, not_after in [
            (parse_isoformat_utc(summary["not_before"]), parse_isoformat_utc(summary["not_after"]))
        ]
    ]
