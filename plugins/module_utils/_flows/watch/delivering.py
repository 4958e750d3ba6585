# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Events to one receiver, at least once each: what it has confirmed is noted at once, and only that.

So a run that is killed between the two sends one event once more, with the same id.
"""

from __future__ import annotations

import dataclasses
import typing as t
from datetime import datetime

from ..._core.instants import format_duration, isoformat_utc
from ..._core.watch.delivery import EventFilter, EventOutbox, EventReceiver, event_document
from ..._errors import DeliveryError
from ..issue.run_time import RunEnds, RunTime

if t.TYPE_CHECKING:
    from ..._core.watch.events import WatchEvent

#: That one run looks at, and so the most that it can tell to be left.
MOST_LOOKED_AT: t.Final = 20_000
_MOST_TOLD: t.Final = 100


@dataclasses.dataclass(frozen=True)
class DeliverySettings:
    """receiver: its name in the registry; limit: events of one run; timeout: seconds for each attempt; retries: further
    attempts where it is unavailable, after retry_interval seconds, twice as many before each next one."""

    receiver: str
    wanted: EventFilter = dataclasses.field(default_factory=EventFilter)
    limit: int = 1000
    timeout: float = 10.0
    retries: int = 2
    retry_interval: float = 1.0


@dataclasses.dataclass
class DeliveryReport:
    """delivered: in this order; failed: with why; passed_over: not wanted; given_up: too old; left: still to be
    delivered, the failed ones among them; why_ended: why not all were tried that could have been, "" otherwise."""

    delivered: list[WatchEvent] = dataclasses.field(default_factory=list)
    failed: list[tuple[WatchEvent, DeliveryError]] = dataclasses.field(default_factory=list)
    passed_over: int = 0
    given_up: list[WatchEvent] = dataclasses.field(default_factory=list)
    left: list[WatchEvent] = dataclasses.field(default_factory=list)
    why_ended: str = ""

    @property
    def changed(self) -> bool:
        return bool(self.delivered or self.passed_over or self.given_up)

    @property
    def succeeded(self) -> bool:
        return not self.failed and not self.why_ended

    def failure(self, receiver: str) -> str:
        """One text for people, "" for none."""
        if self.succeeded:
            return ""
        told = f"Events left for {receiver}: {len(self.left)}. The next run sends them."
        if not self.failed:
            return f"{self.why_ended}. {told}"
        event, error = self.failed[0]
        more = f", and {len(self.failed) - 1} more failed" if len(self.failed) > 1 else ""
        return f"{error.message} That was the event {event.kind} of {event.name} ({event.id}){more}. {told}"

    def warning(self, receiver: str, settings: DeliverySettings) -> str:
        """Of what nobody will ever be told; "" for nothing."""
        if not self.given_up:
            return ""
        age = settings.wanted.give_up_after
        limit = format_duration(age) if age else ""
        first, count = self.given_up[0], len(self.given_up)
        return (
            f"Events that never got to {receiver} within {limit} and are given up: {count}. The first one, of"
            f" {isoformat_utc(first.at)}: {first.message}"
        )

    def as_result(self) -> dict[str, t.Any]:
        """JSON values; lists hold the first hundred."""
        return {
            "changed": self.changed,
            "delivered": len(self.delivered),
            "failures": len(self.failed),
            "left": len(self.left),
            "passed_over": self.passed_over,
            "given_up": len(self.given_up),
            "events": [event_document(event) for event in self.delivered[:_MOST_TOLD]],
            "problems": [
                {"id": event.id, "name": event.name, "fault": error.fault, "message": error.message}
                for event, error in self.failed[:_MOST_TOLD]
            ],
        }


class EventDelivery:
    """now: of the whole run; run_time: how long it may take."""

    def __init__(
        self,
        outbox: EventOutbox,
        receiver: EventReceiver,
        settings: DeliverySettings,
        run_time: RunTime,
        *,
        now: datetime,
        check_mode: bool = False,
    ) -> None:
        self._outbox = outbox
        self._receiver = receiver
        self._settings = settings
        self._time = run_time
        self._now = now
        self._check_mode = check_mode
        self._report = DeliveryReport()

    def run(self) -> DeliveryReport:
        """Raises RegistryError; then what was sent last may not be noted, and nothing more was sent."""
        report, settings = self._report, self._settings
        waiting = self._sorted_out(self._outbox.undelivered(settings.receiver, MOST_LOOKED_AT))
        tried, later = waiting[: settings.limit], waiting[settings.limit :]
        if self._check_mode:
            report.delivered, report.left = tried, later
            return report
        failed_ids = self._deliver(tried)
        report.left = [*(event for event in tried if event.id in failed_ids), *later]
        return report

    def _sorted_out(self, events: t.Sequence[WatchEvent]) -> list[WatchEvent]:
        """Those to be sent. The others are done with, so that they are not looked at again."""
        wanted = self._settings.wanted
        to_send: list[WatchEvent] = []
        done: list[str] = []
        for event in events:
            if not wanted.wants(event):
                self._report.passed_over += 1
            elif wanted.is_too_old(event, self._now):
                self._report.given_up.append(event)
            else:
                to_send.append(event)
                continue
            done.append(event.id)
        if done and not self._check_mode:
            self._outbox.delivered(self._settings.receiver, done, self._now)
        return to_send

    def _deliver(self, events: t.Sequence[WatchEvent]) -> set[str]:
        """The ids of those that are not delivered.

        Where one finds the receiver unavailable, the newest one is tried: when that passes, it was the event's own
        trouble, which keeps no other one back; else all others wait for the next run.
        """
        report, left = self._report, list(events)
        undelivered = {event.id for event in events}
        is_in_doubt = False
        while left:
            if self._time.why_over:
                report.why_ended = f"Not finished: {self._time.why_over}"
                break
            event = left.pop(-1 if is_in_doubt else 0)
            error = self._attempts(event, 0 if is_in_doubt else self._settings.retries)
            if error is None:
                self._outbox.delivered(self._settings.receiver, [event.id], self._now)
                report.delivered.append(event)
                undelivered.discard(event.id)
                is_in_doubt = False
                continue
            report.failed.append((event, error))
            if error.fault == "unavailable" and is_in_doubt:
                report.why_ended = error.message
                break
            is_in_doubt = error.fault == "unavailable"
        return undelivered

    def _attempts(self, event: WatchEvent, retries: int) -> DeliveryError | None:
        """None: it is delivered."""
        pause = self._settings.retry_interval
        while True:
            try:
                self._receiver.send(event, max(0.001, min(self._settings.timeout, self._time.left)))
                return None
            except DeliveryError as error:
                if error.fault == "refused" or retries == 0:
                    return error
                try:
                    self._time.pause(pause)
                except RunEnds:
                    return error
            retries, pause = retries - 1, pause * 2
