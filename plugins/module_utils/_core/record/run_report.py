# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How a rotation went on each host of a fleet: a table for people, and the same as data. Pure."""

from __future__ import annotations

import collections
import typing as t
from dataclasses import dataclass, field
from datetime import datetime

from ..instants import isoformat_utc
from ..pipeline.causes import is_own_failure
from ..text import harmless

# From what needs nobody to what needs somebody: the last lines of an output are those that are read.
OUTCOMES = ("unchanged", "rotated", "refused", "failed", "unreachable", "not_run")
_HEADER = ("host", "outcome", "rotated", "unchanged", "refused", "failed", "proof", "why")
_NUMBERS = ("rotated", "unchanged", "refused", "failed")
_REASON = 130  # characters of a reason that are shown; the rest is in the report and above the table
_Result = t.Mapping[str, t.Any]


def well_formed(result: t.Any) -> _Result:
    """A host's result, or, where it is not what certificate_sync returns, one that says so: others have their lines."""
    lists = ("certificates", "pending", "proven", "failures")
    is_good = (
        isinstance(result, dict)
        and all(isinstance(result.get(name, []), list) for name in lists)
        and all(isinstance(text, str) for name in lists[1:] for text in result.get(name, []))
        and all(isinstance(result.get(name, ""), str) for name in ("activation", "activation_error"))
        and all(isinstance(item, dict) and {"name", "action"} <= item.keys() for item in result.get("certificates", []))
    )
    return result if is_good else {"failures": ["The host sent something else than the result of certificate_sync."]}


@dataclass
class HostRotation:
    """What is known of one host. sync: result of certificate_sync, with what the role published later.

    errors: messages of its tasks that failed; unreachable: why it could not be reached, "" when it could;
    failed: whether Ansible counts it as failed at the end of all plays.
    """

    sync: _Result = field(default_factory=dict)
    errors: list[str] = field(default_factory=list)
    unreachable: str = ""
    failed: bool = False

    def _named(self, *actions: str) -> list[str]:
        return [str(item["name"]) for item in self.sync.get("certificates", ()) if item["action"] in actions]

    @property
    def outcome(self) -> str:
        """One of OUTCOMES. refused: nothing is wrong but the content of certificates, the others are in place."""
        if self.unreachable:
            return "unreachable"
        if self._refused_only:
            return "refused"
        if self.failed or self.sync.get("failures"):
            return "failed"
        if "certificates" not in self.sync:
            return "not_run"
        return "rotated" if self._named("created", "updated", "removed") or self.sync.get("proven") else "unchanged"

    @property
    def _refused_only(self) -> bool:
        """Certificates were refused, and the last error, if there is one by now, is the one that names them."""
        failures = self.sync.get("failures", ())
        if not (failures and self._named("refused")):
            return False
        if self.sync.get("activation_error") or is_own_failure(self.sync):
            return False
        return not self.errors or failures[0] in self.errors[-1]

    @property
    def reason(self) -> str:
        """Why it is neither rotated nor unchanged, or what is not proven of it; "" when there is nothing to say."""
        if self.unreachable:
            return self.unreachable
        if self.failed and self.errors and not self._refused_only:
            return self.errors[-1]
        return "\n".join(self.sync.get("failures", ())) or self._doubt

    @property
    def _doubt(self) -> str:
        """Why certificates that are in place are not proven."""
        return "; ".join(f"{name} is not proven, because {why}" for name, why in self._not_proven.items())

    @property
    def _not_proven(self) -> dict[str, str]:
        return {str(name): str(why) for name, why in (self.sync.get("not_proven") or {}).items()}

    def as_dict(self) -> dict[str, t.Any]:
        """For the report: names where something was done, a number where nothing was."""
        return {
            "outcome": self.outcome,
            "rotated": self._named("created", "updated"),
            "removed": self._named("removed"),
            "unchanged": len(self._named("unchanged")),
            "refused": self._named("refused"),
            "failed": self._named("failed"),
            "pending": list(self.sync.get("pending", ())),
            "proven": list(self.sync.get("proven", ())),
            "not_proven": self._not_proven,
            "activation": self.sync.get("activation", "none"),
            "message": self.reason,
        }

    def proof(self) -> str:
        """Of those that had to be proven in this run, how many were; "earlier" when there was nothing new."""
        if "certificates" not in self.sync:
            return "-"
        pending = self.sync.get("pending", ())
        if not pending:
            return "earlier" if self._named("unchanged") else "-"
        unasked = f", {len(self._not_proven)} unasked" if self._not_proven else ""
        return f"{len(self.sync.get('proven', ()))} of {len(pending)}{unasked}"


def report(hosts: t.Mapping[str, HostRotation], *, check_mode: bool) -> dict[str, t.Any]:
    """The document that a program reads: all hosts, and how many of them ended in which way."""
    counts = collections.Counter(rotation.outcome for rotation in hosts.values())
    return {
        "check_mode": check_mode,
        "summary": {outcome: counts[outcome] for outcome in OUTCOMES},
        "hosts": {host: rotation.as_dict() for host, rotation in hosts.items()},
    }


def page_document(
    hosts: t.Mapping[str, HostRotation], *, check_mode: bool, title: str, now: datetime
) -> dict[str, t.Any]:
    """The report as the page shows it. now: when the run ended."""
    document = {"kind": "rotation", "title": title, "generated": isoformat_utc(now)}
    return {**document, **t.cast("dict[str, t.Any]", harmless(report(hosts, check_mode=check_mode)))}


def table(hosts: t.Mapping[str, HostRotation], *, check_mode: bool) -> list[str]:
    """The lines that a person reads: one a host, those in trouble last, then the sum of all."""
    order = sorted(hosts.items(), key=lambda item: OUTCOMES.index(item[1].outcome))
    rows = [_HEADER, *(_cells(host, rotation, check_mode) for host, rotation in order)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEADER))]

    def line(row: t.Sequence[str]) -> str:
        padded = (
            cell.rjust(width) if title in _NUMBERS else cell.ljust(width)
            for cell, width, title in zip(row, widths, _HEADER)
        )
        return "  ".join(padded).rstrip()

    counts = collections.Counter(rotation.outcome for rotation in hosts.values())
    told = ", ".join(f"{counts[outcome]} {_spoken(outcome, check_mode)}" for outcome in OUTCOMES if counts[outcome])
    sum_of_all = f"{len(hosts)} {'host' if len(hosts) == 1 else 'hosts'}: {told}."
    return [*map(line, rows), sum_of_all + (" Check mode: nothing was changed." if check_mode else "")]


def _cells(host: str, rotation: HostRotation, check_mode: bool) -> tuple[str, ...]:
    facts = rotation.as_dict()
    known = "certificates" in rotation.sync
    rotated = len(facts["rotated"]) + len(facts["removed"])
    numbers = (rotated, facts["unchanged"], len(facts["refused"]), len(facts["failed"]))
    reason = " ".join(rotation.reason.split())
    return (
        host,
        _spoken(rotation.outcome, check_mode),
        *(str(number) if known else "-" for number in numbers),
        "-" if check_mode else rotation.proof(),
        reason if len(reason) <= _REASON else reason[: _REASON - 3] + "...",
    )


def _spoken(outcome: str, check_mode: bool) -> str:
    return {"not_run": "not run", "rotated": "would rotate" if check_mode else "rotated"}.get(outcome, outcome)
