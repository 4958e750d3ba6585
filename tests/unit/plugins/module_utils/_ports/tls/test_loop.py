# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Many talks in one thread: their order, their time, and what becomes of those that hang."""

from __future__ import annotations

import selectors
import socket
import threading
import time
import typing as t

import pytest
from ansible_collections.certops.rotation.plugins.module_utils._ports.tls.loop import (
    WRITABLE,
    Loop,
    OutOfTime,
    Talk,
    Timed,
    Wait,
)

Outcome = t.Union[str, "list[Timed[str]]"]
SOON = 30  # seconds, for what takes one


@pytest.fixture
def pair() -> t.Iterator[tuple[socket.socket, socket.socket]]:
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    with ours, theirs:
        yield ours, theirs


class Room:
    """Talks, and how many of them were there at a time."""

    def __init__(self) -> None:
        self.inside = self.most = 0
        self.ends: list[str] = []

    def talk(self, name: str, wait: Wait) -> Talk[Outcome]:
        self.inside += 1
        self.most = max(self.most, self.inside)
        try:
            yield wait
            result = name
        except OutOfTime:
            result = f"{name} ran out of time"
        finally:
            self.inside -= 1
            self.ends.append(name)
        return result


NEVER = Wait()
SHORT = Wait(seconds=0.01)


def test_every_talk_has_its_result() -> None:
    room = Room()
    loop: Loop[str] = Loop(3, 100)
    assert set(loop.run(Timed(room.talk(str(number), SHORT), 20) for number in range(50))) == set(map(str, range(50)))
    assert (room.most, room.inside) == (3, 0)


def test_nothing_to_do_is_done_at_once() -> None:
    assert list(Loop[str](3, 3).run([])) == []


def test_those_that_hang_cost_their_time_once() -> None:
    room = Room()
    hanging = (Timed(room.talk(str(number), NEVER), 2) for number in range(6))
    results = list(Loop[str](2, 100).run(hanging))
    assert sorted(results) == sorted(f"{number} ran out of time" for number in range(6))
    assert room.most == 6


def test_what_hangs_does_not_hold_up_the_others() -> None:
    room = Room()
    talks = [Timed(room.talk(f"hangs {number}", NEVER), 2) for number in range(4)]
    talks += [Timed(room.talk(f"answers {number}", SHORT), 20) for number in range(8)]
    results = list(Loop[str](2, 100).run(talks))
    assert [result.split()[0] for result in results] == ["answers"] * 8 + ["hangs"] * 4


def test_no_more_are_open_than_may_be() -> None:
    room = Room()
    assert len(list(Loop[str](50, 5).run(Timed(room.talk(str(number), NEVER), 0.1) for number in range(12)))) == 12
    assert room.most == 5


def test_a_server_that_is_slow_is_not_asked_more() -> None:
    """What all of them take is no reason to begin others beside them."""
    room = Room()
    slow = Wait(seconds=0.8)
    talks = (Timed(room.talk(str(number), slow), 20) for number in range(2 * 40))
    loop: Loop[str] = Loop(40, 1000)
    loop._usual = 0.8  # what it has learnt
    assert len(list(loop.run(talks))) == 2 * 40
    assert room.most == 40


def test_what_has_come_is_taken_before_the_time_is_judged(pair: tuple[socket.socket, socket.socket]) -> None:
    """Nobody pays for what we did meanwhile."""
    ours, theirs = pair

    def busy() -> Talk[Outcome]:
        yield Wait(seconds=0.01)
        theirs.send(b"x")
        time.sleep(1)
        return "busy"

    room = Room()
    talks = [Timed(busy(), 20), Timed(room.talk("answered", Wait((ours,))), 0.5)]
    assert sorted(Loop[str](5, 5).run(talks)) == ["answered", "busy"]


def test_the_time_of_who_takes_the_results_does_not_count() -> None:
    room = Room()
    talks = [Timed(room.talk("first", SHORT), 0.6), Timed(room.talk("second", Wait(seconds=0.2)), 0.6)]
    results = []
    for result in Loop[str](5, 5).run(talks):
        results.append(result)
        time.sleep(0.8)
    assert results == ["first", "second"]


