# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The directory in which certbot, or who writes as it does, keeps what is to be used: one directory for each lineage.

In it four links lead to files in an archive, each with the number of its issue. A renewal changes the links one after
the other (each is gone for a moment), so what is read is believed only when it was one issue before and after.

Source: https://eff-certbot.readthedocs.io, "Where are my certificates?"; certbot's storage.py.
"""

from __future__ import annotations

import contextlib
import os
import time
import typing as t
from dataclasses import dataclass, field

from ..._core.push.assembly import archive_number, assemble, require_name
from ..._core.push.lineage import LINEAGE_FILES, Lineage
from ..._core.unexpected import only_rotation_errors
from ..._errors import LineageError, RotationError
from ..host.rights import run_as_root
from ..store.atomic import read_regular_file

#: Bytes: more than any certificate with its chain.
_LARGEST: t.Final = 1 << 20
_POLL_SECONDS: t.Final = 0.05


@dataclass(frozen=True)
class FoundLineages:
    """lineages: by name; failures: name -> why it cannot be pushed, and what to do."""

    lineages: tuple[Lineage, ...] = ()
    failures: t.Mapping[str, str] = field(default_factory=dict)


class _UnsettledLineage(LineageError):
    """What there is now is not one issue. In a moment it may be."""


class _SeenFile(t.NamedTuple):
    """link: where it leads to, "" for a plain file; identity: of the content."""

    link: str
    identity: tuple[int, ...]


class CertbotLive:
    """path: such as /etc/letsencrypt/live; patience: seconds for renewals to be over."""

    def __init__(self, path: str, *, patience: float = 2.0) -> None:
        self.path = path
        self._patience = patience

    def names(self) -> list[str]:
        """Of the directories that have at least one of the four files, sorted. Raises LineageError."""
        try:
            found = sorted(os.listdir(self.path))
        except OSError as error:
            raise self._unreadable(error) from None
        return [name for name in found if not name.startswith(".") and self._has_any(name)]

    def read(self, name: str) -> Lineage:
        """Raises LineageError, which names the lineage."""
        lineages, failures = self._read_some([name])
        for error in failures.values():
            raise error
        return lineages[name]

    def read_all(self, names: t.Collection[str] | None = None) -> FoundLineages:
        """names: only these, None for all. One that cannot be read stops no other. Raises LineageError when the
        directory itself cannot be read."""
        lineages, failures = self._read_some(self.names() if names is None else names)
        return FoundLineages(
            tuple(lineages[name] for name in sorted(lineages)),
            {name: failures[name].message for name in sorted(failures)},
        )

    def _read_some(self, names: t.Iterable[str]) -> tuple[dict[str, Lineage], dict[str, LineageError]]:
        """All renewals that are under way are waited for together."""
        lineages: dict[str, Lineage] = {}
        failures: dict[str, LineageError] = {}
        left, deadline = list(names), time.monotonic() + self._patience
        while True:
            for name in left:
                try:
                    lineages[name] = self._read_as_expected(name)
                except LineageError as error:
                    failures[name] = error
            left = [name for name in left if isinstance(failures.get(name), _UnsettledLineage)]
            if not left or time.monotonic() >= deadline:
                return lineages, failures
            time.sleep(_POLL_SECONDS)
            for name in left:
                del failures[name]

    def _read_as_expected(self, name: str) -> Lineage:
        """Raises LineageError, whatever there is."""
        require_name(name)
        try:
            with only_rotation_errors():
                return self._read(name)
        except LineageError:
            raise
        except RotationError as error:
            raise LineageError(f"{name}: {error.message}") from None

    def _read(self, name: str) -> Lineage:
        directory = None
        with contextlib.ExitStack() as stack:
            try:
                directory = os.open(os.path.join(self.path, name), os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
                stack.callback(os.close, directory)
                before = {part: _look(name, file, directory) for part, file in LINEAGE_FILES.items()}
                number = _number(name, before)
                parts = {
                    part: read_regular_file(file, limit=_LARGEST, dir_fd=directory)
                    for part, file in LINEAGE_FILES.items()
                }
                after = {part: _look(name, file, directory) for part, file in LINEAGE_FILES.items()}
            except FileNotFoundError:
                if directory is None:
                    raise LineageError(f"{name}: there is no such lineage in {self.path}, or a dead link.") from None
                raise _changes(name) from None
            except OSError as error:
                what = os.path.basename(error.filename or "") or "it"
                raise LineageError(f"{name}: cannot read {what}: {error.strerror}. {_advice(error)}".rstrip()) from None
        if before != after:
            raise _changes(name)
        return assemble(name, number, parts)

    def _has_any(self, name: str) -> bool:
        directory = os.path.join(self.path, name)
        if os.path.islink(directory) and not os.path.exists(directory):
            return True  # whose files cannot be read is told
        return any(os.path.lexists(os.path.join(directory, file)) for file in LINEAGE_FILES.values())

    def _unreadable(self, error: OSError) -> LineageError:
        if isinstance(error, FileNotFoundError):
            return LineageError(f"There is no directory {self.path} of lineages on this host. Name it by lineages.")
        return LineageError(f"Cannot read {self.path}: {error.strerror}. {_advice(error)}".rstrip())


def _changes(name: str) -> _UnsettledLineage:
    return _UnsettledLineage(f"{name}: its files change all the time. Wait until its renewal is over.")


def _look(name: str, file: str, directory: int) -> _SeenFile:
    """Raises _UnsettledLineage where there is nothing, and OSError."""
    link = ""
    with contextlib.suppress(OSError):
        link = os.readlink(file, dir_fd=directory)
    try:
        found = os.stat(file, dir_fd=directory)
    except FileNotFoundError:
        what = f"{file} leads to {link}, which is not there" if link else f"{file} is missing"
        raise _UnsettledLineage(f"{name}: {what}. Renew it, or restore the lineage.") from None
    return _SeenFile(link, (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns))


def _number(name: str, seen: t.Mapping[str, _SeenFile]) -> int | None:
    """Of the issue; None where not all four files are links to numbered ones. Raises _UnsettledLineage for several."""
    numbers = {part: archive_number(part, each.link) for part, each in seen.items()}
    different = set(numbers.values())
    if len(different - {None}) > 1:
        found = ", ".join(f"{part} {number}" for part, number in numbers.items() if number is not None)
        raise _UnsettledLineage(
            f"{name}: its links lead to different issues ({found}): certbot renews it just now, or was broken off. If"
            " it stays so, run 'certbot renew' or put the links right."
        )
    return different.pop() if len(different) == 1 else None


def _advice(error: OSError) -> str:
    return run_as_root() if isinstance(error, PermissionError) else ""
