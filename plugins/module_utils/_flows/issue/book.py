# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The journal as a run keeps it: what is under way, written before it is done."""

from __future__ import annotations

import typing as t

from ..._core.acme.authority import Order
from ..._core.acme.csr import compact_key, expand_key
from ..._core.acme.journal import JournalEntry, OrderProgress, PlacedValue
from ..._errors import RotationError
from .orders import Attempt

if t.TYPE_CHECKING:
    from datetime import datetime

    from ..._core.acme.authority import CertificateAuthority
    from ..._core.acme.wanted import Issuer, WantedCertificate
    from .settings import Journal


class Book:
    """found: entries of earlier runs. What cannot be written ends the run, for another one may be at work: then nothing
    is touched any more."""

    def __init__(self, journal: Journal, found: t.Sequence[JournalEntry]) -> None:
        self._journal = journal
        self._entries = {entry.order_url: entry for entry in found}
        self._done: dict[str, JournalEntry] = {}
        self._written = tuple(self._entries.values())
        self.values: dict[PlacedValue, None] = {value: None for entry in found for value in entry.values}
        self.is_ours = False
        self.is_lost = False

    @property
    def entries(self) -> tuple[JournalEntry, ...]:
        return tuple(self._entries.values())

    def enter(self, entries: t.Iterable[JournalEntry]) -> None:
        """Before what they tell is done. Raises RotationError."""
        for entry in entries:
            self._entries[entry.order_url] = entry
            self.values.update(dict.fromkeys(entry.values))
        self.write()

    def drop(self, order_url: str) -> None:
        """Nothing is left to do for it but to withdraw its values."""
        entry = self._entries.pop(order_url, None)
        if entry is not None:
            self._done[order_url] = entry

    def drop_certificate(self, name: str) -> None:
        """All its orders, at whichever CA."""
        for entry in self.entries:
            if entry.name == name:
                self.drop(entry.order_url)

    def withdrawn(self, still_there: t.Container[PlacedValue]) -> None:
        """Values are in the DNS no more, apart from these, which the next run withdraws."""
        self.values = {value: None for value in self.values if value in still_there}
        for entry in (*self._done.values(), *self.entries):
            kept = tuple(value for value in entry.values if value in still_there)
            is_done = entry.order_url in self._done
            if kept or not is_done:
                self._entries[entry.order_url] = entry.at("stored" if is_done else entry.progress, values=kept)

    def own(self) -> None:
        """Be the one run that this journal is of. Raises RotationError."""
        if not self.is_ours:
            self.write()

    def write(self) -> None:
        """Raises RotationError."""
        if not (self.is_ours and self.entries == self._written):
            self._do(lambda: self._journal.write(self.entries))

    def close(self) -> None:
        """At the end: what is left is for the next run, and where nothing is, no key stays. Raises RotationError."""
        if self.entries:
            self.write()
        else:
            self._do(self._journal.clear)

    def _do(self, step: t.Callable[[], None]) -> None:
        if self.is_lost:
            return
        try:
            step()
        except RotationError:
            self.is_lost = True
            raise
        self.is_ours, self._written = True, self.entries


def entry_of(
    attempt: Attempt,
    authority: CertificateAuthority,
    values: tuple[PlacedValue, ...],
    progress: OrderProgress,
    now: datetime,
) -> JournalEntry:
    wanted = attempt.wanted
    return JournalEntry(
        name=wanted.name,
        identifiers=wanted.identifiers,
        key_type=wanted.key_type,
        directory=attempt.issuer.directory,
        account_url=authority.account_url,
        order_url=attempt.order.url,
        created=now,
        profile=attempt.profile,
        expires=attempt.order.expires,
        values=values,
        progress=progress,
        key=compact_key(attempt.key),
    )


def attempt_of(entry: JournalEntry, wanted: WantedCertificate, issuer: Issuer) -> Attempt:
    """As it stood: its order is asked for by its URL alone."""
    order = Order(entry.order_url, "pending", entry.identifiers, (), "")
    return Attempt(wanted, issuer, order, expand_key(entry.key) if entry.key else None)
