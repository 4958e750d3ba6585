# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What one run has taken of the push queue for one host, and how each of it ends."""

from __future__ import annotations

import contextlib
import typing as t

from ..._core.push.entry_files import SUFFIX, file_name
from ..._errors import StoreError
from . import folders
from .folders import CLAIMED, CONFIRMED, DEAD, OWED, DamagedEntry, folder, made_folder
from .taking import QueueTaking

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
        self._unsettled: set[str] = set()

    def confirm(self, confirmation: Confirmation) -> None:
        """The host has it: into the ledger, and out of the queue."""
        self._settle(CONFIRMED, confirmation)

    def put_back(self, entry: OwedEntry) -> None:
        """It is still owed, as this says: it failed, or lies at the host and waits for its receipt. What was added for
        the lineage in the meantime stays in its place."""
        with made_folder(self._path, OWED, self._file) as owed:
            folders.write_new_entries(owed, [entry])
        self._remove(entry.lineage)

    def give_up(self, entry: OwedEntry) -> None:
        """It is not tried again, until somebody says so or the lineage changes."""
        self._settle(DEAD, entry)

    # -- for the queue ------------------------------------------------------------------------------------------

    def take(self, lineages: t.Collection[str] | None, due: str | None) -> None:
        """With the lock of the host. See PushQueue.claim."""
        with contextlib.ExitStack() as stack:
            taking = QueueTaking(self._path, self._file, stack)
            try:
                taking.take_back()
                taking.take(lineages, due)
            finally:
                self.entries = tuple(taking.taken)
                self.set_aside += taking.set_aside
                self._unsettled = {entry.lineage for entry in self.entries}

    def release(self) -> None:
        """What is not settled is owed as before. Where that cannot be written it stays claimed by nobody, which is the
        same to the next run."""
        with contextlib.suppress(StoreError), contextlib.ExitStack() as stack:
            if self._unsettled:
                owed, claimed = (
                    stack.enter_context(made_folder(self._path, kind, self._file)) for kind in (OWED, CLAIMED)
                )
                for lineage in self._unsettled:
                    folders.move_new(claimed, owed, file_name(lineage) + SUFFIX)
        self._unsettled = set()

    def _settle(self, kind: str, entry: OwedEntry | Confirmation) -> None:
        with made_folder(self._path, kind, self._file) as place:
            folders.write_entry(place, entry)
        self._remove(entry.lineage)

    def _remove(self, lineage: str) -> None:
        with folder(self._path, CLAIMED, self._file) as claimed:
            if claimed:
                folders.discard(claimed, file_name(lineage) + SUFFIX)
        self._unsettled.discard(lineage)
