# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The push queue kept right: what is owed is in it, what was given up is taken up again, what is over is forgotten."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from ..._core.instants import isoformat_utc
from ..._core.push.debts import Debt, owed
from ..._core.push.entries import OwedEntry
from ..._core.push.queue_report import QueueOutcome, QueueReport

if t.TYPE_CHECKING:
    from datetime import datetime

    from ..._core.push.debts import DebtKey, Debts
    from ..._core.push.targets import PushTarget
    from ..._ports.lineages.certbot_live import CertbotLive, FoundLineages
    from ..._ports.queue.push_queue import PushQueue, QueueContent


@dataclass(frozen=True)
class QueueScope:
    """hosts, lineages: names of those that it is about, () for all."""

    hosts: tuple[str, ...] = ()
    lineages: tuple[str, ...] = ()

    def __contains__(self, key: DebtKey) -> bool:
        host, lineage = key
        return (not self.hosts or host in self.hosts) and (not self.lineages or lineage in self.lineages)

    @property
    def is_all(self) -> bool:
        return not self.hosts and not self.lineages


class QueueKeeper:
    """now: aware; check_mode: nothing is written. Methods raise StoreError and LineageError."""

    def __init__(self, queue: PushQueue, scope: QueueScope, *, now: datetime, check_mode: bool) -> None:
        self._queue = queue
        self._scope = scope
        self._now = now
        self._check_mode = check_mode
        self._report = QueueReport()
        woken = queue.woken()  # before anything is looked at: who comes later wakes again
        self._content = self._look()
        self._woken = woken

    @property
    def before(self) -> dict[DebtKey, str]:
        """Fingerprints of what was owed."""
        return _fingerprints((*self._content.claimed, *self._content.owed))

    def queue_debts(self, targets: t.Sequence[PushTarget], lineages: CertbotLive, *, force: bool) -> QueueReport:
        """force: also of what hosts have, of what was given up, and of what is postponed or being pushed just now."""
        found = lineages.read_all(self._scope.lineages or None)
        debts = self._debts(
            [target for target in targets if not self._scope.hosts or target.name in self._scope.hosts], found
        )
        new, given_up, paid, waiting = (list(each) for each in (debts.new, debts.given_up, debts.paid, debts.waiting))
        if force:
            # The next run pushes it anyhow.
            next_ones = {(entry.host, entry.lineage) for entry in self._content.owed if entry.next_attempt is None}
            again = [debt for debt in waiting if debt.key not in next_ones]
            new, given_up, paid = [*new, *given_up, *paid, *again], [], []
            waiting = [debt for debt in waiting if debt.key in next_ones]
        self._note(new, "queued")
        self._note(waiting, "waiting")
        self._note(given_up, "dead")
        self._note(paid, "confirmed")
        self._report.failures.update(found.failures)
        if self._scope.is_all:
            self._report.strays += debts.strays
            if debts.strays:
                named = ", ".join(f"{lineage} for {host}" for host, lineage in debts.strays)
                self._report.warnings.append(
                    f"In the queue, and no target wants it any more: {named}. Forget it with state=forgotten."
                )
        if debts.idle and not self._scope.lineages:
            self._report.warnings.append(
                f"{', '.join(debts.idle)}: no lineage has any of the domains, so nothing is pushed there. Correct them,"
                " or have one issued."
            )
        self._report.warnings += [
            f"{name} has expired, so no host would take it. Renew it, or remove the lineage." for name in debts.expired
        ]
        if self._check_mode and new:
            self._queue.foresee()
        if not self._check_mode:
            at = isoformat_utc(self._now)
            self._queue.enqueue(
                OwedEntry(debt.host, debt.lineage, debt.fingerprint_sha256, at, forced=force) for debt in new
            )
            if self._scope.is_all:
                self._queue.forget_wakes(self._woken)
        return self._report

    def requeue(self) -> QueueReport:
        """What was given up, and what is postponed."""
        postponed = [entry for entry in self._content.owed if entry.next_attempt]
        entries = [entry for entry in (*self._content.dead, *postponed) if (entry.host, entry.lineage) in self._scope]
        self._report.outcomes += [
            QueueOutcome(entry.host, entry.lineage, "requeued", entry.fingerprint_sha256) for entry in entries
        ]
        if self._check_mode and entries:
            self._queue.foresee()
        if not self._check_mode:
            self._queue.requeue([(entry.host, entry.lineage) for entry in entries], now=isoformat_utc(self._now))
        return self._report

    def forget(self) -> QueueReport:
        """All that is known of what it is about."""
        return self._forget([key for key in self._known if key in self._scope])

    def forget_strays(self, targets: t.Sequence[PushTarget], lineages: CertbotLive) -> QueueReport:
        """What nobody wants any more, and all of hosts that are no targets."""
        strays = self._debts(targets, lineages.read_all()).strays
        names = {target.name for target in targets}
        return self._forget([key for key in self._known if key in strays or key[0] not in names])

    @property
    def _known(self) -> set[DebtKey]:
        return {*self.before, *_fingerprints(self._content.dead), *_fingerprints(self._content.confirmed)}

    def _forget(self, keys: t.Collection[DebtKey]) -> QueueReport:
        self._report.outcomes += [QueueOutcome(*key, "forgotten") for key in keys]
        if self._check_mode and keys:
            self._queue.foresee()
        if not self._check_mode:
            self._queue.forget(keys)
        return self._report

    def _debts(self, targets: t.Sequence[PushTarget], found: FoundLineages) -> Debts:
        return owed(
            found.lineages,
            targets,
            now=self._now,
            confirmed=_fingerprints(self._content.confirmed),
            queued=self.before,
            dead=_fingerprints(self._content.dead),
            unreadable=found.failures,
        )

    def _look(self) -> QueueContent:
        content = self._queue.content()
        if content.damaged:
            moved = content.damaged if self._check_mode else self._queue.set_damaged_aside()
            self._report.set_aside += [damaged.path for damaged in moved]
        self._report.warnings += [
            f"{damaged.path}: {damaged.reason}. It is kept in {self._queue.path}/bad, and what it stood for is computed"
            " anew."
            for damaged in content.damaged
        ]
        return content

    def _note(self, debts: t.Iterable[Debt], action: t.Literal["queued", "waiting", "dead", "confirmed"]) -> None:
        self._report.outcomes += [QueueOutcome.of(debt, action) for debt in debts]


def _fingerprints(entries: t.Iterable[t.Any]) -> dict[DebtKey, str]:
    """Of owed entries and confirmations."""
    return {(entry.host, entry.lineage): entry.fingerprint_sha256 for entry in entries}
