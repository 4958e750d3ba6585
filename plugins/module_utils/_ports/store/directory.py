# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A directory of certificates: versions kept aside, live files that are names of one version, a manifest, a lock.

All is done by descriptor, in directories that are opened once (see places.py), and no link is followed. Below the
directory, out of the way of HAProxy (which ignores names with a leading dot and subdirectories)::

    .certops/manifest.json                       what is deployed, from which secret version
    .certops/versions/<stem>~<digest>...         the current and the previous versions, named like the live files
    <stem>.pem                                   hard link to the current version (layouts haproxy, split)
    <stem> -> .certops/versions/<stem>~<digest>  symbolic link to it (layout lineage: four files change as one)
"""

from __future__ import annotations

import contextlib
import os
import typing as t

from ..._core.pipeline.manifest import Entry, Manifest, StoredVersion
from ..._core.x509.layouts import live_paths
from ..._errors import StoreError
from . import atomic
from .content import digests_of, file_digest, version_digest
from .foreign import adopt, find_foreign, foreign_content, foreign_version
from .foreseen import require_writable
from .live import MANIFEST_FILE, STATE_DIRECTORY, VERSIONS, Opened, is_directory, link_to, version_stem
from .opening import AS_FOUND, DirectorySettings, directory_attributes, foresee, lock, looked_at, opened
from .places import Place
from .versions import version_files, version_place, write_version

__all__ = ["STATE_DIRECTORY", "CertificateDirectory", "DirectorySettings", "version_digest"]

_OWN_FILE = atomic.FileAttributes(0o600)


class CertificateDirectory:
    """The store behind one directory. Methods raise StoreError; writing ones are to be called within ``locked``."""

    def __init__(self, path: str, settings: DirectorySettings = AS_FOUND) -> None:
        self.path = os.path.abspath(path)
        self._settings = settings
        self._attributes = settings.attributes or atomic.FileAttributes()
        self._directory_attributes = directory_attributes(settings)
        self._opened: Opened | None = None

    # -- reading ------------------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def looking(self) -> t.Iterator[Opened]:
        """The directories, opened for a look, or for as long as they are locked. For who looks at many entries."""
        if self._opened is not None:
            yield self._opened
            return
        with contextlib.ExitStack() as stack:
            with atomic.store_errors(f"look into {self.path}"):
                self._opened = stack.enter_context(looked_at(self.path))
                self._opened.adopts = self._settings.adopts
            try:
                yield self._opened
            finally:
                self._opened = None

    def load(self) -> tuple[Manifest, str | None]:
        """The manifest (empty when there is none) and a warning when an unreadable one is being disregarded."""
        try:
            data = self.read_own_file(MANIFEST_FILE)
            return (Manifest() if data is None else Manifest.from_json(data)), None
        except ValueError as error:
            file = os.path.join(self.path, STATE_DIRECTORY, MANIFEST_FILE)
            return Manifest(), (
                f"{file} is damaged ({error}): all certificates are read and checked again,"
                " and what was kept of earlier versions is forgotten."
            )

    def read_own_file(self, name: str) -> bytes | None:
        """A file that is kept beside the manifest; None when there is none.

        Raises ValueError for what cannot be one of this store: it will be replaced.
        """
        with self.looking() as places, atomic.store_errors(f"read what is remembered of {self.path}"):
            try:
                return places.state.read(name) if places.state else None
            except OSError as error:
                if atomic.is_unfit(error):
                    raise ValueError(error.strerror) from None
                raise

    def intact(self, entry: Entry) -> bool:
        """Whether the live files are byte for byte what the manifest says."""
        with self.looking() as places, contextlib.suppress(OSError):
            with places.live_place(entry.layout, entry.stem) as place:
                found = {
                    part: place and file_digest(place, os.path.basename(path)) for part, path in entry.paths.items()
                }
            return found == entry.current.files
        return False

    def kept(self, entry: Entry, version: StoredVersion) -> dict[str, bytes] | None:
        """Part -> content of a version in the store; None unless it is byte for byte what the manifest says."""
        names = version_files(entry, version)
        with contextlib.suppress(OSError), version_place(self._versions(), entry, version) as place:
            found = {part: place.read(name) for part, name in names.items()}
            parts = {part: data for part, data in found.items() if data is not None}
            return parts if digests_of(parts) == version.files else None
        return None

    def attributes_match(self, entry: Entry) -> bool:
        """Whether owner and mode of the (existing) live files are as set."""
        with self.looking() as places, atomic.store_errors(f"look at {entry.main_path} in {self.path}"):
            with places.live_place(entry.layout, entry.stem) as place:
                found = [place.look(os.path.basename(path)) if place else None for path in entry.paths.values()]
                if place and entry.layout == "lineage" and not self._is_own_directory(place):
                    return False
            return all(status is not None and self._attributes.match(status) for status in found)

    def obstacle(self, layout: str, stem: str) -> str | None:
        """What stands where this certificate belongs and must not be replaced, if anything."""
        with self.looking() as places, atomic.store_errors(f"look at {stem} in {self.path}"):
            return places.obstacle(layout, stem)

    def live_file(self, layout: str, stem: str) -> str | None:
        """The live file that holds the leaf, when it exists: what a change is compared with."""
        relative = live_paths(layout, stem)["fullchain" if layout == "lineage" else "pem"]
        with self.looking() as places, atomic.store_errors(f"look at {stem}"), places.live_place(layout, stem) as place:
            found = place.look(os.path.basename(relative)) if place else None
        return None if found is None or is_directory(found) else os.path.join(self.path, relative)

    def links_to(self, entry: Entry) -> list[str]:
        """Symbolic links beside its live files that somebody else has made to them.

        Without the files they lead to nothing, and HAProxy does not start with such a link. It ignores hidden ones.
        """
        live = {entry.main_path, *(path for path in entry.paths.values() if "/" not in path)}
        with self.looking() as places, atomic.store_errors(f"look at {self.path}"):
            return [os.path.join(self.path, name) for name in places.links_to(live) if not name.startswith(".")]

    # -- writing ------------------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def locked(self, timeout: float, *, create: bool = True, write: bool | None = None) -> t.Iterator[None]:
        """Hold the directory's lock, waiting up to timeout seconds; make the directories first.

        create=False makes nothing, and locks nothing where there is nothing to lock. write (by default: create) says
        whether something will be changed, so that what earlier versions gave away is to be taken back first. Raises
        UnsafeDirectory, a StoreError, when others may write in the directory.
        """
        write = create if write is None else write
        with contextlib.ExitStack() as stack:
            with atomic.store_errors(f"{'make' if create else 'open'} the directory {self.path}"):
                places = stack.enter_context(opened(self.path, self._settings, create=create, write=write))
            with atomic.store_errors(f"lock {self.path}"):
                if places.state:
                    stack.enter_context(lock(places.state, self.path, timeout, create=create))
            places.adopts = self._settings.adopts
            before, self._opened = self._opened, places
            try:
                yield
            finally:
                self._opened = before

    def foresee(self, entry: Entry | None = None) -> None:
        """Raises what locked would with create, or what writing this entry would, and makes nothing."""
        with self._writing(entry) if entry else atomic.store_errors(f"make the directory {self.path}"):
            foresee(self.path, self._settings, entry.main_path if entry else None)

    @contextlib.contextmanager
    def reserved(self, name: str, timeout: float, *, create: bool = True) -> t.Iterator[None]:
        """Hold another lock than that of ``locked``, for whoever does several things with the directory. Raises as it
        does."""
        with contextlib.ExitStack() as stack:
            with atomic.store_errors(f"{'make' if create else 'open'} the directory {self.path}"):
                places = stack.enter_context(opened(self.path, self._settings, create=create, write=create))
            with atomic.store_errors(f"lock {self.path}"):
                if places.state:
                    stack.enter_context(lock(places.state, self.path, timeout, create=create, name=name))
            yield

    def put_aside(self, entry: Entry, parts: t.Mapping[str, bytes], *, first: bool) -> list[int]:
        """Write the entry's current version (its content is parts) aside. Returns descriptors, for publish to close.

        To put many aside and then to publish them takes half the time of one after the other: the first fsync writes
        the file system's journal for all. first: nothing of this certificate was deployed before, so what is in its
        place is someone else's.
        """
        with self._writing(entry):
            if first:
                self._keep_foreign(entry)
            return self._store_version(entry, entry.current, parts)

    def publish(self, entry: Entry, aside: t.Collection[int]) -> None:
        """Wait until what was put aside is on disk, then make it live. Durable after save."""
        with self._writing(entry):
            atomic.sync_and_close(aside)
            self._make_live(entry)

    def restore(self, entry: Entry) -> None:
        """Make the entry's current version live from the store, where it was kept."""
        if self.kept(entry, entry.current) is None:
            where = os.path.join(self.path, link_to(version_stem(entry, entry.current)))
            raise StoreError(
                f"The kept version {entry.current.version_id} of {entry.name} is missing or damaged, so it cannot be"
                f" restored ({where}*). Run certificate_sync to fetch the current version again."
            )
        with atomic.store_errors(f"restore certificate {entry.name} in {self.path}"):
            self._make_live(entry)

    def set_attributes(self, entry: Entry) -> None:
        """Give the live files the owner and mode that are set: they are written anew, with the same content."""
        with atomic.store_errors(f"set owner and mode of certificate {entry.name} in {self.path}"):
            with self.looking() as places, places.live_place(entry.layout, entry.stem) as place:
                names = {part: os.path.basename(path) for part, path in entry.paths.items()}
                parts = {part: (place and place.read(name)) or b"" for part, name in names.items()}
            if digests_of(parts) != entry.current.files:
                raise StoreError(f"Certificate {entry.name} in {self.path} was changed meanwhile. Run this again.")
            atomic.sync_and_close(self._store_version(entry, entry.current, parts))
            self._make_live(entry)

    def remove(self, entry: Entry, *, except_paths: t.Collection[str] = ()) -> list[str]:
        """Remove the entry's live files (its versions go with the next save).

        Returns the paths of files that someone else has put there since: they stay.
        """
        left = []
        with atomic.store_errors(f"remove certificate {entry.name} from {self.path}"):
            base = self._base()
            if entry.layout == "lineage":
                with self.looking() as places:
                    present = {entry.main_path: places.lineage_version(entry.stem) is not None}
            else:
                present = {path: self._is_own_file(entry, part) for part, path in entry.paths.items()}
            for path, own in present.items():
                if path in except_paths or base.look(path) is None:
                    continue
                if own:
                    base.unlink(path)
                else:
                    left.append(os.path.join(self.path, path))
        return left

    def save(self, manifest: Manifest) -> None:
        """Make all that was published durable, write the manifest, then drop versions that nothing refers to."""
        self._forget_surplus(manifest)
        with atomic.store_errors(f"write the manifest of {self.path}"):
            self._versions().sync()
            self._base().sync()
            self.write_own_file(MANIFEST_FILE, manifest.to_json())
            self._drop_unreferenced(manifest)

    def write_own_file(self, name: str, data: bytes, *, check_mode: bool = False) -> None:
        """Keep a file beside the manifest. In check mode, only raise what that would."""
        with atomic.store_errors(f"write {os.path.join(self.path, STATE_DIRECTORY, name)}"):
            state = self._state()
            if check_mode:
                require_writable(state, name, own=True)
                return
            state.write(name, data, _OWN_FILE, own=True)
            state.sync()

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

    def _base(self) -> Place:
        return self._there((self._opened or Opened()).base, "")

    def _state(self) -> Place:
        return self._there((self._opened or Opened()).state, STATE_DIRECTORY)

    def _versions(self) -> Place:
        return self._there((self._opened or Opened()).versions, os.path.join(STATE_DIRECTORY, VERSIONS))

    def _there(self, place: Place | None, name: str) -> Place:
        if place is None:
            raise StoreError(f"{os.path.join(self.path, name)} is not there. Run certificate_sync to make it.")
        return place

    def _is_own_directory(self, place: Place) -> bool:
        return place.is_closed() and self._directory_attributes.match(place.status())

    def _is_own_file(self, entry: Entry, part: str) -> bool:
        """Whether the live file is as remembered, or a name of a file in the store."""
        path = entry.paths[part]
        if file_digest(self._base(), path) == entry.current.files.get(part, ""):
            return True
        versions = [name for name in self._version_names() if name.rpartition("~")[0] == entry.stem]
        return any(path in self._live_names_of(name) for name in versions)

    def _writing(self, entry: Entry) -> t.ContextManager[None]:
        return atomic.store_errors(f"write certificate {entry.name} to {self.path}")

    def _store_version(self, entry: Entry, version: StoredVersion, parts: t.Mapping[str, bytes]) -> list[int]:
        return write_version(self._versions(), entry, version, parts, self._attributes, self._directory_attributes)

    def _make_live(self, entry: Entry) -> None:
        base = self._base()
        names = version_files(entry, entry.current)
        with version_place(self._versions(), entry, entry.current) as place:
            if entry.layout == "lineage":
                # The link must never point to files that a power cut could still lose.
                place.sync()
                self._versions().sync()
                target = link_to(version_stem(entry, entry.current))
                if self._settings.adopts and is_directory(base.look(entry.main_path)):
                    adopt(base, self._versions(), entry, target)
                else:
                    base.symlink(entry.main_path, target)
                return
            for part, path in entry.paths.items():
                base.link(path, place, names[part])

    def _keep_foreign(self, entry: Entry) -> None:
        """Keep the file that someone else put there as the previous version. (A lineage is kept when it is adopted.)"""
        if entry.layout == "lineage":
            if self.intact(entry):
                self._find_foreign(entry)
            return
        base = self._base()
        present = [path for path in entry.paths.values() if base.look(path)]
        parts = {part: data for part, path in entry.paths.items() if (data := foreign_content(base, path)) is not None}
        files = digests_of(parts)
        if files == entry.current.files:
            if not entry.replaced:
                self._find_foreign(entry)
            return
        entry.replaced = bool(present)
        if len(files) < len(entry.paths):  # half of a pair is nothing to go back to
            return
        foreign = foreign_version(files)
        atomic.sync_and_close(self._store_version(entry, foreign, parts))
        entry.previous.append(foreign)

    def _find_foreign(self, entry: Entry) -> None:
        found = find_foreign(self._versions(), self._version_names(), entry)
        entry.replaced = entry.replaced or bool(found)
        entry.previous += found

    def _version_names(self) -> list[str]:
        with self.looking() as places, atomic.store_errors(f"list the versions in {self.path}"):
            return sorted(places.versions.names()) if places.versions else []

    def _live_names_of(self, version_name: str) -> list[str]:
        """Paths below the directory that are names of this version."""
        with self.looking() as places, atomic.store_errors(f"look at {version_name} in {self.path}"):
            return places.names_of(version_name)

    def _forget_surplus(self, manifest: Manifest) -> bool:
        """Keep no more previous versions than are to be kept. Returns whether there were more."""
        is_less = False
        for entry in manifest.entries.values():
            if len(entry.previous) > self._settings.keep:
                kept = entry.kept_versions(self._settings.keep)
                is_less = is_less or len(kept) < len(entry.previous)
                entry.previous = kept
        return is_less

    def _drop_unreferenced(self, manifest: Manifest) -> None:
        referenced = {
            path.partition(os.sep)[0]
            for entry in manifest.entries.values()
            for version in (entry.current, *entry.previous)
            for path in live_paths(entry.layout, version_stem(entry, version)).values()
        }
        for name in self._version_names():
            if name not in referenced and not self._live_names_of(name):
                self._versions().remove(name)
        self._base().remove_temporaries()
        self._state().remove_temporaries()
