# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is owed at the beginning of a push: lineages on disk against the ledger, and what the queue says besides."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, field, replace
from datetime import timedelta

from ..._core.instants import isoformat_utc, parse_isoformat_utc
from ..._core.push.debts import matched_domains, owed
from ..._core.push.entries import OwedEntry
from ..._core.push.push_report import LineageReport, PushReport, TargetReport
from ..._core.push.verdict import LONGEST_POSTPONEMENT
from ..._ports.tls.endpoint import parse_endpoint
from .endpoints import can_prove, concerns

if t.TYPE_CHECKING:
    from datetime import datetime

    from ..._core.push.debts import Debt, DebtKey, Debts
    from ..._core.push.entries import Confirmation
    from ..._core.push.lineage import Lineage
    from ..._core.push.targets import PushTarget
    from ..._ports.lineages.certbot_live import CertbotLive
    from ..._ports.queue.push_queue import PushQueue


@dataclass(frozen=True)
class OpeningStand:
    """debts: of all targets; queued, dead, confirmed: of the queue, before anything was added; postponed: what is not
    tried before an instant; unprovable: what a canary has no proof of, whatever it does; unreadable: lineage -> why;
    warnings: sentences."""

    debts: Debts
    queued: t.Mapping[DebtKey, OwedEntry]
    dead: t.Mapping[DebtKey, OwedEntry]
    confirmed: t.Mapping[DebtKey, Confirmation]
    postponed: t.Mapping[DebtKey, str] = field(default_factory=dict)
    unprovable: t.Collection[DebtKey] = ()
    unreadable: t.Mapping[str, str] = field(default_factory=dict)
    warnings: t.Sequence[str] = ()

    def report(self, hosts: t.Sequence[str], *, of_all: bool, predicted: bool = False) -> PushReport:
        """As if nothing were pushed. hosts: names of those that it is about; of_all: whether these are all targets."""
        report = PushReport({name: TargetReport(name) for name in hosts}, predicted=predicted)
        for debt in sorted((*self.debts.new, *self.debts.waiting)):
            entry = self.queued.get(debt.key)
            is_known = entry is not None and entry.fingerprint_sha256 == debt.fingerprint_sha256
            self._note(report, debt.key, "owed", debt.fingerprint_sha256, entry if is_known else None)
        for debt in self.debts.given_up:
            self._note(report, debt.key, "dead", debt.fingerprint_sha256, self.dead[debt.key])
        for debt in self.debts.paid:
            self._note(report, debt.key, "unchanged", debt.fingerprint_sha256)
        self._note_expired(report)
        report.problems += self.unreadable.values()
        report.warnings += [*self.warnings, *map(_expired, self.debts.expired)]
        report.warnings += [_idle(host) for host in self.debts.idle if host in report.targets]
        if of_all:
            self._note_postponed(report)
            self._note_strays(report)
        return report

    def _note(
        self,
        report: PushReport,
        key: DebtKey,
        outcome: t.Literal["owed", "dead", "unchanged"],
        fingerprint: str,
        entry: OwedEntry | None = None,
    ) -> None:
        host, lineage = key
        if host not in report.targets:
            return
        before, is_dead = self.confirmed.get(key), outcome == "dead"
        report.targets[host].lineages[lineage] = LineageReport(
            lineage,
            outcome,
            fingerprint,
            attempts=entry.attempts if entry else 0,
            error=_given_up(entry) if entry and is_dead else "",
            fault="given_up" if is_dead else "",
            evidence=before.evidence if before and outcome == "unchanged" else None,
            before=before.fingerprint_sha256 if before else "",
            was_dead=is_dead,
        )

    def _note_postponed(self, report: PushReport) -> None:
        """Who names a host means it."""
        for (host, lineage), instant in self.postponed.items():
            each = report.of(host, lineage)
            if each and each.outcome == "owed":
                each.error = (
                    f"{self.queued[host, lineage].last_error} It is tried again at {instant}, or when hosts names it."
                )
                each.fault = "taken_back"

    def _note_expired(self, report: PushReport) -> None:
        """What is owed or given up, and no host would take any more."""
        for (host, lineage), entry in {**self.dead, **self.queued}.items():
            if host not in report.targets or lineage not in self.debts.expired:
                continue
            is_dead = (host, lineage) not in self.queued
            report.targets[host].lineages[lineage] = LineageReport(
                lineage,
                "dead" if is_dead else "owed",
                entry.fingerprint_sha256,
                attempts=entry.attempts,
                error=f"It has expired {'since it was given up' if is_dead else 'before it was pushed'}. Renew it.",
                fault="expired",
                was_dead=is_dead,
            )

    def _note_strays(self, report: PushReport) -> None:
        """What is queued and nobody wants any more: a host was removed, one of its domains, or the lineage."""
        known = set(report.targets)
        for key in self.debts.strays:
            entry = self.queued.get(key)
            if not entry:
                continue
            host, lineage = key
            why = "is not among its lineages any more" if host in known else "is owed to a host that is no target"
            stray = LineageReport(
                lineage,
                "owed",
                entry.fingerprint_sha256,
                attempts=entry.attempts,
                error=f"It {why}. Name it in targets, or forget it by push_queue with state=forgotten.",
                fault="not_a_target",
            )
            report.targets.setdefault(host, TargetReport(host)).lineages[lineage] = stray


