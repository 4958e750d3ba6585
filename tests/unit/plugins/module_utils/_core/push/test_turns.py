# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.certops.rotation.plugins.module_utils._core.push.turns import (
    BUSY_PAUSE,
    AttemptEnd,
    Turn,
    TurnRules,
    Turns,
)


class Clock:
    """Plays a run: each attempt takes as long, and ends, as its script says."""

    def __init__(self, turns: Turns, script: t.Mapping[str, t.Sequence[tuple[float, AttemptEnd]]]) -> None:
        self.turns = turns
        self._script = {name: list(ends) for name, ends in script.items()}
        self.log: list[tuple[float, str]] = []
        self.most_at_once = 0

    def play(self, until: float = 10_000) -> list[tuple[float, str]]:
        now, running = 0.0, []
        while now < until:
            step = self.turns.next(now)
            if isinstance(step, Turn):
                duration, end = self._script[step.name].pop(0)
                running.append((now + duration, step.name, end))
                self.log.append((round(now, 3), step.name))
                self.most_at_once = max(self.most_at_once, len(running))
                continue
            if step is None and not running:
                break
            ends = min((each[0] for each in running), default=float("inf"))
            now = min(ends, now + step) if step is not None else ends
            for each in [each for each in running if each[0] <= now]:
                running.remove(each)
                self.turns.ended(each[1], each[2], now)
        return self.log


def played(
    turns: t.Sequence[Turn], rules: TurnRules, script: t.Mapping[str, t.Sequence[tuple[float, AttemptEnd]]], **more: int
) -> Clock:
    clock = Clock(Turns(turns, rules, all_hosts=len(turns), **more), script)
    clock.play()
    return clock


def fine(*names: str, seconds: float = 1) -> dict[str, list[tuple[float, AttemptEnd]]]:
    return {name: [(seconds, "settled")] for name in names}


def test_serial_is_one_after_the_other() -> None:
    clock = played([Turn("a"), Turn("b"), Turn("c")], TurnRules(lanes=1), fine("a", "b", "c"))
    assert clock.log == [(0, "a"), (1, "b"), (2, "c")]


def test_parallel_is_bounded() -> None:
    names = [f"h{n}" for n in range(10)]
    clock = played([Turn(name) for name in names], TurnRules(lanes=3), fine(*names))
    assert clock.most_at_once == 3
    assert [name for _when, name in clock.log] == names


@pytest.mark.parametrize("lanes", [1, 5])
def test_the_interval_is_kept_between_starts_in_both_modes(lanes: int) -> None:
    """CD32: also where the push itself takes no time."""
    clock = played([Turn("a"), Turn("b"), Turn("c")], TurnRules(lanes, interval=10), fine("a", "b", "c", seconds=0.1))
    assert clock.log == [(0, "a"), (10, "b"), (20, "c")]


def test_a_push_that_takes_longer_than_the_interval_delays_nobody_further() -> None:
    clock = played([Turn("a"), Turn("b")], TurnRules(1, interval=10), fine("a", "b", seconds=25))
    assert clock.log == [(0, "a"), (25, "b")]


def test_retries_are_further_attempts_and_spaced_exactly() -> None:
    """From the end of an attempt to the begin of the next one."""
    clock = played([Turn("a", retries=2, retry_interval=30)], TurnRules(1), {"a": [(2, "again")] * 3})
    assert clock.log == [(0, "a"), (32, "a"), (64, "a")]
    assert clock.turns.failed == 1


def test_no_retries_is_one_attempt() -> None:
    assert played([Turn("a", retries=0)], TurnRules(1), {"a": [(1, "again")]}).log == [(0, "a")]


def test_each_host_has_its_own_interval_and_number() -> None:
    turns = [Turn("a", retries=1, retry_interval=3), Turn("b", retries=2, retry_interval=7)]
    clock = played(turns, TurnRules(2), {"a": [(1, "again"), (1, "again")], "b": [(1, "again")] * 3})
    assert clock.log == [(0, "a"), (0, "b"), (4, "a"), (8, "b"), (16, "b")]


def test_the_last_attempt_is_known_to_be_the_last() -> None:
    turns = Turns([Turn("a", retries=1)], TurnRules(1), all_hosts=1)
    seen = []
    for now in (0.0, 1.0):
        step = turns.next(now)
        assert isinstance(step, Turn)
        seen.append(step.is_last)
        turns.ended("a", "again", now)
    assert seen == [False, True]
    assert turns.next(2) is None


def test_in_serial_the_others_have_their_turn_while_one_waits_for_its_next_attempt() -> None:
    turns = [Turn("down", retries=1, retry_interval=30), Turn("b"), Turn("c")]
    clock = played(turns, TurnRules(1), {"down": [(5, "again"), (1, "settled")], **fine("b", "c")})
    assert clock.log == [(0, "down"), (5, "b"), (6, "c"), (35, "down")]
    assert clock.turns.failed == 0


