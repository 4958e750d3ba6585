# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Events to one receiver, whatever it does: in order, each noted at once, none kept back by another."""

from __future__ import annotations

import typing as t
from datetime import datetime, timedelta, timezone

import pytest
from ansible_collections.certops.rotation.plugins.module_utils._core.watch.delivery import EventFilter
from ansible_collections.certops.rotation.plugins.module_utils._core.watch.events import WatchEvent, WatchSeverity
from ansible_collections.certops.rotation.plugins.module_utils._errors import (
    DeliveryError,
    DeliveryFault,
    RegistryError,
)
from ansible_collections.certops.rotation.plugins.module_utils._flows.issue.run_time import RunTime
from ansible_collections.certops.rotation.plugins.module_utils._flows.watch.delivering import (
    DeliveryReport,
    DeliverySettings,
    EventDelivery,
)

NOW = datetime(2026, 11, 26, 12, tzinfo=timezone.utc)


def event(number: int, age: timedelta = timedelta(0), severity: WatchSeverity = "info") -> WatchEvent:
    return WatchEvent(f"e{number}", "new", severity, NOW - age, f"n{number}", "h", 443, None, f"Event {number}.")


class Outbox:
    """Of one receiver. full: how many more may be noted, before the disk is full."""

    def __init__(self, events: t.Iterable[WatchEvent], full: int = 10**6) -> None:
        self.events = list(events)
        self.noted: list[str] = []
        self.full = full

    def undelivered(self, receiver: str, limit: int) -> list[WatchEvent]:
        assert receiver == "chat"
        return [each for each in self.events if each.id not in self.noted][:limit]

    def delivered(self, receiver: str, ids: t.Sequence[str], now: datetime) -> None:
        assert (receiver, now) == ("chat", NOW)
        if self.full < len(ids):
            raise RegistryError("The disk is full.")
        self.full -= len(ids)
        self.noted += ids


class Receiver:
    """faults: id -> what it says to that event, each time. clock: seconds that pass with each attempt."""

    def __init__(self, faults: t.Mapping[str, DeliveryFault] | None = None, clock: Clock | None = None) -> None:
        self.faults = dict(faults or {})
        self.tried: list[str] = []
        self.timeouts: list[float] = []
        self._clock = clock

    def send(self, event: WatchEvent, timeout: float) -> None:
        self.tried.append(event.id)
        self.timeouts.append(timeout)
        if self._clock:
            self._clock.seconds += 1
        if event.id in self.faults:
            raise DeliveryError(f"No {event.id}.", self.faults[event.id])


class Clock:
    def __init__(self) -> None:
        self.seconds = 0.0
        self.slept: list[float] = []

    def sleep(self, seconds: float) -> None:
        self.seconds += seconds
        self.slept.append(seconds)

    def run_time(self, limit: float = 300) -> RunTime:
        return RunTime(timedelta(seconds=limit), option="time_limit", monotonic=lambda: self.seconds, sleep=self.sleep)


def deliver(
    outbox: Outbox, receiver: Receiver, clock: Clock | None = None, *, check: bool = False, **settings: t.Any
) -> DeliveryReport:
    run_time = (clock or Clock()).run_time()
    chosen = DeliverySettings("chat", **settings)
    return EventDelivery(outbox, receiver, chosen, run_time, now=NOW, check_mode=check).run()


def test_in_order_once_each_and_then_silence() -> None:
    outbox, receiver = Outbox([event(1), event(2), event(3)]), Receiver()
    report = deliver(outbox, receiver)
    assert receiver.tried == outbox.noted == ["e1", "e2", "e3"]
    assert (report.changed, report.succeeded, report.left) == (True, True, [])
    again = deliver(outbox, receiver)
    assert len(receiver.tried) == 3
    assert (again.changed, again.succeeded, again.as_result()["delivered"]) == (False, True, 0)


def test_check_mode_predicts_and_sends_nothing() -> None:
    outbox, receiver = Outbox([event(1), event(2, timedelta(days=9)), event(3)]), Receiver()
    week = EventFilter(give_up_after=timedelta(days=7))
    predicted = deliver(outbox, receiver, check=True, limit=1, wanted=week)
    assert (receiver.tried, outbox.noted) == ([], [])
    assert predicted.as_result() == deliver(outbox, receiver, limit=1, wanted=week).as_result()


def test_a_refused_event_keeps_no_other_back() -> None:
    outbox, receiver = Outbox([event(1), event(2), event(3)]), Receiver({"e1": "refused", "e2": "refused"})
    report = deliver(outbox, receiver)
    assert receiver.tried == ["e1", "e2", "e3"], "each once: it would refuse it again"
    assert outbox.noted == ["e3"]
    assert [each.id for each in report.left] == ["e1", "e2"]
    assert "No e1. That was the event new of n1 (e1), and 1 more failed. Events left for chat: 2." in report.failure(
        "chat"
    )
    receiver.faults.clear()
    assert deliver(outbox, receiver).succeeded
    assert outbox.noted == ["e3", "e1", "e2"]


def test_an_event_that_the_receiver_dies_of_keeps_no_other_back() -> None:
    """However many there are: the newest one shows whether the receiver is there."""
    outbox = Outbox([event(number) for number in range(1, 7)])
    receiver = Receiver({"e1": "unavailable", "e2": "unavailable", "e3": "unavailable"})
    report = deliver(outbox, receiver, retries=0)
    assert receiver.tried == ["e1", "e6", "e2", "e5", "e3", "e4"]
    assert sorted(outbox.noted) == ["e4", "e5", "e6"]
    assert [each.id for each in report.left] == ["e1", "e2", "e3"]


