# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""TXT values: which are published together, how Route53 writes them, and in how few requests it takes them. Pure.

Limits of ChangeResourceRecordSets (Route53's API reference and quotas): 1000 values and 32,000 characters a request.
"""

from __future__ import annotations

import re
import typing as t
from dataclasses import dataclass, field

from .dns import TxtRecord

#: Of our records, in seconds. Short, so that no resolver shows the CA the value of an earlier order.
TTL: t.Final = 10
MAX_VALUES: t.Final = 1000
MAX_CHARACTERS: t.Final = 32_000

_OCTAL = re.compile(r"\\([0-3][0-7]{2})")


def txt_records(values: t.Iterable[tuple[str, str]]) -> tuple[TxtRecord, ...]:
    """One record for each name, with all its values: of a wildcard and its base, of several certificates.

    values: pairs of a name and a value, in any order and with repetitions.
    """
    by_name: dict[str, dict[str, None]] = {}
    for name, value in values:
        by_name.setdefault(name, {})[value] = None
    return tuple(TxtRecord(name, tuple(texts)) for name, texts in by_name.items())


# As Route53 writes them


def quoted(value: str) -> str:
    """A value as Route53's API takes it: quoted, with octal escapes (RFC 1035 section 5.1 has decimal ones)."""
    return f'"{"".join(map(_escaped, value.encode()))}"'


def _escaped(byte: int) -> str:
    if byte in b'"\\':
        return f"\\{chr(byte)}"
    return chr(byte) if 0x20 <= byte <= 0x7E else f"\\{byte:03o}"


def unquoted(text: str) -> str:
    """What a value of a TXT record set stands for, its character-strings joined. Bytes are taken one by one (Latin 1),
    unless they are UTF-8."""
    value, position, inside = bytearray(), 0, False
    while position < len(text):
        character = text[position]
        if character == '"':
            inside = not inside
            position += 1
        elif character == "\\":
            octal = _OCTAL.match(text, position)
            value += bytes([int(octal[1], 8)]) if octal else text[position + 1 : position + 2].encode()
            position += 4 if octal else 2
        else:
            # Between strings there is white space, which is no part of the value.
            if inside or not character.isspace():
                value += character.encode()
            position += 1
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value.decode("latin-1")


def unescaped_name(text: str) -> str:
    """A name that Route53 returns, as TxtRecord's: \\052 is a star."""
    return _OCTAL.sub(lambda octal: chr(int(octal[1], 8)), text).removesuffix(".").lower()


# What is to be changed


@dataclass(frozen=True)
class TxtSet:
    """A TXT record set as it is. values: as Route53 writes them, each may be of several strings; ttl: seconds."""

    name: str
    ttl: int
    values: tuple[str, ...]


@dataclass(frozen=True)
class TxtChange:
    """action: CREATE fails where the name has a set, DELETE where the set is not exactly this one."""

    action: t.Literal["CREATE", "DELETE"]
    record_set: TxtSet


@dataclass
class TxtBatch:
    """Changes of one request, which Route53 makes all together or not at all."""

    changes: list[TxtChange] = field(default_factory=list)

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(change.record_set.name for change in self.changes))


def created(record: TxtRecord) -> TxtSet:
    """What is there when a name had none before."""
    return TxtSet(record.name, TTL, tuple(map(quoted, record.values)))


def changes_to_add(record: TxtRecord, existing: TxtSet | None) -> tuple[TxtChange, ...]:
    """Add its values to what is there, which is None for nothing. Empty when all are there.

    A DELETE of exactly what was read and a CREATE in one batch are a comparison and a swap: who has changed the set in
    the meantime makes the batch fail, and no value of theirs is lost. (UPSERT would overwrite it.)
    """
    if existing is None:
        return (TxtChange("CREATE", created(record)),)
    there = set(map(unquoted, existing.values))
    missing = tuple(quoted(value) for value in record.values if value not in there)
    return _swap(existing, existing.values + missing) if missing else ()


def changes_to_remove(record: TxtRecord, existing: TxtSet | None) -> tuple[TxtChange, ...]:
    """Remove its values from what is there. Empty when none is there."""
    ours = set(record.values)
    rest = tuple(value for value in existing.values if unquoted(value) not in ours) if existing else ()
    if existing is None or len(rest) == len(existing.values):
        return ()
    return _swap(existing, rest) if rest else (TxtChange("DELETE", existing),)


def _swap(existing: TxtSet, values: tuple[str, ...]) -> tuple[TxtChange, ...]:
    return TxtChange("DELETE", existing), TxtChange("CREATE", TxtSet(existing.name, existing.ttl, values))


def batches(steps: t.Iterable[t.Sequence[TxtChange]]) -> tuple[TxtBatch, ...]:
    """As few as the limits allow. steps: the changes of one name each, which stay in one batch, in order."""
    made: list[TxtBatch] = []
    values = characters = 0
    for step in steps:
        if not step:
            continue
        more_values = sum(len(change.record_set.values) for change in step)
        more_characters = sum(len(value) for change in step for value in change.record_set.values)
        if not made or values + more_values > MAX_VALUES or characters + more_characters > MAX_CHARACTERS:
            made.append(TxtBatch())
            values = characters = 0
        made[-1].changes += step
        values += more_values
        characters += more_characters
    return tuple(made)
