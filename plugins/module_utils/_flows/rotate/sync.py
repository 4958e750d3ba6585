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
from ..._core.pipeline.manifest import Entry, Manifest, StoredVersion
from ..._core.pipeline.naming import certificate_file_stem
from ..._core.pipeline.plan import CLOCK_TOLERANCE, Plan, clock_wrong, plan_sync, vanished
from ..._core.pipeline.source import (
    MAX_SIZE,
    CertificateSource,
    Discovery,
    SecretFailure,
    SecretValue,
    SecretVersion,
    is_arn_of,
    name_in_arn,
    size_of,
)
from ..._core.pipeline.sync_report import SyncReport
from ..._core.promotion import CURRENT, LabelReading
from ..._core.unexpected import UnexpectedFailure, only_rotation_errors
from ..._core.x509.problems import Refused
from ..._errors import InvalidOption, SecretsManagerError, StoreError
from ..._ports.provided import NotProvided
from ..._ports.store.directory import CertificateDirectory
from .deployed import NOT_SELECTED, REFUSED, UNFOUND, is_in_use, nothing_found, nothing_selected, unselected
from .reporter import FAILURE_POLICIES, SyncReporter
from .sync_options import SyncOptions

if t.TYPE_CHECKING:
    from .installer import Installation, Installer

# So many certificates wait for the disk together. Their files are open meanwhile: a lineage has four.
_MAX_ASIDE = 50


class Found(t.NamedTuple):
    """What the source has. complete: whether that is enough to conclude that something else has vanished."""

    discovery: Discovery
    complete: bool


