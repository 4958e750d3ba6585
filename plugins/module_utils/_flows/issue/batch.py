# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A batch at one issuer: ordered, journalled, shown to be ours, finalized, verified, stored."""

from __future__ import annotations

import typing as t

from ..._core.acme.caa import caa_problem
from ..._core.acme.faults import note_error
from ..._core.acme.ledger import AccountKey
from ..._core.acme.limits import limits_of
from ..._core.acme.names import is_address
from ..._core.acme.plan import is_exempt
from ..._core.acme.when import certificate_id, same_directory
from ..._core.promotion import CURRENT
from ..._core.unexpected import only_rotation_errors
from ..._errors import AcmeError, DnsError, RotationError
from .book import attempt_of, entry_of
from .orders import OrderAttempt, Orders, OrderWish
from .received import NotServable, received
from .run_time import RunEnds, concurrently

if t.TYPE_CHECKING:
    from ..._core.acme.authority import CertificateAuthority
    from ..._core.acme.journal import JournalEntry, PlacedValue
    from ..._core.acme.ledger import Ledger
    from ..._core.acme.plan import CertificatePlan
    from ..._core.acme.wanted import HeldCertificate, Issuer, WantedCertificate
    from .book import Book
    from .proofs import DnsProofs
    from .report import Outcome
    from .run_time import RunTime
    from .settings import IssuePorts, IssueSettings
    from .stores import Standings


class Work(t.NamedTuple):
    """What the batches of a run have in common. standings, outcomes: by name of the certificate."""

    settings: IssueSettings
    ports: IssuePorts
    time: RunTime
    book: Book
    ledger: Ledger
    proofs: DnsProofs
    standings: t.Mapping[str, Standings]
    outcomes: t.Mapping[str, Outcome]


class NotStored(RotationError):
    """Issued, but the truth did not take it: the next run tries that again, without another order."""


