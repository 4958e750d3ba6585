# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A directory of certificates: versions kept aside, live files that are names of one version, a manifest, a lock.

Below the directory, out of the way of HAProxy (which ignores names with a leading dot and subdirectories)::

    .certops/manifest.json                       what is deployed, from which secret version
    .certops/versions/<stem>~<digest>...         the current and the previous versions, named like the live files
    <stem>.pem                                   hard link to the current version (layouts haproxy, split)
    <stem> -> .certops/versions/<stem>~<digest>  symbolic link to it (layout lineage: four files change as one)
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import shutil
import time
import typing as t

from .._errors import StoreError
from . import atomic
from .manifest import Entry, Manifest, StoredVersion, live_paths, main_path

STATE_DIRECTORY = ".certops"
_LOCK_POLL_SECONDS = 0.05


class DirectorySettings(t.NamedTuple):
    """attributes: of the certificate files, None leaves those that are there as they are; directory_mode: of
    directories made here; keep: previous versions kept."""

    attributes: atomic.FileAttributes | None
    directory_mode: int = 0o700
    keep: int = 1


class CertificateDirectory:
    """The store behind one directory. Methods raise StoreError; writing ones are to be called within ``locked``."""

    def __init__(self, path: str, settings: DirectorySettings) -> None:
        self.path = os.path.abspath(path)
        self._settings = settings
        attributes = settings.attributes or atomic.FileAttributes()
        self._attributes = attributes
        self._directory_attributes = atomic.FileAttributes(settings.directory_mode, attributes.uid, attributes.gid)
        self._state = os.path.join(self.path, STATE_DIRECTORY)
        self._versions = os.path.join(self._state, "versions")
        self._manifest = os.path.join(self._state, "manifest.json")

    # -- reading ------------------------------------------------------------------------------------------------

    def load(self) -> tuple[Manifest, str | None]:
        """The manifest (empty when there is none) and a warning when an unreadable one is being disregarded."""
        with atomic.store_errors(f"read the manifest of {self.path}"):
            try:
                with open(self._manifest, "rb") as file:
                    return Manifest.from_json(file.read()), None
            except FileNotFoundError:
                return Manifest(), None
            except ValueError as error:
                return Manifest(), (
                    f"{self._manifest} is damaged ({error}): all certificates are read and checked again,"
                    " and what was kept of earlier versions is forgotten."
                )

    def intact(self, entry: Entry) -> bool:
        """Whether the live files are byte for byte what the manifest says."""
        return all(self._digest(path) == entry.current.files.get(part) for part, path in entry.paths.items())

    def kept(self, entry: Entry, version: StoredVersion) -> dict[str, bytes] | None:
        """Part -> content of a version in the store; None unless it is byte for byte what the manifest says."""
        parts = {}
        for part, path in self._version_paths(entry, version).items():
            try:
                with open(path, "rb") as file:
                    parts[part] = file.read()
            except OSError:
                return None
            if hashlib.sha256(parts[part]).hexdigest() != version.files.get(part):
                return None
        return parts

    def attributes_match(self, entry: Entry) -> bool:
        """Whether owner and mode of the (existing) live files are as set."""
        with atomic.store_errors(f"look at {entry.main_path} in {self.path}"):
            return all(attributes.match(os.stat(path)) for path, attributes in self._attributes_of(entry))

    def obstacle(self, layout: str, stem: str) -> str | None:
        """What stands where this certificate belongs and must not be replaced, if anything."""
        path = os.path.join(self.path, main_path(layout, stem))
        if layout == "lineage":
            if os.path.lexists(path) and not self._is_own_link(path):
                return f"{path} exists and is no symbolic link of this directory's store"
        else:
            for live in live_paths(layout, stem).values():
                if os.path.isdir(os.path.join(self.path, live)):
                    return f"{os.path.join(self.path, live)} is a directory"
        return None

    def live_file(self, layout: str, stem: str) -> str | None:
        """The live file that holds the leaf, when it exists: what a change is compared with."""
        relative = live_paths(layout, stem)["fullchain" if layout == "lineage" else "pem"]
        path = os.path.join(self.path, relative)
        return path if os.path.isfile(path) else None

    # -- writing ------------------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def locked(self, timeout: float, *, create: bool = True) -> t.Iterator[None]:
        """Hold the directory's lock, waiting up to timeout seconds; make the directories first.

        create=False (check mode) makes nothing, and locks nothing where there is nothing to lock.
        """
        if create:
            self._make_directories()
        lock = os.path.join(self._state, "lock")
        with atomic.store_errors(f"lock {self.path}"):
            try:
                descriptor = os.open(lock, os.O_RDONLY | os.O_CLOEXEC | (os.O_CREAT if create else 0), 0o600)
            except FileNotFoundError:
                descriptor = None
        try:
            if descriptor is not None:
                self._wait_for_lock(descriptor, timeout)
            yield
        finally:
            if descriptor is not None:
                os.close(descriptor)

    def stage(self, entry: Entry, parts: t.Mapping[str, bytes], *, first: bool) -> list[int]:
        """Write the entry's current version (its content is parts) aside. Returns descriptors, for publish to close.

        To stage many and then to publish them takes half the time of one after the other: the first fsync writes the
        file system's journal for all. first: nothing of this certificate was deployed before, so what is in its place
        is someone else's.
        """
        with self._writing(entry):
            if first:
                self._keep_foreign(entry)
            return self._store_version(entry, entry.current, parts)

    def publish(self, entry: Entry, staged: t.Collection[int]) -> None:
        """Wait until what was staged is on disk, then make it live. Durable after save."""
        with self._writing(entry):
            atomic.sync_and_close(staged)
            self._make_live(entry)

    def restore(self, entry: Entry) -> None:
        """Make the entry's current version live from the store, where it was kept."""
        paths = self._version_paths(entry, entry.current)
        for part, digest in entry.current.files.items():
            if self._digest(paths[part]) != digest:
                raise StoreError(
                    f"The kept version {entry.current.version_id} of {entry.name} is missing or damaged, so it cannot"
                    f" be restored ({paths[part]}). Run certificate_sync to fetch the current version again."
                )
        with atomic.store_errors(f"restore certificate {entry.name} in {self.path}"):
            self._make_live(entry)

    def set_attributes(self, entry: Entry) -> None:
        """Give the live files the owner and mode that are set."""
        with atomic.store_errors(f"set owner and mode of certificate {entry.name} in {self.path}"):
            for path, attributes in self._attributes_of(entry):
                atomic.set_attributes(path, attributes)

    def remove(self, entry: Entry, *, except_paths: t.Collection[str] = ()) -> list[str]:
        """Remove the entry's live files (its versions go with the next save).

        Returns the paths of files that someone else has put there since: they stay.
        """
        left = []
        with atomic.store_errors(f"remove certificate {entry.name} from {self.path}"):
            if entry.layout == "lineage":
                present = {entry.main_path: self._is_own_link(os.path.join(self.path, entry.main_path))}
            else:
                present = {path: self._is_own_file(entry, part) for part, path in entry.paths.items()}
            for path, own in present.items():
                if path in except_paths or not os.path.lexists(os.path.join(self.path, path)):
                    continue
                if own:
                    os.unlink(os.path.join(self.path, path))
                else:
                    left.append(os.path.join(self.path, path))
        return left

    def save(self, manifest: Manifest) -> None:
        """Make all that was published durable, write the manifest, then drop versions that nothing refers to."""
        self._forget_surplus(manifest)
        with atomic.store_errors(f"write the manifest of {self.path}"):
            atomic.fsync_directory(self._versions)
            atomic.fsync_directory(self.path)
            atomic.write_file(self._manifest, manifest.to_json(), atomic.FileAttributes(0o600))
            atomic.fsync_directory(self._state)
            self._drop_unreferenced(manifest)

    def clean(self, manifest: Manifest) -> None:
        """Remove what a killed run left and versions that are no longer to be kept. manifest: as it was saved."""
        if self._forget_surplus(manifest):
            self.save(manifest)
            return
        with atomic.store_errors(f"clean up {self.path}"):
            self._drop_unreferenced(manifest)

    def orphans(self, manifest: Manifest, *, except_stems: t.Collection[str] = ()) -> dict[str, list[str]]:
        """Stem -> live paths, in their order, written by a run that was killed before it saved the manifest."""
        known = {*except_stems, *(entry.stem for entry in manifest.entries.values())}
        orphans: dict[str, list[str]] = {}
        for name in self._version_names():
            stem = name.rpartition("~")[0]
            if stem and stem not in known:
                orphans.setdefault(stem, []).extend(self._live_names_of(name))
        return {stem: paths for stem, paths in orphans.items() if paths}

    # -- inside -------------------------------------------------------------------------------------------------

    def _make_directories(self) -> None:
        with atomic.store_errors(f"make the directory {self.path}"):
            for path in (self.path, self._state, self._versions):
                made = _make_directory(path)
                own = path != self.path and self._settings.attributes is not None
                if made or (own and not self._directory_attributes.match(os.stat(path))):
                    atomic.set_attributes(path, self._directory_attributes)

    def _attributes_of(self, entry: Entry) -> list[tuple[str, atomic.FileAttributes]]:
        """The paths that a reader of this certificate goes through, each with the owner and mode that is set."""
        paths = [(os.path.join(self.path, path), self._attributes) for path in entry.paths.values()]
        if entry.layout == "lineage":
            paths.append((os.path.join(self.path, entry.main_path), self._directory_attributes))
        return paths

    def _is_own_link(self, path: str) -> bool:
        prefix = os.path.join(STATE_DIRECTORY, "versions", "")
        return os.path.islink(path) and os.readlink(path).startswith(prefix)

    def _is_own_file(self, entry: Entry, part: str) -> bool:
        """Whether the live file is as remembered, or a name of a file in the store."""
        path = entry.paths[part]
        if self._digest(path) == entry.current.files.get(part, ""):
            return True
        versions = [name for name in self._version_names() if name.rpartition("~")[0] == entry.stem]
        return any(path in self._live_names_of(name) for name in versions)

    def _wait_for_lock(self, descriptor: int, timeout: float) -> None:
        deadline = time.monotonic() + timeout
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return
            except BlockingIOError:
                if time.monotonic() >= deadline:
                    raise StoreError(
                        f"Another run holds the lock of {self.path} and did not finish within {timeout:g} s."
                        " Wait for it, or raise lock_timeout."
                    ) from None
            time.sleep(_LOCK_POLL_SECONDS)

    def _digest(self, path: str) -> str | None:
        """SHA-256 of a file below the directory; None when there is none that can be read: then it is replaced."""
        try:
            with open(os.path.join(self.path, path), "rb") as file:
                return hashlib.sha256(file.read()).hexdigest()
        except OSError:
            return None

    def _writing(self, entry: Entry) -> t.ContextManager[None]:
        return atomic.store_errors(f"write certificate {entry.name} to {self.path}")

    def _version_paths(self, entry: Entry, version: StoredVersion) -> dict[str, str]:
        paths = live_paths(entry.layout, _version_stem(entry, version))
        return {part: os.path.join(self._versions, path) for part, path in paths.items()}

    def _store_version(self, entry: Entry, version: StoredVersion, parts: t.Mapping[str, bytes]) -> list[int]:
        """Descriptors of the files, which are not yet durable. Nobody looks at a version before it is live or kept."""
        if entry.layout == "lineage":
            directory = os.path.join(self._versions, main_path("lineage", _version_stem(entry, version)))
            if not _make_directory(directory):
                atomic.remove_temporaries(directory)
            atomic.set_attributes(directory, self._directory_attributes)
        descriptors: list[int] = []
        try:
            for part, path in self._version_paths(entry, version).items():
                descriptors.append(self._store_file(path, parts[part]))
        except BaseException:
            for descriptor in descriptors:
                os.close(descriptor)
            raise
        return descriptors

    def _store_file(self, path: str, data: bytes) -> int:
        with contextlib.suppress(FileExistsError):
            return atomic.create_unsynced_file(path, data, self._attributes)
        # Of an earlier time, perhaps damaged since. It may be live: it is replaced as a whole.
        if self._digest(path) != hashlib.sha256(data).hexdigest():
            atomic.write_file(path, data, self._attributes)
        atomic.set_attributes(path, self._attributes)
        return os.open(path, os.O_RDONLY | os.O_CLOEXEC)

    def _make_live(self, entry: Entry) -> None:
        if entry.layout == "lineage":
            # The link must never point to files that a power cut could still lose.
            directory = os.path.join(self._versions, main_path("lineage", _version_stem(entry, entry.current)))
            atomic.fsync_directory(directory)
            atomic.fsync_directory(self._versions)
            target = os.path.relpath(directory, self.path)
            atomic.replace_with_symlink(target, os.path.join(self.path, entry.main_path))
            return
        versions = self._version_paths(entry, entry.current)
        for part, path in entry.paths.items():
            atomic.replace_with_link(versions[part], os.path.join(self.path, path))

    def _keep_foreign(self, entry: Entry) -> None:
        """Keep the file that someone else put there as the previous version. (A lineage is never written over one.)"""
        if entry.layout == "lineage":
            return
        found = {part: self._digest(path) for part, path in entry.paths.items()}
        files = {part: digest for part, digest in found.items() if digest is not None}
        if files == entry.current.files:
            return
        entry.replaced = bool(files)
        if len(files) < len(found):  # half of a pair is nothing to go back to
            return
        digest = version_digest(files)
        foreign = StoredVersion(digest, "", files, {})
        parts: dict[str, bytes] = {}
        for part, path in entry.paths.items():
            with open(os.path.join(self.path, path), "rb") as file:
                parts[part] = file.read()
        atomic.sync_and_close(self._store_version(entry, foreign, parts))
        entry.previous.append(foreign)

    def _version_names(self) -> list[str]:
        with atomic.store_errors(f"list the versions in {self.path}"):
            try:
                return sorted(os.listdir(self._versions))
            except FileNotFoundError:
                return []

    def _live_names_of(self, version_name: str) -> list[str]:
        """Paths below the directory that are names of this version."""
        version = os.path.join(self._versions, version_name)
        stem, _mark, digest = version_name.rpartition("~")
        live = stem + os.path.splitext(digest)[1]
        path = os.path.join(self.path, live)
        if os.path.islink(path):
            return [live] if os.readlink(path) == os.path.relpath(version, self.path) else []
        with contextlib.suppress(FileNotFoundError):
            return [live] if os.path.samefile(version, path) else []
        return []

    def _forget_surplus(self, manifest: Manifest) -> bool:
        """Keep no more previous versions than are to be kept. Returns whether there were more."""
        surplus = [entry for entry in manifest.entries.values() if len(entry.previous) > self._settings.keep]
        for entry in surplus:
            del entry.previous[self._settings.keep :]
        return bool(surplus)

    def _drop_unreferenced(self, manifest: Manifest) -> None:
        referenced = {
            path.partition(os.sep)[0]
            for entry in manifest.entries.values()
            for version in (entry.current, *entry.previous)
            for path in live_paths(entry.layout, _version_stem(entry, version)).values()
        }
        for name in self._version_names():
            if name not in referenced and not self._live_names_of(name):
                _remove(os.path.join(self._versions, name))
        atomic.remove_temporaries(self.path)
        atomic.remove_temporaries(self._state)


def _make_directory(path: str) -> bool:
    """Whether it had to be made. Two runs may both try."""
    try:
        os.mkdir(path, 0o700)
    except FileExistsError:
        if os.path.isdir(path):
            return False
        raise
    return True


def version_digest(files: t.Mapping[str, str]) -> str:
    """One digest over the digests of all parts."""
    return hashlib.sha256("".join(f"{part}={files[part]};" for part in sorted(files)).encode()).hexdigest()


def _version_stem(entry: Entry, version: StoredVersion) -> str:
    return f"{entry.stem}~{version.digest[:16]}"


def _remove(path: str) -> None:
    if os.path.isdir(path):
        shutil.rmtree(path)
    else:
        os.unlink(path)
