# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Rows of a DynamoDB table that names certificates: the domains of one in each, and perhaps how it is wanted.

Values are as the API has them, such as {"S": "www.example.com"} (API reference, AttributeValue).
"""

from __future__ import annotations

import json
import typing as t
from dataclasses import dataclass

from ..x509.names import a_labels

#: The attribute with the domains, and the table's key.
DOMAINS: t.Final = "subject_alternative_name"
#: Further attributes that are options of the certificate. What else a row has is left alone.
OPTIONS: t.Final = ("name", "key_type", "profile", "stores", "renew_before_days")

Item = t.Mapping[str, t.Mapping[str, t.Any]]


@dataclass(frozen=True)
class DomainRow:
    """key: the text of the domains as it stands there; domains: trimmed, without repetitions; options: as they are
    wanted of a certificate; problem: why there are no domains."""

    key: str
    domains: tuple[str, ...]
    options: t.Mapping[str, t.Any]
    problem: str | None = None

    @property
    def names(self) -> frozenset[str]:
        """What makes two rows the same."""
        return frozenset(a_labels(domain) or domain.lower() for domain in self.domains)

    def as_certificate(self) -> dict[str, t.Any]:
        """An item of what is to be issued."""
        return {**self.options, "domains": list(self.domains)}


class ReadRows(t.NamedTuple):
    """In the order of their texts, which is the same for the same rows. warnings: of rows that say the same."""

    rows: list[DomainRow]
    warnings: list[str]


def read_rows(items: t.Iterable[Item]) -> ReadRows:
    """Of rows that mean one certificate the first one is kept."""
    kept: dict[tuple[frozenset[str], str], DomainRow] = {}
    rows, warnings = [], []
    for row in sorted(map(read_row, items), key=lambda row: (row.key, row.domains)):
        if row.problem:
            warnings.append(f"A row names no certificate: {row.problem}")
        same = (row.names, json.dumps(row.options, sort_keys=True))
        first = kept.setdefault(same, row) if row.domains else row
        if first is row:
            rows.append(row)
        else:
            warnings.append(
                f"Two rows have the same domains, {first.key!r} and {row.key!r}: the first one counts. Remove one."
            )
    return ReadRows(rows, warnings)


def read_row(item: Item) -> DomainRow:
    options = {name: plain(item[name]) for name in OPTIONS if name in item}
    options = {name: value for name, value in options.items() if value not in (None, "", [])}
    told = item.get(DOMAINS)
    value = None if told is None else plain(told)
    if isinstance(value, int):  # of a table that keeps numbers: no CA issues for it, which is said where it is judged
        value = str(value)
    texts = [value] if isinstance(value, str) else value
    if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
        kind = next(iter(told), "nothing") if told else "nothing"
        why = f"its {DOMAINS} is of the type {kind}, not text (S), a set (SS) or a list (L) of texts"
        return DomainRow(_loose_key(item), (), options, why if told else f"it has no {DOMAINS} ({_loose_key(item)})")
    domains = split_domains(texts)
    key = value if isinstance(value, str) else ",".join(texts)
    return DomainRow(key, domains, options, None if domains else f"its {DOMAINS} is empty ({key!r})")


def split_domains(texts: t.Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(part for text in texts for part in map(str.strip, text.split(",")) if part))


def plain(value: t.Mapping[str, t.Any]) -> t.Any:
    """Of an AttributeValue: text, a whole number, or a list of these, in an order that is always the same."""
    kind: str
    held: t.Any
    kind, held = next(iter(value.items()), ("NULL", True))
    if kind == "N":
        return int(held) if str(held).lstrip("-").isdigit() else str(held)
    if kind in ("S", "BOOL"):
        return held
    if kind in ("SS", "NS"):
        return sorted(map(str, held))
    if kind == "L":
        return [plain(each) for each in held]
    return None


def attribute(value: t.Any) -> dict[str, t.Any]:
    """What plain reads."""
    if isinstance(value, (list, tuple)):
        return {"L": [attribute(each) for each in value]}
    return {"N": str(value)} if isinstance(value, int) and not isinstance(value, bool) else {"S": str(value)}


class RowChange(t.NamedTuple):
    """One request: add the row, give it options (and leave its other attributes), or remove it. key: of the row."""

    action: t.Literal["add", "change", "remove"]
    key: str
    options: t.Mapping[str, t.Any]


def plan_rows(present: t.Iterable[DomainRow], wanted: t.Iterable[DomainRow], *, absent: bool) -> list[RowChange]:
    """What makes the wanted rows present, or absent. A row is known by its domains in any order."""
    by_names: dict[frozenset[str], list[DomainRow]] = {}
    for row in present:
        by_names.setdefault(row.names, []).append(row)
    changes = []
    for row in wanted:
        found = by_names.get(row.names, [])
        if absent:
            changes += [RowChange("remove", each.key, {}) for each in found]
        elif not found:
            changes.append(RowChange("add", row.key, row.options))
        elif all(_differing(row, each) for each in found):
            changes.append(RowChange("change", found[0].key, _differing(row, found[0])))
    return changes


def _differing(wanted: DomainRow, present: DomainRow) -> dict[str, t.Any]:
    return {name: value for name, value in wanted.options.items() if present.options.get(name) != value}


def _loose_key(item: Item) -> str:
    """How a row without domains is told from others: by its attributes' names."""
    return f"attributes {', '.join(sorted(item))}"
