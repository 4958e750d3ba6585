# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A deployment: what was pushed to this host becomes live, its services are told, and the pusher gets a receipt."""

from __future__ import annotations

import contextlib
import copy
import functools
import itertools
import typing as t
from datetime import datetime, timedelta

from ..._core.instants import isoformat_utc
from ..._core.pipeline.plan import Plan, date_problems
from ..._core.pipeline.source import MAX_SIZE, SecretFailure, SecretValue, SecretVersion, size_of
from ..._core.pipeline.sync_report import SyncReport
from ..._core.push.deployments import Unfinished
from ..._core.services.pending import PendingLineage
from ..._core.unexpected import only_rotation_errors
from ..._errors import RotationError, StoreError
from ..._ports.staging.directory import StagingDirectory
from ..._ports.staging.receipts import ReceiptDirectory
from ..._ports.store.directory import CertificateDirectory
from ..rotate.sync import CertificateSync, Found
from ..rotate.sync_options import SyncOptions
from .intake import Intake, Refusal, claimed_fingerprint, lineage_of, staged_name_of
from .recording import receipts_for, record_served
from .settings import DeploymentSettings
from .telling import Telling
from .unfinished import UnfinishedFile, fingerprint_of, is_untold
from .verdicts import UploadVerdict, reasons

if t.TYPE_CHECKING:
    from ..._core.pipeline.manifest import Entry
    from ..._core.push.receipt import Receipt
    from ..rotate.installer import Installation

_LOCK: t.Final = "deployment.lock"
_UNPUSHED: t.Final = "and no newer one has been pushed. Renew it where it comes from, or remove it here"
_AT_A_TIME: t.Final = 50  # see sync.py
_LEFT_FOR_DEAD: t.Final = timedelta(days=1)


