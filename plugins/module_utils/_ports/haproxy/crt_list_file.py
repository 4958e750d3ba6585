# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A crt-list file on disk: entries made in HAProxy's memory vanish at a reload unless they are written here too.

Format: configuration manual, 5.1 "crt-list": one line an entry, the certificate's path first, comments after "#" as the
first character. Nothing is quoted or escaped: a path ends at white space or "[".
"""

from __future__ import annotations

import errno
import os
import re
import typing as t

from ..._core.haproxy.certificate_paths import BUNDLE_SUFFIXES
from ..._core.haproxy.crt_list_line import PLAIN, UNUSABLE, CrtListLine, read_line
from ..._core.haproxy.parsing import CrtListEntry
from ..._errors import InvalidOption, StoreError
from ..store.atomic import FileAttributes, read_regular_file, store_errors
from ..store.places import open_file_place
from .errors import CertificateInUse
from .load_paths import FileNames

_LINE = re.compile(rb"[^\n]*\n|[^\n]+")
_LONGEST_LINE = 65000  # bytes; HAProxy takes 65535


class CrtListFile:
    """Lines are added and removed, nothing else is touched; mode and owner stay. Raises StoreError.

    names: finds the file of a path. loaded: what HAProxy has of this list; where the configuration's crt-base is not
    known, this tells it.
    """

    def __init__(self, path: str, names: FileNames, loaded: t.Sequence[CrtListEntry] = ()) -> None:
        self._path = os.path.abspath(path)
        self._names = names
        self._loaded = loaded

    @property
    def path(self) -> str:
        """Resolved: two names of one file are one."""
        return os.path.realpath(self._path)

    def exists(self) -> bool:
        """Is it a file on this host? A directory has no lines to write."""
        return os.path.isfile(self._path)

    def contains(self, certificate: str) -> bool:
        """Has it a line that loads this file? certificate: a path, or another name of HAProxy."""
        return bool(self._lines_about(self._read(), certificate))

    def check_removable(self, certificate: str, names: t.Collection[str]) -> None:
        """Raises CertificateInUse when no entry would be left: HAProxy refuses such a list, unless with strict-sni.

        names: of the certificate in HAProxy. When it has nothing else in this list, its memory tells: it does not let
        the last one go where it needs one.
        """
        lines = self._read()
        about = self._lines_about(lines, certificate)
        if about and not _written_paths(lines).keys() - about:
            self._check_last(certificate, names)

    def _check_last(self, certificate: str, names: t.Collection[str]) -> None:
        loaded = {entry.name for entry in self._loaded}
        if not loaded or loaded - set(names):
            raise CertificateInUse(
                f"{certificate} is the only entry of the crt-list {self._path}, without which HAProxy may not start."
                " Add another certificate to it first, or take the crt-list out of the configuration."
            )

    def lines_of(self, certificate: str) -> dict[int, CrtListLine]:
        """What the lines that load this certificate say, by their numbers."""
        lines = self._read()
        return {number: _said(lines[number - 1]) for number in sorted(self._lines_about(lines, certificate))}

    def bundle_of(self, certificate: str) -> str | None:
        """The path of a line that loads this file with others: a name without a file, for a.rsa and a.ecdsa."""
        lines = self._read()
        file, written = self._names.file_of(certificate), _written_paths(lines)
        base = self._crt_base(written)
        for path in written.values():
            own = self._names.file_of(self._full(path, base))
            if own is not None and file in [own + suffix for suffix in BUNDLE_SUFFIXES] and not os.path.lexists(own):
                return path
        return None

    def check_edit(
        self, names: t.Collection[str], path: str, added: t.Sequence[CrtListLine], removed: t.Collection[int]
    ) -> None:
        """See edit. names: of the certificate in HAProxy. Raises InvalidOption; CertificateInUse as check_removable."""
        for line in added:
            self.check_entry(path, line)
        if removed and not added and not _written_paths(self._read()).keys() - set(removed):
            self._check_last(path, names)

    def edit(self, path: str, added: t.Sequence[CrtListLine], removed: t.Collection[int], before: bytes) -> None:
        """Append lines with this path, and remove those with these numbers. before: what read gave, to be there yet."""
        lines = self._read()
        if b"".join(lines) != before:
            raise StoreError(f"Somebody else has changed the crt-list {self._path} meanwhile. Run this again.")
        kept = [line for number, line in enumerate(lines, 1) if number not in removed]
        if kept and not kept[-1].endswith(b"\n"):
            kept[-1] += b"\n"
        self._write([*kept, *(_written_line(path, line) for line in added)])

    def check_entry(self, path: str, line: CrtListLine = PLAIN) -> None:
        """path: absolute, of a certificate's file, or @store/alias. Raises InvalidOption when HAProxy refuses it."""
        written = len(_written_line(path, line))
        if UNUSABLE.search(path) or not path.startswith(("/", "@")) or written > _LONGEST_LINE:
            raise InvalidOption(
                f"A crt-list file cannot hold the name {path!r}: use an absolute path without white space, control"
                " characters and '['."
            )
        if not path.startswith("@") and not os.path.isfile(path):
            raise InvalidOption(f"{path} is no file, so HAProxy would refuse the crt-list {self._path} with it.")

    def add(self, path: str) -> bool:
        """Append an entry unless there is one; True when the file changed. Raises InvalidOption, see check_entry."""
        lines = self._read()
        if self._lines_about(lines, path):
            return False
        self.check_entry(path)
        if lines and not lines[-1].endswith(b"\n"):
            lines[-1] += b"\n"
        self._write([*lines, _written_line(path, PLAIN)])
        return True

    def remove(self, certificate: str) -> bool:
        """Remove all entries of this certificate; True when the file changed."""
        lines = self._read()
        about = self._lines_about(lines, certificate)
        if about:
            self._write([line for number, line in enumerate(lines, 1) if number not in about])
        return bool(about)

    def read(self) -> bytes:
        """The whole content, for write_back."""
        return b"".join(self._read())

    def write_back(self, content: bytes) -> None:
        """Undo: put back what read gave, unless it is there already."""
        if self.read() != content:
            self._write([content])

    def _read(self) -> list[bytes]:
        with store_errors(f"read the crt-list {self._path}"):
            return _LINE.findall(read_regular_file(self._path))

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
                place.remove_temporaries_of(name)
                place.write(name, b"".join(lines), attributes)
                place.sync()

    def _lines_about(self, lines: list[bytes], certificate: str) -> set[int]:
        """Numbers of the lines that load this certificate."""
        file = self._names.file_of(certificate)
        written = _written_paths(lines)
        base = self._crt_base(written)
        return {number for number, path in written.items() if self._loads(self._full(path, base), certificate, file)}

    def _loads(self, name: str, certificate: str, file: str | None) -> bool:
        if name == certificate:
            return True
        own = self._names.file_of(name)
        if file is None or own is None:
            return False
        # A name without a file stands for the files with these suffixes; its line goes with the last of them.
        bundle = [own + suffix for suffix in BUNDLE_SUFFIXES] if not os.path.lexists(own) else []
        return file == own or (file in bundle and not any(os.path.exists(one) for one in bundle if one != file))

    def _full(self, path: str, base: str | None) -> str:
        """As HAProxy's name of the certificate begins."""
        if path.startswith(("/", "@")):
            return path
        if base is None:
            raise StoreError(
                f"The crt-list {self._path} has the relative path '{path}', and HAProxy's crt-base is not"
                " known, so neither is whose line that is. Nothing was changed. Name HAProxy's configuration in config,"
                " or write absolute paths into the crt-list."
            )
        return os.path.join(base, path)

    def _crt_base(self, written: t.Mapping[int, str]) -> str | None:
        configured, loaded = self._names.paths.crt_base, crt_base_of(written, self._loaded)
        if configured is not None and loaded is not None and configured.rstrip("/") != loaded.rstrip("/"):
            raise StoreError(
                f"HAProxy's configuration and what HAProxy has loaded from the crt-list {self._path} differ about"
                f" crt-base: '{configured}' and '{loaded}'. Nothing was changed. Reload HAProxy, or correct config."
            )
        return loaded if configured is None else configured


