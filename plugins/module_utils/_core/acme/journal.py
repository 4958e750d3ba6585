# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The journal of a batch: what has been ordered and is not in its stores yet, so that the next run can finish it.

It is written before anything is put into the DNS (which values are ours) and before an order is finalized (its private
key). So it holds private keys, which nothing here shows.
"""

from __future__ import annotations

import dataclasses
import json
import typing as t
from datetime import datetime, timedelta

from ..._errors import InvalidOption, RotationError
from ..instants import isoformat_utc, parse_isoformat_utc
from .csr import expand_key
from .dns import Zone
from .wanted import KEY_TYPES, KeyType

if t.TYPE_CHECKING:
    from .wanted import HeldCertificate, WantedCertificate

FORMAT: t.Final = 1
MAX_BYTES: t.Final = 65536  # of a secret's value
#: What an entry may still grow by: stores, its progress.
_GROWTH: t.Final = 200
#: Characters of a key that is not made yet, by csr.compact_key.
_KEY_CHARACTERS: t.Final[t.Mapping[str, int]] = {
    "ec256": 190, "ec384": 260, "rsa2048": 1700, "rsa3072": 2500, "rsa4096": 3300,
}  # fmt: skip
_FULL: t.Final = MAX_BYTES - 2048

#: How far an order has come. finalized: the CA has been asked for the certificate; issued: the CA has it; stored: the
#: truth has it, and other stores are owed.
OrderProgress = t.Literal["ordered", "validated", "finalized", "issued", "stored"]
PROGRESS: t.Final[tuple[OrderProgress, ...]] = ("ordered", "validated", "finalized", "issued", "stored")

#: Of a certificate that somebody may still want, and of an order that does not say when it expires.
_LONGEST_USE: t.Final = timedelta(days=90)
_LONGEST_ORDER: t.Final = timedelta(days=30)


@dataclasses.dataclass(frozen=True)
class PlacedValue:
    """One TXT value that is ours. record: name of the TXT record; provider: its number in the option ``dns``."""

    record: str
    zone: Zone
    provider: int
    value: str


@dataclasses.dataclass(frozen=True)
class JournalEntry:
    """One order. identifiers, key_type, profile: what was wanted; expires: of the order; values: in the DNS, or soon to
    be; key: by csr.compact_key, once there is one; owed: names of the stores that lack it still."""

    name: str
    identifiers: tuple[str, ...]
    key_type: KeyType
    directory: str
    account_url: str
    order_url: str
    created: datetime
    profile: str | None = None
    expires: datetime | None = None
    values: tuple[PlacedValue, ...] = ()
    progress: OrderProgress = "ordered"
    key: str | None = dataclasses.field(default=None, repr=False)
    owed: tuple[str, ...] = ()

    def at(self, progress: OrderProgress, **changes: t.Any) -> JournalEntry:
        return dataclasses.replace(self, progress=progress, **changes)

    @property
    def is_beyond_validation(self) -> bool:
        """The CA has, or will have, a certificate for it: it must not be lost."""
        return PROGRESS.index(self.progress) >= PROGRESS.index("finalized")

    @property
    def weight(self) -> int:
        """Bytes that it takes in a document, whatever becomes of it."""
        key = 0 if self.key else _KEY_CHARACTERS[self.key_type]
        return len(json.dumps(_entry_document(self))) + key + _GROWTH


@dataclasses.dataclass(frozen=True)
class JournalPart:
    """What one secret holds. number: from 1; of: how many parts there are, told by the first; generation: of the write;
    run: a token of the run that wrote it; damaged: sentences about entries that could not be read."""

    entries: tuple[JournalEntry, ...] = ()
    number: int = 1
    of: int = 1
    generation: int = 0
    run: str = ""
    damaged: tuple[str, ...] = ()

    def to_json(self) -> str:
        """Raises RotationError when a secret has no room for it."""
        document = {
            "format": FORMAT,
            "kind": "certops.rotation issuance journal",
            "part": self.number,
            "parts": self.of,
            "generation": self.generation,
            "run": self.run,
            "entries": [_entry_document(entry) for entry in self.entries],
        }
        text = json.dumps(document, sort_keys=True, separators=(",", ":"))
        if len(text.encode()) > MAX_BYTES:
            names = ", ".join(entry.name for entry in self.entries[:3])
            raise RotationError(f"The journal's part {self.number} ({names} ...) is too long for a secret.")
        return text

    @classmethod
    def from_json(cls, text: str, where: str) -> JournalPart:
        """where: the secret's name, for messages. What one entry lacks is told, and the others are read.

        Raises RotationError for what is no journal, and for one of a later version: neither is touched.
        """
        try:
            document = json.loads(text)
            kind, version = document["kind"], document["format"]
        except (ValueError, RecursionError, LookupError, TypeError):
            kind = version = None
        if kind != "certops.rotation issuance journal":
            raise RotationError(
                f"Secret {where} holds something else than a journal of orders, or a damaged one, so nothing is"
                " ordered. Name another secret (journal_secret), or delete this one if nothing is under way."
            )
        if version != FORMAT:
            raise RotationError(
                f"Secret {where} holds a journal of format {version!r}, and this version of the collection knows"
                f" {FORMAT}: a newer one is at work. Run that, or name another secret (journal_secret)."
            )
        entries, damaged = [], []
        listed = document.get("entries")
        for number, item in enumerate(listed if isinstance(listed, list) else [], start=1):
            try:
                entries.append(_entry(item))
            except (AttributeError, InvalidOption, LookupError, TypeError, ValueError):
                name = item.get("name") if isinstance(item, dict) else None
                label = name if isinstance(name, str) and len(name) <= 512 else f"number {number}"
                damaged.append(f"{where}: the entry {label} is damaged, and left out.")
        if not isinstance(listed, list):
            damaged.append(f"{where}: it has no list of entries.")
        return cls(
            entries=tuple(entries),
            number=_number(document.get("part"), 1),
            of=_number(document.get("parts"), 1),
            generation=_number(document.get("generation"), 0),
            run=str(document.get("run", "")),
            damaged=tuple(damaged),
        )


def allotted(
    entries: t.Iterable[JournalEntry], places: t.Mapping[str, int], full: int = _FULL
) -> dict[int, list[JournalEntry]]:
    """Part -> its entries. places: URL of the order -> part of entries that have one already, where they stay: no write
    moves an entry from one secret to another, for a run that is killed between two writes would lose it."""
    entries = list(entries)
    parts: dict[int, list[JournalEntry]] = {1: []}
    room: dict[int, int] = {}

    def put(entry: JournalEntry, part: int) -> None:
        parts.setdefault(part, []).append(entry)
        room[part] = room.get(part, full) - entry.weight

    for entry in entries:
        if entry.order_url in places:
            put(entry, places[entry.order_url])
    for entry in entries:
        if entry.order_url not in places:
            number = 1
            while room.get(number, full) < entry.weight and parts.get(number):
                number += 1
            put(entry, number)
    return {number: parts.get(number, []) for number in range(1, max(parts) + 1)}


@dataclasses.dataclass(frozen=True)
class Resumption:
    """resumed: entries by the name of their certificate; dropped: sentences about the others; ours: the TXT values of
    all, to be removed unless an order needs them still."""

    resumed: t.Mapping[str, JournalEntry]
    dropped: tuple[str, ...]
    ours: tuple[PlacedValue, ...]


def resumption(
    entries: t.Iterable[JournalEntry],
    wanted: t.Mapping[str, WantedCertificate],
    held: t.Mapping[str, HeldCertificate | None],
    accounts: t.Mapping[str, str],
    profiles: t.Mapping[str, str | None],
    now: datetime,
) -> Resumption:
    """Which orders of a run before are finished instead of begun anew.

    accounts: directory -> the account that is used now; profiles: directory -> profile where a certificate names none.
    """
    entries = list(entries)
    resumed: dict[str, JournalEntry] = {}
    dropped = []
    for entry in entries:
        why = _why_not(entry, wanted.get(entry.name), held.get(entry.name), accounts, profiles, now)
        if why is not None:
            dropped.append(f"{entry.name}: the order {entry.order_url} of an earlier run is left: {why}")
            continue
        other = resumed.get(entry.name)
        if other is None or PROGRESS.index(other.progress) <= PROGRESS.index(entry.progress):
            resumed[entry.name] = entry
    return Resumption(resumed, tuple(dropped), placed_values(entries))


def is_stale(entry: JournalEntry, now: datetime) -> bool:
    """Whether nothing can come of it any more: its order has expired, or its certificate would by now be renewed."""
    if entry.is_beyond_validation:
        # Where it seems to have been made after it ended, the clock of the run was wrong, and the CA's tells.
        return min(entry.created, entry.expires or entry.created) + _LONGEST_USE <= now
    return (entry.expires or entry.created + _LONGEST_ORDER) <= now


def placed_values(entries: t.Iterable[JournalEntry]) -> tuple[PlacedValue, ...]:
    """Of all entries, each once."""
    return tuple(dict.fromkeys(value for entry in entries for value in entry.values))


def is_held(entry: JournalEntry, held: HeldCertificate | None) -> bool:
    """Whether the truth has the entry's certificate already: a run was killed between storing and writing that down."""
    if held is None or held.bundle is None or entry.key is None:
        return False
    public_key = held.bundle.leaf.public_key
    return public_key is not None and bool(expand_key(entry.key).public_key() == public_key)