class Collector:
    """Of the targets given. now: the aware time."""

    def __init__(
        self,
        queue: PushQueue,
        lineages: CertbotLive,
        targets: t.Sequence[PushTarget],
        now: t.Callable[[], datetime],
    ) -> None:
        self._queue = queue
        self._lineages = lineages
        self._targets = targets
        self._now = now

    def collect(self, *, dry: bool = False) -> OpeningStand:
        """What is owed and was in no queue is, afterwards; dry: nothing is written. Raises RotationError."""
        woken = self._queue.woken()  # before anything is looked at: who comes later wakes again
        aside = [] if dry else self._queue.set_damaged_aside()
        content = self._queue.content()
        queued = {(entry.host, entry.lineage): entry for entry in (*content.owed, *content.claimed)}
        dead = {(entry.host, entry.lineage): entry for entry in content.dead}
        confirmed = {(entry.host, entry.lineage): entry for entry in content.confirmed}
        found = self._lineages.read_all()
        now = self._now()
        unprovable = self._unprovable(found.lineages)
        debts = owed(
            found.lineages,
            self._targets,
            now=now,
            confirmed={key: each.fingerprint_sha256 for key, each in confirmed.items()},
            queued={key: each.fingerprint_sha256 for key, each in queued.items()},
            dead={key: each.fingerprint_sha256 for key, each in dead.items()},
            unreadable=found.failures,
        )
        asked_again = self._to_be_proven(debts, confirmed, unprovable)
        debts = replace(
            debts, new=(*debts.new, *asked_again), paid=tuple(debt for debt in debts.paid if debt not in asked_again)
        )
        if dry and (debts.new or debts.waiting):
            self._queue.foresee()
        if not dry:
            at = isoformat_utc(now)
            self._queue.enqueue(
                OwedEntry(
                    debt.host,
                    debt.lineage,
                    debt.fingerprint_sha256,
                    queued_at=at,
                    uploaded=debt.fingerprint_sha256 if debt in asked_again else None,
                )
                for debt in debts.new
            )
            self._queue.forget_wakes(woken)
        warnings = [
            f"{each.path}: {each.reason}. What it stood for is computed anew." for each in (*aside, *content.damaged)
        ]
        warnings += self._idle_endpoints(found.lineages)
        postponed = self._postponed(debts, queued, now)
        return OpeningStand(debts, queued, dead, confirmed, postponed, unprovable, found.failures, warnings)

    def _unprovable(self, lineages: t.Sequence[Lineage]) -> set[DebtKey]:
        """What a canary can only take: it gives no receipt, and no endpoint has to show this and nothing else."""
        found = set()
        for target in self._targets:
            if target.canary and target.protocol == "directory":
                gets = [lineage for lineage in lineages if matched_domains(target, lineage.domains)]
                found |= {(target.name, lineage.name) for lineage in gets if not can_prove(target, lineage, gets)}
        return found

    def _to_be_proven(
        self, debts: Debts, confirmed: t.Mapping[DebtKey, Confirmation], unprovable: t.Collection[DebtKey]
    ) -> set[Debt]:
        """What a host has taken, by all that is known, before it was made a canary, or got its endpoints."""
        canaries = {target.name for target in self._targets if target.canary}
        return {
            debt
            for debt in debts.paid
            if debt.host in canaries and debt.key not in unprovable and confirmed[debt.key].evidence == "upload"
        }

    def _postponed(self, debts: Debts, queued: t.Mapping[DebtKey, OwedEntry], now: datetime) -> dict[DebtKey, str]:
        """Beyond the pauses of one run. An instant too far away is that of a clock that was wrong."""
        pauses = {target.name: timedelta(seconds=target.retry_interval) for target in self._targets}
        instants = {debt.key: queued[debt.key].next_attempt for debt in debts.waiting if debt.key in queued}
        return {
            key: instant
            for key, instant in instants.items()
            if instant and pauses[key[0]] < parse_isoformat_utc(instant) - now <= LONGEST_POSTPONEMENT
        }

    def _idle_endpoints(self, lineages: t.Sequence[Lineage]) -> list[str]:
        """Sentences about those that prove nothing."""
        found = []
        for target in self._targets:
            gets = [lineage for lineage in lineages if matched_domains(target, lineage.domains)]
            for position, entry in enumerate(target.endpoints if gets else ()):
                endpoint = parse_endpoint(entry, position)
                if not any(concerns(endpoint, lineage) for lineage in gets):
                    key = "" if endpoint.key_type == "any" else f" and a key of type {endpoint.key_type}"
                    found.append(
                        f"{target.name}: no lineage that it gets has the name {endpoint.server_name}{key}, so"
                        f" {endpoint} is never asked."
                    )
        return found

    def note_work_of_others(self, report: PushReport, hosts: t.Collection[str] | None = None) -> None:
        """What another run has taken meanwhile: whether it is owed yet. hosts: only of these, which no attempt is under
        way for. Raises StoreError."""
        content = self._queue.content()
        left = {(entry.host, entry.lineage) for entry in (*content.owed, *content.claimed, *content.dead)}
        for confirmation in content.confirmed:
            key = confirmation.host, confirmation.lineage
            each = report.of(*key) if hosts is None or confirmation.host in hosts else None
            if not each or each.fault != "busy" or key in left:
                continue
            has = confirmation.fingerprint_sha256
            if has == each.fingerprint_sha256 or has != each.before:  # it may have been renewed since this run looked
                each.outcome, each.fingerprint_sha256 = "confirmed", has
                each.evidence, each.error, each.fault = confirmation.evidence, "", ""


def _given_up(entry: OwedEntry) -> str:
    return (
        f"It was given up after {entry.attempts} attempts: {entry.last_error} When that is mended, requeue it by"
        " push_queue with state=requeued."
    )


def _expired(lineage: str) -> str:
    return f"{lineage} has expired, so that no host would take it. Renew it."


def _idle(host: str) -> str:
    return f"{host}: no lineage has any of its domains, so it gets nothing. Are they right, and is one issued for them?"
