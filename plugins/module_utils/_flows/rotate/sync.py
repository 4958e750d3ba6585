# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The stages discover to write for one directory: secrets in, certificate files out, one report."""

from __future__ import annotations

import contextlib
import functools
import os
import typing as t
from datetime import datetime, timedelta

from ..._core.pipeline.causes import BY_THE_CLOCK, cause_of
from ..._core.pipeline.manifest import Entry, Manifest, StoredVersion, main_path
from ..._core.pipeline.naming import certificate_file_stem
from ..._core.pipeline.plan import CLOCK_TOLERANCE, NO_NEWER, clock_wrong, date_problems, plan_sync, vanished
from ..._core.pipeline.source import (
    CertificateSource,
    Discovery,
    SecretFailure,
    SecretValue,
    SecretVersion,
    Selection,
    is_arn_of,
    name_in_arn,
)
from ..._core.pipeline.sync_report import SyncReport
from ..._core.unexpected import UnexpectedFailure, only_rotation_errors
from ..._core.x509.changes import GUARDED_CHANGES
from ..._core.x509.problems import Problem, Refused
from ..._errors import RotationError, SecretsManagerError, StoreError
from ..._ports.store.directory import CertificateDirectory
from .deployed import REFUSED, UNFOUND, is_in_use, nothing_found, unselected

if t.TYPE_CHECKING:
    from ..._core.pipeline.verify import SecretVerifier
    from ..._core.x509.bundle import Layout
    from .installer import Installation, Installer

# Staged certificates wait for the disk together. Their files are open meanwhile: a lineage has four.
_MAX_STAGED = 50
FAILURE_POLICIES = {"secret_missing": "on_missing", "secret_deleted": "on_deleted"}


class SyncOptions(t.NamedTuple):
    """What to sync and how.

    rules: digest of all that decides about a file's content, so that a changed option makes every secret be read
    again; verifier: made when there is something to verify, for cryptography is slow to load; allow_changes: those of
    GUARDED_CHANGES that a renewal may bring; on_*: "fail" or "skip"; on_nothing_found: "fail", "warn" or "ignore";
    judge_all: whether what is deployed beside the selection fails the run when it expires; lock_timeout: seconds.
    """

    selection: Selection
    layout: Layout
    rules: str
    verifier: t.Callable[[], SecretVerifier]
    min_remaining: timedelta = timedelta(0)
    allow_changes: t.Collection[str] = GUARDED_CHANGES
    prune: bool = False
    on_invalid: str = "fail"
    on_missing: str = "fail"
    on_deleted: str = "fail"
    on_discovery_error: str = "fail"
    on_nothing_found: str = "ignore"
    judge_all: bool = False
    lock_timeout: float = 60


