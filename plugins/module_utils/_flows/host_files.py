# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Directories and small files of a host as they are wanted, all in one go."""

from __future__ import annotations

import dataclasses
import errno
import os
import stat
import typing as t

from .._errors import StoreError
from .._ports.store.atomic import FileAttributes, set_attributes, store_errors
from .._ports.store.foreseen import require_makeable, require_writable
from .._ports.store.places import Place, open_file_place, open_place


@dataclasses.dataclass(frozen=True)
class HostDirectory:
    path: str
    attributes: FileAttributes


@dataclasses.dataclass(frozen=True)
class HostFile:
    """secret: its content is for nobody else's eyes, so no diff shows it, and nobody else may replace it."""

    path: str
    content: bytes
    attributes: FileAttributes
    secret: bool = False


@dataclasses.dataclass
class HostFilesReport:
    """Paths of what was made or changed, written, and removed, or would be; diffs as Ansible shows them."""

    directories: list[str] = dataclasses.field(default_factory=list)
    written: list[str] = dataclasses.field(default_factory=list)
    removed: list[str] = dataclasses.field(default_factory=list)
    diffs: list[dict[str, str]] = dataclasses.field(default_factory=list)

    @property
    def changed(self) -> bool:
        return bool(self.directories or self.written or self.removed)


def keep_host_files(
    directories: t.Sequence[HostDirectory],
    files: t.Sequence[HostFile],
    absent: t.Sequence[str],
    *,
    check: bool = False,
) -> HostFilesReport:
    """Directories first, in their order; then files, each whole or not at all; then what is to be gone, which may be
    files and links. check: tell, and change nothing. Raises StoreError (also UnsafeDirectory) at the first that fails:
    what was done before it stays, and a run that is told the same again goes on."""
    report = HostFilesReport()
    for directory in directories:
        with store_errors(f"make the directory {directory.path}"):
            _keep_directory(directory, report, check)
    for file in files:
        with store_errors(f"write {file.path}"):
            _keep_file(file, report, check)
    for path in absent:
        with store_errors(f"remove {path}"):
            _keep_absent(path, report, check)
    return report


def _keep_directory(wanted: HostDirectory, report: HostFilesReport, check: bool) -> None:
    try:
        place = open_place(wanted.path, private=True)
    except FileNotFoundError:
        report.directories.append(wanted.path)
        if check:
            if os.path.dirname(wanted.path) not in report.directories:
                require_makeable(wanted.path, parents=True)
        else:
            above, _name = os.path.split(wanted.path)
            os.makedirs(above, mode=0o755, exist_ok=True)
            with open_place(above, private=True, to_make_in=True) as parent:
                place, _made = parent.make_directory(_name)
                with place:
                    set_attributes(place.descriptor, wanted.attributes)
        return
    with place:
        if not wanted.attributes.match(place.status()):
            report.directories.append(wanted.path)
            if not check:
                place.set_attributes(wanted.attributes)


def _keep_file(wanted: HostFile, report: HostFilesReport, check: bool) -> None:
    try:
        place, name = open_file_place(wanted.path, private=wanted.secret)
    except FileNotFoundError:
        if not check or os.path.dirname(wanted.path) not in report.directories:
            raise
        _tell(wanted, None, report)
        return
    with place:
        before = _content(place, name, wanted)
        found = place.look(name)
        if before == wanted.content and found and wanted.attributes.match(found):
            return
        _tell(wanted, before, report)
        if check:
            require_writable(place, name)
        else:
            place.remove_temporaries_of(name)
            place.write(name, wanted.content, wanted.attributes)
            place.sync()


def _content(place: Place, name: str, wanted: HostFile) -> bytes | None:
    found = place.look(name)
    if found is None:
        return None
    if not stat.S_ISREG(found.st_mode):
        raise StoreError(f"{wanted.path} is no regular file: move away what is in its place.")
    return place.read(name)


def _tell(wanted: HostFile, before: bytes | None, report: HostFilesReport) -> None:
    report.written.append(wanted.path)
    if not wanted.secret and before != wanted.content:
        report.diffs.append(
            {
                "before": (before or b"").decode(errors="replace"),
                "after": wanted.content.decode(errors="replace"),
                "before_header": wanted.path,
                "after_header": wanted.path,
            }
        )


def _keep_absent(path: str, report: HostFilesReport, check: bool) -> None:
    directory, name = os.path.split(path)
    try:
        place = open_place(directory, private=False)
    except FileNotFoundError:
        return
    with place:
        found = place.look(name)
        if found is None:
            return
        if stat.S_ISDIR(found.st_mode):
            raise OSError(errno.EISDIR, "it is a directory, and not a file", path)
        report.removed.append(path)
        if check:
            require_writable(place, name, own=True)
        else:
            place.unlink(name)
            place.sync()
