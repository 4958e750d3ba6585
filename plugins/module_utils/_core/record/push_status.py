# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Is all where it should be? One verdict from what is owed to hosts and from what the queue says of it. Pure."""

from __future__ import annotations

import collections
import typing as t
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from ..instants import format_duration, is_ahead, isoformat_utc, parse_isoformat_utc
from ..text import listed

if t.TYPE_CHECKING:
    from ..push.debts import Debts
    from ..push.entries import OwedEntry


class _Row(t.NamedTuple):
    """Of one host."""

    confirmed: int
    owed: int
    given_up: int


@dataclass(frozen=True)
class PushStatus:
    """debts: of all targets; owed, given_up: in the queue, what is being pushed just now too; max_age: of the last
    success, and of what is owed; last_success: None when none is known; ahead: an instant of a run that does not count,
    for it lies in the future; knows_runs: whether that can be known; claimed:
    names of hosts that a run is at; bad: damaged files; unreadable: lineage -> why; woken: of hooks that no run has
    heard yet."""

    hosts: t.Sequence[str]
    debts: Debts
    owed: t.Sequence[OwedEntry]
    given_up: t.Sequence[OwedEntry]
    now: datetime
    max_age: timedelta | None = None
    last_success: datetime | None = None
    ahead: datetime | None = None
    knows_runs: bool = False
    claimed: t.Sequence[str] = ()
    bad: t.Sequence[str] = ()
    unreadable: t.Mapping[str, str] = field(default_factory=dict)
    woken: int = 0

    def problems(self) -> list[dict[str, t.Any]]:
        """All that is not as it should be: code, severity error or warning, message."""
        return [*self._run_problems(), *self._host_problems(), *self._queue_problems(), *self._lineage_problems()]

    @property
    def _owed_to_targets(self) -> list[OwedEntry]:
        strays = set(self.debts.strays)
        return [entry for entry in self.owed if (entry.host, entry.lineage) not in strays]

    def _run_problems(self) -> t.Iterator[dict[str, t.Any]]:
        if self.max_age is None or not self.knows_runs:
            return
        limit = format_duration(self.max_age)
        if self.ahead is not None:
            text = (
                f"The time that was noted for a run, {isoformat_utc(self.ahead)}, lies in the future, so it does not"
                " count. This host's clock was wrong then, or is wrong now: see to it, then push again."
            )
            yield _found("time_in_future", "error" if self.last_success is None else "warning", text)
        elif self.last_success is None:
            yield _found("never_succeeded", "error", "No run that pushes has ended well yet.")
        if self.last_success is not None and self.now - self.last_success > self.max_age:
            age = format_duration(self.now - self.last_success)
            text = f"No run that pushes ended well for {age}, the limit is {limit}."
            yield _found("last_success_too_old", "error", text)

    def _host_problems(self) -> t.Iterator[dict[str, t.Any]]:
        for host, entries in _by_host(self.given_up).items():
            names = listed([entry.lineage for entry in entries])
            text = f"{names}: not pushed to {host} any more, after {entries[0].attempts} attempts: "
            advice = "Mend that, then bring it back by push_queue with state=requeued."
            yield _found("given_up", "error", f"{text}{_sentence(entries[0].last_error)} {advice}")
        for host, entries in _by_host(self._owed_to_targets).items():
            oldest = min(entries, key=lambda entry: entry.queued_at)
            since = parse_isoformat_utc(oldest.queued_at)
            is_unknown = is_ahead(since, self.now)
            age = max(self.now - since, timedelta())
            is_late = self.max_age is not None and (is_unknown or age > self.max_age)
            names = listed([entry.lineage for entry in entries])
            how_long = "since a time in the future" if is_unknown else f"for {format_duration(age)}"
            text = f"{host} has been owed {names} {how_long}"
            why = f", {oldest.attempts} attempts failed: {_sentence(oldest.last_error)}" if oldest.attempts else "."
            yield _found("owed", "error" if is_late else "warning", f"{text}{why}")
        if self.debts.new:
            names = listed([f"{debt.host} ({debt.lineage})" for debt in self.debts.new])
            yield _found("not_queued", "warning", f"Owed since no run has looked: {names}. The next run pushes it.")
        if self.debts.strays:
            names = listed([f"{host} ({lineage})" for host, lineage in self.debts.strays])
            text = f"In the queue, and wanted by no target: {names}. Forget it by push_queue with state=forgotten."
            yield _found("not_a_target", "warning", text)
        if self.debts.idle:
            names = listed(self.debts.idle)
            yield _found("no_lineage", "warning", f"There is no lineage for {names}: see the domains of these hosts.")

    def _queue_problems(self) -> t.Iterator[dict[str, t.Any]]:
        if self.bad:
            text = "What these files stood for is owed anew. Look at the disk, then delete them."
            yield _found("queue_damaged", "warning", f"Damaged: {listed(self.bad)}. {text}")
        if self.woken:
            text = "Hooks have asked for a push, and no run has come yet: is the schedule running?"
            yield _found("not_woken", "warning", text)

    def _lineage_problems(self) -> t.Iterator[dict[str, t.Any]]:
        for text in self.unreadable.values():
            yield _found("lineage_unreadable", "error", text)
        for lineage in self.debts.expired:
            text = f"{lineage} has expired, so that no host would take it. Look at what renews it."
            yield _found("lineage_expired", "error", text)
        if not self.hosts:
            yield _found("no_targets", "error", "There are no targets, so nothing is pushed to anybody.")

    def as_result(self) -> dict[str, t.Any]:
        problems = self.problems()
        return {
            "healthy": not any(problem["severity"] == "error" for problem in problems),
            "problems": problems,
            "last_success_at": isoformat_utc(self.last_success) if self.last_success else None,
            "hosts": [
                {"name": host, **row._asdict(), "being_pushed": host in self.claimed}
                for host, row in self._rows().items()
            ],
            "msg": self._text(problems),
        }

    def _rows(self) -> dict[str, _Row]:
        keys = {(entry.host, entry.lineage) for entry in self.owed} | {debt.key for debt in self.debts.new}
        owed = collections.Counter(host for host, _lineage in keys)
        given_up = collections.Counter(entry.host for entry in self.given_up)
        paid = collections.Counter(debt.host for debt in self.debts.paid)
        names = dict.fromkeys([*self.hosts, *sorted({*owed, *given_up})])
        return {name: _Row(paid[name], owed[name], given_up[name]) for name in names}

    def _text(self, problems: t.Sequence[t.Mapping[str, t.Any]]) -> str:
        """A table for people, worst news first."""
        errors = sum(problem["severity"] == "error" for problem in problems)
        verdict = "Healthy" if not errors else f"Not healthy, {errors} problem{'s' if errors > 1 else ''}"
        rows = self._rows()
        owed, given_up = (sum(row[index] for row in rows.values()) for index in (1, 2))
        lines = [f"{verdict}: {len(self.hosts)} hosts, {owed} lineages owed, {given_up} given up."]
        worst_first = sorted(problems, key=lambda problem: str(problem["severity"]))
        lines += [f"{problem['severity']}: {problem['message']}" for problem in worst_first]
        table = [("host", "confirmed", "owed", "given up"), *((name, *map(str, row)) for name, row in rows.items())]
        widths = [max(map(len, column)) for column in zip(*table)]
        lines += ["  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in table]
        return "\n".join(lines)


def _by_host(entries: t.Iterable[OwedEntry]) -> dict[str, list[OwedEntry]]:
    found: dict[str, list[OwedEntry]] = {}
    for entry in entries:
        found.setdefault(entry.host, []).append(entry)
    return found


def _sentence(text: str) -> str:
    return f"{text.rstrip('.')}." if text else "the reason is not known."


def _found(code: str, severity: str, message: str) -> dict[str, t.Any]:
    return {"code": code, "severity": severity, "message": message}