def _why_not(
    entry: JournalEntry,
    wanted: WantedCertificate | None,
    held: HeldCertificate | None,
    accounts: t.Mapping[str, str],
    profiles: t.Mapping[str, str | None],
    now: datetime,
) -> str | None:
    if is_held(entry, held):
        return "its certificate is stored."
    if wanted is None:
        return "this certificate is not wanted any more."
    if entry.directory not in accounts:
        return f"its issuer {entry.directory} is not configured any more."
    if accounts[entry.directory] != entry.account_url:
        return f"it belongs to the account {entry.account_url}, and another one is used now."
    if set(entry.identifiers) != set(wanted.identifiers):
        return "other names are wanted now."
    if entry.key_type != wanted.key_type:
        return f"another type of key is wanted now ({wanted.key_type})."
    if entry.profile != (wanted.profile or profiles.get(entry.directory)):
        return "another profile is wanted now."
    if entry.is_beyond_validation and entry.key is None:
        return "its private key is not there."
    if not entry.is_beyond_validation and entry.expires is not None and entry.expires <= now:
        return f"it expired at {isoformat_utc(entry.expires)}."
    return None


def _entry_document(entry: JournalEntry) -> dict[str, t.Any]:
    document: dict[str, t.Any] = {
        "name": entry.name,
        "identifiers": entry.identifiers,
        "key_type": entry.key_type,
        "directory": entry.directory,
        "account_url": entry.account_url,
        "order_url": entry.order_url,
        "created": isoformat_utc(entry.created),
        "progress": entry.progress,
        "values": [
            [value.record, value.zone.name, value.zone.id, value.provider, value.value] for value in entry.values
        ],
    }
    optional = {
        "profile": entry.profile,
        "expires": entry.expires and isoformat_utc(entry.expires),
        "key": entry.key,
        "owed": entry.owed,
    }
    return {**document, **{name: value for name, value in optional.items() if value}}


