# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The files of one version of a certificate, put aside in the store."""

from __future__ import annotations

import contextlib
import os
import typing as t

from ..._core.pipeline.manifest import Entry, StoredVersion
from ..._core.x509.layouts import live_paths
from .atomic import FileAttributes
from .content import digest_of, file_digest
from .live import version_stem
from .places import Place


def version_files(entry: Entry, version: StoredVersion) -> dict[str, str]:
    """Part -> name of the file in version_place."""
    paths = live_paths(entry.layout, version_stem(entry, version))
    return {part: os.path.basename(path) for part, path in paths.items()}


@contextlib.contextmanager
def version_place(versions: Place, entry: Entry, version: StoredVersion) -> t.Iterator[Place]:
    """Where the files of a version are. versions: the place of all. Raises OSError."""
    if entry.layout != "lineage":
        yield versions
        return
    with versions.directory(version_stem(entry, version)) as place:
        yield place


def write_version(
    versions: Place,
    entry: Entry,
    version: StoredVersion,
    parts: t.Mapping[str, bytes],
    attributes: FileAttributes,
    directory_attributes: FileAttributes,
) -> list[int]:
    """Descriptors of the files, which are not yet durable. Nobody looks at a version before it is live or kept.

    attributes, directory_attributes: of the files, and of a lineage's directory. Raises OSError.
    """
    descriptors: list[int] = []
    with contextlib.ExitStack() as stack:
        place = versions
        if entry.layout == "lineage":
            place, made = place.make_directory(version_stem(entry, version))
            stack.enter_context(place)
            # One that an earlier version gave away is taken back.
            uid = None if place.is_closed() else os.geteuid()
            place.set_attributes(directory_attributes._replace(uid=uid))
            if not made:
                place.remove_temporaries()
        try:
            for part, name in version_files(entry, version).items():
                descriptors.append(_write_file(place, name, parts[part], attributes))
        except BaseException:
            for descriptor in descriptors:
                os.close(descriptor)
            raise
    return descriptors


def _write_file(place: Place, name: str, data: bytes, attributes: FileAttributes) -> int:
    with contextlib.suppress(FileExistsError):
        return place.create(name, data, attributes)
    # Of an earlier time, perhaps damaged since. It may be live: it is replaced as a whole.
    found = place.look(name)
    same = found and attributes.match(found) and file_digest(place, name) == digest_of(data)
    if not same:
        place.write(name, data, attributes, own=True)
    return place.open_file(name)