def test_a_retry_is_not_delayed_by_the_interval_of_the_hosts() -> None:
    turns = [Turn("down", retries=1, retry_interval=5), Turn("b"), Turn("c")]
    clock = played(turns, TurnRules(2, interval=4), {"down": [(0, "again"), (1, "settled")], **fine("b", "c")})
    assert (5, "down") in clock.log


def test_one_that_hangs_costs_its_own_time_and_not_the_others_turn() -> None:
    names = [f"h{n}" for n in range(6)]
    clock = played([Turn("hangs"), *map(Turn, names)], TurnRules(2), {"hangs": [(600, "failed")], **fine(*names)})
    assert max(when for when, name in clock.log if name != "hangs") == 5


def test_fail_fast_in_serial_begins_no_second_host() -> None:
    """And not while the first one waits for its next attempt."""
    turns = [Turn("a", retries=1, retry_interval=30), Turn("b")]
    clock = played(turns, TurnRules(1, max_fail_percentage=0), {"a": [(1, "again"), (1, "again")], **fine("b")})
    assert clock.log == [(0, "a"), (31, "a")]
    assert clock.turns.untouched == ["b"]
    assert clock.turns.has_too_many_failures


def test_fail_fast_in_parallel_lets_those_finish_that_have_begun() -> None:
    turns = [Turn("a"), Turn("b", retries=1, retry_interval=1), Turn("c")]
    script: dict[str, list[tuple[float, AttemptEnd]]] = {
        "a": [(1, "failed")],
        "b": [(2, "again"), (1, "settled")],
        **fine("c"),
    }
    clock = played(turns, TurnRules(2, max_fail_percentage=0), script)
    assert clock.log == [(0, "a"), (0, "b"), (3, "b")]
    assert clock.turns.untouched == ["c"]


@pytest.mark.parametrize(("percentage", "begun"), [(0, 1), (9, 1), (10, 2), (19, 2), (20, 3), (99, 10), (100, 10)])
def test_the_share_of_failures_has_to_be_exceeded(percentage: float, begun: int) -> None:
    """As Ansible's max_fail_percentage."""
    names = [f"h{n}" for n in range(10)]
    script: dict[str, list[tuple[float, AttemptEnd]]] = {name: [(1, "failed")] for name in names}
    clock = played([Turn(name) for name in names], TurnRules(1, max_fail_percentage=percentage), script)
    assert len(clock.log) == begun


def test_failures_before_count() -> None:
    turns = Turns([Turn("b")], TurnRules(1, max_fail_percentage=20), all_hosts=4, failed=1)
    assert turns.next(0) is None
    assert turns.untouched == ["b"]


def test_the_turns_of_others_go_on_with_failures_and_interval() -> None:
    first = Turns([Turn("a")], TurnRules(1, interval=10, max_fail_percentage=50), all_hosts=3)
    Clock(first, {"a": [(1, "failed")]}).play()
    clock = Clock(first.followed_by([Turn("b"), Turn("c")]), {"b": [(1, "failed")], **fine("c")})
    assert clock.play() == [(10, "b")]
    assert (clock.turns.failed, clock.turns.untouched, clock.turns.names) == (2, ["c"], ["b", "c"])


def test_a_host_that_another_run_is_at_is_looked_at_again_without_an_attempt_being_used() -> None:
    turns = [Turn("a", retries=0, patience=10)]
    clock = played(turns, TurnRules(1), {"a": [(0, "busy"), (0, "busy"), (1, "settled")]})
    assert [when for when, _name in clock.log] == [0, BUSY_PAUSE, 2 * BUSY_PAUSE]
    assert clock.turns.failed == 0


def test_another_run_is_not_waited_for_for_ever() -> None:
    clock = played([Turn("a", patience=3)], TurnRules(1), {"a": [(0, "busy")] * 100})
    assert len(clock.log) == 4
    assert clock.turns.failed == 1


def test_after_the_end_nothing_begins() -> None:
    turns = Turns([Turn("a", retries=3), Turn("b")], TurnRules(1), all_hosts=2)
    assert isinstance(turns.next(0), Turn)
    turns.end()
    turns.ended("a", "again", 1)
    assert turns.next(100) is None
    assert turns.untouched == ["b"]


def test_a_first_attempt_may_have_to_wait() -> None:
    """Of a host between two attempts of a run that was killed."""
    clock = played([Turn("a", not_before=12), Turn("b")], TurnRules(1), fine("a", "b"))
    assert clock.log == [(0, "b"), (12, "a")]


def test_no_hosts() -> None:
    assert Turns([], TurnRules(4), all_hosts=0).next(0) is None
