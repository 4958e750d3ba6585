# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What has begun is finished where it began, and what is to be ordered is ordered from one issuer after the other."""

from __future__ import annotations

import functools
import typing as t
from dataclasses import replace
from datetime import timedelta

from ..._core.acme.faults import consequence
from ..._core.acme.ledger import AccountKey
from ..._core.acme.limits import limits_of
from ..._errors import AcmeError, RotationError
from .batch import Batch

if t.TYPE_CHECKING:
    from ..._core.acme.authority import CertificateAuthority
    from ..._core.acme.journal import JournalEntry
    from ..._core.acme.plan import CertificatePlan
    from ..._core.acme.wanted import HeldCertificate, Issuer
    from .batch import Work
    from .report import Action

#: What results call the actions of a plan.
ACTIONS: t.Final[t.Mapping[str, Action]] = {
    "none": "unchanged",
    "store": "stored",
    "resume": "resumed",
    "renew": "renewed",
    "issue": "issued",
    "hold": "held",
    "wait": "held",
    "promote": "renewed",
    "refuse": "failed",
}


class Failover:
    """plans, held: by name of the certificate. What becomes of each is told in its outcome."""

    def __init__(
        self,
        work: Work,
        plans: t.Mapping[str, CertificatePlan],
        held: t.Mapping[str, HeldCertificate],
    ) -> None:
        self._work = work
        self._authorities = work.ports.authorities
        self._plans = plans
        self._held = held
        self._left = {name: plan for name, plan in plans.items() if plan.orders or plan.action == "resume"}
        self._errors: dict[str, list[RotationError]] = {}
        self._asked: dict[str, set[str]] = {}

    def run(self) -> None:
        """Raises RotationError when the journal cannot be written."""
        work, issuers = self._work, self._work.settings.issuers
        impossible = work.proofs.impossible([plan.wanted for plan in self._left.values() if plan.orders])
        for name, error in impossible.items():
            self._end(name, error)
        entries = [plan.entry for plan in self._left.values() if plan.entry is not None]
        for issuer in issuers:
            here = [entry for entry in entries if self._authorities.issuer_of(entry.directory) == issuer]
            if here:
                self._at(issuer, [entry.name for entry in here], functools.partial(self._resume, here))
        for issuer in issuers:
            names = [name for name in self._left if issuer.directory not in self._asked.get(name, ())]
            if names and work.time.why_over is None:
                self._at(issuer, names, functools.partial(self._order, [self._left[name] for name in names]))
        for name in list(self._left):
            self._end(name, *self._errors.get(name, [RotationError(work.time.why_over or "No issuer was asked.")]))

    def give_up(self, error: RotationError) -> None:
        """Of what is not in the truth yet."""
        for name in list(self._left):
            if not self._work.outcomes[name].is_settled:
                self._end(name, error)

    def _at(self, issuer: Issuer, names: t.Sequence[str], work: t.Callable[[Batch], dict[str, RotationError]]) -> None:
        """One batch at one issuer, and what follows from its failures."""
        try:
            authority = self._authorities.get(issuer, register=True)
            if authority is None:
                raise RotationError(f"There is no account at {issuer.directory}.")
        except RotationError as error:
            for name in names:
                self._settle(name, issuer, error)
            return
        failures = work(Batch(self._work, issuer, authority))
        if names and all(_is_of_account(failures.get(name)) for name in names):
            try:
                authority = self._authorities.registered_anew(issuer)
            except RotationError as error:
                failures, authority = dict.fromkeys(names, error), None
            if authority is not None:
                failures = work(Batch(self._work, issuer, authority))
        for name in names:
            if name in failures:
                self._settle(name, issuer, failures[name], authority)
            elif self._work.outcomes[name].is_settled:
                plan = self._left.pop(name)
                outcome = self._work.outcomes[name]
                if outcome.action != "failed":  # a store did not take it
                    outcome.action = ACTIONS[plan.action] if outcome.is_done else "staged"

    def _order(self, plans: t.Sequence[CertificatePlan], batch: Batch) -> dict[str, RotationError]:
        attempts, failures = batch.place(plans, self._held)
        return {**failures, **batch.pursue(attempts)}

    def _resume(self, entries: t.Sequence[JournalEntry], batch: Batch) -> dict[str, RotationError]:
        """Orders that lead nowhere any more are made anew."""
        attempts, failures = batch.resume(entries, {name: plan.wanted for name, plan in self._plans.items()})
        lost = {name for name, error in failures.items() if _is_worthless(error)}
        for entry in entries:
            if entry.name in lost:
                self._work.book.drop(entry.order_url)
                plan = self._plans[entry.name]
                usable = self._work.outcomes[entry.name].before is not None
                self._left[entry.name] = replace(plan, action="renew" if usable else "issue")
        kept = {name: error for name, error in failures.items() if name not in lost}
        return {**kept, **batch.pursue(attempts)}

    def _settle(
        self, name: str, issuer: Issuer, error: RotationError, authority: CertificateAuthority | None = None
    ) -> None:
        """What follows from a failure: another issuer, waiting, or the end."""
        what = consequence(error)
        self._errors.setdefault(name, []).append(error)
        if what == "failover":
            self._asked.setdefault(name, set()).add(issuer.directory)
            return
        plan = self._left[name]
        if what == "hold" and not plan.due.urgent and isinstance(error, AcmeError):
            account = AccountKey(issuer.directory, authority.account_url if authority else "")
            hold = self._work.ledger.hold(account, plan.wanted, limits_of(issuer.directory), self._work.time.now())
            outcome = self._work.outcomes[name]
            outcome.action, outcome.reason = "held", error.message
            outcome.held_until = (
                hold.until if hold else self._work.time.now() + timedelta(seconds=error.retry_after or 3600)
            )
            del self._left[name]
            return
        self._end(name, *self._errors[name])

    def _end(self, name: str, *errors: RotationError) -> None:
        self._left.pop(name, None)
        self._work.outcomes[name].fail(" ".join(dict.fromkeys(error.message for error in errors)))


def _is_worthless(error: RotationError) -> bool:
    """Of an order of an earlier run: nothing will ever come of it."""
    return isinstance(error, AcmeError) and error.fault in ("gone", "identifier", "account", "request")


def _is_of_account(error: RotationError | None) -> bool:
    return isinstance(error, AcmeError) and error.fault == "account"
