# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One attempt after the other to bring a host what it is owed: claimed, read, delivered, proven, settled."""

from __future__ import annotations

import contextlib
import dataclasses
import typing as t
from datetime import timedelta

from ..._core.instants import isoformat_utc, parse_isoformat_utc
from ..._core.push.debts import gives_up
from ..._core.push.delivery import Delivery
from ..._core.push.entries import Confirmation, OwedEntry
from ..._core.push.verdict import PushVerdict, failed, not_served, postponed_for, uploaded_since, verdict_on
from ..._core.unexpected import only_rotation_errors
from ..._errors import PushError, RotationError
from ..issue.run_time import RunEnds
from .endpoints import EndpointProof

if t.TYPE_CHECKING:
    from datetime import datetime

    from ..._core.push.delivery import Deliverer
    from ..._core.push.lineage import Lineage
    from ..._core.push.push_report import TargetReport
    from ..._core.push.targets import PushTarget
    from ..._core.push.turns import AttemptEnd
    from ..._core.push.verdict import DebtFault
    from ..._ports.queue.claim import QueueClaim
    from ..issue.run_time import RunTime


#: Seconds: with no more left, it was the run's end that ended a wait, for receipts are asked for once a second.
_NEARLY_OVER: t.Final = 2.0


class ClaimedQueue(t.Protocol):
    """What an attempt needs of the queue."""

    def claim(self, host: str, *, lineages: t.Collection[str] | None = None) -> t.ContextManager[QueueClaim | None]:
        """None: another run is at this host."""


@dataclasses.dataclass(frozen=True)
class AttemptSettings:
    """wait: for receipts and endpoints; give_up_after: see gives_up; drop_on_failure: what has failed for good in this
    run is given up, however old it is."""

    wait: bool = True
    give_up_after: timedelta | None = None
    drop_on_failure: bool = False


@dataclasses.dataclass(frozen=True)
class AttemptPorts:
    """read: a lineage as it is on disk now, by its name; raises RotationError."""

    queue: ClaimedQueue
    deliverer: Deliverer
    read: t.Callable[[str], Lineage]


class _Judged(t.NamedTuple):
    """lineage: None when it could not be read; earlier_receipt: see OwedEntry."""

    verdict: PushVerdict
    lineage: Lineage | None = None
    earlier_receipt: str | None = None