def _entry(item: t.Any) -> JournalEntry:
    """Raises AttributeError, InvalidOption, LookupError, TypeError or ValueError."""
    key = item.get("key")
    if key is not None:
        try:
            expand_key(_text(key))
        except RotationError as error:
            raise ValueError(error.message) from None
    return JournalEntry(
        name=_text(item["name"]),
        identifiers=_texts(item["identifiers"]),
        key_type=KEY_TYPES[KEY_TYPES.index(item["key_type"])],
        directory=_text(item["directory"]),
        account_url=_text(item["account_url"]),
        order_url=_text(item["order_url"]),
        created=parse_isoformat_utc(_text(item["created"])),
        profile=_text(item["profile"]) if item.get("profile") else None,
        expires=parse_isoformat_utc(_text(item["expires"])) if item.get("expires") else None,
        values=tuple(_value(*value) for value in item["values"]),
        progress=PROGRESS[PROGRESS.index(item["progress"])],
        key=key,
        owed=_texts(item.get("owed", [])) if item.get("owed") else (),
    )


def _value(record: t.Any, zone: t.Any, zone_id: t.Any, provider: t.Any, value: t.Any) -> PlacedValue:
    if not isinstance(provider, int) or isinstance(provider, bool) or provider < 0:
        raise TypeError
    return PlacedValue(_text(record), Zone(_text(zone), _text(zone_id)), provider, _text(value))


def _texts(value: t.Any) -> tuple[str, ...]:
    if not isinstance(value, list) or not value:
        raise TypeError
    return tuple(map(_text, value))


def _text(value: t.Any) -> str:
    if not isinstance(value, str) or not value:
        raise TypeError
    return value


def _number(value: t.Any, otherwise: int) -> int:
    is_number = isinstance(value, int) and not isinstance(value, bool)
    return value if is_number and otherwise <= value <= 10_000_000 else otherwise