class Batch:
    """All that goes wrong with one certificate is its own: each method returns the failures by name."""

    def __init__(self, work: Work, issuer: Issuer, authority: CertificateAuthority) -> None:
        settings = work.settings
        self._work = work
        self._issuer = issuer
        self._authority = authority
        self._account = AccountKey(issuer.directory, authority.account_url)
        self._limits = limits_of(issuer.directory)
        self._orders = Orders(
            authority,
            issuer,
            settings.challenge,
            work.time,
            threads=settings.threads,
            make_key=work.ports.make_key,
        )
        self._exempt: set[str] = set()

    def resume(
        self, entries: t.Sequence[JournalEntry], wanted: t.Mapping[str, WantedCertificate]
    ) -> tuple[list[OrderAttempt], dict[str, RotationError]]:
        """Orders of an earlier run."""
        begun = [attempt_of(entry, wanted[entry.name], self._issuer) for entry in entries]
        return self._told_apart([entry.name for entry in entries], self._orders.resume(begun))

    def place(
        self, plans: t.Sequence[CertificatePlan], held: t.Mapping[str, HeldCertificate]
    ) -> tuple[list[OrderAttempt], dict[str, RotationError]]:
        """New orders, for what the CA may issue."""
        everything = [plan.wanted for plan in plans]
        try:
            failures = {**self._refused_by_caa(everything), **self._work.proofs.refused(everything, self._authority)}
        except AcmeError as error:  # nothing was ordered: another CA may do
            return [], dict.fromkeys((each.name for each in everything), error)
        plans = [plan for plan in plans if plan.wanted.name not in failures]
        wishes = [OrderWish(plan.wanted, self._replaced(held.get(plan.wanted.name))) for plan in plans]
        self._exempt = {
            plan.wanted.name for plan in plans if is_exempt(plan.due, held.get(plan.wanted.name), self._account)
        }
        attempts, more = self._told_apart([plan.wanted.name for plan in plans], self._orders.place(wishes))
        for attempt in attempts:
            self._work.ledger.note_order(
                self._account, self._limits, self._work.time.now(), exempt=attempt.wanted.name in self._exempt
            )
        failures.update(more)
        self._note(failures, {plan.wanted.name: plan.wanted for plan in plans})
        return attempts, failures

    def pursue(self, attempts: t.Sequence[OrderAttempt]) -> dict[str, RotationError]:
        """To the stores. Raises RotationError when the journal is another run's now."""
        values = self._enter(attempts)
        going_on = [attempt for attempt in attempts if attempt.is_going_on]
        not_shown = self._work.proofs.show({each.wanted.name: values[each.wanted.name] for each in going_on})
        for attempt in going_on:
            attempt.error = not_shown.get(attempt.wanted.name)
        self._orders.answer(attempts)
        self._orders.finish(attempts, lambda ready: self._fence(ready, values))
        issued = [attempt for attempt in attempts if attempt.chain is not None]
        for attempt, stored in zip(issued, concurrently(self._store, issued, self._work.settings.threads, None)):
            if isinstance(stored, RotationError):
                attempt.error = stored
            else:
                self._work.book.drop_certificate(attempt.wanted.name)
                self._note_staged(attempt.wanted)
                self._work.ledger.note_certificate(
                    self._account,
                    attempt.wanted,
                    self._limits,
                    self._work.time.now(),
                    exempt=attempt.wanted.name in self._exempt,
                )
        for attempt in attempts:
            if attempt.error is not None and not _goes_on_later(attempt.error):
                self._work.book.drop(attempt.order.url)
        failures = {attempt.wanted.name: attempt.error for attempt in attempts if attempt.error is not None}
        self._note(failures, {attempt.wanted.name: attempt.wanted for attempt in attempts})
        return failures

    # -- steps --------------------------------------------------------------------------------------------------

    def _enter(self, attempts: t.Sequence[OrderAttempt]) -> dict[str, tuple[PlacedValue, ...]]:
        """Into the journal, before anything is shown. Raises RotationError."""
        values: dict[str, tuple[PlacedValue, ...]] = {}
        for attempt in attempts:
            try:
                with only_rotation_errors():
                    values[attempt.wanted.name] = self._work.proofs.values(attempt)
            except RotationError as error:
                attempt.error = error
                values[attempt.wanted.name] = ()
        now = self._work.time.now()
        self._work.book.enter(
            entry_of(attempt, self._authority, values[attempt.wanted.name], "ordered", now)
            for attempt in attempts
            if attempt.is_going_on
        )
        return values

    def _fence(self, ready: t.Sequence[OrderAttempt], values: t.Mapping[str, tuple[PlacedValue, ...]]) -> None:
        """Before they are finalized. Raises RotationError."""
        now = self._work.time.now()
        self._work.book.enter(
            entry_of(attempt, self._authority, values[attempt.wanted.name], "finalized", now) for attempt in ready
        )

    def _store(self, attempt: OrderAttempt) -> None:
        wanted, now = attempt.wanted, self._work.time.now()
        bundle = received(attempt, now)
        ports, outcome = self._work.ports, self._work.outcomes[wanted.name]
        try:
            stored = ports.truth.put(wanted, bundle, self._issuer.directory, attempt.profile)
        except RotationError as error:
            raise NotStored(
                f"It is issued, but Secrets Manager did not take it: {error.message} The next run stores it, without"
                " another order."
            ) from None
        if stored.label != CURRENT:
            outcome.staged(stored, bundle)
            return
        outcome.stored(stored, bundle, self._issuer.directory)
        outcome.beside(ports.stores.put(wanted, bundle, self._work.standings.get(wanted.name, {}), is_new=True))

    # -- parts of them ------------------------------------------------------------------------------------------

    def _refused_by_caa(self, wanted: t.Sequence[WantedCertificate]) -> dict[str, RotationError]:
        rule = self._work.settings.caa
        identities = () if rule == "ignore" else self._authority.facts().caa_identities
        if not identities:
            return {}
        names = {each: each.removeprefix("*.") for one in wanted for each in one.identifiers if not is_address(each)}
        try:
            found = self._work.ports.resolver().caa(dict.fromkeys(names.values()))
        except RotationError as error:
            self._work.ports.warn(f"CAA records were not looked at: {error.message}")
            return {}
        unknown = [(name, answer.message) for name, answer in found.items() if isinstance(answer, RotationError)]
        for text in dict.fromkeys(message for _name, message in unknown):
            names_of = [name for name, message in unknown if message == text]
            more = f" and {len(names_of) - 1} more" if len(names_of) > 1 else ""
            self._work.ports.warn(f"The CAA records for {names_of[0]}{more} cannot be looked up: {text}")
        failures: dict[str, RotationError] = {}
        for one in wanted:
            answers = [(each, found[names[each]]) for each in one.identifiers if each in names]
            told = [
                caa_problem(
                    each,
                    answer,
                    identities=identities,
                    account_url=self._authority.account_url,
                    challenge=self._work.settings.challenge,
                )
                for each, answer in answers
                if not isinstance(answer, RotationError)
            ]
            problems = [problem for problem in told if problem]
            if problems and rule == "refuse":
                failures[one.name] = RotationError(" ".join(problems))
            for problem in problems if rule == "warn" else ():
                self._work.ports.warn(f"{one.name}: {problem}")
        return failures

    def _replaced(self, held: HeldCertificate | None) -> str | None:
        """The id of the certificate that a new order replaces, for the CA that has issued it."""
        if held is None or held.bundle is None or held.directory is None:
            return None
        if not same_directory(held.directory, self._issuer.directory):
            return None
        return certificate_id(held.bundle.leaf)

    def _note_staged(self, wanted: WantedCertificate) -> None:
        candidate = self._work.outcomes[wanted.name].candidate
        if candidate is not None and candidate.version_id:
            self._work.ledger.note_staged(wanted, candidate.version_id, self._work.time.now())

    def _note(self, failures: t.Mapping[str, RotationError], wanted: t.Mapping[str, WantedCertificate]) -> None:
        """What counts at the next run: what the CA has said, that a name could not be shown, or what it has issued."""
        for name, error in failures.items():
            if name in wanted and isinstance(error, (AcmeError, DnsError, NotServable)):
                note_error(self._work.ledger, self._account, wanted[name], error, self._work.time.now())

    @staticmethod
    def _told_apart(
        names: t.Sequence[str], found: t.Sequence[OrderAttempt | RotationError]
    ) -> tuple[list[OrderAttempt], dict[str, RotationError]]:
        attempts = [each for each in found if isinstance(each, OrderAttempt)]
        return attempts, {name: each for name, each in zip(names, found) if isinstance(each, RotationError)}


def _goes_on_later(error: RotationError) -> bool:
    """Whether the order is worth something to the next run."""
    if isinstance(error, AcmeError):
        return error.fault in ("authority", "rate_limited")
    return isinstance(error, (RunEnds, NotStored))
