# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A crt-list file on disk: entries made in HAProxy's memory vanish at a reload unless they are written here too.

Format: configuration manual, 5.1 "crt-list": one line an entry, the certificate's path first, comments after "#".
"""

from __future__ import annotations

import errno
import os

from .._errors import InvalidOption
from .._store.atomic import FileAttributes, read_regular_file, store_errors
from .._store.places import open_file_place


class CrtListFile:
    """Lines are added and removed, nothing else is touched; mode and owner stay. Raises StoreError."""

    def __init__(self, path: str) -> None:
        self._path = os.path.abspath(path)

    def exists(self) -> bool:
        """Is it a file on this host? A directory has no lines to write."""
        return os.path.isfile(self._path)

    def contains(self, name: str) -> bool:
        return bool(_matching(self._read(), name))

    def add(self, name: str) -> bool:
        """Append an entry unless there is one; True when the file changed."""
        if name != "".join(name.split()) or name.startswith("#") or "[" in name:
            raise InvalidOption(f"A crt-list file cannot hold the name '{name}': use one without spaces, '#' and '['.")
        lines = self._read()
        if _matching(lines, name):
            return False
        if lines and not lines[-1].endswith(b"\n"):
            lines[-1] += b"\n"
        self._write([*lines, os.fsencode(name) + b"\n"])
        return True

    def remove(self, name: str) -> bool:
        """Remove all entries of this certificate; True when the file changed."""
        lines = self._read()
        matching = _matching(lines, name)
        if matching:
            self._write([line for number, line in enumerate(lines) if number not in matching])
        return bool(matching)

    def read(self) -> bytes:
        """The whole content, for write_back."""
        return b"".join(self._read())

    def write_back(self, content: bytes) -> None:
        """Undo: put back what read gave, unless it is there already."""
        if self.read() != content:
            self._write([content])

    def _read(self) -> list[bytes]:
        with store_errors(f"read the crt-list {self._path}"):
            return read_regular_file(self._path).splitlines(keepends=True)

    def _write(self, lines: list[bytes]) -> None:
        with store_errors(f"write the crt-list {self._path}"):
            # Public, and perhaps in a directory of somebody else: there it is replaced, and nothing outside of it.
            place, name = open_file_place(self._path, private=False)
            with place:
                status = place.look(name)
                if status is None:
                    raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), self._path)
                # Its permissions for people, and no bits that make programs more powerful.
                attributes = FileAttributes(status.st_mode & 0o777, status.st_uid, status.st_gid)
                place.write(name, b"".join(lines), attributes)
                place.sync()


def _matching(lines: list[bytes], name: str) -> set[int]:
    """Numbers of the lines about this certificate; with crt-base a file may name it by the end of its path."""
    wanted = os.fsencode(name)
    paths = {number: line.split(maxsplit=1)[0].partition(b"[")[0] for number, line in enumerate(lines) if line.strip()}
    exact = {number for number, path in paths.items() if path == wanted}
    return exact or {
        number
        for number, path in paths.items()
        if path and not path.startswith((b"/", b"#", b"@")) and wanted.endswith(b"/" + path)
    }