class CertificateSync:
    """The pipeline up to the disk. now: aware time that validity is judged by; check_mode: plan and report only;
    before_change: called before the first change to what is deployed, and perhaps again."""

    def __init__(
        self,
        source: CertificateSource | None,
        directory: CertificateDirectory,
        options: SyncOptions,
        *,
        now: datetime,
        check_mode: bool = False,
        before_change: t.Callable[[], None] = lambda: None,
    ) -> None:
        self._source = source
        self._directory = directory
        self._options = options
        self._now = now
        self._check_mode = check_mode
        self._before_change = before_change
        policies = {name: str(getattr(options, name)) for name in ("on_invalid", "on_missing", "on_deleted")}
        self._reporter = SyncReporter(directory.path, options.layout, policies, options.min_remaining, now)
        self._manifest = Manifest()
        self._damage: str | None = None
        self._names_by_stem: dict[str, list[str]] = {}
        self._touched = False
        self._expected = 0
        self._sizes: dict[str, int] = {}  # bytes of the files that are written, by path
        self._installers = contextlib.ExitStack()

    def run(self) -> SyncReport:
        """Raises SecretsManagerError when discovery fails, StoreError when the directory cannot be used at all."""
        if self._options.selection is None:
            self.look_at_deployed()
            return self.report
        found = self.discover()
        with self.opened():
            plan = self.plan(found)
            for secrets in self.fetch(plan):
                self.write(self.verify(secrets))
            self.settle(found)
        return self.report

    @property
    def report(self) -> SyncReport:
        return self._reporter.report

    # -- stages -------------------------------------------------------------------------------------------------

    def discover(self) -> Found:
        """Which certificates should this host have?"""
        selection, source = self._options.selection, self._source
        if selection is None or source is None:
            raise InvalidOption(NOT_SELECTED)
        try:
            found = Found(source.discover(selection), True)
        except SecretsManagerError as error:
            if not (selection.tags and selection.names and self._options.on_discovery_error == "fallback"):
                raise
            self.report.warnings.append(f"Discovery by tags failed, falling back to names: {error.message}")
            found = Found(source.discover(selection._replace(name_prefix=None, tags={})), False)
        self.report.warnings += found.discovery.warnings
        return found

    @contextlib.contextmanager
    def opened(self) -> t.Iterator[None]:
        """The directory with its manifest is this run's alone meanwhile; at the end what was done is remembered."""
        report = self.report
        if self._check_mode:
            self._directory.foresee()
        with self._directory.locked(self._options.lock_timeout, create=not self._check_mode):
            self._manifest, self._damage = self._directory.load()
            self._reporter.manifest = self._manifest
            report.warnings += [self._damage] if self._damage else []
            self._touched = bool(self._damage)
            try:
                with self._installers:
                    yield
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

    def plan(self, found: Found) -> Plan[SecretVersion]:
        """What differs from what is on disk?"""
        for failure in found.discovery.failures:
            self._reporter.refused(failure.name, [failure.problem], arn=failure.arn)
        entries = self._manifest.entries
        for name, entry in entries.items():
            self._names_by_stem.setdefault(entry.stem, []).append(name)
        return plan_sync(
            map(self._as_known, found.discovery.secrets),
            entries,
            layout=self._options.layout,
            rules=self._options.rules,
            intact=lambda name: self._directory.intact(entries[name]),
        )

    def fetch(self, plan: Plan[SecretVersion]) -> t.Iterator[list[SecretValue | SecretFailure]]:
        """The current content of what changed, some at a time. A source that cannot answer yet says so at once."""
        # Before anything is touched.
        results = self._source.read(plan.fetch) if plan.fetch and self._source else ()
        for secret, problem in plan.refused:
            self._reporter.refused(
                secret.name, [problem], arn=secret.arn, version_id=secret.version_id, label=secret.label
            )
        for secret in plan.unchanged:
            self._keep(self._manifest.entries[secret.name], secret.label)
        self._expected = len(plan.fetch)
        return _some_at_a_time(iter(results))

    def verify(self, secrets: t.Iterable[SecretValue | SecretFailure]) -> list[Installation]:
        """Which of them may be served? Those are returned; the others are told of in the report."""
        verified = []
        for result in secrets:
            if isinstance(result, SecretFailure):
                self._reporter.refused(result.name, [result.problem], arn=result.arn)
                continue
            with self._answering_for(result.secret):
                verified.append(self._installer.verify(result))
        return verified

    def write(self, installations: t.Sequence[Installation]) -> None:
        """Put them on disk so that no reader ever sees half of one. Aside first, where they wait for it together."""
        self._before_change()
        aside = []
        for installation in installations:
            with self._answering_for(installation.entry):
                aside.append(self._installer.put_aside(installation))
        for installation in aside:
            with self._answering_for(installation.entry):
                self._installer.publish(installation)
                self._remember(installation)

    def settle(self, found: Found) -> None:
        """All else that lies there: what has vanished, what nobody renews, what expires."""
        self._before_change()
        self._look_for_nothing(found.discovery)
        if self._options.prune:
            self._prune(found)
        if self._options.judge_all:
            self._judge_rest()
        self._doubt_the_clock(found.discovery.clock_offset)

    def look_at_deployed(self) -> None:
        """Where nothing is selected. Raises StoreError."""
        options = self._options
        self._reporter.report = nothing_selected(
            self._directory, now=self._now, min_remaining=options.min_remaining, policy=options.on_nothing_found
        )

    # -- parts of them ------------------------------------------------------------------------------------------

    @functools.cached_property
    def _installer(self) -> Installer:
        from .installer import Installer

        installer = Installer(
            self._directory,
            self._options,
            self._manifest.entries,
            now=self._now,
            check_mode=self._check_mode,
            leftovers=functools.lru_cache(maxsize=1)(self._leftovers),
            expected=self._expected,
            current=self._current,
        )
        return self._installers.enter_context(contextlib.closing(installer))

    @contextlib.contextmanager
    def _answering_for(self, secret: SecretVersion | Entry) -> t.Iterator[None]:
        """Whatever is wrong with one goes into the report, and the others go on."""
        try:
            with only_rotation_errors():
                yield
        except Refused as refused:
            self._reporter.refused(
                secret.name, refused.problems, arn=secret.arn, version_id=secret.version_id, label=secret.label
            )
        except StoreError as error:
            self._reporter.failed(secret, "write_failed", error)
        except UnexpectedFailure as error:
            self._reporter.failed(secret, "unexpected", error)

    def _leftovers(self) -> t.Collection[str]:
        """Stems of what a killed run has left. Without a manifest there is no telling that from what is served."""
        return self._directory.orphans(self._manifest) if self._manifest.entries and not self._damage else ()

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
        self._sizes[os.path.join(self._directory.path, entry.main_path)] = installation.size
        before = self._before(entry, old if action == "updated" else None)
        self._reporter.deployed(entry, action, installation.passed, **before)

    def _current(self, secret: SecretVersion) -> SecretValue | None:
        """None where that cannot be had, or only the controller could ask for it."""
        with contextlib.suppress(NotProvided):
            for result in self._source.read([secret._replace(readings=())]) if self._source else ():
                return result if isinstance(result, SecretValue) and result.secret.label == CURRENT else None
        return None

    def _as_known(self, secret: SecretVersion) -> SecretVersion:
        """A listing may lag behind, and not know of the candidate that it told of a moment ago: before that is left, it
        is asked whether it is one still."""
        entry = self._manifest.entries.get(secret.name)
        labels = self._options.selection.labels if self._options.selection else ()
        if entry is None or entry.label not in labels or entry.version_id == secret.version_id:
            return secret
        if entry.label == CURRENT or labels.index(secret.label) < labels.index(entry.label):
            return secret
        return secret.asked_first(LabelReading(entry.label, entry.version_id))

    def _keep(self, entry: Entry, label: str) -> None:
        """Nothing was read; but owner, mode and the calendar may have moved on, and a candidate become current."""
        if entry.label != label:
            entry.read_by(label)
            self._touched = True
        with self._answering_for(entry):
            action = "unchanged" if self._directory.attributes_match(entry) else "updated"
            if action == "updated" and not self._check_mode:
                self._before_change()
                self._directory.set_attributes(entry)
            self._reporter.deployed(entry, action, **self._before(entry, entry if action == "updated" else None))

    @staticmethod
    def _before(entry: Entry, replaced: Entry | None) -> dict[str, t.Any]:
        """What was there before; where that is the same, what was served before it."""
        version = replaced.current if replaced else None
        if version is None or version.digest == entry.current.digest:
            version = entry.served_before or version
        return {"previous_fingerprint_sha256": version.summary.get("fingerprint_sha256")} if version else {}

    def _prune(self, all_found: Found) -> None:
        discovery = all_found.discovery
        found = {secret.name for secret in discovery.secrets}
        if not all_found.complete or not found:
            self.report.warnings.append("Nothing is pruned: discovery was incomplete or found no secret at all.")
            return
        kept = {
            name
            for failure in discovery.failures
            if self._reporter.policy_for(failure.problem.code) == "fail" or failure.problem.code not in FAILURE_POLICIES
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
            self.report.fail(line, cause_of([problem.code]))
        elif not self.report.failures:
            self.report.warnings.append(line)

    def _judge_rest(self) -> None:
        """What time has done to all that is deployed and has not been looked at: refused, not written, not found."""
        left = [item for item in self.report.items if item["action"] in ("refused", "failed")]
        done = {item["name"] for item in self.report.items} - {item["name"] for item in left}
        for name, entry in sorted(self._manifest.entries.items()):
            if name in done:
                continue
            found = any(item["name"] == name or is_arn_of(item["name"], entry.arn) for item in left)
            dates = self._reporter.judge(entry, REFUSED if found else UNFOUND)
            if not found:
                self.report.unselected.append(unselected(entry, self._directory.path, dates))

    def _doubt_the_clock(self, offset: timedelta | None) -> None:
        """Where the clock is wrong, what is wrong by it is so on this host alone."""
        if offset is None or abs(offset) <= CLOCK_TOLERANCE:
            return
        told = [*self.report.items, *self.report.unselected]
        codes = {problem["code"] for item in told for problem in item["problems"] if problem["severity"] == "error"}
        if codes & BY_THE_CLOCK:
            problem = clock_wrong(offset)
            self.report.fail(f"{problem.message} [{problem.code}]", cause_of([problem.code]))

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
            self.report.fail(error.message, "host")
            return
        self.report.warnings += [f"{path} is not what was written here, so it is not removed." for path in left]
        self._touched = True
        self._manifest.entries.pop(entry.name, None)
        self._manifest.retired.add(entry.main_path)
        self.report.items = [
            item
            for item in self.report.items
            if item["action"] != "refused" or not (item["name"] == entry.name or is_arn_of(item["name"], entry.arn))
        ]
        self._reporter.deployed(entry, "removed", **extra)

    def _save(self) -> None:
        try:
            if self._touched:
                self._directory.save(self._manifest)
            else:
                self._directory.clean(self._manifest)
        except StoreError as error:  # what was written is found again by the next run; the report must not be lost
            self.report.fail(error.message, "host")


def _some_at_a_time(
    results: t.Iterator[SecretValue | SecretFailure],
) -> t.Iterator[list[SecretValue | SecretFailure]]:
    some: list[SecretValue | SecretFailure] = []
    for result in results:
        some.append(result)
        if len(some) >= _MAX_ASIDE or size_of(some) >= MAX_SIZE:
            yield some
            some = []
    if some:
        yield some
