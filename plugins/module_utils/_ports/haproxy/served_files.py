# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which files does HAProxy load for what its configuration names: a file, a directory, a crt-list, an alias?

By what the process has loaded, where that is known, else by what is on disk.
"""

from __future__ import annotations

import dataclasses
import os
import typing as t

from ..._core.haproxy.certificate_paths import BUNDLE_SUFFIXES, CertificatePaths, NamedFile
from ..._core.haproxy.crt_list_line import CrtListLine, read_line, read_whole_line
from ..._core.haproxy.listeners import CertificateReference
from .config_files import config_lines, files_in
from .loaded import Loaded

_IGNORED_SUFFIXES = (".key", ".issuer", ".ocsp", ".sctl")


@dataclasses.dataclass
class ServedFiles:
    """references: in the order in which HAProxy loads them. doubt: why these may not be all."""

    references: list[CertificateReference] = dataclasses.field(default_factory=list)
    doubt: str | None = None

    def add(self, others: ServedFiles) -> None:
        self.references += others.references
        self.doubt = self.doubt or others.doubt


class FileFinder:
    """paths: what the lines so far say; it changes from line to line. loaded: None where nobody tells."""

    def __init__(self, paths: CertificatePaths, loaded: Loaded | None = None) -> None:
        self._paths = paths
        self._loaded = loaded
        self._first: dict[str, str] = {}  # HAProxy's name of a file -> path: by its name it is loaded once
        self._resolved: dict[tuple[str, int], tuple[frozenset[str], dict[str, str]]] = {}

    def of_options(self, options: t.Iterable[tuple[str, str]]) -> ServedFiles:
        """Of a bind line's options."""
        found = ServedFiles()
        for name, value in options:
            if name == "crt-list":
                found.add(self._crt_list(self._paths.other(value)))
            elif name in ("crt", "default-crt"):
                file = self._paths.certificate(value)
                served = self.of_certificate(file)
                is_default = name == "default-crt" or not found.references
                if is_default and not (file.path and os.path.isdir(file.path)):
                    served.references = [dataclasses.replace(one, fallback=True) for one in served.references]
                found.add(served)
        return found

    def of_certificate(self, file: NamedFile) -> ServedFiles:
        """Of a file, a directory, or the files that are called like it, with the suffix of a type of key."""
        listed = self.in_memory(file)
        if listed is not None:
            return listed
        if file.doubt:
            return ServedFiles(doubt=file.doubt)
        path = self._first.setdefault(file.name, file.path)
        files = (os.path.realpath(one) for one in _on_disk(path))
        return ServedFiles([CertificateReference(one) for one in files if self._is_loaded(one)])

    def in_memory(self, file: NamedFile) -> ServedFiles | None:
        """The entries of a crt-list or directory as loaded; None when it is not known what is."""
        if self._loaded is None:
            return None
        lists = self._loaded.lists
        name = next((one for one in (file.name, file.name.rstrip("/")) if one in lists), None)
        if name is None and file.path:
            name = self._loaded_paths()[1].get(os.path.realpath(file.path))
        if name is None:
            return None
        found = ServedFiles()
        for certificate, rest in lists[name]:
            filters = _filters(read_line(rest))
            named = self._paths.other(certificate)
            path = self._first.get(certificate, named.path)
            if path:
                found.references.append(CertificateReference(os.path.realpath(path), filters, bool(filters)))
            else:
                found.doubt = found.doubt or named.doubt
        return found

    def _crt_list(self, file: NamedFile) -> ServedFiles:
        listed = self.in_memory(file)
        if listed is not None:
            return listed
        if file.doubt:
            return ServedFiles(doubt=file.doubt)
        found = ServedFiles()
        for line in config_lines(file.path):
            entry = read_whole_line(line)
            if entry is not None:
                served = self.of_certificate(self._paths.certificate(entry[0]))
                filters = _filters(entry[1])
                paths = [reference.path for reference in served.references]
                found.references += [CertificateReference(path, filters, bool(filters)) for path in paths]
                found.doubt = found.doubt or served.doubt
        return found

    def _is_loaded(self, path: str) -> bool:
        return self._loaded is None or path in self._loaded_paths()[0]

    def _loaded_paths(self) -> tuple[frozenset[str], dict[str, str]]:
        """Of all loaded files the paths, and of the loaded lists path -> name, both with links resolved."""
        if self._loaded is None:
            return frozenset(), {}
        key = (self._paths.directory, len(self._paths.stores))  # what names are relative to
        if key not in self._resolved:
            self._resolved[key] = (
                frozenset(self._real(name) for name in self._loaded.names),
                {self._real(name): name for name in self._loaded.lists},
            )
        return self._resolved[key]

    def _real(self, name: str) -> str:
        path = self._first.get(name) or self._paths.other(name).path
        return os.path.realpath(path) if path else ""


def _on_disk(path: str) -> list[str]:
    if os.path.isdir(path):
        names = (name for name in files_in(path) if not name.startswith(".") and not name.endswith(_IGNORED_SUFFIXES))
        return [os.path.join(path, name) for name in names]
    bundle = [] if os.path.exists(path) else [path + suffix for suffix in BUNDLE_SUFFIXES]
    return [file for file in bundle if os.path.exists(file)] or [path]


def _filters(line: CrtListLine) -> tuple[str, ...]:
    return tuple(name.lower() for name in line.filters)
