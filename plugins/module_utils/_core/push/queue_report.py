# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What was done to the push queue, as the result of a module. Pure."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, field

if t.TYPE_CHECKING:
    from .debts import Debt, DebtKey

#: ``queued``: added, or replaced by what is on disk now; ``waiting``: was in the queue; ``confirmed``: the host has it;
#: ``dead``: given up; ``requeued``: was given up, and is owed again; ``forgotten``: removed.
QueueAction = t.Literal["queued", "waiting", "confirmed", "dead", "requeued", "forgotten"]


class QueueOutcome(t.NamedTuple):
    """Of one lineage for one host. fingerprint_sha256: "" of what was forgotten; matched: domains of the host in it."""

    host: str
    lineage: str
    action: QueueAction
    fingerprint_sha256: str = ""
    matched: tuple[str, ...] = ()

    @classmethod
    def of(cls, debt: Debt, action: QueueAction) -> QueueOutcome:
        return cls(debt.host, debt.lineage, action, debt.fingerprint_sha256, debt.domains)


_CHANGES: t.Final = ("queued", "requeued", "forgotten")


@dataclass
class QueueReport:
    """failures: of lineages, by name; strays: what is in the queue and nobody wants any more."""

    outcomes: list[QueueOutcome] = field(default_factory=list)
    failures: dict[str, str] = field(default_factory=dict)
    strays: list[DebtKey] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    set_aside: list[str] = field(default_factory=list)

    @property
    def changed(self) -> bool:
        return bool(self.set_aside) or any(outcome.action in _CHANGES for outcome in self.outcomes)

    @property
    def message(self) -> str:
        """Why it failed; "" when it did not."""
        return "\n".join(self.failures[name] for name in sorted(self.failures))

    def as_result(self) -> dict[str, t.Any]:
        return {
            "changed": self.changed,
            "entries": [{**outcome._asdict(), "matched": list(outcome.matched)} for outcome in sorted(self.outcomes)],
            "failures": dict(self.failures),
            "strays": [{"host": host, "lineage": lineage} for host, lineage in self.strays],
            "set_aside": list(self.set_aside),
        }

    def diff(self, before: t.Mapping[DebtKey, str]) -> dict[str, str]:
        """before: fingerprints of what was in the queue."""
        after = dict(before)
        for outcome in self.outcomes:
            key = (outcome.host, outcome.lineage)
            if outcome.action == "forgotten":
                after.pop(key, None)
            elif outcome.action in _CHANGES:
                after[key] = outcome.fingerprint_sha256
        return {"before": _lines(before), "after": _lines(after)}


def _lines(entries: t.Mapping[DebtKey, str]) -> str:
    return "".join(f"{host} {lineage} {entries[host, lineage]}\n" for host, lineage in sorted(entries))
