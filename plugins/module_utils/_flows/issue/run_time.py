# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The time that a run has: a limit for all of it, and the requests of others that it end."""

from __future__ import annotations

import time
import typing as t
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timezone

from ..._core.instants import format_duration
from ..._core.unexpected import only_rotation_errors
from ..._errors import RotationError

if t.TYPE_CHECKING:
    from datetime import timedelta

T = t.TypeVar("T")
R = t.TypeVar("R")
_LONGEST_SLEEP: t.Final = 0.2  # a signal does not end a sleep, it is only seen after it


class RunEnds(RotationError):
    """There is no time left, or somebody has asked the process to end. What has begun goes on in the next run."""


class RunTime:
    """limit: of the whole run; option: which sets it. now: the aware time; monotonic, sleep: as time's."""

    def __init__(
        self,
        limit: timedelta,
        *,
        option: str = "timeout",
        now: t.Callable[[], datetime] = lambda: datetime.now(timezone.utc),
        monotonic: t.Callable[[], float] = time.monotonic,
        sleep: t.Callable[[float], object] = time.sleep,
    ) -> None:
        self.now = now
        self.monotonic = monotonic
        self._sleep = sleep
        self._limit = limit
        self._option = option
        self._end = monotonic() + limit.total_seconds()
        self._asked_by = ""
        self._is_tidying = False

    def ask_to_end(self, who: str) -> None:
        """who: what asks, such as SIGTERM. For a handler of signals: it takes no lock."""
        self._asked_by = self._asked_by or who

    @property
    def left(self) -> float:
        """Seconds, at least 0; 0 once it was asked to end."""
        return 0.0 if self._asked_by and not self._is_tidying else max(0.0, self._end - self.monotonic())

    @property
    def why_over(self) -> str | None:
        if self._asked_by and not self._is_tidying:
            return f"{self._asked_by} came, so the run ended before it was finished"
        if self._end <= self.monotonic():
            return f"the time limit of the run ({format_duration(self._limit)}) is over (option {self._option})"
        return None

    def check(self) -> None:
        """Raises RunEnds when it is over."""
        why = self.why_over
        if why:
            raise RunEnds(f"Not finished: {why}. The next run goes on from here.")

    def pause(self, seconds: float) -> None:
        """Waits so long, or until the run is over. Raises RunEnds then."""
        until = self.monotonic() + seconds
        while True:
            self.check()
            rest = until - self.monotonic()
            if rest <= 0:
                return
            self._sleep(min(rest, self.left, _LONGEST_SLEEP))

    def tidy_up(self, seconds: float) -> None:
        """From now on so many seconds at least are left, whoever has asked for the end."""
        self._is_tidying = True
        self._end = max(self._end, self.monotonic() + seconds)


def concurrently(
    function: t.Callable[[T], R], items: t.Sequence[T], threads: int, run_time: RunTime | None
) -> list[R | RotationError]:
    """For each, in order, its result, or why it has none: one that fails does not stop the others.

    run_time: what has not begun when that is over ends with RunEnds; None for what has to be done in any case.
    """

    def attempt(item: T) -> R | RotationError:
        try:
            if run_time is not None:
                run_time.check()
            with only_rotation_errors():
                return function(item)
        except RotationError as error:
            return error

    if len(items) < 2:
        return [attempt(item) for item in items]
    with ThreadPoolExecutor(min(threads, len(items))) as pool:
        return list(pool.map(attempt, items))
