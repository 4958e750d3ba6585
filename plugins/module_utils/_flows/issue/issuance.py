# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Any number of certificates, as they should be: looked at, planned, issued by ACME, stored, or left to wait."""

from __future__ import annotations

import typing as t
from datetime import timedelta

from ..._core.acme.journal import is_held, is_stale, resumption
from ..._core.acme.ledger import AccountKey
from ..._core.acme.limits import limits_of
from ..._core.acme.plan import CertificatePlan, Considered, next_due, plan_batch
from ..._core.acme.reissue import due_again
from ..._core.acme.wanted import HeldCertificate
from ..._core.acme.when import certificate_id, due
from ..._errors import InvalidOption, RotationError, RunOvertaken
from .batch import Work
from .book import Book
from .failover import ACTIONS, Failover
from .foresight import Foresight
from .proofs import proofs_for
from .report import IssueReport, Outcome, StoreState
from .run_time import RunTime, concurrently
from .staging import Staging
from .stores import as_found

if t.TYPE_CHECKING:
    from ..._core.acme.authority import RenewalWindow
    from ..._core.acme.journal import JournalEntry
    from ..._core.acme.names import WantedCertificates
    from ..._core.acme.wanted import Issuer, WantedCertificate
    from .settings import IssuePorts, IssueSettings

#: Seconds that a run has at its end, whatever has ended it.
_TIDYING: t.Final = 60.0


