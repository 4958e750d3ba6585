# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The stages activate and prove of a deployment, and the way back. They begin from what is remembered on disk, so that
it makes no difference whether this run or one before it that was killed has made it live."""

from __future__ import annotations

import typing as t
from datetime import datetime

from ..._core.pipeline.manifest import Entry
from ..._core.push.deployments import TakenBack, Unfinished
from ..._core.services.debounce import debounce
from ..._core.services.definitions import LiveLineage, ServiceDefinition, ServiceOutcome
from ..._core.services.expected import EndpointVerdict
from ..._core.services.pending import PendingLineage, pushed, still_pending
from ..._core.unexpected import only_rotation_errors
from ..._errors import RotationError, StoreError
from ..._ports.store.directory import CertificateDirectory
from .unfinished import UnfinishedFile, fingerprint_of, live_lineages

if t.TYPE_CHECKING:
    from .settings import DeploymentSettings

_NOTHING_BEFORE: t.Final = "There is no version before that is whole, to go back to, so it stays."


class Telling:
    """unfinished: as it is on disk, and kept there; entries: what is live, by lineage; now: aware time.

    outcomes: of services, in order; rolled_back: lineages whose version before is live again; failures: lines; due:
    when services are told of what waits for the delay.
    """

    def __init__(
        self,
        directory: CertificateDirectory,
        settings: DeploymentSettings,
        unfinished: Unfinished,
        file: UnfinishedFile,
        entries: t.Mapping[str, Entry],
        *,
        lock_timeout: float,
        now: datetime,
        check_mode: bool,
    ) -> None:
        self._directory = directory
        self._settings = settings
        self._unfinished = unfinished
        self._file = file
        self._lock_timeout = lock_timeout
        self.now = now
        self._check_mode = check_mode
        self.entries = entries
        self.outcomes: list[ServiceOutcome] = []
        self.rolled_back: list[str] = []
        self.failures: list[str] = []
        self.due: datetime | None = None
        #: Lineages that a handshake got, and none did not, as far as they have been asked for.
        self.proven: set[str] = set()

    # -- stages -------------------------------------------------------------------------------------------------

    def activate(self) -> None:
        """Services are told of what is pending, when that is due."""
        settings, unfinished = self._settings, self._unfinished
        before = {each.lineage for each in unfinished.pending}
        # Of what concerns none of them nobody has to be told.
        unfinished.pending = still_pending(settings.services, unfinished.pending, ())
        debounced = debounce(unfinished.pending, self.now, settings.update_delay)
        is_due = debounced.due or settings.run_pending
        self.outcomes = self._told(unfinished.pending, due=is_due)
        if self._check_mode:
            return
        unfinished.pending = still_pending(settings.services, unfinished.pending, self.outcomes)
        if unfinished.pending and not is_due and debounced.at:
            self.due = debounced.at
        unfinished.receipts |= before - {each.lineage for each in unfinished.pending}
        self._ask_again()

    def go_back(self) -> None:
        """Where an endpoint shows something else, or nothing any more: on disk, and the services are told again."""
        if self._check_mode:
            return
        wrong = self._wrong()
        back = {name: why for name, why in wrong.items() if self._can_go_back(name)}
        for name, why in wrong.items():
            if name not in back:
                self._unfinished.unproven[name] = f"{why} {_NOTHING_BEFORE}"
                self._unfinished.receipts.add(name)
        if not back:
            return
        for name, why in back.items():
            self._unfinished.taken_back[name] = TakenBack(fingerprint_of(self.entries[name]), why)
            self._unfinished.pending = pushed(self._unfinished.pending, PendingLineage(name, "", self._long_ago()))
            self._unfinished.receipts.add(name)
        if not self._save() or not self._take_back(back):
            return
        outcomes = self._told([each for each in self._unfinished.pending if each.lineage in back], due=True)
        self._unfinished.pending = still_pending(self._settings.services, self._unfinished.pending, outcomes)
        self.outcomes += [outcome for outcome in outcomes if outcome.outcome != "unchanged"]

    # -- parts of them ------------------------------------------------------------------------------------------

    @property
    def live(self) -> list[LiveLineage]:
        return live_lineages(self._directory, self.entries)

    @property
    def has_work(self) -> bool:
        """Whether anybody was told, or went back."""
        return bool(self.rolled_back) or any(outcome.outcome in ("ran", "failed") for outcome in self.outcomes)

    def look_again(self) -> None:
        """At what is live now. Raises StoreError."""
        self.entries = self._directory.load()[0].entries

    def complaint(self, lineage: str) -> str:
        """Why services have not been told of it, do not serve it, or could not be asked; "" when nothing is wrong. For
        a receipt: everybody may read that."""
        wrong = [
            one
            for one in self.outcomes
            if lineage in one.unasked or (one.outcome == "failed" and lineage in one.lineages)
        ]
        return " ".join(f"{one.service}: {one.complaint}" for one in wrong)

    def _told(self, pending: t.Sequence[PendingLineage], *, due: bool) -> list[ServiceOutcome]:
        services = self._settings.services
        if not pending:
            return [ServiceOutcome(service.title, "unchanged", key=service.key) for service in services]
        from .services import run_services

        outcomes = run_services(
            services, pending, self.live, due=due, check_mode=self._check_mode, remember=self._remember
        )
        self.failures += [f"{one.service}: {one.message}" for one in outcomes if one.outcome == "failed"]
        self.proven.update(*(one.proven for one in outcomes))
        self.proven.difference_update(*((*one.wrong, *one.unasked) for one in outcomes))
        return outcomes

    def _ask_again(self) -> None:
        """Whether what was not shown is shown now: nobody is told anew of what he was told already."""
        unproven = self._unfinished.unproven
        waiting = [name for name in unproven if name in self.entries and not self._unfinished.is_pending(name)]
        wrong: set[str] = set()
        unasked: dict[str, str] = {}
        for service in self._settings.services if waiting else ():
            names = [name for name in waiting if service.concerns(name)]
            if names and service.endpoints:
                verdict = self._asked(service, names)
                self.proven.update(verdict.proven)
                wrong.update(verdict.wrong)
                unasked.update((name, " ".join(verdict.complaints)) for name in verdict.unasked)
        self.proven -= {*wrong, *unasked}
        for name in waiting:
            if name in wrong or name in unasked:
                # One that does not answer now has not shown it either.
                self.failures.append(" ".join(filter(None, (f"{name}: {unproven[name]}", unasked.get(name)))))
            else:
                del unproven[name]
                self._unfinished.receipts.add(name)

    def _asked(self, service: ServiceDefinition, names: t.Sequence[str]) -> EndpointVerdict:
        from .prove_services import ServiceProof

        return ServiceProof([service]).prove(service, names, self.live)

    def _wrong(self) -> dict[str, str]:
        """Lineage -> why. With those that a killed run was about to take back."""
        wrong = {name: self.complaint(name) for outcome in self.outcomes for name in outcome.wrong}
        for name, taken_back in self._unfinished.taken_back.items():
            entry = self.entries.get(name)
            if entry and fingerprint_of(entry) == taken_back.fingerprint_sha256:
                wrong.setdefault(name, taken_back.message)
        return {name: why for name, why in wrong.items() if name in self.entries}

    def _can_go_back(self, name: str) -> bool:
        """The first one stays: whoever reads it would find nothing. So does one that was seen served before."""
        from ..rotate.rollback import last_good

        entry = self.entries[name]
        target = last_good(entry)
        if target is None or entry.proven == entry.current.digest:
            return False
        with self._directory.looking():
            return self._directory.kept(entry, target) is not None

    def _long_ago(self) -> datetime:
        """A push whose services are told at once: they are not served by what they have, whoever tells them."""
        try:
            return self.now - self._settings.update_delay
        except OverflowError:
            return self.now

    def _take_back(self, back: t.Mapping[str, str]) -> bool:
        from ..rotate.rollback import take_back

        try:
            with only_rotation_errors():
                items = take_back(
                    self._directory, sorted(back), lock_timeout=self._lock_timeout, check_mode=False, was_loaded=True
                )
        except RotationError as error:
            self.failures.append(error.message)
            items = error.details.get("certificates", [])
        self.rolled_back = sorted(item["name"] for item in items if item["action"] == "restored")
        self.look_again()
        return bool(self.rolled_back)

    def _remember(self, pending: t.Sequence[PendingLineage]) -> None:
        """Which endpoints answered before anybody was told, and who has been told: the next run wants to know, should
        this one be killed."""
        known = {each.lineage: each for each in pending}
        self._unfinished.pending = tuple(known.get(each.lineage, each) for each in self._unfinished.pending)
        self._save()

    def _save(self) -> bool:
        """Whether it is remembered now."""
        try:
            self._file.save_alone(self._unfinished)
        except StoreError as error:
            self.failures.append(error.message)
            return False
        return True
