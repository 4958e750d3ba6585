# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The stages verify and write for one certificate. Loaded only when there is something to install."""

from __future__ import annotations

import dataclasses
import hashlib
import typing as t
from datetime import datetime

from ..._core.pipeline.manifest import Entry, StoredVersion
from ..._core.pipeline.naming import certificate_file_stem
from ..._core.pipeline.source import SecretValue, SecretVersion
from ..._core.promotion import CURRENT
from ..._core.x509.changes import change_problems
from ..._core.x509.problems import Problem, Refused
from ..._ports.openssl.loading import LoadingCheck
from ..._ports.store import atomic
from ..._ports.store.directory import CertificateDirectory, version_digest

if t.TYPE_CHECKING:
    from .sync_options import SyncOptions


class Installation(t.NamedTuple):
    """A certificate on its way to disk. old: what was remembered of it; parts: its files, None when nothing has to be
    written; aside: the descriptors of those that lie there already; problems: what was found, and loading: what OpenSSL
    will have found; size: bytes of the only file, 0 where there are several; passed: what is wrong with candidates that
    were passed over, which is told and not remembered.
    """

    entry: Entry
    old: Entry | None
    action: str
    parts: t.Mapping[str, bytes] | None
    problems: list[Problem]
    loading: t.Callable[[], list[Problem]]
    aside: t.Sequence[int] = ()
    size: int = 0
    passed: t.Sequence[Problem] = ()


