# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whose turn it is: which host is pushed to next, and when. Times are seconds of a clock that never goes back."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

#: What became of one attempt: ``settled``: nothing of the host is left to do in this run; ``failed``: nor in vain;
#: ``again``: it failed, and may go better later; ``busy``: another run is at it.
AttemptEnd = t.Literal["settled", "failed", "again", "busy"]

#: Seconds until a host that another run is at is looked at again.
BUSY_PAUSE: t.Final = 1.0


@dataclass(frozen=True)
class TurnRules:
    """lanes: hosts at a time; interval: seconds between the first attempts of one host and the next;
    max_fail_percentage: of all hosts of the run, beyond which no further host is begun."""

    lanes: int
    interval: float = 0
    max_fail_percentage: float = 100

    @property
    def may_stop(self) -> bool:
        return self.max_fail_percentage < 100


@dataclass
class Turn:
    """Of one host. retries: attempts after the first; retry_interval: seconds from the end of one to the next;
    not_before: of its first attempt; patience: seconds to wait for another run that is at it."""

    name: str
    retries: int = 0
    retry_interval: float = 0
    not_before: float = 0
    patience: float = 0
    attempts: int = 0
    busy_until: float | None = None
    is_running: bool = False
    is_decided: bool = False

    @property
    def has_begun(self) -> bool:
        return self.attempts > 0

    @property
    def is_last(self) -> bool:
        """Whether the attempt that is running is the last one."""
        return self.attempts > self.retries


class Turns:
    """The turns of some hosts. all_hosts: number of those of the whole run; failed: of them, before these;
    not_before: of the first attempts.

    A host keeps its place while it waits for its next attempt: the others go on meanwhile. Where failures may stop the
    run, no more hosts than there are lanes are undecided at a time: nobody is begun who should have been spared.
    """

    def __init__(
        self,
        turns: t.Sequence[Turn],
        rules: TurnRules,
        *,
        all_hosts: int,
        failed: int = 0,
        not_before: float = float("-inf"),
    ) -> None:
        self._turns = {turn.name: turn for turn in turns}
        self._rules = rules
        self._all_hosts = max(all_hosts, 1)
        self._next_start = not_before
        self._is_ended = False
        self.failed = failed

    def followed_by(self, turns: t.Sequence[Turn]) -> Turns:
        """Those of other hosts of the same run, when these are over: failures and the interval go on."""
        return Turns(turns, self._rules, all_hosts=self._all_hosts, failed=self.failed, not_before=self._next_start)

    @property
    def names(self) -> list[str]:
        return list(self._turns)

    @property
    def has_too_many_failures(self) -> bool:
        return 100 * self.failed / self._all_hosts > self._rules.max_fail_percentage

    @property
    def untouched(self) -> list[str]:
        """Names of the hosts that had no turn."""
        return [turn.name for turn in self._turns.values() if not turn.has_begun]

    def end(self) -> None:
        """No attempt begins any more."""
        self._is_ended = True

    def next(self, now: float) -> Turn | float | None:
        """The one to begin now; the seconds until there may be one; None when that depends on those that run."""
        running = sum(turn.is_running for turn in self._turns.values())
        if self._is_ended or running >= self._rules.lanes:
            return None
        may_begin = self._may_begin()
        due = {turn.name: when for turn in self._turns.values() if (when := self._due(turn, may_begin)) is not None}
        if not due:
            return None
        first = min(due, key=lambda name: max(due[name], now))  # of those that are due, the first in order
        if due[first] > now:
            return due[first] - now
        return self._begin(self._turns[first], now)

    def ended(self, name: str, end: AttemptEnd, now: float) -> None:
        """An attempt that has begun."""
        turn = self._turns[name]
        turn.is_running = False
        if end == "busy" and turn.busy_until is None:
            turn.busy_until = now + turn.patience
        if end == "busy" and now < (turn.busy_until or 0):
            turn.attempts -= 1
            turn.not_before = now + BUSY_PAUSE
        elif end == "again" and not turn.is_last:
            turn.not_before = now + turn.retry_interval
        else:
            turn.is_decided = True
            self.failed += end != "settled"

    def _may_begin(self) -> bool:
        """Whether there may be one host more."""
        undecided = sum(turn.has_begun and not turn.is_decided for turn in self._turns.values())
        return not self.has_too_many_failures and not (self._rules.may_stop and undecided >= self._rules.lanes)

    def _due(self, turn: Turn, may_begin: bool) -> float | None:
        """When it is its turn; None: nobody knows yet, or it is over."""
        if turn.is_decided or turn.is_running:
            return None
        if turn.has_begun:
            return turn.not_before
        return max(turn.not_before, self._next_start) if may_begin else None

    def _begin(self, turn: Turn, now: float) -> Turn:
        if not turn.has_begun:
            self._next_start = now + self._rules.interval
        turn.attempts += 1
        turn.is_running = True
        return turn
