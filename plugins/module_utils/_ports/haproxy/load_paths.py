# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which file a name of HAProxy is: crt-base, default-path and crt-stores of its configuration, and symbolic links.

Follows the configuration manual, 3.1 (crt-base, default-path) and 3.11 (crt-store).
"""

from __future__ import annotations

import os
import typing as t

from ..._core.haproxy.bind_options import bind_options
from ..._core.haproxy.certificate_paths import KEYWORDS, CertificatePaths, NamedFile
from ..._core.haproxy.conditions import KnownHaproxy
from ..._core.haproxy.configuration import ConfigReader
from ..._core.haproxy.variables import Environment, environment_before
from ..._errors import HaproxyError
from .config_files import all_lines, read_configuration
from .loaded import environment_of, number_of
from .program import known_haproxy
from .runtime import RuntimeApi

_LOADING = {"bind": 2, "default-bind": 1}  # and where their options begin
_KEYWORDS = KEYWORDS | _LOADING.keys()


class LoadPaths(t.NamedTuple):
    """crt_base: "" when there is none, None when it is not known. crt_lists: resolved paths of the crt-list files that
    the configuration names. stores: name of a crt-store's certificate, such as @web/www, and its path.
    directories: what relative paths start from; several where default-path differs from file to file.
    """

    crt_base: str | None = None
    crt_lists: frozenset[str] = frozenset()
    stores: t.Mapping[str, str] = {}
    directories: tuple[str, ...] = ("/",)


NOTHING_KNOWN = LoadPaths()


def read_load_paths(config_paths: t.Sequence[str], api: RuntimeApi | None = None) -> LoadPaths:
    """config_paths: as HAProxy's -f takes them. When one cannot be read nothing is known, which is no error here.

    api: of the HAProxy that runs with it; it is asked only where its variables or conditions make a difference.
    """
    try:
        paths, is_known = _read(config_paths, Environment({}), KnownHaproxy())
        if api and not is_known:
            info, shown = api.info(), environment_of(api)
            known = Environment({}) if shown is None else environment_before(shown, all_lines(config_paths))
            haproxy = known_haproxy(info.get("Version"), number_of(info.get("Pid", "")))
            paths, _is_known = _read(config_paths, known, haproxy)
    except HaproxyError:
        return NOTHING_KNOWN
    return paths if config_paths else NOTHING_KNOWN


def _read(config_paths: t.Sequence[str], environment: Environment, haproxy: KnownHaproxy) -> tuple[LoadPaths, bool]:
    """What the configuration says, and whether it says it without doubt."""
    paths, crt_lists, is_known = CertificatePaths(), set[NamedFile](), True
    for line in read_configuration(config_paths, ConfigReader(_KEYWORDS, environment, haproxy)):
        paths.take(line)
        is_known = is_known and not (line.doubt and line.keyword in _KEYWORDS)
        if line.keyword in _LOADING and line.legible:
            for option, value in bind_options(line.words[_LOADING[line.keyword] :]):
                if option == "crt-list":
                    crt_lists.add(paths.other(value))
                elif option in ("crt", "default-crt"):
                    paths.certificate(value)
    found = LoadPaths(
        crt_base=None if paths.doubt("crt-base") else paths.bases.get("crt-base", ""),
        crt_lists=frozenset(os.path.realpath(file.path) for file in crt_lists if file.path),
        stores={name: file.path for name, file in paths.stores.items() if file.path},
        directories=tuple(paths.directories) or (paths.directory,),
    )
    return found, is_known


class FileNames:
    """Names of HAProxy as resolved paths of this host."""

    def __init__(self, paths: LoadPaths) -> None:
        self.paths = paths
        self._directories: dict[str, str] = {}

    def file_of(self, name: str) -> str | None:
        """None for a name of a crt-store that is not known."""
        if name.startswith("@"):
            path = self.paths.stores.get(name)
            return self._resolved(path) if path else None
        if name in self.paths.stores and self.paths.stores[name] != name:  # of the crt-store without a name
            return self._resolved(self.paths.stores[name])
        found = [self._resolved(os.path.join(directory, name)) for directory in self.paths.directories]
        # HAProxy loads a name once, where it meets it first.
        return next(filter(os.path.lexists, found), found[0]) if len(found) > 1 else found[0]

    def paths_of(self, name: str) -> list[str]:
        """Those beside which its other files may be: HAProxy does not follow a link before it adds their suffixes."""
        file = self.file_of(name)
        places = [self.paths.stores.get(name, name), *([file] if file is not None else [])]
        return [os.path.join(directory, place) for place in places for directory in self.paths.directories]

    def _resolved(self, path: str) -> str:
        directory, base = os.path.split(path)
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
