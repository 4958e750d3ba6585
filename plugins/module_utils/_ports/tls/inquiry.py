# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Ask many questions of few listeners, without being a burden: few connections at once, and back off when told to.

A listener with a rate limit turns away whoever asks too quickly, one that hangs costs a time-out for each question. So
each listener is asked alone at first, then a few questions at a time; it is left alone for a while when it begins to
turn connections away, and not asked further once it is silent. It may be one name alone that is not answered: so that
one comes last when the listener is asked again.
"""

from __future__ import annotations

import concurrent.futures
import dataclasses
import time
import typing as t

from .endpoint import Endpoint
from .probe import Observation, probe_many

LANES = 4  # connections to one listener at a time
_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 8.0  # seconds; in between they double
_MOST_FAILURES = 5  # pauses in a row
_PATIENCE = 60.0  # seconds of all pauses for one listener
_LONG_ANSWER = 0.25  # seconds for a question, on average, beyond which a listener is too slow to ask it everything


_Question = tuple[t.Optional[str], str]


class Inquiry:
    """All that is asked of a set of listeners; remembers over several rounds how patient it has been with each.

    timeout: seconds for each question; concurrency: questions at a time, of all listeners together. patient: False to
    leave a listener alone for good as soon as it turns a connection away.
    """

    def __init__(self, timeout: float, concurrency: int, *, patient: bool = True) -> None:
        self._timeout = timeout
        self._patience = _PATIENCE if patient else 0.0
        self._concurrency = concurrency
        self._listeners: dict[str, _Listener] = {}
        self.asked = 0

    def ask(self, questions: t.Sequence[tuple[str, Endpoint]]) -> list[Observation]:
        """An answer for each question, in their order. questions: the name of a listener, and what to ask it.

        What was not asked, because its listener is silent or turns everything away, has the answer of the last one.
        """
        by_listener: dict[str, list[int]] = {}
        for index, (name, _endpoint) in enumerate(questions):
            by_listener.setdefault(name, []).append(index)
        if not by_listener:
            return []
        lanes = max(1, min(LANES, self._concurrency // len(by_listener)))
        answers: dict[int, Observation] = {}

        def ask_one(name: str) -> None:
            listener = self._listeners.setdefault(name, _Listener(self._timeout, self._patience))
            indexes = by_listener[name]
            answers.update(zip(indexes, listener.ask([questions[index][1] for index in indexes], lanes)))

        before = sum(listener.asked for listener in self._listeners.values())
        with concurrent.futures.ThreadPoolExecutor(max_workers=min(self._concurrency, len(by_listener))) as pool:
            list(pool.map(ask_one, by_listener))
        self.asked += sum(listener.asked for listener in self._listeners.values()) - before
        return [answers[index] for index in range(len(questions))]


class _Listener:
    """asked: the questions so far. patience: seconds of all pauses."""

    def __init__(self, timeout: float, patience: float) -> None:
        self._timeout = timeout
        self._patience = patience
        self._pause = _FIRST_PAUSE
        self._failures = 0
        self._suspects: set[_Question] = set()
        self.asked = 0

    def ask(self, endpoints: t.Sequence[Endpoint], most_lanes: int) -> list[Observation]:
        """An answer for each endpoint. most_lanes: connections at a time."""
        answers: dict[int, Observation] = {}
        waiting = sorted(range(len(endpoints)), key=lambda index: _question(endpoints[index]) in self._suspects)
        spent, limit = 0.0, 10 * self._timeout + _LONG_ANSWER * len(endpoints)
        lanes, talks = 1, False
        self._failures = 0
        stopped: Observation | None = None
        while waiting and stopped is None:
            batch, waiting = waiting[:lanes], waiting[lanes:]
            started = time.monotonic()
            seen = probe_many([endpoints[index] for index in batch], self._timeout, lanes)
            spent += time.monotonic() - started
            self.asked += len(batch)
            answers.update(zip(batch, seen))
            talks = talks or any(answer.chain for answer in seen)
            turned_away = [index for index in batch if answers[index].turned_away]
            stopped = next((answer for answer in seen if answer.silent), None)
            self._suspects.update(_question(answer.endpoint) for answer in seen if answer.silent or answer.turned_away)
            if stopped is None and turned_away:
                if talks and self._rest():
                    lanes, waiting = 1, [*waiting, *turned_away]
                else:
                    stopped = answers[turned_away[0]]
            else:
                lanes, self._failures = min(2 * lanes, most_lanes), 0
            if stopped is None and spent > limit:
                stopped = dataclasses.replace(
                    seen[-1], chain=(), error=f"too slow: {spent:.0f} s for a part of all names"
                )
        for index in waiting:
            if stopped is not None:
                answers[index] = dataclasses.replace(stopped, endpoint=endpoints[index])
        return [answers[index] for index in range(len(endpoints))]

    def _rest(self) -> bool:
        """Leave it alone for a while, longer each time in a row; False when there is no patience left.

        The pause that was long enough is where it begins the next time.
        """
        if self._failures:
            self._pause = min(2 * self._pause, _LONGEST_PAUSE)
        self._failures += 1
        if self._failures > _MOST_FAILURES or self._pause > self._patience:
            return False
        self._patience -= self._pause
        time.sleep(self._pause)
        return True


def _question(endpoint: Endpoint) -> _Question:
    """What sets it apart from the others of its listener."""
    return endpoint.server_name, endpoint.key_type
