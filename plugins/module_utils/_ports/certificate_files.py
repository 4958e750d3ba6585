# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The certificates in the files of a host, found by what is in them, whatever they are called."""

from __future__ import annotations

import errno
import fnmatch
import os
import stat
import time
import typing as t

from .._core.x509.containers import certificates_in
from .openssl.opener import ProcessOpener
from .store.atomic import read_regular_file

#: Bytes; a bundle of all public authorities has a quarter of it.
LARGEST: t.Final = 1024 * 1024
_PSEUDO: t.Final = frozenset({"/proc", "/sys", "/dev"})


class CertificateFile(t.NamedTuple):
    """certificates: DER of each, in the file's order; problem: why it, or what is below it, could not be read."""

    path: str
    certificates: t.Sequence[bytes] = ()
    problem: str | None = None


class CertificateFiles:
    """Each file is read once, however many names and links lead to it. Nothing is written.

    exclude: patterns (fnmatch) of paths that are passed over, with all below them. files: how many were read;
    unfinished: why it ended before the end, "" when it did not.
    """

    def __init__(self, exclude: t.Sequence[str] = (), *, most: int = 200_000, seconds: float = 300) -> None:
        self._exclude = exclude
        self._most = most
        self._end = time.monotonic() + seconds
        self._seconds = seconds
        self._opener = ProcessOpener()
        self._known: dict[tuple[int, int], CertificateFile] = {}
        self.files = 0
        self.unfinished = ""

    def walk(self, roots: t.Iterable[str]) -> t.Iterator[CertificateFile]:
        """Files, and directories with all below them. Links to files are followed, links to directories are not.

        What is no certificate is left out.
        """
        waiting = [(root, True) for root in reversed(list(roots))]
        while waiting and not self.unfinished:
            path, is_root = waiting.pop()
            if any(fnmatch.fnmatchcase(path, pattern) for pattern in self._exclude):
                continue
            try:
                status = os.stat(path)
                if stat.S_ISDIR(status.st_mode):
                    if is_root or not os.path.islink(path):
                        waiting += ((below, False) for below in self._below(path))
                elif is_root or stat.S_ISREG(status.st_mode):
                    found = self._read(path, status)
                    if found.certificates or found.problem:
                        yield found
            except OSError as error:
                if is_root or not os.path.islink(path):  # a link into nowhere is nobody's loss
                    yield CertificateFile(path, problem=f"It cannot be read: {error.strerror}.")

    def read(self, path: str) -> CertificateFile:
        """One file. A problem where there is none, or no certificate in it."""
        try:
            found = self._read(path, os.stat(path))
        except OSError as error:
            return CertificateFile(path, problem=f"It cannot be read: {error.strerror}.")
        empty = not found.certificates and not found.problem
        return found._replace(problem=self.unfinished or "It holds no certificate.") if empty else found

    def _below(self, directory: str) -> list[str]:
        """In reverse order, as the last one is taken first."""
        if os.path.realpath(directory) in _PSEUDO:
            return []
        found = []
        with os.scandir(directory) as entries:
            for entry in entries:
                found.append(entry.path)
                if len(found) > self._most:
                    raise OSError(errno.E2BIG, f"it has more than {self._most} files")
        return sorted(found, reverse=True)

    def _read(self, path: str, status: os.stat_result) -> CertificateFile:
        """Raises OSError."""
        known = self._known.get((status.st_dev, status.st_ino))
        if known is not None:
            return known._replace(path=path)
        if self.files >= self._most:
            self.unfinished = f"there are more than {self._most} files"
        elif time.monotonic() > self._end:
            self.unfinished = f"it took more than {self._seconds:g} seconds"
        if self.unfinished or (status.st_size > LARGEST and stat.S_ISREG(status.st_mode)):
            return CertificateFile(path)  # no certificate is that large
        self.files += 1
        found = CertificateFile(path, *certificates_in(read_regular_file(path, limit=LARGEST), self._opener))
        if found.certificates or found.problem:
            self._known[status.st_dev, status.st_ino] = found
        return found