def crt_base_of(written: t.Mapping[int, str], loaded: t.Iterable[CrtListEntry]) -> str | None:
    """The crt-base by which the paths of a crt-list became HAProxy's names, each in the line that it came from.

    "" for none. None when that does not tell: no relative path is loaded, or the file has changed since.
    """
    bases = set()
    for entry in loaded:
        path = written.get(entry.line)
        if path is None or path.startswith("@"):
            continue
        bundle = (entry.name[: -len(end)] for end in BUNDLE_SUFFIXES if entry.name.endswith(f"{path}{end}"))
        name = next(bundle, entry.name)
        if name == path:
            bases |= set() if path.startswith("/") else {""}
        elif not path.startswith("/") and name.endswith(f"/{path}"):
            bases.add(name[: -len(path) - 1] or "/")
        else:
            return None
    return bases.pop() if len(bases) == 1 else None


def _written_paths(lines: t.Sequence[bytes]) -> dict[int, str]:
    """Number of the line -> path, of all entries."""
    entries = ((number, line.split(maxsplit=1)) for number, line in enumerate(lines, 1) if not line.startswith(b"#"))
    return {number: os.fsdecode(words[0].partition(b"[")[0]) for number, words in entries if words}


def _said(line: bytes) -> CrtListLine:
    """Of a line with an entry: what stands behind its path."""
    path = line.split(maxsplit=1)[0].partition(b"[")[0]
    return read_line(os.fsdecode(line.lstrip()[len(path) :]))


def _written_line(path: str, line: CrtListLine) -> bytes:
    return os.fsencode(f"{path} {line.text}".rstrip()) + b"\n"
