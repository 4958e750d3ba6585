# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which file a name of HAProxy is: crt-base, default-path and crt-stores of its configuration, and symbolic links.

Follows the configuration manual, 3.1 (crt-base, default-path) and 3.11 (crt-store).
"""

from __future__ import annotations

import os
import typing as t

from ..._core.haproxy.config_words import SECTIONS, UnknownVariable, split_words
from ..._errors import HaproxyError
from .config_files import config_files

_GLOBAL_WORDS = ("crt-base", "default-path", "load")
_BLOCKS = (".if", ".endif")
BUNDLE_SUFFIXES = (".rsa", ".ecdsa", ".dsa")


class LoadPaths(t.NamedTuple):
    """crt_base: "" when there is none, None when it is not known. crt_lists: resolved paths of the crt-list files that
    the configuration names. stores: name of a crt-store's certificate, such as @web/www, and its path.
    directory: what relative paths start from.
    """

    crt_base: str | None = None
    crt_lists: frozenset[str] = frozenset()
    stores: t.Mapping[str, str] = {}
    directory: str = "/"


NOTHING_KNOWN = LoadPaths()


def read_load_paths(config_paths: t.Sequence[str]) -> LoadPaths:
    """config_paths: as HAProxy's -f takes them. When one cannot be read nothing is known, which is no error here."""
    reader = _LoadPathReader()
    try:
        for path in config_paths:
            for file in config_files(path):
                reader.read(file)
    except (OSError, HaproxyError):
        return NOTHING_KNOWN
    return reader.result() if config_paths else NOTHING_KNOWN


class FileNames:
    """Names of HAProxy as resolved paths of this host."""

    def __init__(self, paths: LoadPaths) -> None:
        self.paths = paths
        self._directories: dict[str, str] = {}

    def file_of(self, name: str) -> str | None:
        """None for a name of a crt-store that is not known."""
        if name.startswith("@"):
            path = self.paths.stores.get(name)
            return self.file_of(path) if path else None
        directory, base = os.path.split(os.path.join(self.paths.directory, name))
        if directory not in self._directories:
            self._directories[directory] = os.path.realpath(directory)
        path = os.path.join(self._directories[directory], base)
        return os.path.realpath(path) if os.path.islink(path) or base in ("", ".", "..") else path


class KnownNames:
    """All names of certificates in a HAProxy's memory, found by the file that they are."""

    def __init__(self, files: FileNames, names: t.Iterable[str]) -> None:
        self.files = files
        self._by_file: dict[str, list[str]] = {}
        self._spellings: dict[str, set[str]] = {}  # resolved directory -> as the names write it
        for name in names:
            self.add(name)

    def of(self, name: str) -> list[str]:
        """The names of the file that this name or path is; the name itself first, when it is one of them."""
        names = self._by_file.get(self._key(name), [])
        return sorted(names, key=lambda other: other != name)

    def is_complete(self, path: str) -> bool:
        """Has this file a name by every path of its directory that other names are known by?"""
        file = self._key(path)
        directory, base = os.path.dirname(file), os.path.basename(path)
        names = set(self._by_file.get(file, ()))
        return all(os.path.join(spelling, base) in names for spelling in self._spellings.get(directory, ()))

    def add(self, name: str) -> None:
        names = self._by_file.setdefault(self._key(name), [])
        if name not in names:
            names.append(name)
        if not name.startswith("@"):
            spelling = os.path.dirname(name)
            self._spellings.setdefault(self.files.file_of(spelling) or spelling, set()).add(spelling)

    def discard(self, name: str) -> None:
        names = self._by_file.get(self._key(name), [])
        if name in names:
            names.remove(name)

    def _key(self, name: str) -> str:
        return self.files.file_of(name) or name


def dangling_links(names: t.Iterable[str]) -> str | None:
    """What to say of links among these whose file is gone; None when there are none."""
    dangling = [name for name in names if os.path.islink(name) and not os.path.exists(name)]
    if not dangling:
        return None
    return (
        f"{', '.join(dangling)} leads to nothing now. HAProxy does not start with such a link in a directory or"
        " crt-list that it loads: remove it, or let it lead to another certificate."
    )


class _LoadPathReader:
    def __init__(self) -> None:
        self._bases: list[str | None] = []
        self._crt_lists: set[str] = set()
        self._stores: dict[str, str] = {}
        self._directory = "/"
        self._section = self._store = self._store_base = ""
        self._conditions = 0

    def result(self) -> LoadPaths:
        bases = set(self._bases) or {""}
        return LoadPaths(
            crt_base=bases.pop() if len(bases) == 1 else None,
            crt_lists=frozenset(map(os.path.realpath, self._crt_lists)),
            stores=self._stores,
            directory=self._directory,
        )

    def read(self, path: str) -> None:
        with open(path, encoding="utf-8", errors="surrogateescape", newline="\n") as file:
            for line in file:
                keyword = (line.split(None, 1) or [""])[0]
                if keyword in _BLOCKS:
                    self._conditions += 1 if keyword == ".if" else -1
                elif keyword in _GLOBAL_WORDS or keyword in SECTIONS or keyword == "bind":
                    self._line(keyword, line, path)

    def _line(self, keyword: str, line: str, path: str) -> None:
        try:
            words = split_words(line, {})
        except UnknownVariable:
            words = [keyword]
        if keyword in SECTIONS:
            self._section, self._store, self._store_base = keyword, " ".join(words[1:2]), ""
        elif keyword == "bind":
            paths = [value for option, value in zip(words, words[1:]) if option == "crt-list"]
            self._crt_lists.update(os.path.join(self._directory, value) for value in paths)
        elif self._section == "crt-store":
            self._in_store(keyword, words)
        elif keyword == "crt-base":
            is_known = len(words) == 2 and not self._conditions
            self._bases.append(words[1] if is_known else None)
        elif keyword == "default-path":
            here = os.path.dirname(os.path.abspath(path))
            known = {"config": here, "parent": os.path.dirname(here), "origin": words[-1]}
            self._directory = known.get("".join(words[1:2]), "/")

    def _in_store(self, keyword: str, words: t.Sequence[str]) -> None:
        options = dict(zip(words[1::2], words[2::2]))
        if keyword == "crt-base" and len(words) == 2:
            self._store_base = words[1]
        elif keyword == "load" and "crt" in options and not self._conditions:
            base = self._store_base or next(reversed(self._bases), "") or ""
            path = os.path.join(self._directory, base, options["crt"])
            self._stores[f"@{self._store}/{options.get('alias', options['crt'])}"] = path