class Issuance:
    """look, plan, promote, issue, fill, tidy.

    What goes wrong with one certificate is told in its outcome, and the others go on. What a run leaves unfinished is
    in the journal, and the next run goes on from there.
    """

    def __init__(
        self,
        wanted: WantedCertificates,
        settings: IssueSettings,
        ports: IssuePorts,
        run_time: RunTime,
        *,
        check_mode: bool = False,
    ) -> None:
        if not settings.issuers:
            raise InvalidOption("issuers: name at least one.")
        self._wanted = {each.name: each for each in wanted.wanted}
        self._settings = settings
        self._ports = ports
        self._time = run_time
        self._check_mode = check_mode
        self._now = run_time.now()
        self._outcomes = {
            each.name: Outcome(each.name, each.identifiers, truth=ports.truth_name) for each in wanted.wanted
        }
        refused = [Outcome(each.name, each.domains) for each in wanted.refused]
        for outcome, each in zip(refused, wanted.refused):
            outcome.fail(each.message)
        self.report = IssueReport([*self._outcomes.values(), *refused], self._now)
        self._plans: dict[str, CertificatePlan] = {}
        for warning in wanted.warnings:
            ports.warn(warning)

    def run(self) -> IssueReport:
        """Raises RotationError where nothing can be told of any certificate."""
        self.look()
        self.plan()
        if self._check_mode:
            self.predict()
        else:
            try:
                self.promote()
                self.issue()
            finally:
                self.fill()
                self.tidy()
        self.report.acme_requests = self._ports.authorities.requests
        self.report.next_due = self._next_due()
        if self._settings.incident is not None:
            self.report.reissue = self.foresight().reissue(self.report)
        return self.report

    # -- stages -------------------------------------------------------------------------------------------------

    def look(self) -> None:
        """What is held, where, what an earlier run has left, and what is remembered. Raises RotationError."""
        ports, wanted = self._ports, self._wanted
        self._held = ports.truth.look(wanted, now=self._now)
        bundles = {name: held.bundle for name, held in self._held.items()}
        standings = ports.stores.look(wanted.values(), bundles)
        self._found = tuple(ports.journal.read())
        self._book = Book(ports.journal, self._found)
        self._ledger, warning = ports.ledger.read()
        for text in (*ports.journal.damaged, *filter(None, [warning])):
            ports.warn(text)
        self._work = Work(
            self._settings,
            ports,
            self._time,
            self._book,
            self._ledger,
            proofs_for(self._settings, ports, self._time),
            standings,
            self._outcomes,
        )

    def plan(self) -> None:
        """What is to be done about each."""
        settings = self._settings
        windows = self._suggested = self._windows()
        dues = {
            name: due(
                wanted,
                self._held.get(name),
                now=self._now,
                issuers=settings.issuers,
                policy=settings.policy,
                window=windows.get(name),
                force=settings.force,
            )
            for name, wanted in self._wanted.items()
        }
        for name, why in self._concerned().items():
            dues[name] = due_again(dues[name], why, self._now)
        self._note_incident()
        begun = {entry.name for entry in self._book.entries}
        self._staging = Staging(settings, self._ports.truth, self._ledger, self._held, self._now)
        self._staging.look(name for name, each in dues.items() if each.is_due(self._now) or name in begun)
        resumed = self._resumable()
        considered = [
            Considered(
                wanted,
                self._held.get(name),
                dues[name],
                self._work.standings[name],
                resumed.get(name),
                self._staging.waits(wanted),
                self._refusals(wanted) if dues[name].is_due(self._now) else (),
            )
            for name, wanted in self._wanted.items()
        ]
        first = settings.issuers[0]
        is_any_due = any(each.is_due(self._now) for each in dues.values())
        account = self._account_of(first) if is_any_due else AccountKey(first.directory)
        limits = limits_of(first.directory)
        plans = plan_batch(considered, self._ledger, account, limits, self._now, force=settings.force)
        for plan in plans:
            self._plans[plan.wanted.name] = plan
            self._begin_outcome(plan)

    def predict(self) -> None:
        """For check mode: what a run would make of each."""
        ordered = [plan.wanted for plan in self._plans.values() if plan.orders and self._settings.locates]
        for name, error in self._work.proofs.impossible(ordered).items():
            self._outcomes[name].fail(error.message)
        for name, plan in self._plans.items():
            outcome = self._outcomes[name]
            if outcome.problems:
                continue
            outcome.action = ACTIONS[plan.action]
            orders = plan.action in ("renew", "issue", "resume", "promote")
            waits = orders and self._ports.truth.makes_candidate(name)
            outcome.stores.update(
                dict.fromkeys(self._work.standings[name] if orders and not waits else plan.stores, "stored")
            )
            if waits:
                outcome.action, outcome.stores[outcome.truth] = "staged", "staged"
            elif orders:
                outcome.stores[outcome.truth] = "stored"

    def promote(self) -> None:
        """What waits for its promotion, where what is current has ended."""
        for name, plan in self._plans.items():
            found = self._staging.found.get(name)
            if plan.action != "promote" or found is None or found.candidate is None:
                continue
            outcome, candidate = self._outcomes[name], found.candidate
            try:
                version = self._ports.truth.promote(name, candidate.version_id or "")
            except RotationError as error:
                outcome.fail(f"{plan.why} It was not made current: {error.message}")
                continue
            self._ledger.note_promoted(name)
            if candidate.bundle is not None:
                outcome.stored(version, candidate.bundle, candidate.directory)
                outcome.action = ACTIONS[plan.action]
                standings = self._work.standings[name]
                outcome.beside(self._ports.stores.put(plan.wanted, candidate.bundle, standings, is_new=True))

    def issue(self) -> None:
        """What is to be resumed or ordered; what goes wrong with the journal ends all of it."""
        failover = Failover(self._work, self._plans, self._held)
        try:
            failover.run()
        except RotationError as error:  # another run has the journal, or nothing can be written there
            self.report.was_overtaken = isinstance(error, RunOvertaken)
            failover.give_up(error)

    def fill(self) -> None:
        """Stores that lack what the truth has, also of certificates whose order has failed or waits."""
        rest = [
            (self._outcomes[name], plan, held.bundle)
            for name, plan in self._plans.items()
            if not self._outcomes[name].is_done and (held := self._held.get(name)) and held.bundle
        ]

        def fill(item: t.Any) -> None:
            outcome, plan, bundle = item
            standings = self._work.standings[plan.wanted.name]
            if self._time.why_over is None:
                outcome.beside(self._ports.stores.put(plan.wanted, bundle, standings, is_new=False))
            else:
                outcome.beside({store: as_found(standing) for store, standing in standings.items()})

        for (outcome, plan, _bundle), error in zip(rest, concurrently(fill, rest, self._settings.threads, None)):
            if isinstance(error, RotationError):
                outcome.fail(error.message)
            elif plan.action == "store" and not outcome.problems:
                if "stored" in outcome.stores.values():
                    outcome.action = "stored"
                else:
                    outcome.fail(f"Not finished: {self._time.why_over}.")

    def tidy(self) -> None:
        """Our values out of the DNS, those of earlier runs too; the journal true, the ledger written."""
        self._time.tidy_up(_TIDYING)
        ports, book = self._ports, self._book
        try:
            if book.values and not book.is_lost:
                book.own()
                still_there = self._work.proofs.withdraw(book.values)
                for text in dict.fromkeys(error.message for error in still_there.values()):
                    ports.warn(f"TXT values of this run are still in the DNS, and the next run withdraws them: {text}")
                book.withdrawn(still_there)
            book.close()
        except RotationError as error:
            ports.warn(error.message)
        self._note_incident()
        warning = ports.ledger.write(self._ledger, self._time.now())
        if warning:
            ports.warn(warning)

    def foresight(self) -> Foresight:
        """What is known once it has looked and planned."""
        accounts = [self._account_of(issuer) for issuer in self._settings.issuers]
        return Foresight(self._plans, self._held, self._suggested, self._ledger, accounts, self._found, self._now)

    # -- looking ------------------------------------------------------------------------------------------------

    def _windows(self) -> dict[str, RenewalWindow]:
        """What the CAs suggest for the certificates that are held. They are asked when they want to be, all at once."""
        if not self._settings.policy.renewal_info:
            return {}
        ids: dict[str, tuple[str, Issuer]] = {}
        for name, held in self._held.items():
            issuer = self._issuer_of(held.directory)
            identity = certificate_id(held.bundle.leaf) if held.bundle and issuer else None
            if issuer is not None and identity is not None:
                ids[name] = identity, issuer

        def ask(item: tuple[str, Issuer]) -> None:
            identity, issuer = item
            authority = self._ports.authorities.find(issuer)
            window = authority.renewal_window(identity) if authority else None
            if window is not None:
                self._ledger.note_window(identity, window, self._now)

        asks, ledger = self._settings.asks, self._ledger
        to_ask = [item for item in ids.values() if asks and ledger.must_ask(item[0], self._now)]
        for issuer in {item[1].directory: item[1] for item in to_ask}.values():
            self._ports.authorities.find(issuer)
        answers = concurrently(ask, to_ask, self._settings.threads, self._time)
        for text in dict.fromkeys(each.message for each in answers if isinstance(each, RotationError)):
            self._ports.warn(f"Renewals go by the lifetime, as the CA did not say when: {text}")
        windows = {name: self._ledger.window(identity) for name, (identity, _issuer) in ids.items()}
        return {name: window for name, window in windows.items() if window is not None}

    def _resumable(self) -> dict[str, JournalEntry]:
        """Of this run's certificates. What is of others stays for their run, as long as something can come of it."""
        for entry in self._book.entries:
            if entry.name not in self._wanted and is_stale(entry, self._now):
                self._book.drop(entry.order_url)
        for entry in self._book.entries:
            staged = self._staging.found.get(entry.name)
            if staged is not None and is_held(entry, staged.candidate):  # killed before it could write that down
                self._ports.warn(f"{entry.name}: the order {entry.order_url} of an earlier run is left: it is staged.")
                self._book.drop(entry.order_url)
                if staged.candidate is not None and staged.candidate.version_id:
                    self._ledger.note_staged(self._wanted[entry.name], staged.candidate.version_id, self._now)
        entries = [entry for entry in self._book.entries if entry.name in self._wanted]
        if not entries:
            return {}
        accounts, profiles = {}, {}
        for entry in entries:
            issuer = self._issuer_of(entry.directory)
            if issuer is not None:
                authority = self._ports.authorities.find(issuer)
                accounts[entry.directory] = authority.account_url if authority else entry.account_url
                profiles[entry.directory] = issuer.profile
        found = resumption(entries, self._wanted, self._held, accounts, profiles, self._now)
        for text in found.dropped:
            self._ports.warn(text)
        for entry in entries:
            if found.resumed.get(entry.name) is not entry:
                self._book.drop(entry.order_url)
        return dict(found.resumed)

    def _refusals(self, wanted: WantedCertificate) -> tuple[str, ...]:
        staged = self._staging.found.get(wanted.name)
        held, profile = self._held.get(wanted.name), wanted.profile or self._settings.issuers[0].profile
        why = self._ports.stores.why_not(wanted, self._work.standings[wanted.name], profile)
        found = (
            held.refusal if held else None,
            self._ports.truth.why_not(wanted.name),
            why,
            staged.why if staged else None,
        )
        return tuple(filter(None, found))

    def _concerned(self) -> dict[str, str]:
        """What an incident wants to be replaced, by name with the reason."""
        incident, found = self._settings.incident, {}
        for name, outcome in self._outcomes.items() if incident else ():
            held = self._held.get(name)
            why = incident.concerns(held) if incident else None
            if why is not None:
                outcome.reissue, found[name] = "to do", why
            elif incident and incident.was_replaced(held):
                outcome.reissue = "replaced"
        return found

    def _note_incident(self) -> None:
        """When its replacement began, and when it was over."""
        states = [outcome.reissue_state for outcome in self._outcomes.values() if outcome.reissue_state]
        is_known = states or all(held.bundle is not None for held in self._held.values())
        if self._settings.incident is not None and self._settings.incident.key and is_known:
            left = sum(state != "replaced" for state in states)
            self._ledger.note_incident(self._settings.incident.key, len(states), left, self._time.now())

    def _account_of(self, issuer: Issuer) -> AccountKey:
        authority = self._ports.authorities.find(issuer)
        return AccountKey(issuer.directory, authority.account_url if authority else "")

    def _issuer_of(self, directory: str | None) -> Issuer | None:
        return self._ports.authorities.issuer_of(directory)

    # -- telling ------------------------------------------------------------------------------------------------

    def _begin_outcome(self, plan: CertificatePlan) -> None:
        name, wanted = plan.wanted.name, plan.wanted
        outcome, held = self._outcomes[name], self._held.get(name)
        days = wanted.renew_before
        outcome.threshold = timedelta(days=days) if days is not None else self._settings.policy.renew_before
        outcome.reason, outcome.held_until, outcome.due = plan.why, plan.held_until, plan.due.at
        outcome.kinds = dict(self._ports.kinds)
        states: dict[str, StoreState] = {store: at.kind for store, at in self._work.standings[name].items()}
        outcome.stores = {outcome.truth: "current" if held and held.bundle else "other" if held else "absent", **states}
        for standing in self._work.standings[name].values():
            if standing.arn and ":acm:" in standing.arn:
                outcome.acm_arn = standing.arn
        if held is not None:
            outcome.arn, outcome.version_id, outcome.issuer = held.arn, held.version_id, held.directory
            outcome.before = outcome.bundle = held.bundle
        if plan.action == "wait":
            outcome.candidate = self._staging.candidacy(name)
        if plan.action in ("hold", "wait"):
            outcome.action = "held"
        elif plan.action == "refuse":
            outcome.fail(plan.why)
        if plan.action == "wait" and plan.due.urgent:
            outcome.fail(f"{plan.due.text} {plan.why} Promote it before that one cannot be served any more.")
        if plan.due.warning:
            self._ports.warn(f"{name}: {plan.due.warning}")

    def _next_due(self) -> t.Any:
        """When somebody should look again, at the latest."""
        rest = [plan for name, plan in self._plans.items() if not self._outcomes[name].is_done]
        coming = [next_due(rest, self._now)]
        for name, outcome in self._outcomes.items():
            if outcome.is_done and outcome.bundle is not None:
                held = HeldCertificate(outcome.bundle, outcome.issuer, self._wanted[name].profile)
                when = due(self._wanted[name], held, now=self._now, issuers=(), policy=self._settings.policy)
                outcome.due = when.at
                coming.append(when.at)
        return min((at for at in coming if at is not None), default=None)
