# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The journal as a run keeps it: what is under way, written before it is done."""

from __future__ import annotations

import typing as t

from ..._core.acme.authority import Order
from ..._core.acme.csr import compact_key, expand_key
from ..._core.acme.journal import JournalEntry, OrderProgress, PlacedValue, placed_values
from ..._errors import RotationError
from .orders import OrderAttempt

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
        self._entries: dict[str, JournalEntry] = {}
        #: Of orders that are over: nothing but values that have to be withdrawn.
        self._over: dict[str, JournalEntry] = {}
        for entry in found:
            (self._over if _is_over(entry) else self._entries)[entry.order_url] = entry
        self._written = self._all
        self.is_ours = False
        self.is_lost = False

    @property
    def entries(self) -> tuple[JournalEntry, ...]:
        """Orders that are under way."""
        return tuple(self._entries.values())

    @property
    def values(self) -> tuple[PlacedValue, ...]:
        """Ours, in the DNS or about to be."""
        return placed_values(self._all)

    def enter(self, entries: t.Iterable[JournalEntry]) -> None:
        """Before what they tell is done. Raises RotationError."""
        for entry in entries:
            known = self._entries.get(entry.order_url)
            values = dict.fromkeys((*(known.values if known else ()), *entry.values))
            self._entries[entry.order_url] = entry.at(entry.progress, values=tuple(values))
        self.write()

    def drop(self, order_url: str) -> None:
        """Nothing is left to do for it but to withdraw its values, which the journal keeps until then."""
        entry = self._entries.pop(order_url, None)
        if entry is not None and entry.values:
            self._over[order_url] = entry.at("stored", key=None)

    def drop_certificate(self, name: str) -> None:
        """All its orders, at whichever CA."""
        for entry in self.entries:
            if entry.name == name:
                self.drop(entry.order_url)

    def withdrawn(self, still_there: t.Container[PlacedValue]) -> None:
        """Values are in the DNS no more, apart from these, which the next run withdraws."""

        def left(entry: JournalEntry) -> JournalEntry:
            return entry.at(entry.progress, values=tuple(value for value in entry.values if value in still_there))

        self._entries = {url: left(entry) for url, entry in self._entries.items()}
        self._over = {url: left(entry) for url, entry in self._over.items() if left(entry).values}

    def own(self) -> None:
        """Be the one run that this journal is of. Raises RotationError."""
        if not self.is_ours:
            self.write()

    def write(self) -> None:
        """Raises RotationError."""
        if not (self.is_ours and self._all == self._written):
            self._do(lambda: self._journal.write(self._all))

    def close(self) -> None:
        """At the end: what is left is for the next run, and where nothing is, no key stays. Raises RotationError."""
        if not self._all:
            self._do(self._journal.clear)
        elif self._all != self._written:  # what others have left stays as it is
            self.write()

    @property
    def _all(self) -> tuple[JournalEntry, ...]:
        return (*self._entries.values(), *self._over.values())

    def _do(self, step: t.Callable[[], None]) -> None:
        if self.is_lost:
            return
        try:
            step()
        except RotationError:
            self.is_lost = True
            raise
        self.is_ours, self._written = True, self._all


def _is_over(entry: JournalEntry) -> bool:
    return entry.progress == "stored" and entry.key is None


def entry_of(
    attempt: OrderAttempt,
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


def attempt_of(entry: JournalEntry, wanted: WantedCertificate, issuer: Issuer) -> OrderAttempt:
    """As it stood: its order is asked for by its URL alone."""
    order = Order(entry.order_url, "pending", entry.identifiers, (), "")
    return OrderAttempt(wanted, issuer, order, expand_key(entry.key) if entry.key else None)
