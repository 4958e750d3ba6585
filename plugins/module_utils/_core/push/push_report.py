# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How a run that pushes has ended, for people and programs."""

from __future__ import annotations

import collections
import typing as t
from dataclasses import dataclass, field

from ..text import listed

if t.TYPE_CHECKING:
    from .entries import Evidence
    from .verdict import DebtFault

PushOutcome = t.Literal["confirmed", "owed", "dead", "unchanged"]
_WORST_FIRST: t.Final[tuple[PushOutcome, ...]] = ("dead", "owed", "confirmed", "unchanged")


@dataclass
class LineageReport:
    """Of one lineage at one host. before: the fingerprint that the host had confirmed; was_dead: since an earlier run;
    the rest as the module returns it."""

    lineage: str
    outcome: PushOutcome
    fingerprint_sha256: str = ""
    attempts: int = 0
    uploaded: bool = False
    waiting: bool = False
    error: str = ""
    fault: DebtFault = ""
    evidence: Evidence | None = None
    before: str = ""
    was_dead: bool = False

    @property
    def is_proven(self) -> bool:
        """Whether the host has shown that it has it, and not only taken it."""
        return self.outcome in ("confirmed", "unchanged") and self.evidence != "upload"

    @property
    def has_failed(self) -> bool:
        """What was given up is a failure of the run that gave it up."""
        return (self.outcome == "owed" and not self.waiting) or (self.outcome == "dead" and not self.was_dead)

    @property
    def is_open(self) -> bool:
        """Whether it is to be pushed, and nothing is known to keep it from that."""
        return self.outcome == "owed" and not self.fault

    def as_result(self) -> dict[str, t.Any]:
        return {
            "lineage": self.lineage,
            "outcome": self.outcome,
            "fingerprint_sha256": self.fingerprint_sha256,
            "attempts": self.attempts,
            "uploaded": self.uploaded,
            "waiting": self.waiting,
            "error": self.error,
            "fault": self.fault,
            "evidence": self.evidence or "",
        }


@dataclass
class TargetReport:
    """Of one host."""

    name: str
    lineages: dict[str, LineageReport] = field(default_factory=dict)

    @property
    def outcome(self) -> PushOutcome:
        found = {each.outcome for each in self.lineages.values()}
        return next((outcome for outcome in _WORST_FIRST if outcome in found), "unchanged")

    @property
    def has_failed(self) -> bool:
        return any(each.has_failed for each in self.lineages.values())

    def as_result(self) -> dict[str, t.Any]:
        return {
            "name": self.name,
            "outcome": self.outcome,
            "lineages": [each.as_result() for each in self.lineages.values()],
        }


@dataclass
class PushReport:
    """problems: sentences about what is no host's; predicted: nothing was done, for it is check mode."""

    targets: dict[str, TargetReport] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    predicted: bool = False

    def of(self, host: str, lineage: str) -> LineageReport | None:
        target = self.targets.get(host)
        return target.lineages.get(lineage) if target else None

    @property
    def changed(self) -> bool:
        return any(
            each.outcome == "confirmed"
            or each.uploaded
            or (each.outcome == "dead" and not each.was_dead)
            or (self.predicted and each.is_open)
            for target in self.targets.values()
            for each in target.lineages.values()
        )

    @property
    def failure(self) -> str:
        """What the run fails with, a line for each reason; "" when it does not."""
        lines: dict[str, list[str]] = {}
        for target in self.targets.values():
            by_error: dict[str, list[str]] = {}
            for each in target.lineages.values():
                if each.has_failed and not (self.predicted and each.is_open):
                    by_error.setdefault(each.error, []).append(each.lineage)
            for error, lineages in by_error.items():
                lines.setdefault(error, []).append(f"{target.name} ({listed(lineages)})")
        return "\n".join([*self.problems, *(f"{', '.join(whose)}: {error}" for error, whose in lines.items())])

    def as_result(self) -> dict[str, t.Any]:
        counts = collections.Counter(target.outcome for target in self.targets.values())
        return {
            "changed": self.changed,
            "targets": [target.as_result() for target in self.targets.values()],
            "counts": {outcome: counts[outcome] for outcome in ("confirmed", "owed", "dead", "unchanged")},
        }

    def diff(self) -> dict[str, t.Any]:
        """Fingerprints that hosts have confirmed; in check mode those that they would be sent."""
        changed = {
            name: [
                each
                for each in target.lineages.values()
                if (each.is_open if self.predicted else each.outcome == "confirmed")
            ]
            for name, target in self.targets.items()
        }
        return {
            "before": {name: {each.lineage: each.before for each in those} for name, those in changed.items() if those},
            "after": {
                name: {each.lineage: each.fingerprint_sha256 for each in those}
                for name, those in changed.items()
                if those
            },
        }