class HostAttempts:
    """Those of one run for one host. lineages: names of what it may get now, all of them in the report."""

    def __init__(
        self,
        target: PushTarget,
        lineages: t.Collection[str],
        report: TargetReport,
        ports: AttemptPorts,
        settings: AttemptSettings,
        run_time: RunTime,
    ) -> None:
        self._target = target
        self._open = frozenset(lineages)
        self._report = report
        self._ports = ports
        self._settings = settings
        self._time = run_time
        self._proof = EndpointProof(target, several=len(report.lineages) > 1, run_time=run_time)

    def attempt(self, *, is_last: bool) -> AttemptEnd:
        """What is not settled in the queue is owed as before, whatever happens. Never raises RotationError."""
        try:
            with only_rotation_errors(), self._ports.queue.claim(self._target.name, lineages=self._open) as claim:
                if claim is None:
                    self._tell("Another run is pushing to this host.", "busy")
                    return "busy"
                self._push(claim, is_last=is_last)
        except RunEnds as ends:
            self._tell(ends.message, "ended")
            return "failed"
        except RotationError as error:
            self._tell(error.message, "local")
            return "failed"
        if self._open:
            return "again"
        return "failed" if self._report.has_failed else "settled"

    def _push(self, claim: QueueClaim, *, is_last: bool) -> None:
        self._time.check()
        entries = {entry.lineage: entry for entry in claim.entries}
        self._tell("Another run has taken it.", "busy", self._open - entries.keys())
        again = set()
        for name, judged in self._judged(entries).items():
            try:
                if self._settle(claim, entries[name], judged, is_last=is_last):
                    again.add(name)
            except RotationError as error:  # of the queue, where it still is
                self._tell(error.message, "local", [name])
        self._open = frozenset(again)

    def _judged(self, entries: t.Mapping[str, OwedEntry]) -> dict[str, _Judged]:
        """By lineage. Nothing that is wrong with one keeps the others from the host."""
        judged: dict[str, _Judged] = {}
        lineages: dict[str, Lineage] = {}
        for name in entries:
            try:
                with only_rotation_errors():
                    lineages[name] = self._ports.read(name)
            except RotationError as error:
                judged[name] = _Judged(failed(error.message, "lineage"))
        if lineages:
            judged.update(self._proven(entries, self._delivered(entries, lineages)))
        return judged

    def _delivered(self, entries: t.Mapping[str, OwedEntry], lineages: t.Mapping[str, Lineage]) -> dict[str, _Judged]:
        target = self._within_the_run()
        lying = {
            name: entries[name].earlier_receipt
            for name, lineage in lineages.items()
            if entries[name].uploaded == lineage.fingerprint_sha256
        }
        try:
            told = self._ports.deliverer.deliver(target, [*lineages.values()], uploaded=lying, wait=self._waits)
        except PushError as error:
            told = [
                Delivery(name, error=error.message, fault=error.fault, earlier_receipt=lying.get(name))
                for name in lineages
            ]
        why_over = self._time.why_over  # then connections are cut
        is_cut_short = target.receipt_timeout < self._target.receipt_timeout and self._time.left < _NEARLY_OVER
        waited = self._waits and not is_cut_short  # what the run had no time to wait for is no host's fault
        deliveries = {each.lineage: each for each in told}
        judged = {}
        for name, lineage in lineages.items():
            delivery = deliveries.get(name) or Delivery(name, error="It was not delivered.")
            delivery = dataclasses.replace(delivery, error=delivery.error.removeprefix(f"{target.name}: "))
            self._report.lineages[name].uploaded |= delivery.uploaded
            verdict = verdict_on(
                delivery, entries[name], lineage.fingerprint_sha256, target, self._time.now(), waited=waited
            )
            if why_over and verdict.fault == "unreachable":
                verdict = failed(f"Not finished: {why_over}.", "ended", verdict.uploaded)
            judged[name] = _Judged(verdict, lineage, delivery.earlier_receipt)
        return judged

    def _proven(self, entries: t.Mapping[str, OwedEntry], judged: dict[str, _Judged]) -> dict[str, _Judged]:
        """What is confirmed so far is so in the end when its endpoints show it."""
        delivered = [each.lineage for each in judged.values() if each.lineage and each.verdict.outcome == "confirmed"]
        if not delivered or not self._target.endpoints:
            return judged
        try:
            shown = self._proof.ask(delivered, self._target.receipt_timeout if self._waits else 0, self._beside())
        except RunEnds as ends:
            return {
                name: each._replace(verdict=failed(ends.message, "ended", each.verdict.uploaded))
                if each.verdict.outcome == "confirmed"
                else each
                for name, each in judged.items()
            }
        return {
            name: each._replace(verdict=self._with_proof(each.verdict, shown[name], entries[name]))
            if name in shown
            else each
            for name, each in judged.items()
        }

    def _beside(self) -> list[Lineage]:
        """All that the host gets and that can be read."""
        found = []
        for name, each in self._report.lineages.items():
            with contextlib.suppress(RotationError), only_rotation_errors():
                if each.fault != "not_a_target":
                    found.append(self._ports.read(name))
        return found

    def _with_proof(self, verdict: PushVerdict, wrong: str, entry: OwedEntry) -> PushVerdict:
        if not wrong:
            return dataclasses.replace(verdict, evidence="handshake")
        return not_served(verdict, wrong, entry, self._target, self._time.now(), waited=self._waits)

    def _settle(self, claim: QueueClaim, entry: OwedEntry, judged: _Judged, *, is_last: bool) -> bool:
        """In the queue first, then in the report. Whether there is to be another attempt. Raises StoreError."""
        verdict, lineage = judged.verdict, judged.lineage
        fingerprint = lineage.fingerprint_sha256 if lineage else entry.fingerprint_sha256
        now = self._time.now()
        if verdict.evidence:
            at = isoformat_utc(now)
            claim.confirm(Confirmation(entry.host, entry.lineage, fingerprint, at, verdict.evidence))
            self._note(dataclasses.replace(entry, fingerprint_sha256=fingerprint), verdict, "confirmed")
            return False
        is_again = verdict.may_pass and not is_last
        left = self._left(entry, fingerprint, judged, now, is_again=is_again)
        if verdict.outcome == "failed" and not is_again and verdict.fault != "ended" and self._gives_up(left, now):
            claim.give_up(left)
            self._note(left, verdict, "dead")
            return False
        claim.put_back(left)
        self._note(left, verdict, "owed")
        return is_again

    def _left(self, entry: OwedEntry, fingerprint: str, judged: _Judged, now: datetime, *, is_again: bool) -> OwedEntry:
        """What is owed after an attempt in vain. A run that follows one that was killed keeps to next_attempt."""
        verdict = judged.verdict
        attempts = entry.attempts + (verdict.outcome == "failed" and verdict.fault != "ended")
        pause = timedelta(seconds=self._target.retry_interval) if is_again else postponed_for(verdict, attempts)
        return dataclasses.replace(
            entry,
            fingerprint_sha256=fingerprint,
            # A clock that was wrong counts from now, so that a host can be given up in time.
            queued_at=isoformat_utc(min(parse_isoformat_utc(entry.queued_at), now)),
            attempts=attempts,
            last_error=verdict.error,
            next_attempt=isoformat_utc(now + pause) if pause else None,
            uploaded=verdict.uploaded,
            uploaded_at=isoformat_utc(uploaded_since(entry, verdict.uploaded, now)) if verdict.uploaded else None,
            earlier_receipt=judged.earlier_receipt if verdict.uploaded else None,
        )

    def _gives_up(self, entry: OwedEntry, now: datetime) -> bool:
        return self._settings.drop_on_failure or gives_up(entry, now=now, after=self._settings.give_up_after)

    def _within_the_run(self) -> PushTarget:
        """No wait is longer than what the run has."""
        left = max(1.0, self._time.left)
        target = self._target
        return dataclasses.replace(
            target, timeout=min(target.timeout, left), receipt_timeout=min(target.receipt_timeout, left)
        )

    @property
    def _waits(self) -> bool:
        return self._settings.wait and self._target.receipt_timeout > 0

    def _note(self, entry: OwedEntry, verdict: PushVerdict, outcome: t.Literal["confirmed", "owed", "dead"]) -> None:
        report = self._report.lineages[entry.lineage]
        report.outcome = outcome
        report.fingerprint_sha256, report.attempts = entry.fingerprint_sha256, entry.attempts
        report.error, report.fault, report.evidence = verdict.error, verdict.fault, verdict.evidence
        report.waiting = verdict.outcome == "waiting"

    def _tell(self, error: str, fault: DebtFault, lineages: t.Collection[str] | None = None) -> None:
        """Of what is open, or of some of it."""
        for name in self._open if lineages is None else lineages:
            report = self._report.lineages[name]
            report.error, report.fault = error, fault
