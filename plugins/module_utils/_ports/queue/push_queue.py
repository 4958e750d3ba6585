# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The durable queue of lineages that are still owed to hosts: one small file for each, no daemon, no lock to add one.

<path>/owed/<host>/<lineage>.json is claimed by its rename into claimed/, and ends in confirmed/ (the ledger of what
hosts have) or dead/ (given up), or goes back. What is no entry is kept in bad/. A killed process, a full disk or a
power cut leaves each step undone or done: at worst a host is asked once more. All of it works on NFS.
"""

from __future__ import annotations

import concurrent.futures
import contextlib
import dataclasses
import os
import stat
import typing as t
from dataclasses import dataclass
from datetime import datetime, timezone

from ..._core.push.entry_files import SUFFIX, file_name
from ..._errors import StoreError
from ..store.atomic import FileAttributes
from . import folders
from .claim import QueueClaim
from .folders import CLAIMED, CONFIRMED, DEAD, OWED, STAMP_FILE, WAKE, DamagedEntry, folder, made_folder
from .reading import QueueReading

if t.TYPE_CHECKING:
    from ..._core.push.debts import DebtKey
    from ..._core.push.entries import Confirmation, OwedEntry
    from ..store.places import Place

#: Entries that are written together, each with an open file.
_AT_ONCE: t.Final = 32
_THREADS: t.Final = 16
#: Seconds to wait for a host's lock: for who only looks whether it is held.
_PATIENCE: t.Final = 0.5


@dataclass(frozen=True)
class QueueContent:
    """owed: waits for a run; claimed: is being pushed by one that lives; dead: given up; confirmed: what hosts have,
    without what is owed all the same, by force; damaged: files that are no entries, where they are; bad: paths of those
    that were set aside; foreign: paths of what is not the queue's; woken: names in wake. Each sorted by host and
    lineage."""

    owed: tuple[OwedEntry, ...] = ()
    claimed: tuple[OwedEntry, ...] = ()
    dead: tuple[OwedEntry, ...] = ()
    confirmed: tuple[Confirmation, ...] = ()
    damaged: tuple[DamagedEntry, ...] = ()
    bad: tuple[str, ...] = ()
    foreign: tuple[str, ...] = ()
    woken: tuple[str, ...] = ()


class PushQueue:
    """path: its directory, mode 0700, made with the first entry; the one above it exists. All methods raise StoreError.

    Any number of processes and threads may use one directory at once.
    """

    def __init__(self, path: str) -> None:
        self.path = path.rstrip("/") or "/"

    def foresee(self) -> None:
        """Raises the StoreError that adding an entry would, and adds none."""
        folders.foresee_folder(self.path)

    def enqueue(self, entries: t.Iterable[OwedEntry]) -> list[OwedEntry]:
        """Add entries without waiting for anybody. Returns those that made a difference: one with the same fingerprint
        stays as it is, with its attempts, but is replaced where only the new one is forced, or is and need not wait;
        one with another is replaced. Neither is dead any more: what is in dead beside it is left to the next claim, for
        only who has the lock may tell it from what is given up just now."""
        by_host: dict[str, dict[str, OwedEntry]] = {}
        for entry in entries:
            by_host.setdefault(entry.host, {})[entry.lineage] = entry
        parts = [
            (file_name(host), list(wanted.values())[start : start + _AT_ONCE])
            for host, wanted in by_host.items()
            for start in range(0, len(wanted), _AT_ONCE)
        ]
        if len(parts) < 2:
            return [entry for part in parts for entry in self._add(*part)]
        # What waits for the disk together waits once.
        with concurrent.futures.ThreadPoolExecutor(min(_THREADS, len(parts))) as pool:
            return [entry for added in pool.map(self._add, *zip(*parts)) for entry in added]

    @contextlib.contextmanager
    def claim(
        self, host: str, *, lineages: t.Collection[str] | None = None, due: str | None = None
    ) -> t.Iterator[QueueClaim | None]:
        """Take what is owed to a host, for as long as the block lasts; what is not settled by then goes back. None when
        another run that lives has claimed the host. What a killed run had claimed is taken back at first.

        lineages: only these; due: only what may be tried at this instant (ISO 8601, UTC). It holds one open file.
        """
        claim = QueueClaim(self.path, host)
        if not self._is_known(host):
            yield claim
            return
        with self._locked(host) as is_ours:
            if not is_ours:
                yield None
                return
            try:
                claim.take(lineages, due)
                yield claim
            finally:
                claim.release()

    def requeue(self, keys: t.Iterable[DebtKey], *, now: str) -> list[OwedEntry]:
        """What was given up is owed again, with no attempts, and so is what is owed and postponed. Returns what was
        either. now: ISO 8601, UTC."""
        found = []
        for host, lineages in _by_host(keys).items():
            waiting = self._read_owed(OWED, host, lineages)
            postponed = [_afresh(entry, now) for entry in waiting if entry.next_attempt]
            here = {entry.lineage for entry in waiting}
            dead = self._read_owed(DEAD, host, [lineage for lineage in lineages if lineage not in here])
            back = [_afresh(entry, now) for entry in dead]
            if back or postponed:
                with made_folder(self.path, OWED, file_name(host)) as owed:
                    for entry in postponed:
                        folders.write_entry(owed, entry)
                    for start in range(0, len(back), _AT_ONCE):  # what was added since then is newer, and stays
                        folders.write_new_entries(owed, back[start : start + _AT_ONCE])
            found += [*postponed, *back]
        return found

    def _read_owed(self, kind: str, host: str, lineages: t.Iterable[str]) -> list[OwedEntry]:
        """kind: a folder that holds owed entries. Without damaged ones."""
        with folder(self.path, kind, file_name(host)) as place:
            names = [file_name(each) + SUFFIX for each in lineages if place]
            read = [folders.read_owed(place, file_name(host), name) for name in names if place]
        return [entry for entry in read if entry and not isinstance(entry, DamagedEntry)]

    def forget(self, keys: t.Iterable[DebtKey], *, confirmed: bool = True) -> list[DebtKey]:
        """Remove all that is known of these: owed, given up, and with confirmed what the host has. Returns what there
        was. A host that is being pushed to just now is a StoreError."""
        gone = []
        for host, lineages in _by_host(keys).items():
            if not self._is_known(host):
                continue
            with self._locked(host) as is_ours:
                if not is_ours:
                    raise StoreError(f"{host} is being pushed to just now, so nothing of it is forgotten. Try again.")
                removed: set[str] = set()
                for kind in (OWED, CLAIMED, DEAD, *([CONFIRMED] if confirmed else [])):
                    removed |= self._unlink(kind, file_name(host), lineages)
            gone += [(host, lineage) for lineage in lineages if lineage in removed]
        return gone

    def content(self) -> QueueContent:
        """All that is in it, without changing anything. What was claimed by a run that was killed is owed."""
        found = QueueReading(self.path)
        owed, claimed = found.entries(OWED), found.entries(CLAIMED)
        dead, confirmed = found.entries(DEAD), found.confirmations()
        owed, claimed = (
            {key: entry for key, entry in each.items() if entry.forced or not _is_settled(entry, confirmed.get(key))}
            for each in (owed, claimed)
        )
        pushed = {key: entry for key, entry in claimed.items() if entry.host in found.locked}
        left = {
            key: entry for key, entry in claimed.items() if key not in pushed and not _is_same(entry, dead.get(key))
        }
        waiting = {**left, **owed}
        for key in {*waiting, *pushed}:
            dead.pop(key, None)
        for key, entry in (*waiting.items(), *pushed.items(), *dead.items()):
            if entry.forced:
                confirmed.pop(key, None)
        return QueueContent(
            owed=_in_order(waiting),
            claimed=_in_order(pushed),
            dead=_in_order(dead),
            confirmed=_in_order(confirmed),
            damaged=tuple(found.damaged),
            bad=tuple(found.bad()),
            foreign=tuple(found.foreign()),
            woken=tuple(self.woken()),
        )

    def set_damaged_aside(self) -> list[DamagedEntry]:
        """What is no entry, to where it stops nobody. Returns where it is now."""
        moved = []
        reading = QueueReading(self.path)
        for kind in (OWED, CLAIMED, DEAD):
            reading.entries(kind)
        reading.confirmations()
        for damaged in reading.damaged:
            above, name = os.path.split(damaged.path)
            kind, host_file = above.split(os.sep)[-2:]
            with folder(self.path, kind, host_file) as place, contextlib.suppress(FileNotFoundError):
                if place:
                    where = folders.set_aside(self.path, kind, host_file, place, name)
                    moved.append(DamagedEntry(where, damaged.reason))
        return moved

    def woken(self) -> list[str]:
        """Names of what hooks have dropped into wake: to be told to forget_wakes when all is queued that they meant."""
        with folder(self.path, WAKE) as wake:
            return sorted(wake.names()) if wake else []

    def forget_wakes(self, names: t.Iterable[str]) -> None:
        with folder(self.path, WAKE) as wake:
            if wake:
                for name in names:
                    wake.remove(name)

    def remember_success(self, instant: float) -> None:
        """That a run which pushes to all ended well, in seconds since 1970. Nothing where there is no queue. Raises
        StoreError."""
        with folder(self.path) as place:
            if place:
                place.touch(STAMP_FILE, FileAttributes(0o600), instant)

    def last_success(self) -> float | None:
        """In seconds since 1970; None where none is known. Raises StoreError."""
        with folder(self.path) as place:
            found = place.look(STAMP_FILE) if place else None
            return found.st_mtime if found and stat.S_ISREG(found.st_mode) else None

    def _add(self, host_file: str, entries: list[OwedEntry]) -> list[OwedEntry]:
        """To one host. Returns those that made a difference."""
        with made_folder(self.path, OWED, host_file) as owed:
            others = [entry for entry in entries if not self._is_queued(owed, host_file, entry)]
            # Whoever has been faster with the same is not replaced.
            for entry in folders.write_new_entries(owed, others):
                if not self._is_queued(owed, host_file, entry):
                    folders.write_entry(owed, entry)
        return others

    def _is_queued(self, owed: Place, host_file: str, entry: OwedEntry) -> bool:
        """With the same fingerprint. What is no entry is set aside."""
        name = file_name(entry.lineage) + SUFFIX
        found = folders.read_owed(owed, host_file, name)
        if isinstance(found, DamagedEntry):
            folders.set_aside(self.path, OWED, host_file, owed, name)
            return False
        if found is None or found.fingerprint_sha256 != entry.fingerprint_sha256:
            return False
        return not entry.forced or (found.forced and found.next_attempt is None)

    def _unlink(self, kind: str, host_file: str, lineages: t.Iterable[str]) -> set[str]:
        """Returns those that were there."""
        removed: set[str] = set()
        with folder(self.path, kind, host_file) as place:
            if place is None:
                return removed
            removed.update(lineage for lineage in lineages if folders.discard(place, file_name(lineage) + SUFFIX))
            if removed:
                place.sync()
        return removed

    def _is_known(self, host: str) -> bool:
        for kind in (OWED, CLAIMED, DEAD, CONFIRMED):
            with folder(self.path, kind, file_name(host)) as place:
                if place:
                    return True
        return False

    @contextlib.contextmanager
    def _locked(self, host: str) -> t.Iterator[bool]:
        """Whether this run has the host for itself; released with the process, however that ends."""
        with made_folder(self.path, CLAIMED, file_name(host)) as claimed:
            descriptor = folders.lock(claimed, _PATIENCE)
        try:
            yield descriptor is not None
        finally:
            if descriptor is not None:
                os.close(descriptor)


_Entry = t.TypeVar("_Entry")


def _is_settled(entry: OwedEntry, confirmation: Confirmation | None) -> bool:
    return confirmation is not None and confirmation.settles(entry, datetime.now(timezone.utc))


def _is_same(entry: OwedEntry, end: OwedEntry | None) -> bool:
    """Whether that is where it has ended, however it comes to be there still. See QueueClaim."""
    return end is not None and entry.fingerprint_sha256 == end.fingerprint_sha256


def _afresh(entry: OwedEntry, now: str) -> OwedEntry:
    """As if nothing had been tried."""
    return dataclasses.replace(entry, queued_at=now, attempts=0, last_error="", next_attempt=None)


def _by_host(keys: t.Iterable[DebtKey]) -> dict[str, list[str]]:
    """Lineages."""
    found: dict[str, list[str]] = {}
    for host, lineage in keys:
        found.setdefault(host, []).append(lineage)
    return found


def _in_order(entries: t.Mapping[DebtKey, _Entry]) -> tuple[_Entry, ...]:
    return tuple(entries[key] for key in sorted(entries))
