# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A look at the whole push queue, which changes nothing and stops at nothing that it finds."""

from __future__ import annotations

import os
import stat
import typing as t

from ..store.trust import refuse
from . import folders
from .folders import BAD, CLAIMED, FOLDERS, STAMP_FILE, DamagedEntry, folder

if t.TYPE_CHECKING:
    from ..._core.push.debts import DebtKey
    from ..._core.push.entries import Confirmation, OwedEntry
    from ..store.places import Place

    _Found = t.TypeVar("_Found", OwedEntry, Confirmation)


class QueueReading:
    """damaged: what is no entry; locked: hosts that a run which lives has claimed. Both of what was read by then.

    Methods raise StoreError.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self.damaged: list[DamagedEntry] = []
        self.locked: set[str] = set()
        self._foreign: list[str] = []

    def entries(self, kind: str) -> dict[DebtKey, OwedEntry]:
        """kind: one of the folders that hold owed entries."""
        return self._read(kind, folders.read_owed)

    def confirmations(self) -> dict[DebtKey, Confirmation]:
        return self._read(folders.CONFIRMED, folders.read_confirmation)

    def bad(self) -> list[str]:
        """Paths."""
        with folder(self._path, BAD) as bad:
            places = self._hosts(bad) if bad else ()
            return [os.path.join(place.path, name) for place, _host_file in places for name in sorted(place.names())]

    def foreign(self) -> list[str]:
        """Paths of what is not the queue's, in the folders that were read. Hidden files are nobody's business."""
        with folder(self._path) as place:
            names = set(place.names()) - FOLDERS - {STAMP_FILE} if place else set()
        above = [os.path.join(self._path, name) for name in names if not name.startswith(".")]
        return sorted([*above, *self._foreign])

    def _read(
        self, kind: str, read: t.Callable[[Place, str, str], _Found | DamagedEntry | None]
    ) -> dict[DebtKey, _Found]:
        found: dict[DebtKey, _Found] = {}
        with folder(self._path, kind) as top:
            for place, host_file in self._hosts(top) if top else ():
                is_locked = kind == CLAIMED and folders.is_locked(place)
                for name in self._entry_names(place):
                    entry = read(place, host_file, name)
                    if isinstance(entry, DamagedEntry):
                        self.damaged.append(entry)
                    elif entry:
                        found[entry.host, entry.lineage] = entry
                        if is_locked:
                            self.locked.add(entry.host)
        return found

    def _hosts(self, top: Place) -> t.Iterator[tuple[Place, str]]:
        for name in sorted(top.names()):
            found = top.look(name)
            if found and stat.S_ISDIR(found.st_mode):
                with top.directory(name) as place:
                    if not place.is_closed():
                        refuse(place.path, place.status())
                    yield place, name
            elif found and not name.startswith("."):
                self._foreign.append(os.path.join(top.path, name))

    def _entry_names(self, place: Place) -> list[str]:
        names = place.names()
        entries = folders.entry_names(names)
        others = {name for name in names if not name.startswith(".")}.difference(entries)
        self._foreign += [os.path.join(place.path, name) for name in others]
        return entries