def test_a_receiver_that_is_down_costs_few_attempts() -> None:
    clock, outbox = Clock(), Outbox([event(number) for number in range(1000)])
    receiver = Receiver(dict.fromkeys((f"e{number}" for number in range(1000)), "unavailable"), clock)
    report = deliver(outbox, receiver, clock, retries=2, retry_interval=1.0)
    assert receiver.tried == ["e0", "e0", "e0", "e999"]
    assert sum(clock.slept) == pytest.approx(1 + 2), "twice as long before each next one"
    assert (outbox.noted, len(report.left), report.succeeded) == ([], 1000, False)
    assert (report.as_result()["failures"], report.as_result()["left"]) == (2, 1000)


def test_a_short_outage_is_bridged() -> None:
    outbox, receiver = Outbox([event(1), event(2)]), Receiver({"e1": "unavailable"})
    clock = Clock()

    def recover(seconds: float) -> None:
        clock.seconds += seconds
        receiver.faults.clear()

    run_time = RunTime(timedelta(seconds=300), monotonic=lambda: clock.seconds, sleep=recover)

    report = EventDelivery(outbox, receiver, DeliverySettings("chat"), run_time, now=NOW).run()
    assert report.succeeded
    assert receiver.tried == ["e1", "e1", "e2"]


def test_what_cannot_be_noted_is_not_followed_by_more() -> None:
    """Else a full disk would send everything again with each run."""
    outbox, receiver = Outbox([event(1), event(2), event(3)], full=1), Receiver()
    with pytest.raises(RegistryError):
        deliver(outbox, receiver)
    assert receiver.tried == ["e1", "e2"]
    outbox.full = 10
    deliver(outbox, receiver)
    assert receiver.tried == ["e1", "e2", "e2", "e3"], "the same id once more"


def test_what_is_not_wanted_is_passed_over_for_good() -> None:
    outbox, receiver = Outbox([event(1), event(2, severity="critical")]), Receiver()
    report = deliver(outbox, receiver, wanted=EventFilter(least_severity="warning"))
    assert (receiver.tried, outbox.noted, report.passed_over) == (["e2"], ["e1", "e2"], 1)
    assert not deliver(outbox, receiver, wanted=EventFilter(least_severity="warning")).changed


def test_what_is_too_old_is_given_up_and_told() -> None:
    outbox, receiver = Outbox([event(1, timedelta(days=8)), event(2)]), Receiver()
    settings = DeliverySettings("chat", EventFilter(give_up_after=timedelta(days=7)))
    report = EventDelivery(outbox, receiver, settings, Clock().run_time(), now=NOW).run()
    assert (receiver.tried, outbox.noted) == (["e2"], ["e1", "e2"])
    assert report.warning("chat", settings) == (
        "Events that never got to chat within 1w and are given up: 1. The first one, of 2026-11-18T12:00:00Z: Event 1."
    )


def test_the_limit_of_a_run() -> None:
    outbox, receiver = Outbox([event(1), event(2), event(3)]), Receiver()
    report = deliver(outbox, receiver, limit=2)
    assert (receiver.tried, report.succeeded, [each.id for each in report.left]) == (["e1", "e2"], True, ["e3"])
    deliver(outbox, receiver, limit=2)
    assert receiver.tried == ["e1", "e2", "e3"]


def test_the_time_of_a_run() -> None:
    clock, outbox = Clock(), Outbox([event(number) for number in range(5)])
    receiver = Receiver(clock=clock)
    run_time = clock.run_time(3)
    report = EventDelivery(outbox, receiver, DeliverySettings("chat"), run_time, now=NOW).run()
    assert (receiver.tried, outbox.noted) == (["e0", "e1", "e2"], ["e0", "e1", "e2"])
    assert receiver.timeouts == [3, 2, 1], "no attempt is longer than the run"
    assert (report.succeeded, len(report.left)) == (False, 2)
    assert "time_limit" in report.failure("chat")


def test_somebody_asks_it_to_end() -> None:
    clock, outbox = Clock(), Outbox([event(1), event(2)])
    run_time = clock.run_time()
    receiver = Receiver()
    receiver.send = lambda each, _timeout: run_time.ask_to_end("SIGTERM")  # type: ignore[method-assign]
    report = EventDelivery(outbox, receiver, DeliverySettings("chat"), run_time, now=NOW).run()
    assert outbox.noted == ["e1"], "what was sent is noted"
    assert "SIGTERM" in report.failure("chat")


def test_somebody_asks_it_to_end_while_it_waits() -> None:
    outbox, clock = Outbox([event(1), event(2)]), Clock()
    run_time = RunTime(
        timedelta(seconds=300), monotonic=lambda: clock.seconds, sleep=lambda _seconds: run_time.ask_to_end("SIGTERM")
    )
    receiver = Receiver({"e1": "unavailable"})
    report = EventDelivery(outbox, receiver, DeliverySettings("chat"), run_time, now=NOW).run()
    assert (receiver.tried, outbox.noted) == (["e1"], [])
    assert (report.succeeded, len(report.left)) == (False, 2)


def test_a_result_is_bounded() -> None:
    outbox = Outbox([event(number) for number in range(150)])
    result = deliver(outbox, Receiver()).as_result()
    assert (result["delivered"], len(result["events"])) == (150, 100)
    refusing = Receiver(dict.fromkeys((f"e{number}" for number in range(150)), "refused"))
    result = deliver(Outbox(outbox.events), refusing).as_result()
    assert (result["failures"], len(result["problems"])) == (150, 100)
    assert result["problems"][0] == {"id": "e0", "name": "n0", "fault": "refused", "message": "No e0."}
