# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How a run takes what is owed to one host, whatever runs before it have left, and while others add to it."""

from __future__ import annotations

import contextlib
import typing as t
from datetime import datetime, timezone

from ..._core.push.entry_files import SUFFIX, file_name
from . import folders
from .folders import CLAIMED, CONFIRMED, DEAD, OWED, DamagedEntry, folder, made_folder

if t.TYPE_CHECKING:
    from ..._core.push.entries import OwedEntry
    from ..store.places import Place


class QueueTaking:
    """With the lock of the host, and its folders open until the stack is closed. Methods raise OSError and StoreError.

    taken: entries that are claimed now; set_aside: what was found in place of entries, where it is now.
    """

    def __init__(self, path: str, host_file: str, stack: contextlib.ExitStack) -> None:
        self.taken: list[OwedEntry] = []
        self.set_aside: list[DamagedEntry] = []
        self._path = path
        self._file = host_file
        self._owed = stack.enter_context(made_folder(path, OWED, host_file))
        self._claimed = stack.enter_context(made_folder(path, CLAIMED, host_file))
        self._confirmed = stack.enter_context(folder(path, CONFIRMED, host_file))
        self._dead = stack.enter_context(folder(path, DEAD, host_file))

    def take_back(self) -> None:
        """All that a killed run had claimed, at any point of what it did with it."""
        for place in (self._owed, self._claimed):
            folders.remove_old_temporaries(place)
        for name in folders.entry_names(self._claimed.names()):
            found = folders.read_owed(self._claimed, self._file, name)
            if isinstance(found, DamagedEntry):
                self._put_aside(CLAIMED, self._claimed, name, found)
            elif found and self._is_dead(found, name):
                folders.discard(self._claimed, name)  # it had been given up
            elif found:
                folders.move_new(self._claimed, self._owed, name)

    def take(self, lineages: t.Collection[str] | None, due: str | None) -> None:
        """lineages: only these; due: only what may be tried at this instant."""
        names = None if lineages is None else {file_name(lineage) + SUFFIX for lineage in lineages}
        for name in folders.entry_names(self._owed.names()):
            if names is None or name in names:
                self._take_one(name, due)

    def _take_one(self, name: str, due: str | None) -> None:
        found = folders.read_owed(self._owed, self._file, name)
        if isinstance(found, DamagedEntry):
            self._put_aside(OWED, self._owed, name, found)
        elif found and (due is None or found.next_attempt is None or found.next_attempt <= due):
            if self._dead:  # of before it was owed again; first, for what is claimed and dead was given up
                folders.discard(self._dead, name)
            with contextlib.suppress(FileNotFoundError):
                self._owed.move(name, self._claimed, name)
            self._have(name)

    def _have(self, name: str) -> None:
        """What has just been claimed. It may be another one than what was looked at: nobody locks to add."""
        found = folders.read_owed(self._claimed, self._file, name)
        if isinstance(found, DamagedEntry):
            self._put_aside(CLAIMED, self._claimed, name, found)
        elif found and not found.forced and self._is_confirmed(found, name):
            # It was added while an earlier fingerprint was pushed, and what was pushed was this one.
            folders.discard(self._claimed, name)
        elif found:
            self.taken.append(found)

    def _is_confirmed(self, entry: OwedEntry, name: str) -> bool:
        found = folders.read_confirmation(self._confirmed, self._file, name) if self._confirmed else None
        if found is None or isinstance(found, DamagedEntry):
            return False
        return found.settles(entry, datetime.now(timezone.utc))

    def _is_dead(self, entry: OwedEntry, name: str) -> bool:
        """With the same fingerprint."""
        found = folders.read_owed(self._dead, self._file, name) if self._dead else None
        if found is None or isinstance(found, DamagedEntry):
            return False
        return found.fingerprint_sha256 == entry.fingerprint_sha256

    def _put_aside(self, kind: str, place: Place, name: str, found: DamagedEntry) -> None:
        where = folders.set_aside(self._path, kind, self._file, place, name)
        self.set_aside.append(DamagedEntry(where, found.reason))