class Installer:
    """entries: what is on disk, by secret name; now: aware time; check_mode: plan, write nothing.

    leftovers: stems of files that a killed run has left, so that nobody can rely on them yet; expected: about how many
    there are to install; current: reads what is current where a candidate is refused. To be closed.
    """

    def __init__(
        self,
        directory: CertificateDirectory,
        options: SyncOptions,
        entries: t.Mapping[str, Entry],
        *,
        now: datetime,
        check_mode: bool,
        leftovers: t.Callable[[], t.Collection[str]] = tuple,
        expected: int = 1,
        current: t.Callable[[SecretVersion], SecretValue | None] = lambda _secret: None,
    ) -> None:
        self._directory = directory
        self._options = options
        self._entries = entries
        self._now = now
        self._check_mode = check_mode
        self._leftovers = leftovers
        self._verifier = options.verifier()
        self._loading = LoadingCheck(expected)
        self._current = current

    def close(self) -> None:
        self._loading.close()

    def verify(self, fetched: SecretValue) -> Installation:
        """Of a candidate that is refused where nothing lies yet, what is current: something has to be served.

        Raises Refused.
        """
        try:
            return self._verify(fetched)
        except Refused as refused:
            secret = fetched.secret
            is_first = secret.label != CURRENT and secret.name not in self._entries
            current = self._current(secret) if is_first else None
            if current is None:
                raise
            passed = tuple(_of_candidate(secret, problem) for problem in refused.problems)
            return self._verify(dataclasses.replace(current, problems=passed))

    def _verify(self, fetched: SecretValue) -> Installation:
        """Raises Refused."""
        secret = fetched.secret
        bundle, problems = self._verifier.verify(fetched.value, at=self._now, load=False)
        stem = certificate_file_stem(secret.name)
        obstacle = self._directory.obstacle(self._options.layout, stem)
        if obstacle:
            problems.append(Problem("path_not_ours", "error", f"{obstacle}. Move it away or use another directory."))
        if bundle is None or obstacle:
            raise Refused([*fetched.problems, *problems])
        parts = bundle.render(self._options.layout)
        files = {part: hashlib.sha256(data).hexdigest() for part, data in parts.items()}
        version = StoredVersion(version_digest(files), secret.version_id, files, bundle.facts(), secret.label)
        old = self._entries.get(secret.name)
        changes = self._changes(old, version)
        if changes:
            raise Refused([*fetched.problems, *problems, *changes])
        entry = self._entry(secret, stem, version, problems, old)
        present = self._directory.live_file(self._options.layout, stem) is not None
        # What is in its place already may be served, even when it is the same and the manifest does not know of it.
        entry.replaced = entry.replaced or (old is None and present and stem not in self._leftovers())
        same = present and self._directory.intact(entry) and self._directory.attributes_match(entry)
        action = "unchanged" if same else "updated" if present or old else "created"
        write = not self._check_mode and not (same and old and old.current.digest == version.digest)
        size = sum(map(len, parts.values())) if len(parts) == 1 else 0
        loading = self._loading.ask(bundle)
        files_to_write = parts if write else None
        return Installation(entry, old, action, files_to_write, problems, loading, size=size, passed=fetched.problems)

    def put_aside(self, installation: Installation) -> Installation:
        """Write it where no reader looks. Raises StoreError."""
        if installation.parts is None:
            if self._check_mode and installation.action != "unchanged":
                self._directory.foresee(installation.entry)
            return installation
        aside = self._directory.put_aside(installation.entry, installation.parts, first=installation.old is None)
        return installation._replace(aside=aside, parts={})

    def publish(self, installation: Installation) -> None:
        """Make what lies aside live. Raises Refused, and StoreError."""
        entry, old, _action, parts, problems, loading, aside, *_told = installation
        try:
            unloadable = loading()
        except BaseException:
            atomic.close(aside)
            raise
        if unloadable:
            atomic.close(aside)  # the version that nothing refers to goes with the next save
            raise Refused([*problems, *unloadable])
        if parts is None:
            return
        self._directory.publish(entry, aside)
        if old and (old.layout, old.stem) != (entry.layout, entry.stem):
            self._directory.remove(old, except_paths=[entry.main_path, *entry.paths.values()])

    def _changes(self, old: Entry | None, new: StoredVersion) -> list[Problem]:
        """What a renewal must not change. A kept version may come back, and a file that is gone must be replaced.

        The way back from a candidate is no renewal: what is current is compared with what was so here before.
        """
        if old is None or old.version_id == new.version_id or self._directory.live_file(old.layout, old.stem) is None:
            return []
        if new.digest in [kept.digest for kept in old.previous]:
            return []
        if old.compared is None or old.compared.version_id == new.version_id:
            return []
        return change_problems(old.compared.summary, new.summary, now=self._now, allowed=self._options.allow_changes)

    def _is_still_served(self, old: Entry, version: StoredVersion) -> bool:
        """False for one that was proven, and then was not what lay there: HAProxy may have loaded that instead."""
        if old.proven != version.digest:
            return True  # another one was proven, of which nothing is claimed
        return old.current.digest == version.digest and self._directory.intact(old)

    def _entry(
        self, secret: SecretVersion, stem: str, version: StoredVersion, problems: list[Problem], old: Entry | None
    ) -> Entry:
        entry = Entry(
            name=secret.name,
            arn=secret.arn,
            stem=stem,
            layout=self._options.layout,
            rules=self._options.rules,
            current=version,
            problems=[problem.as_dict() for problem in problems],
        )
        if old and entry.label != CURRENT:
            entry.settled = old.compared
        moved = old is not None and (old.layout, old.stem) != (entry.layout, entry.stem)
        if old and not moved:
            candidates = [old.current, *old.previous]
            entry.previous = [candidate for candidate in candidates if candidate.digest != version.digest]
            entry.proven = old.proven if self._is_still_served(old, version) else None
            entry.proven_at = old.proven_at if entry.proven else None
        if old:
            served = moved or old.proven is not None
            entry.replaced = old.replaced or served or old.current.digest != version.digest
        return entry


def _of_candidate(secret: SecretVersion, problem: Problem) -> Problem:
    said = f"The candidate (version {secret.version_id}, label {secret.label}) is passed over: {problem.message}"
    return Problem(problem.code, problem.severity, said)