def test_when_all_time_is_over_the_rest_is_closed_without_a_result() -> None:
    room = Room()
    begun: list[int] = []

    def talks() -> t.Iterator[Timed[str]]:
        yield Timed(room.talk("quick", SHORT), 20)
        for number in range(100):
            begun.append(number)
            yield Timed(room.talk("hangs", NEVER), 20)

    started = time.monotonic()
    assert list(Loop[str](10, 10, ends=0.3).run(talks())) == ["quick"]
    assert time.monotonic() - started < SOON / 2
    assert (room.inside, len(begun)) == (0, 10)
    assert room.ends == ["quick", *["hangs"] * 10]


def test_an_error_of_ours_closes_all() -> None:
    def broken() -> Talk[Outcome]:
        yield Wait(seconds=0.01)
        raise LookupError

    room = Room()
    with pytest.raises(LookupError):
        list(Loop[str](5, 5).run([Timed(room.talk("other", NEVER), 9), Timed(broken(), 9)]))
    assert (room.inside, room.ends) == (0, ["other"])


def test_who_stops_listening_closes_all() -> None:
    room = Room()
    results = Loop[str](5, 5).run([Timed(room.talk("quick", SHORT), 9), Timed(room.talk("other", NEVER), 9)])
    assert next(iter(results)) == "quick"
    t.cast("t.Generator[str, None, None]", results).close()
    assert (room.inside, room.ends) == (0, ["quick", "other"])


def test_another_thread_wakes() -> None:
    def subscribe(wake: t.Callable[[], None]) -> None:
        threading.Timer(0.1, wake).start()

    room = Room()
    talks = [Timed(room.talk("woken", Wait(subscribe=subscribe)), 20), Timed(room.talk("late", Wait(seconds=1.5)), 20)]
    assert list(Loop[str](5, 5).run(talks)) == ["woken", "late"]


def test_a_wake_that_comes_too_late_goes_nowhere() -> None:
    wakers: list[t.Callable[[], None]] = []

    def talk() -> Talk[Outcome]:
        yield Wait(seconds=0.01, subscribe=wakers.append)
        wakers[0]()
        started = time.monotonic()
        yield Wait(seconds=0.3)
        return "patient" if time.monotonic() - started > 0.2 else "woken by what is over"

    assert list(Loop[str](5, 5).run([Timed(talk(), 20)])) == ["patient"]
    wakers[0]()  # after the end of all: no harm


def test_the_first_of_two_sockets(pair: tuple[socket.socket, socket.socket]) -> None:
    """Both are ready: one of them is told, and once."""
    other, its_peer = socket.socketpair()
    got: list[socket.socket | None] = []

    def talk() -> Talk[Outcome]:
        got.append((yield Wait((pair[0], other), WRITABLE)))
        got.append((yield Wait(seconds=0.1)))
        return "done"

    with other, its_peer:
        assert list(Loop[str](5, 5).run([Timed(talk(), 20)])) == ["done"]
    assert got[0] in (pair[0], other)
    assert got[1:] == [None]


def test_what_follows_has_the_time_that_is_left() -> None:
    room = Room()

    def first() -> Talk[Outcome]:
        yield Wait(seconds=0.6)
        return [Timed(room.talk(name, NEVER), 30) for name in ("a", "b")]

    started = time.monotonic()
    assert sorted(Loop[str](5, 5).run([Timed(first(), 1)])) == ["a ran out of time", "b ran out of time"]
    assert time.monotonic() - started < SOON / 2


@pytest.mark.parametrize(("concurrency", "most_open"), [(2, 100), (100, 2)])
def test_what_follows_waits_for_its_turn_asleep(
    monkeypatch: pytest.MonkeyPatch, concurrency: int, most_open: int
) -> None:
    """A name with many addresses that hang."""
    rounds: list[float | None] = []
    select = selectors.DefaultSelector.select

    def counted(selector: selectors.DefaultSelector, pause: float | None = None) -> t.Any:
        rounds.append(pause)
        return select(selector, pause)

    monkeypatch.setattr(selectors.DefaultSelector, "select", counted)
    room = Room()

    def first() -> Talk[Outcome]:
        yield SHORT
        return [Timed(room.talk(str(number), NEVER), 0.3) for number in range(6)]

    assert len(list(Loop[str](concurrency, most_open).run([Timed(first(), 5)]))) == 6
    assert len(rounds) < 100


def test_thousands_need_no_room_once_they_are_over() -> None:
    """Not even for the alarms that will not be needed."""
    room = Room()
    loop: Loop[str] = Loop(10, 10)
    count = sum(
        1 for _result in loop.run(Timed(room.talk(str(number), Wait(seconds=0)), 3600) for number in range(3000))
    )
    assert count == 3000
    assert len(loop._alarms) < 200
