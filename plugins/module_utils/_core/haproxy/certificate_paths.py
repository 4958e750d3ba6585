# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Where HAProxy looks for what its configuration names: default-path, crt-base, ca-base and crt-stores. Pure.

Follows the configuration manual, 3.1 (default-path, crt-base, ca-base) and, of 3.0 and newer, "crt-store".
"""

from __future__ import annotations

import dataclasses
from posixpath import dirname, join

from .configuration import ConfigLine

KEYWORDS = frozenset(("crt-base", "ca-base", "default-path", "load"))
BUNDLE_SUFFIXES = (".dsa", ".ecdsa", ".rsa")  # in HAProxy's order


@dataclasses.dataclass(frozen=True)
class NamedFile:
    """A file as HAProxy names it, which is by what two are the same one, and its path, absolute. doubt: why the path
    is not known; then it is ""."""

    name: str
    path: str = ""
    doubt: str | None = None


class CertificatePaths:
    """Takes the lines in their order. What it answers is what counts at that line.

    start: the directory in which HAProxy was started, which is / under service managers.
    """

    def __init__(self, start: str = "/") -> None:
        self._start = start
        self.bases: dict[str, str] = {}
        self.stores: dict[str, NamedFile] = {}
        self.directories: dict[str, None] = {}  # in which relative names were looked for, in that order
        self._doubts: dict[str, str] = {}
        self._mode: tuple[str, ...] = ()
        self._store: str | None = None
        self._store_base: str | None = None
        self._store_doubt: str | None = None
        self._file = ""

    def take(self, line: ConfigLine) -> None:
        """A line of any keyword."""
        self._file = line.file
        if line.begins_section:
            is_store = line.keyword == "crt-store"
            self._store = "".join(line.words[1:2]) if is_store else None
            self._store_base, self._store_doubt = None, None
        elif line.keyword == "default-path":
            self._mode = line.words[1:]
            self._note_doubt(line)
        elif line.keyword == "crt-base" and self._store is not None:
            self._store_base, self._store_doubt = "".join(line.words[1:2]), line.doubt
        elif line.keyword in ("crt-base", "ca-base"):
            value = "".join(line.words[1:2])
            if self.bases.setdefault(line.keyword, value) != value:
                line = dataclasses.replace(line, doubt="is given twice")
            self._note_doubt(line)
        elif line.keyword == "load" and self._store is not None:
            self._load(line)

    @property
    def directory(self) -> str:
        """What relative paths start from."""
        here = join(self._start, dirname(self._file))
        origin = join(self._start, *self._mode[1:2])
        known = {"config": here, "parent": join(here, ".."), "origin": origin}
        return known.get("".join(self._mode[:1]), self._start)

    def doubt(self, keyword: str) -> str | None:
        """Why it is not known what crt-base, ca-base or default-path is here."""
        return self._doubts.get(keyword)

    def certificate(self, value: str) -> NamedFile:
        """Of "crt", and of a line of a crt-list."""
        if value in self.stores:
            return self.stores[value]
        if value.startswith("@"):
            return NamedFile(value, doubt=f"names {value}, which is in no crt-store that is known here")
        file = self._file_below("crt-base", value)
        return self.stores.get(file.name, file)

    def authority(self, value: str) -> NamedFile:
        """Of ca-sign-file."""
        return self._file_below("ca-base", value)

    def other(self, name: str) -> NamedFile:
        """Of a file that has no base, such as a crt-list, or of one that HAProxy itself has named."""
        return self.stores.get(name) or self._relative(name, None)

    def _file_below(self, keyword: str, value: str) -> NamedFile:
        base = self.bases.get(keyword)
        if value.startswith("/") or not (base or keyword in self._doubts):
            return self._relative(value, None)
        return self._relative(f"{base}/{value}", self._doubts.get(keyword))

    def _relative(self, name: str, doubt: str | None) -> NamedFile:
        if not doubt and not name.startswith("/"):
            doubt = self._doubts.get("default-path")
            self.directories[self.directory] = None
        return NamedFile(name, doubt=doubt) if doubt else NamedFile(name, join(self.directory, name))

    def _load(self, line: ConfigLine) -> None:
        options = dict(zip(line.words[1::2], line.words[2::2]))
        if "crt" not in options:
            return
        crt = options["crt"]
        if self._store_base is None:
            file = self._file_below("crt-base", crt)
        else:
            name = crt if crt.startswith("/") or not self._store_base else f"{self._store_base}/{crt}"
            file = self._relative(name, self._store_doubt)
        if "alias" in options:
            name = f"@{self._store}/{options['alias']}"
        elif self._store:
            name = f"@{self._store}/{crt.lstrip('/')}"
        else:  # HAProxy calls these as if the store had no base of its own
            name = self._file_below("crt-base", crt).name
        doubt = line.doubt or file.doubt
        self.stores[name] = NamedFile(name, "" if doubt else file.path, doubt)

    def _note_doubt(self, line: ConfigLine) -> None:
        if line.doubt:
            self._doubts[line.keyword] = f"has a path that depends on {line.keyword}, which {line.doubt}"
        elif line.keyword == "default-path":  # of the others there is only one
            self._doubts.pop(line.keyword, None)