class CertificateSync:
    """One run. now: aware time against which validity is judged; check_mode: plan and report, write nothing."""

    def __init__(
        self,
        source: CertificateSource,
        directory: CertificateDirectory,
        options: SyncOptions,
        *,
        now: datetime,
        check_mode: bool = False,
    ) -> None:
        self._source = source
        self._directory = directory
        self._options = options
        self._now = now
        self._check_mode = check_mode
        self._report = SyncReport()
        self._manifest = Manifest()
        self._damage: str | None = None
        self._names_by_stem: dict[str, list[str]] = {}
        self._touched = False

    def run(self) -> SyncReport:
        """Raises SecretsManagerError when discovery fails, StoreError when the directory cannot be used at all."""
        report = self._report
        discovery, complete = self._discover()
        report.warnings += discovery.warnings
        with self._directory.locked(self._options.lock_timeout, create=not self._check_mode):
            self._manifest, warning = self._directory.load()
            report.warnings += [warning] if warning else []
            self._damage = warning
            self._touched = bool(warning)
            try:
                for failure in discovery.failures:
                    self._refuse(failure.name, [failure.problem], arn=failure.arn)
                self._sync(discovery.secrets)
                self._look_for_nothing(discovery)
                if self._options.prune:
                    self._prune(discovery, complete)
                if self._options.judge_all:
                    self._judge_rest()
                self._doubt_the_clock(discovery.clock_offset)
            finally:
                if not self._check_mode:
                    self._save()
        report.retired = sorted(os.path.join(self._directory.path, path) for path in self._manifest.retired)
        report.items.sort(key=lambda item: str(item["name"]))
        report.pending = sorted(
            item["name"]
            for item in report.items
            if item["action"] in ("created", "updated", "unchanged") and not item["proven"]
        )
        return report

    # -- stages -------------------------------------------------------------------------------------------------

    def _discover(self) -> tuple[Discovery, bool]:
        """What is found, and whether that is complete enough to conclude that something has vanished."""
        selection = self._options.selection
        try:
            return self._source.discover(selection), True
        except SecretsManagerError as error:
            if not (selection.tags and selection.names and self._options.on_discovery_error == "fallback"):
                raise
            self._report.warnings.append(f"Discovery by tags failed, falling back to names: {error.message}")
            return self._source.discover(Selection(names=selection.names)), False

    def _sync(self, secrets: t.Sequence[SecretVersion]) -> None:
        entries = self._manifest.entries
        for name, entry in entries.items():
            self._names_by_stem.setdefault(entry.stem, []).append(name)
        plan = plan_sync(
            secrets,
            entries,
            layout=self._options.layout,
            rules=self._options.rules,
            intact=lambda name: self._directory.intact(entries[name]),
        )
        # A source that cannot answer yet says so here, before anything is touched.
        results = self._source.read(plan.fetch) if plan.fetch else None
        for secret, problem in plan.refused:
            self._refuse(secret.name, [problem], arn=secret.arn, version_id=secret.version_id)
        for secret in plan.unchanged:
            self._keep(entries[secret.name])
        if results is not None:
            self._install(results, len(plan.fetch))

    def _install(self, results: t.Iterable[SecretValue | SecretFailure], expected: int) -> None:
        from .installer import Installer

        installer = Installer(
            self._directory,
            self._options,
            self._manifest.entries,
            now=self._now,
            check_mode=self._check_mode,
            leftovers=functools.lru_cache(maxsize=1)(self._leftovers),
            expected=expected,
        )
        staged: list[Installation] = []
        with contextlib.closing(installer):
            for result in results:
                if isinstance(result, SecretFailure):
                    self._refuse(result.name, [result.problem], arn=result.arn)
                    continue
                with self._answering_for(result.secret):
                    staged.append(installer.stage(result))
                if len(staged) >= _MAX_STAGED:
                    self._publish(installer, staged)
                    staged = []
            self._publish(installer, staged)

    @contextlib.contextmanager
    def _answering_for(self, secret: SecretVersion | Entry) -> t.Iterator[None]:
        """Whatever is wrong with one goes into the report, and the others go on."""
        try:
            with only_rotation_errors():
                yield
        except Refused as refused:
            self._refuse(secret.name, refused.problems, arn=secret.arn, version_id=secret.version_id)
        except StoreError as error:
            self._refuse_host(secret, "write_failed", error)
        except UnexpectedFailure as error:
            self._refuse_host(secret, "unexpected", error)

    def _leftovers(self) -> t.Collection[str]:
        """Stems of what a killed run has left. Without a manifest there is no telling that from what is served."""
        return self._directory.orphans(self._manifest) if self._manifest.entries and not self._damage else ()

    def _publish(self, installer: Installer, staged: t.Iterable[Installation]) -> None:
        for installation in staged:
            with self._answering_for(installation.entry):
                installer.publish(installation)
                self._remember(installation)

    def _remember(self, installation: Installation) -> None:
        entry, old, action = installation.entry, installation.old, installation.action
        entries = self._manifest.entries
        # A vanished secret's entry must not go on to own a file that another secret has taken over.
        for name in self._names_by_stem.get(entry.stem, ()):
            if name != entry.name:
                entries.pop(name, None)
        entries[entry.name] = entry
        if old and old.main_path != entry.main_path:
            self._manifest.retired.add(old.main_path)
        self._manifest.retired.discard(entry.main_path)
        self._touched = True
        self._add(entry, action, **self._before(old if action == "updated" else None))

    def _keep(self, entry: Entry) -> None:
        """Nothing was read; but owner, mode and the calendar may have moved on."""
        with self._answering_for(entry):
            action = "unchanged" if self._directory.attributes_match(entry) else "updated"
            if action == "updated" and not self._check_mode:
                self._directory.set_attributes(entry)
            self._add(entry, action, **self._before(entry if action == "updated" else None))

    def _prune(self, discovery: Discovery, complete: bool) -> None:
        found = {secret.name for secret in discovery.secrets}
        if not complete or not found:
            self._report.warnings.append("Nothing is pruned: discovery was incomplete or found no secret at all.")
            return
        kept = {
            name
            for failure in discovery.failures
            if self._policy_for(failure.problem.code) == "fail" or failure.problem.code not in FAILURE_POLICIES
            for name in self._names_of(failure)
        }
        gone = [self._manifest.entries[name] for name in vanished(self._manifest.entries, found, kept)]
        for entry in gone:
            self._remove(entry)
        in_use = {certificate_file_stem(name) for name in found | kept} | {entry.stem for entry in gone}
        for stem, paths in self._directory.orphans(self._manifest, except_stems=in_use).items():
            layout = "lineage" if paths == [stem] else "split"
            entry = Entry(stem, "", stem, layout, "", StoredVersion("", "", {}, {}))
            self._remove(entry, path=os.path.join(self._directory.path, paths[-1]))

    def _look_for_nothing(self, discovery: Discovery) -> None:
        """A selection that finds nothing is a mistake, most of the time, and what is deployed expires meanwhile."""
        policy = self._options.on_nothing_found
        absent = all(failure.problem.code in FAILURE_POLICIES for failure in discovery.failures)
        if discovery.secrets or not absent or policy == "ignore":
            return
        in_use = is_in_use(self._directory, self._manifest, self._damage)
        problem = nothing_found(
            self._options.selection, discovery.where, self._manifest.entries.values(), self._directory.path, in_use
        )
        line = f"{problem.message} [{problem.code}]"
        if in_use and policy == "fail":
            self._report.fail(line, cause_of([problem.code]))
        elif not self._report.failures:
            self._report.warnings.append(line)

    def _judge_rest(self) -> None:
        """What time has done to all that is deployed and has not been looked at: refused, not written, not found."""
        left = [item for item in self._report.items if item["action"] in ("refused", "failed")]
        done = {item["name"] for item in self._report.items} - {item["name"] for item in left}
        for name, entry in sorted(self._manifest.entries.items()):
            if name in done:
                continue
            found = any(item["name"] == name or is_arn_of(item["name"], entry.arn) for item in left)
            dates = self._judge(entry, REFUSED if found else UNFOUND)
            if not found:
                self._report.unselected.append(unselected(entry, self._directory.path, dates))

    def _doubt_the_clock(self, offset: timedelta | None) -> None:
        """Where the clock is wrong, what is wrong by it is so on this host alone."""
        if offset is None or abs(offset) <= CLOCK_TOLERANCE:
            return
        told = [*self._report.items, *self._report.unselected]
        codes = {problem["code"] for item in told for problem in item["problems"] if problem["severity"] == "error"}
        if codes & BY_THE_CLOCK:
            problem = clock_wrong(offset)
            self._report.fail(f"{problem.message} [{problem.code}]", cause_of([problem.code]))

    def _judge(self, entry: Entry, why: str = NO_NEWER) -> list[Problem]:
        """Whatever on_invalid says: what is served expires, which nobody wants to pass over."""
        options = self._options
        dates = date_problems(entry.current.summary, now=self._now, min_remaining=options.min_remaining, why=why)
        for problem in dates:
            self._report.fail(f"{entry.name}: {problem.message} [{problem.code}]", cause_of([problem.code]))
        return dates

    def _names_of(self, failure: SecretFailure) -> set[str]:
        """What a secret that was asked for by this name or ARN may be called in the manifest."""
        named = {entry.name for entry in self._manifest.entries.values() if is_arn_of(failure.name, entry.arn)}
        return {failure.name, name_in_arn(failure.name), *named}

    def _remove(self, entry: Entry, **extra: t.Any) -> None:
        try:
            links = self._directory.links_to(entry)
            if links:
                raise StoreError(
                    f"{entry.name} has vanished and is not removed, for {', '.join(links)} leads to its file, and"
                    " HAProxy does not start with a link that leads to nothing. Remove the link, then run this again."
                )
            left = [] if self._check_mode else self._directory.remove(entry)
        except StoreError as error:  # it stays in the manifest, so that the next run tries again
            self._report.fail(error.message, "host")
            return
        self._report.warnings += [f"{path} is not what was written here, so it is not removed." for path in left]
        self._touched = True
        self._manifest.entries.pop(entry.name, None)
        self._manifest.retired.add(entry.main_path)
        self._report.items = [
            item
            for item in self._report.items
            if item["action"] != "refused" or not (item["name"] == entry.name or is_arn_of(item["name"], entry.arn))
        ]
        self._add(entry, "removed", **extra)

    def _save(self) -> None:
        try:
            if self._touched:
                self._directory.save(self._manifest)
            else:
                self._directory.clean(self._manifest)
        except StoreError as error:  # what was written is found again by the next run; the report must not be lost
            self._report.fail(error.message, "host")

    # -- reporting ----------------------------------------------------------------------------------------------

    def _add(self, entry: Entry, action: str, **extra: t.Any) -> None:
        summary = entry.current.summary
        problems: list[dict[str, str]] = []
        if action != "removed":
            self._fail_on(entry.name, entry.problems)
            problems = [*entry.problems, *(problem.as_dict() for problem in self._judge(entry))]
        self._report.items.append(
            {
                "name": entry.name,
                "arn": entry.arn,
                "version_id": entry.current.version_id,
                "path": os.path.join(self._directory.path, entry.main_path),
                "action": action,
                "fingerprint_sha256": summary.get("fingerprint_sha256"),
                "not_before": summary.get("not_before"),
                "not_after": summary.get("not_after"),
                "subject_alternative_names": summary.get("subject_alternative_names", []),
                "key": summary.get("key"),
                "problems": problems,
                "proven": entry.proven == entry.current.digest,
                "loaded": entry.loaded == entry.current.digest,
                **extra,
            }
        )

    def _refuse_host(self, secret: SecretVersion | Entry, code: str, error: RotationError) -> None:
        problems = [Problem(code, "error", error.message)]
        self._refuse(secret.name, problems, arn=secret.arn, version_id=secret.version_id)

    @staticmethod
    def _before(entry: Entry | None) -> dict[str, t.Any]:
        return {"previous_fingerprint_sha256": entry.current.summary.get("fingerprint_sha256")} if entry else {}

    def _refuse(self, name: str, problems: list[Problem], *, arn: str | None, version_id: str | None = None) -> None:
        """Report a secret that is not written. What is on disk for it stays."""
        entries = self._manifest.entries
        entry = entries.get(name) or next((each for each in entries.values() if is_arn_of(name, each.arn)), None)
        dicts = [problem.as_dict() for problem in problems]
        cause = cause_of(problem.code for problem in problems if problem.severity == "error")
        self._report.items.append(
            {
                "name": name,
                "arn": arn,
                "version_id": version_id,
                "path": os.path.join(
                    self._directory.path, main_path(self._options.layout, certificate_file_stem(name_in_arn(name)))
                ),
                # A host's own failure says nothing about the certificate.
                "action": "failed" if cause == "host" else "refused",
                "cause": cause,
                "fingerprint_sha256": None,
                "not_before": None,
                "not_after": None,
                "subject_alternative_names": [],
                "key": None,
                "problems": dicts,
                "proven": False,
                "loaded": False,
                "deployed_fingerprint_sha256": entry.current.summary.get("fingerprint_sha256") if entry else None,
            }
        )
        self._fail_on(name, dicts)

    def _fail_on(self, name: str, problems: t.Iterable[t.Mapping[str, str]]) -> None:
        for problem in problems:
            line = f"{name}: {problem['message']} [{problem['code']}]"
            if problem["severity"] == "error" and self._policy_for(problem["code"]) == "fail":
                self._report.fail(line, cause_of([problem["code"]]))
            else:
                self._report.warnings.append(line)

    def _policy_for(self, code: str) -> str:
        """What is no matter of the content is always a failure; the others are the user's choice."""
        if cause_of([code]) != "content" or code == "secret_no_current_version":
            return "fail"
        return str(getattr(self._options, FAILURE_POLICIES.get(code, "on_invalid")))
