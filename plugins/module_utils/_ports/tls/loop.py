# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Many talks over sockets in one thread: each is a generator that yields what it waits for.

How many go on at a time is limited, and those that take much longer than others do not count any more: a thousand
hosts that hang cost their time-out once, not in turns, while a server that is slow under our questions gets no more.
"""

from __future__ import annotations

import collections
import dataclasses
import functools
import heapq
import itertools
import selectors
import socket
import time
import typing as t

READABLE: t.Final = selectors.EVENT_READ
WRITABLE: t.Final = selectors.EVENT_WRITE

_LEAST_PATIENCE: t.Final = 0.5  # seconds until a talk does not count any more
_PATIENCE: t.Final = 4.0  # the same, in times that others take
_SMOOTHING: t.Final = 1 / 32  # weight of the newest of them
_MOST_IDLE_ALARMS: t.Final = 64
_LAST: t.Final = -1  # the turn of the alarm that ends a talk

R = t.TypeVar("R")


class Wait(t.NamedTuple):
    """What a talk waits for: that one of sockets becomes READABLE or WRITABLE, or that it is woken.

    It is sent the socket that is ready, or None when it was woken or seconds have passed. subscribe: is given the
    function that wakes it, which any thread may call.
    """

    sockets: tuple[socket.socket, ...] = ()
    event: int = READABLE
    seconds: float | None = None
    subscribe: t.Callable[[t.Callable[[], None]], None] | None = None


class OutOfTime(Exception):
    """The time of a talk is over. (No TimeoutError, which is an OSError, and what a connect may end with.)"""


Talk = t.Generator[Wait, t.Optional[socket.socket], R]


@dataclasses.dataclass(frozen=True)
class Timed(t.Generic[R]):
    """A talk, and seconds for all of it: when they are over, OutOfTime is thrown in, and it must return.

    It returns its result, or other talks that follow from it, each of which has no more time than it has left.
    """

    talk: Talk[R | list[Timed[R]]]
    seconds: float


class _Running(t.Generic[R]):
    def __init__(self, timed: Timed[R], now: float) -> None:
        self.talk: Talk[R | list[Timed[R]]] | None = timed.talk
        self.began = now
        self.ends = now + timed.seconds
        self.wait = Wait()
        self.turn = 0  # what was waited for in former turns comes too late
        self.counts = True


class _Clock:
    """Seconds, without those in which whoever takes the results does something else."""

    def __init__(self) -> None:
        self._lost = 0.0

    def now(self) -> float:
        return time.monotonic() - self._lost

    def lose(self, seconds: float) -> None:
        self._lost += seconds


class Loop(t.Generic[R]):
    """concurrency: talks at a time; most_open: with those that do not count any more.

    ends: seconds from now after which all is given up, None for never. The time of whoever takes the results counts for
    that, but for no talk's own time.
    """

    def __init__(self, concurrency: int, most_open: int, ends: float | None = None) -> None:
        self._concurrency = concurrency
        self._most_open = max(most_open, 1)
        self._ends = None if ends is None else time.monotonic() + ends
        self._clock = _Clock()
        self._selector = selectors.DefaultSelector()
        self._open: set[_Running[R]] = set()
        self._counted: collections.deque[_Running[R]] = collections.deque()
        self._counting = 0
        self._usual = 0.0  # seconds that a talk takes
        self._alarms: list[tuple[float, int, _Running[R], int]] = []
        self._numbers = itertools.count()
        self._following: collections.deque[Timed[R]] = collections.deque()
        self._results: collections.deque[R] = collections.deque()
        self._woken: collections.deque[tuple[_Running[R], int]] = collections.deque()
        self._ear, self._bell = socket.socketpair()

    def run(self, talks: t.Iterable[Timed[R]]) -> t.Iterator[R]:
        """The results in the order in which they come. What has none when the time ends is closed, and gives none."""
        source = iter(talks)
        for end in (self._ear, self._bell):
            end.setblocking(False)
        self._selector.register(self._ear, READABLE)
        try:
            while self._admit(source) and not self._over:
                self._round()
                while self._results:
                    left = time.monotonic()
                    yield self._results.popleft()
                    self._clock.lose(time.monotonic() - left)
        finally:
            self._close()

    @property
    def _over(self) -> bool:
        return self._ends is not None and time.monotonic() >= self._ends

    def _admit(self, source: t.Iterator[Timed[R]]) -> bool:
        """Begin what may begin; whether there is anything to wait for."""
        now = self._clock.now()
        self._forget_the_slow(now)
        while self._counting < self._concurrency > len(self._results) and len(self._open) < self._most_open:
            timed = self._following.popleft() if self._following else next(source, None)
            if timed is None:
                break
            task = _Running(timed, now)
            self._open.add(task)
            self._counted.append(task)
            self._counting += 1
            self._alarm(task.ends, task, _LAST)
            self._resume(task, None)
        return bool(self._open or self._following or self._results)

    def _forget_the_slow(self, now: float) -> None:
        patience = max(_LEAST_PATIENCE, _PATIENCE * self._usual)
        counted = self._counted
        while counted and (not counted[0].counts or counted[0].began + patience <= now):
            self._count_no_more(counted.popleft())

    def _count_no_more(self, task: _Running[R]) -> None:
        self._counting -= task.counts
        task.counts = False

    def _round(self) -> None:
        """Serve all that is ready, then what has run out of time: nobody pays for what we did meanwhile."""
        for key, _events in self._selector.select(self._pause()):
            if key.data is None:
                self._hear()
                continue
            task, turn = key.data
            if task.turn == turn:
                self._resume(task, t.cast("socket.socket", key.fileobj))
        while self._woken:
            task, turn = self._woken.popleft()
            if task.turn == turn:
                self._resume(task, None)
        now = self._clock.now()
        while self._alarms and self._alarms[0][0] <= now:
            _at, _number, task, turn = heapq.heappop(self._alarms)
            if turn == _LAST:
                self._resume(task, None, in_time=False)
            elif task.turn == turn:
                self._resume(task, None)

    def _pause(self) -> float | None:
        if self._results:
            return 0
        now = self._clock.now()
        pause = self._alarms[0][0] - now if self._alarms else None
        if pause is not None and self._counting >= self._concurrency:
            pause = min(pause, _LEAST_PATIENCE / 4)  # until somebody does not count any more
        if self._ends is not None:
            left = self._ends - time.monotonic()
            pause = left if pause is None else min(pause, left)
        return pause if pause is None else max(pause, 0)

    def _hear(self) -> None:
        try:
            while self._ear.recv(4096):
                pass
        except BlockingIOError:
            pass

    def _wake(self, task: _Running[R], turn: int) -> None:
        """Of any thread."""
        self._woken.append((task, turn))
        try:
            self._bell.send(b"!")
        except OSError:  # it is full, and so heard, or the loop has ended
            pass

    def _alarm(self, at: float, task: _Running[R], turn: int) -> None:
        heapq.heappush(self._alarms, (at, next(self._numbers), task, turn))
        if len(self._alarms) > 4 * len(self._open) + _MOST_IDLE_ALARMS:  # most of them are of talks that are over
            self._alarms = [each for each in self._alarms if each[2].talk and each[3] in (_LAST, each[2].turn)]
            heapq.heapify(self._alarms)

    def _resume(self, task: _Running[R], ready: socket.socket | None, *, in_time: bool = True) -> None:
        talk = task.talk
        if talk is None:
            return
        for waiting in task.wait.sockets:
            self._selector.unregister(waiting)
        task.wait = Wait()
        task.turn += 1
        try:
            wait = talk.send(ready) if in_time else talk.throw(OutOfTime())
        except StopIteration as end:
            self._finish(task, end.value, in_time=in_time)
            return
        if not in_time:
            raise RuntimeError("a talk went on after its time")
        for waiting in wait.sockets:
            self._selector.register(waiting, wait.event, (task, task.turn))
        task.wait = wait
        if wait.seconds is not None:
            self._alarm(self._clock.now() + wait.seconds, task, task.turn)
        if wait.subscribe is not None:
            wait.subscribe(functools.partial(self._wake, task, task.turn))

    def _finish(self, task: _Running[R], result: R | list[Timed[R]], *, in_time: bool) -> None:
        task.talk = None
        self._open.discard(task)
        self._count_no_more(task)
        now = self._clock.now()
        if in_time:
            self._usual += _SMOOTHING * (now - task.began - self._usual)
        if isinstance(result, list):
            left = task.ends - now
            self._following.extend(Timed(each.talk, min(each.seconds, left)) for each in result)
        else:
            self._results.append(result)

    def _close(self) -> None:
        for task in self._open:
            if task.talk is not None:
                task.talk.close()
        self._selector.close()
        self._ear.close()
        self._bell.close()
