# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A rotation: the whole pipeline for one host, in one process."""

from __future__ import annotations

import contextlib
import typing as t
from datetime import datetime, timezone

from ..._core.pipeline.plan_table import plan_table
from ..._core.pipeline.progress import Progress
from ..._core.pipeline.source import CertificateSource, requests_of
from ..._core.pipeline.sync_report import SyncReport
from ..._core.unexpected import only_rotation_errors
from ..._errors import HaproxyError, RotationError
from ..._ports.provided import NotProvided
from ..._ports.store.directory import CertificateDirectory
from ..preflight import in_check_mode, not_ready, preflight
from .activating import ActivatingRotation
from .deployed import also_deployed
from .sync_options import SyncOptions

if t.TYPE_CHECKING:
    from .settings import RotationSettings

_Result = dict[str, t.Any]


class Rotation(ActivatingRotation):
    """discover, fetch, verify, plan and write are those of a sync; activate, prove and record are here.

    What goes wrong with one certificate, or at one stage, is told in the result, and the run goes on as far as it can:
    the pure Progress says, from what was done so far, what is to be done next. connect: makes the source, once the host
    is known to have what that needs; now: aware time at which the run began; before_change: called before the first
    change, and perhaps again. From then on the run is to come to its end.
    """

    def __init__(
        self,
        connect: t.Callable[[], CertificateSource],
        directory: CertificateDirectory,
        options: SyncOptions,
        settings: RotationSettings,
        *,
        now: datetime,
        check_mode: bool = False,
        before_change: t.Callable[[], None] = lambda: None,
    ) -> None:
        super().__init__(None, directory, options, now=now, check_mode=check_mode, before_change=before_change)
        self._connect = connect
        self._settings = settings
        self._metrics_error = ""
        self._is_news = False

    def run(self) -> SyncReport:
        """The pipeline. Raises RotationError where there is nothing to go on with: the host is not ready, discovery
        fails, or the directory cannot be used.
        """
        with self._told_to_metrics():
            self.preflight()
            if self._options.selection is None:
                self.look_at_deployed()
                self.record()
                return self.report
            found = self.discover()
            with self.opened():
                plan = self.plan(found)
                for secrets in self.fetch(plan):
                    self.write(self.verify(secrets))
                self.settle(found)
            self.activate()
            self.prove()
            self.go_back()
            self.record()
        return self.report

    def result(self) -> _Result:
        """What the module returns of a run."""
        progress = self.progress
        way = self.update_way
        plan = plan_table(self.report.items, self.report.unselected, self._now) if self._check_mode else None
        plan = [*plan, f"HAProxy: {way.message}"] if plan is not None and way and way.is_notable else plan
        return {
            **self._synced,
            "changed": self.report.changed or self._changes_haproxy(progress),
            **requests_of(self._source),
            "activation": progress.activation,
            "update_plan": way.as_result() if way else None,
            "reload_attempts": self._reloads,
            "needs_reload": self.needs_reload,
            "proven": progress.proven if self._is_active else [],
            "rolled_back": progress.rolled_back,
            "not_proven": progress.not_proven,
            "error": "\n".join(filter(None, (progress.message, self._metrics_error))),
            "activation_error": progress.error,
            **({"plan": plan} if plan is not None else {}),
        }

    def diff(self) -> _Result:
        """Facts of what changed, never content; and how HAProxy is made to use it, unless they are few."""
        diff, way = self.report.diff(), self.update_way
        told = {"HAProxy:": way.message} if way and way.is_notable else {}
        return {**diff, "after": {**diff["after"], **told}}

    def _changes_haproxy(self, progress: Progress) -> bool:
        if self._check_mode or self.needs_reload:
            return self._settings.activation != "none" and bool(progress.update_items)
        return progress.activation != "none" or bool(progress.rolled_back) or self._is_news

    @property
    def failure(self) -> str:
        """What the run fails with at its end; "" when it does not."""
        progress = self.progress
        if self._settings.fail_late and not progress.own_failure:
            return ""
        return "\n".join(filter(None, (progress.message, self._metrics_error)))

    @property
    def progress(self) -> Progress:
        """Where the run stands."""
        settings = self._settings
        return Progress(
            self._synced,
            **self._done,
            allow_unreferenced=settings.allow_unreferenced,
            on_unproven=settings.on_unproven,
            more_errors=self._errors,
            goes_back=self._goes_back,
        )

    @property
    def needs_reload(self) -> bool:
        """Whether the files wait for a handler that reloads HAProxy."""
        return self._settings.activation == "handlers" and bool(self.progress.update_items)

    # -- stages -------------------------------------------------------------------------------------------------

    def preflight(self) -> None:
        """Has the host all that is needed? Raises RotationError that names all that is missing."""
        checks = preflight(self._settings.needs)
        self.report.warnings += [str(check) for check in checks if check.problem and not check.required]
        missing = not_ready(checks)
        if missing and not self._check_mode:
            raise RotationError(missing)
        if missing:
            self.report.warnings.append(in_check_mode(missing))
        if self._options.selection is not None:
            self._source = self._connect()

    def activate(self) -> None:
        """Make HAProxy use what is new: by a hot update, or by a reload whose result is known."""
        if not self._is_active:
            return
        if self._settings.activation == "reloaded":
            self._done["reload"] = _reloaded_by_others(self._settings)
            return
        self.make_it_so()

    def prove(self) -> None:
        """Do fresh TLS handshakes get it? Whatever ends the proof is told, and nothing is taken back for it."""
        progress = self.progress
        if not (self._is_active and progress.activated):
            return
        self._prove(progress)
        if self.progress.reload_helps:
            self._done["reload"] = self._reload()
            if self.progress.activation == "reload":
                self._prove(self.progress)

    def go_back(self) -> None:
        """On disk and in HAProxy, where a handshake got something else or a reload was refused, and prove that."""
        if not (self._is_active and self.progress.unproven):
            return
        # If not by this run, then perhaps by one before it that was killed.
        self._done["rollback"], error = self._taken_back(self.progress.unproven, was_loaded=True)
        try:
            self._restore_haproxy()
            progress = self.progress
            if progress.restored:
                names = [item["name"] for item in progress.restored]
                proof = self._proof([*progress.restored, *progress.proof_items], names)
                self._done["rollback_proof"] = proof
                if any(item["outcome"] == "wrong" for item in proof.get("certificates", ())):
                    raise HaproxyError(proof["msg"])
        except RotationError as second:
            error = "\n".join(filter(None, (error, second.message)))
        if error:
            self._done["rollback_error"] = error

    def record(self) -> None:
        """How the run ended, and what has been seen served."""
        from .record import RunOutcome, record, remember_success

        progress = self.progress
        if not (self._is_active and (progress.has_work or self.report.failures)):
            if not (self._check_mode or self.needs_reload or progress.message):
                self.report.warnings += remember_success(self._directory, datetime.now(timezone.utc))
            return
        outcomes = [
            RunOutcome(
                "proven",
                progress.activation,
                [*progress.proven, *progress.restored_and_proven],
                frozenset(progress.retired),
                failures=progress.failures,
                not_proven=progress.not_proven,
                loaded=progress.loaded,
                costs=self._costs,
            )
        ]
        if progress.error:
            outcomes.append(
                RunOutcome(
                    progress.outcome,
                    progress.activation,
                    message=progress.error,
                    failures=self.report.failures,
                    not_proven=progress.not_proven,
                )
            )
        with self._noting_errors():
            for outcome in outcomes:
                is_news, _state = record(
                    self._directory,
                    outcome,
                    now=datetime.now(timezone.utc),
                    lock_timeout=self._options.lock_timeout,
                    check_mode=False,
                )
                self._is_news = self._is_news or is_news

    def metrics(self, *, broken_off: bool = False) -> None:
        """For Prometheus, also of a run that failed. They never stop a rotation: they fail it at its end."""
        textfile = self._settings.textfile
        if textfile is None or (self.needs_reload and not (broken_off or self._check_mode)):
            return
        from ..._core.record.metrics import Run
        from ..metrics import write_metrics

        progress, now = self.progress, datetime.now(timezone.utc)
        counts = {"problems": {"host": 1}} if broken_off else progress.counts
        requests = requests_of(self._source)
        run = Run(
            not broken_off and not progress.message,
            (now - self._now).total_seconds(),
            requests["api_calls"],
            requests["api_errors"],
            **counts,
        )
        try:
            with only_rotation_errors():
                report = write_metrics(
                    self._directory.path,
                    textfile,
                    names=self._settings.metrics_names,
                    run=run,
                    layers={} if broken_off else {item["name"]: item["layers"] for item in progress.layers},
                    lock_timeout=self._options.lock_timeout,
                    now=now,
                    check_mode=self._check_mode,
                )
            self.report.warnings += report.warnings
        except RotationError as error:
            self._metrics_error = f"The metrics were not written: {error.message}"

    # -- parts of them ------------------------------------------------------------------------------------------

    @property
    def _synced(self) -> _Result:
        return {**self.report.as_result(), "source": self._settings.source}

    @property
    def _is_active(self) -> bool:
        return not self._check_mode and self._settings.activation != "none" and not self.needs_reload

    @contextlib.contextmanager
    def _told_to_metrics(self) -> t.Iterator[None]:
        try:
            with only_rotation_errors():
                yield
        except NotProvided:  # the run is not over
            raise
        except RotationError as error:
            self.metrics(broken_off=True)
            also_deployed(error, self._directory, now=self._now, min_remaining=self._options.min_remaining)
            error.message = "\n".join(filter(None, (error.message, self._metrics_error)))
            error.details.update(requests_of(self._source))
            raise
        self.metrics()

    @contextlib.contextmanager
    def _noting_errors(self) -> t.Iterator[None]:
        """Of what must not keep the run from going on."""
        try:
            with only_rotation_errors():
                yield
        except RotationError as error:
            self._errors.append(error.message)

    def _prove(self, progress: Progress) -> None:
        try:
            self._done["proof"] = self._proof(progress.proof_items, progress.activated)
        except RotationError as error:
            self._done["proof"] = {"msg": error.message}

    def _proof(self, certificates: t.Sequence[t.Mapping[str, t.Any]], only: t.Sequence[str]) -> _Result:
        """As the module certificate_proof_info returns it; {} without a proof. Raises RotationError."""
        from .prove import prove_deployed

        settings, allow_unreferenced = self._settings, self._settings.allow_unreferenced
        if settings.proof is None:
            return {}
        reloaded = self.progress.activation == "reload"
        with only_rotation_errors():
            proof = prove_deployed(certificates, settings.proof, only=only, reloaded=reloaded)
        self.report.warnings += [text for text in proof.warnings if text not in self.report.warnings]
        message = proof.message(allow_unreferenced)
        result = proof.as_result(allow_unreferenced)
        failures = proof.report.failures(allow_unreferenced, settings.on_unproven == "warn")
        if not result["proven"] and not failures:
            self.report.warnings.append(message)
        return {**result, "msg": message, "failing": [failure.certificate.name for failure in failures]}


def _reloaded_by_others(settings: RotationSettings) -> _Result:
    """As a loop of haproxy_reload over methods."""
    error = settings.reload_error
    return {"results": [{"item": "a handler", "reloaded": not error, "msg": error, "log": settings.reload_log}]}