class CertificateDeployment(CertificateSync):
    """discover, fetch, verify, plan and write are those of a sync whose source is the staging directory; activate and
    go_back begin from what is remembered on disk, whoever wrote it; record tells the pusher, and empties staging.

    now: aware time at which the run began; before_change: as of CertificateSync.
    """

    def __init__(
        self,
        staging: StagingDirectory,
        directory: CertificateDirectory,
        options: SyncOptions,
        settings: DeploymentSettings,
        *,
        now: datetime,
        check_mode: bool = False,
        before_change: t.Callable[[], None] = lambda: None,
    ) -> None:
        super().__init__(staging, directory, options, now=now, check_mode=check_mode, before_change=before_change)
        self._staging = staging
        self._settings = settings
        self._unfinished = Unfinished()
        self._file = UnfinishedFile(directory, options.lock_timeout)
        self._verdicts: list[UploadVerdict] = []
        self._receipts: list[Receipt] = []
        self._is_saved = True

    def run(self) -> SyncReport:
        """The pipeline. Raises RotationError where the staging directory or the live one cannot be used at all."""
        if self._check_mode:
            self._directory.foresee()
        with self._directory.reserved(_LOCK, self._options.lock_timeout, create=not self._check_mode):
            found = self.discover()
            with self.opened():
                self.recall()
                plan = self.plan(found)
                for uploads in self.fetch(plan):
                    self.write(self.verify(uploads))
                self.settle(found)
            if self._is_saved:
                self.activate()
                self.go_back()
            self.record()
        return self.report

    def result(self) -> dict[str, t.Any]:
        """What the module returns of a run."""
        told = self._telling.outcomes
        states = {receipt.lineage: receipt.state for receipt in self._receipts}
        hidden = ("arn", "version_id", "proven", "loaded")
        lineages = [
            {**{name: value for name, value in item.items() if name not in hidden}, "state": states.get(item["name"])}
            for item in self.report.items
        ]
        changed = self.report.changed or any(outcome.outcome == "ran" for outcome in told)
        waiting = [verdict for verdict in self._verdicts if verdict.outcome == "waiting"]
        failures = self.report.as_result()
        return {
            "changed": changed or bool(self._telling.rolled_back),
            "lineages": lineages,
            "waiting": [{"name": verdict.lineage, "message": verdict.message} for verdict in waiting],
            "services": [outcome.as_result() for outcome in told],
            "services_due": isoformat_utc(self._telling.due) if self._telling.due else None,
            "rolled_back": self._telling.rolled_back,
            **{name: failures[name] for name in ("failures", "failures_by_cause")},
        }

    # -- stages -------------------------------------------------------------------------------------------------

    def discover(self) -> Found:
        """What was uploaded?"""
        if not self._check_mode:
            self._staging.recover()
        return super().discover()

    def recall(self) -> None:
        """What have earlier runs left to be done?"""
        self._unfinished, damage = self._file.load(self._manifest.entries, self._now)
        self.report.warnings += [damage] if damage else []
        for name, entry in sorted(self._manifest.entries.items()):
            # Gone back to by hand, for one, or written by another module.
            if is_untold(entry) and not self._unfinished.is_pending(name) and name not in self._unfinished.unproven:
                self._become_live(entry)

    def plan(self, found: Found) -> Plan[SecretVersion]:
        """Each upload is read. Names of lineages never meet: those that differ in case alone are two directories."""
        super().plan(found)
        return Plan(fetch=list(found.discovery.secrets))

    def fetch(self, plan: Plan[SecretVersion]) -> t.Iterator[list[SecretValue | SecretFailure]]:
        """All uploads of a lineage together."""
        batch: list[SecretValue | SecretFailure] = []
        for _name, uploads in itertools.groupby(itertools.chain.from_iterable(super().fetch(plan)), key=lineage_of):
            batch += uploads
            if len(batch) >= _AT_A_TIME or size_of(batch) >= MAX_SIZE:
                yield batch
                batch = []
        if batch:
            yield batch

    def verify(self, secrets: t.Iterable[SecretValue | SecretFailure]) -> list[Installation]:
        """Of each lineage the newest upload that may be served; all others are told of."""
        verified = []
        for _name, uploads in itertools.groupby(secrets, key=lineage_of):
            chosen = self._intake.choose(list(uploads), self._installer)
            for refusal in chosen.refused:
                self._refuse(refusal)
            superseded = [
                UploadVerdict(staged_name_of(each), lineage_of(each), "superseded") for each in chosen.superseded
            ]
            self._verdicts += superseded
            if chosen.installation and chosen.upload:
                entry = chosen.installation.entry
                verdict = UploadVerdict(staged_name_of(chosen.upload), entry.name, "taken", fingerprint_of(entry))
                self._verdicts.append(verdict)
                verified.append(chosen.installation)
        return verified

    def write(self, installations: t.Sequence[Installation]) -> None:
        """That services are to be told is remembered first: whoever is killed then has told the next run."""
        before = copy.deepcopy(self._unfinished)
        installations = self._remembered(installations)
        super().write(installations)
        for installation in installations:
            name = installation.entry.name
            if self._manifest.entries.get(name) is installation.entry:
                self._describe_adopted(installation.entry)
            else:
                self._unfinished.recall(name, before)
                self._taken(name).fail(self._refusal_of(name))

    def settle(self, found: Found) -> None:  # noqa: ARG002
        """What is older than all that was read; and what expires, though nobody has pushed a newer one."""
        self._verdicts += [
            UploadVerdict(each.described["upload"], each.name, "superseded") for each in self._staging.superseded
        ]
        done = {item["name"] for item in self.report.items if item["action"] in ("created", "updated", "unchanged")}
        for name, entry in sorted(self._manifest.entries.items()):
            if name not in done:
                dates = date_problems(
                    entry.current.summary, now=self._now, min_remaining=self._options.min_remaining, why=_UNPUSHED
                )
                self.report.warnings += [f"{name}: {problem.message} [{problem.code}]" for problem in dates]

    def activate(self) -> None:
        """Tell the services of what has become live, and prove that they serve it."""
        if not self._check_mode:
            self._before_change()
        self._telling.activate()

    def go_back(self) -> None:
        """Where they do not."""
        self._telling.go_back()

    def record(self) -> None:
        """What has been served; receipts for the pusher; and staging is emptied of all that is settled."""
        telling, unfinished = self._telling, self._unfinished
        if self._check_mode:
            return
        for line in telling.failures:
            self.report.fail(line, "host")
        if self._is_saved and (self._verdicts or telling.has_work or self._file.is_news(unfinished)):
            with self._noting_errors():
                record_served(
                    self._directory, telling, unfinished, self.report.failures, lock_timeout=self._options.lock_timeout
                )
                telling.look_again()
        self._receipts = receipts_for(self._verdicts, telling, unfinished)
        written = self._write_receipts()
        unfinished.tell(written)
        with self._noting_errors():
            self._file.save_alone(unfinished)
            self._empty_staging(written)

    # -- parts of them ------------------------------------------------------------------------------------------

    @functools.cached_property
    def _intake(self) -> Intake:
        settle = self._settings.settle.total_seconds()
        return Intake(
            self._staging,
            self._options.verifier(),
            settle=settle,
            allow_older=self._settings.allow_older,
            now=self._now,
        )

    @functools.cached_property
    def _telling(self) -> Telling:
        return Telling(
            self._directory,
            self._settings,
            self._unfinished,
            self._file,
            self._manifest.entries,
            lock_timeout=self._options.lock_timeout,
            now=self._now,
            check_mode=self._check_mode,
        )

    def _remembered(self, installations: t.Sequence[Installation]) -> list[Installation]:
        """Those that may be written. They are known to be pending on disk, where they change what is live."""
        news = [each for each in installations if self._is_news(each)]
        before = copy.deepcopy(self._unfinished)
        for each in installations:
            self._unfinished.taken_back.pop(each.entry.name, None)
        for each in news:
            self._become_live(each.entry)
        if not news or self._check_mode:
            return list(installations)
        self._before_change()
        try:
            self._file.save(self._unfinished)
        except StoreError as error:
            for each in news:
                self._unfinished.recall(each.entry.name, before)
                self._reporter.failed(each.entry, "write_failed", error)
                self._taken(each.entry.name).fail(self._refusal_of(each.entry.name))
            return [each for each in installations if each not in news]
        return list(installations)

    def _become_live(self, entry: Entry) -> None:
        pending = PendingLineage(entry.name, fingerprint_of(entry), self._now)
        self._unfinished.become_live(pending, self._settings.receipts or "")

    def _is_news(self, installation: Installation) -> bool:
        """For services: another owner or mode is none."""
        old, new = installation.old, installation.entry
        return old is None or old.current.digest != new.current.digest or not self._directory.intact(old)

    def _refuse(self, refusal: Refusal) -> None:
        staged, name = staged_name_of(refusal.upload), lineage_of(refusal.upload)
        message = reasons([problem.as_dict() for problem in refusal.problems])
        if refusal.is_waiting:
            self._verdicts.append(UploadVerdict(staged, name, "waiting", message=message))
            return
        self._reporter.refused(name, refusal.problems, arn="")
        verdict = UploadVerdict(staged, name, "refused", claimed_fingerprint(refusal.upload))
        verdict.fail(self._refusal_of(name))
        self._verdicts.append(verdict)

    def _taken(self, name: str) -> UploadVerdict:
        return next(each for each in self._verdicts if each.lineage == name and each.outcome == "taken")

    def _refusal_of(self, name: str) -> dict[str, t.Any]:
        """Its last item in the report."""
        return next(item for item in reversed(self.report.items) if item["name"] == name)

    def _describe_adopted(self, entry: Entry) -> None:
        """What somebody else had put there is known by its bytes alone until now, and may have to be proven."""
        from ..._core.x509.bundle import describe_pem

        for number, version in enumerate(entry.previous):
            parts = None if version.summary or self._check_mode else self._directory.kept(entry, version)
            if parts:
                with contextlib.suppress(RotationError):
                    entry.previous[number] = version._replace(summary=describe_pem(parts["fullchain"]))

    def _save(self) -> None:
        """What is live and could not be remembered is no ground for anything that follows."""
        failures = len(self.report.failures)
        super()._save()
        self._is_saved = len(self.report.failures) == failures
        for verdict in self._verdicts if not self._is_saved else ():
            verdict.give_up(self.report.failures[-1])

    def _write_receipts(self) -> set[str]:
        """Returns the lineages of which nothing more has to be written. Each pusher looks in a directory of its own."""
        pushed_now = {verdict.lineage for verdict in self._verdicts}
        by_place: dict[str, list[Receipt]] = {}
        for receipt in self._receipts:
            own = self._settings.receipts or ""
            place = own if receipt.lineage in pushed_now else self._unfinished.origins.get(receipt.lineage, own)
            by_place.setdefault(place, []).append(receipt)
        left: set[str] = set()
        for place, receipts in by_place.items():
            names = {receipt.lineage for receipt in receipts}
            left |= names
            with self._noting_errors():
                directory = ReceiptDirectory(place)
                # The pusher of earlier may be gone. That this run's own directory cannot be made is a failure.
                if place and (place == self._settings.receipts or not directory.is_gone()):
                    directory.write(receipts)
                    if any(receipt.state == "refused" for receipt in receipts):
                        directory.forget(self._telling.entries)
                left -= names
        return {*pushed_now, *self._unfinished.receipts} - left

    def _empty_staging(self, told: t.Collection[str]) -> None:
        for verdict in self._verdicts:
            if verdict.is_over and verdict.lineage in told:
                with self._noting_errors():
                    self._staging.remove(verdict.staged)
        with self._noting_errors():
            self._staging.remove_old_uploads((self._now - _LEFT_FOR_DEAD).timestamp())

    @contextlib.contextmanager
    def _noting_errors(self) -> t.Iterator[None]:
        """Of what must not keep the run from going on."""
        try:
            with only_rotation_errors():
                yield
        except RotationError as error:
            self.report.fail(error.message, "host")
