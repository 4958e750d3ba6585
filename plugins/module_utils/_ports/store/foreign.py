# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What somebody else has put where a certificate belongs: it becomes the version before. Functions raise OSError."""

from __future__ import annotations

import contextlib
import os
import typing as t

from ..._core.pipeline.manifest import Entry, StoredVersion
from ..._core.x509.layouts import live_paths
from ..._errors import StoreError
from .content import digests_of, version_digest
from .live import is_directory, version_stem
from .places import Place, open_file_place


def foreign_version(files: t.Mapping[str, str]) -> StoredVersion:
    """files: part -> digest."""
    return StoredVersion(version_digest(files), "", files, {})


def foreign_content(place: Place, name: str) -> bytes | None:
    """Of a file that someone else put there, or of a link to one that nobody else could exchange."""
    with contextlib.suppress(OSError, StoreError):
        if place.link_target(name) is None:
            return place.read(name)
        elsewhere, name = open_file_place(os.path.join(place.path, name), private=True)
        with elsewhere:
            return elsewhere.read(name)
    return None


def adopt(base: Place, versions: Place, entry: Entry, target: str) -> None:
    """Put a lineage's link in place of a directory in one step. That directory itself is the version before: who reads
    in it goes on to find its files. Half of a pair is nothing to go back to."""
    parts = {part: os.path.basename(path) for part, path in entry.paths.items()}
    with base.directory(entry.main_path) as place:
        found = {part: data for part, name in parts.items() if (data := place.read(name)) is not None}
    files = digests_of(found) if {"fullchain", "privkey"} <= found.keys() else {}
    foreign = foreign_version(files)
    name = version_stem(entry, foreign)
    if is_directory(versions.look(name)):  # the same is kept already
        name = f"{name}.again"
        versions.remove(name)
    versions.symlink(name, target)
    versions.exchange(name, base, entry.main_path)
    entry.replaced = True
    if files and foreign.digest not in (version.digest for version in (entry.current, *entry.previous)):
        entry.previous.insert(0, foreign)


def find_foreign(versions: Place, names: t.Iterable[str], entry: Entry) -> list[StoredVersion]:
    """What a run that was killed before it saved the manifest has kept. names: of what there is in versions."""
    known = {name.rpartition("~") for name in names}
    others = {digest.partition(".")[0] for stem, _mark, digest in known if stem == entry.stem}
    kept = []
    for digest in sorted(others - {entry.current.digest[:16]}):
        paths = live_paths(entry.layout, f"{entry.stem}~{digest}")
        parts = {part: data for part, path in paths.items() if (data := versions.read(path)) is not None}
        version = foreign_version(digests_of(parts))
        if parts and version.digest.startswith(digest):
            kept.append(version)
    return kept
