# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What one run has taken of the push queue for one host, and how each of it ends."""

from __future__ import annotations

import contextlib
import typing as t

from ..._core.push.entry_files import SUFFIX, file_name
from ..._errors import StoreError
from ..store.places import Place
from . import folders
from .folders import CLAIMED, CONFIRMED, DEAD, OWED, DamagedEntry, folder, made_folder

if t.TYPE_CHECKING:
    from ..._core.push.entries import Confirmation, OwedEntry


class QueueClaim:
    """The entries of one host that nobody else touches until this is released. Methods raise StoreError, and then the
    entry is still in the queue.

    entries: by lineage; set_aside: what was found in place of entries, where it is now.
    """

    def __init__(self, path: str, host: str) -> None:
        self.host = host
        self.entries: tuple[OwedEntry, ...] = ()
        self.set_aside: list[DamagedEntry] = []
        self._path = path
        self._file = file_name(host)
        self._unsettled: dict[str, OwedEntry] = {}

    def confirm(self, confirmation: Confirmation) -> None:
        """The host has it: into the ledger, and out of the queue."""
        self._settle(CONFIRMED, confirmation)

    def put_back(self, entry: OwedEntry) -> None:
        """It is still owed, as this says: it failed, or lies at the host and waits for its receipt. What was added for
        the lineage in the meantime stays in its place."""
        with made_folder(self._path, OWED, self._file) as owed:
            folders.write_new_entries(owed, [entry])
        self._forget(entry.lineage)

    def give_up(self, entry: OwedEntry) -> None:
        """It is not tried again, until somebody says so or the lineage changes."""
        self._settle(DEAD, entry)

    # -- for the queue ------------------------------------------------------------------------------------------

    def take(self, lineages: t.Collection[str] | None, due: str | None) -> None:
        """With the lock of the host. See PushQueue.claim."""
        names = None if lineages is None else {file_name(lineage) + SUFFIX for lineage in lineages}
        with made_folder(self._path, OWED, self._file) as owed, self._claimed() as claimed:
            for place in (owed, claimed):
                folders.remove_old_temporaries(place)
            self._take_back(owed, claimed)
            for name in folders.entry_names(owed.names()):
                if names is None or name in names:
                    self._take_one(owed, claimed, name, due)
        self.entries = tuple(self._unsettled.values())

    def release(self) -> None:
        """What is not settled is owed as before. Where that cannot be written it stays claimed by nobody, which is the
        same to the next run."""
        with contextlib.suppress(StoreError):
            if self._unsettled:
                self._back(set(self._unsettled))
        self._unsettled = {}

    def _take_one(self, owed: Place, claimed: Place, name: str, due: str | None) -> None:
        found = folders.read_owed(owed, self._file, name)
        if isinstance(found, DamagedEntry):
            self._put_aside(OWED, owed, name, found)
        elif found and (due is None or found.next_attempt is None or found.next_attempt <= due):
            with contextlib.suppress(FileNotFoundError):
                owed.move(name, claimed, name)
            # It may be another one by now: nobody locks to add.
            taken = folders.read_owed(claimed, self._file, name)
            if isinstance(taken, DamagedEntry):
                self._put_aside(CLAIMED, claimed, name, taken)
            elif taken and self._is_paid(taken):
                claimed.unlink(name)
            elif taken:
                self._unsettled[taken.lineage] = taken
                self._remove(DEAD, name)  # of before it was owed again

    def _is_paid(self, entry: OwedEntry) -> bool:
        """While an earlier fingerprint was pushed, this one was added, and what was pushed was this one."""
        with folder(self._path, CONFIRMED, self._file) as confirmed:
            if confirmed is None:
                return False
            found = folders.read_confirmation(confirmed, self._file, file_name(entry.lineage) + SUFFIX)
        return (
            found is not None
            and not isinstance(found, DamagedEntry)
            and found.fingerprint_sha256 == entry.fingerprint_sha256
        )

    def _take_back(self, owed: Place, claimed: Place) -> None:
        """All that a killed run had claimed, at any point of what it did with it."""
        for name in folders.entry_names(claimed.names()):
            found = folders.read_owed(claimed, self._file, name)
            if isinstance(found, DamagedEntry):
                self._put_aside(CLAIMED, claimed, name, found)
            elif found:
                if not self._is_dead(found):
                    with contextlib.suppress(FileExistsError):
                        owed.link_new(name, claimed, name)
                claimed.unlink(name)

    def _is_dead(self, entry: OwedEntry) -> bool:
        """Whether the killed run had given it up."""
        with folder(self._path, DEAD, self._file) as dead:
            if dead is None:
                return False
            found = folders.read_owed(dead, self._file, file_name(entry.lineage) + SUFFIX)
        return (
            found is not None
            and not isinstance(found, DamagedEntry)
            and found.fingerprint_sha256 == entry.fingerprint_sha256
        )

    def _back(self, lineages: t.Collection[str]) -> None:
        with made_folder(self._path, OWED, self._file) as owed, self._claimed() as claimed:
            for lineage in lineages:
                name = file_name(lineage) + SUFFIX
                with contextlib.suppress(FileExistsError):
                    owed.link_new(name, claimed, name)
                claimed.unlink(name)

    def _settle(self, kind: str, entry: OwedEntry | Confirmation) -> None:
        with made_folder(self._path, kind, self._file) as place:
            folders.write_entry(place, entry)
        self._forget(entry.lineage)

    def _forget(self, lineage: str) -> None:
        self._remove(CLAIMED, file_name(lineage) + SUFFIX)
        self._unsettled.pop(lineage, None)

    def _remove(self, kind: str, name: str) -> None:
        with folder(self._path, kind, self._file) as place, contextlib.suppress(FileNotFoundError):
            if place is not None:
                place.unlink(name)

    def _claimed(self) -> t.ContextManager[Place]:
        return made_folder(self._path, CLAIMED, self._file)

    def _put_aside(self, kind: str, place: Place, name: str, found: DamagedEntry) -> None:
        where = folders.set_aside(self._path, kind, self._file, place, name)
        self.set_aside.append(DamagedEntry(where, found.reason))
