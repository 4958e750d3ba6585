# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Watched endpoints from files of other programs: CSV, Certificate Transparency, our own results. Pure.

A row that cannot be read stops no other. Formats: CSV (RFC 4180); issuances of Cert Spotter's API and the files that
certspotter writes; JSON of crt.sh; results of endpoint_registry_info, lists of endpoints, and what Django's `manage.py
dumpdata` writes of endpoints.
"""

from __future__ import annotations

import collections
import dataclasses
import itertools
import re
import typing as t
from datetime import datetime, timedelta, timezone

from ..._errors import InvalidOption
from .endpoints import WatchedEndpoint
from .endpoints_csv import csv_entries
from .json_stream import json_items
from .reading import FIELDS, WildcardName, read_endpoint

ImportFormat = t.Literal["auto", "csv", "certspotter", "crtsh", "json"]
IMPORT_FORMATS: t.Final[tuple[str, ...]] = t.get_args(ImportFormat)

#: ``unreadable``: nobody can tell which endpoint it is, so that what is imported is not all; ``wildcard``: a name that
#: stands for many hosts; ``ended``: a certificate that nobody serves any more; ``duplicate``: another row says
#: something else of the same host and port; ``no_endpoint``: something else than an endpoint; ``unknown_field``: a
#: field or column that means nothing here.
PassedOverKind = t.Literal["unreadable", "wildcard", "ended", "duplicate", "no_endpoint", "unknown_field"]

#: How long after its end a certificate still says that there is an endpoint: one that was forgotten is to be found.
STILL_SERVED: t.Final = timedelta(days=30)
_SHOWN: t.Final = 100
_JSON = re.compile(r"[\s\ufeff]*(?:\{|\[\s*(?:[{\]\"]|$))")
#: What an endpoint has besides its own fields in results of modules.
_RESULTS: t.Final = frozenset({"action", "added", "addresses", "condition", "error", "history", "last_seen"})
_LONGEST_SPACE: t.Final = 1024 * 1024
_DASHBOARD: t.Final = (
    "It is a dashboard's, which has not all of an endpoint: write what endpoint_registry_info returns."
)
_DJANGO: t.Final = {"name": "name", "host": "host", "port": "port", "active": "enabled"}

_Row = tuple[str, t.Any]  # place and entry


@dataclasses.dataclass(frozen=True)
class PassedOver:
    """A row, or a part of one, that made no endpoint. place: where it is, such as "hosts.csv, line 7"."""

    place: str
    kind: PassedOverKind
    message: str

    def __str__(self) -> str:
        return f"{self.place}: {self.message}"


class ImportedRow(t.NamedTuple):
    """An endpoint, and where it is in its file. by_name: nothing is known of it but its name, so that all its other
    fields are defaults, and say nothing against what is known already."""

    place: str
    endpoint: WatchedEndpoint
    by_name: bool = False


@dataclasses.dataclass(frozen=True)
class ImportedEndpoints:
    """What some files say. passed_over: the first hundred of each kind; counts: kind -> how many there were.

    sources: file -> how many endpoints of the result come from it. by_name: keys of those that are known by name alone.
    """

    endpoints: tuple[WatchedEndpoint, ...] = ()
    passed_over: tuple[PassedOver, ...] = ()
    counts: t.Mapping[str, int] = dataclasses.field(default_factory=dict)
    sources: t.Mapping[str, int] = dataclasses.field(default_factory=dict)
    by_name: frozenset[tuple[str, int]] = frozenset()

    @property
    def complete(self) -> bool:
        """Whether each row that may be an endpoint was read: only then do those that are missing not exist."""
        return not self.counts.get("unreadable")

    def warnings(self) -> list[str]:
        """For the user, each kind once with some of its rows. What is usual in Certificate Transparency is none."""
        found = []
        for kind, what in _WHAT.items():
            rows = [row for row in self.passed_over if row.kind == kind]
            if rows:
                more = self.counts[kind] - 10
                text = "; ".join(str(row).rstrip(".") for row in rows[:10]) + (f"; and {more} more" if more > 0 else "")
                found.append(f"{self.counts[kind]} {what}: {text}.")
        return found


_WHAT: t.Final = {
    "unreadable": "rows were passed over, as they cannot be read",
    "wildcard": "wildcard names were passed over",
    "duplicate": "rows were passed over for an earlier one of the same host and port",
    "unknown_field": "fields are not known and were left out",
}


class _ImportRules(t.NamedTuple):
    protocols: t.Collection[str]
    tags: t.Mapping[str, str]
    now: datetime


def read_import(
    chunks: t.Iterable[str],
    file_format: ImportFormat,
    protocols: t.Collection[str],
    now: datetime,
    tags: t.Mapping[str, str] | None = None,
) -> t.Iterator[ImportedRow | PassedOver]:
    """What a file says, row by row: an endpoint, or why there is none.

    chunks: its text in pieces of any size, of which a big file is never in memory as a whole; protocols: what starttls
    may be; tags: for all of them. The same may come more than once, see merge_imports.
    """
    reading = _ImportRules(protocols, tags or {}, now)
    known: set[str] = set()
    for place, entry in _rows(iter(chunks), file_format):
        if isinstance(entry, PassedOver):
            yield entry
            continue
        for found in _found(place, entry, file_format, reading):
            if isinstance(found, PassedOver) and found.kind in ("unknown_field", "wildcard"):
                if found.message in known:
                    continue
                known.add(found.message)
            yield found


def merge_imports(
    files: t.Iterable[tuple[str, t.Iterable[ImportedRow | PassedOver]]],
) -> ImportedEndpoints:
    """files: name of each and what read_import makes of it.

    Of one host and port the first row counts that has more than its name.
    """
    found: dict[tuple[str, int], ImportedRow] = {}
    passed_over: list[PassedOver] = []
    counts: collections.Counter[str] = collections.Counter()
    sources: dict[str, int] = {}
    for name, rows in files:
        before = len(found)
        for row in rows:
            if isinstance(row, PassedOver):
                problem: PassedOver | None = dataclasses.replace(row, place=f"{name}, {row.place}")
            else:
                problem = _taken(row._replace(place=f"{name}, {row.place}"), found)
            if problem:
                counts[problem.kind] += 1
                if counts[problem.kind] <= _SHOWN:
                    passed_over.append(problem)
        sources[name] = sources.get(name, 0) + len(found) - before
    return ImportedEndpoints(
        tuple(row.endpoint for row in found.values()),
        tuple(passed_over),
        dict(counts),
        sources,
        frozenset(key for key, row in found.items() if row.by_name),
    )


def _taken(row: ImportedRow, found: dict[tuple[str, int], ImportedRow]) -> PassedOver | None:
    """What is wrong with it beside the ones before, None for nothing."""
    endpoint = row.endpoint
    former = found.setdefault(endpoint.key, row)
    if former.by_name and not row.by_name:
        found[endpoint.key] = row
    elif not row.by_name and former.endpoint != endpoint:
        text = f"{endpoint} is also in {former.place}, which says something else: remove one of them."
        return PassedOver(row.place, "duplicate", text)
    return None


def _rows(chunks: t.Iterator[str], file_format: ImportFormat) -> t.Iterator[_Row]:
    begin = ""
    if file_format == "auto":
        for chunk in chunks:
            begin += chunk
            if len(begin) > _LONGEST_SPACE or begin.strip("\ufeff \t\r\n["):
                break
    text = itertools.chain([begin], chunks)
    if file_format == "csv" or (file_format == "auto" and not _JSON.match(begin)):
        for place, entry in csv_entries(text):
            yield place, PassedOver(place, "unreadable", entry.message) if isinstance(entry, InvalidOption) else entry
        return
    try:
        for number, item in enumerate(json_items(text), 1):
            inner = item.get("endpoints") if isinstance(item, dict) and "host" not in item else None
            if isinstance(inner, list) and "made_of" in item:
                yield "all of it", PassedOver("all of it", "unreadable", _DASHBOARD)
            elif isinstance(inner, list):
                yield from ((f"item {position}", one) for position, one in enumerate(inner, 1))
            else:
                yield f"item {number}", item
    except InvalidOption as error:
        yield "its end", PassedOver("its end", "unreadable", f"{error.message} What follows there was not read.")


def _found(
    place: str, entry: t.Any, file_format: ImportFormat, reading: _ImportRules
) -> t.Iterator[ImportedRow | PassedOver]:
    try:
        if isinstance(entry, dict):
            if file_format in ("auto", "certspotter") and "dns_names" in entry:
                yield from _logged(place, entry, _texts(entry["dns_names"]), reading)
                return
            if file_format in ("auto", "crtsh") and "name_value" in entry:
                yield from _logged(place, entry, _lines(entry["name_value"]), reading)
                return
        if file_format in ("certspotter", "crtsh"):
            field = "dns_names" if file_format == "certspotter" else "name_value"
            raise InvalidOption(f"it is no certificate of {file_format}, which has {field}.")
        if isinstance(entry, dict) and isinstance(entry.get("fields"), dict) and "model" in entry:
            if not str(entry["model"]).lower().endswith(".endpoint"):
                yield PassedOver(place, "no_endpoint", "it is no endpoint.")
                return
            entry = {_DJANGO[key]: value for key, value in entry["fields"].items() if key in _DJANGO}
        beside = [str(key) for key in entry if key not in FIELDS] if isinstance(entry, dict) else []
        for key in beside:
            if key not in _RESULTS:
                yield PassedOver(place, "unknown_field", f"{key[:_SHOWN]!r} is none of {', '.join(FIELDS)}.")
        yield ImportedRow(place, read_endpoint(entry, reading.protocols, tags=reading.tags, beside=beside))
    except WildcardName as error:
        yield PassedOver(place, "wildcard", error.message)
    except InvalidOption as error:
        yield PassedOver(place, "unreadable", error.message)


def _logged(
    place: str, entry: t.Mapping[str, t.Any], names: t.Iterable[str], reading: _ImportRules
) -> t.Iterator[ImportedRow | PassedOver]:
    """The names of a certificate that a log of Certificate Transparency (RFC 9162) has."""
    end = _instant(entry.get("not_after"))
    if end is not None and end < reading.now - STILL_SERVED:
        yield PassedOver(place, "ended", f"its certificate ended at {end:%Y-%m-%d}.")
        return
    for name in dict.fromkeys(name.strip().lower() for name in names):
        if not name:
            continue
        if "@" in name or " " in name:  # of certificates for people, and of old ones the organisation
            yield PassedOver(place, "no_endpoint", "it names a person or an organisation.")
            continue
        try:
            endpoint = read_endpoint({"host": name}, reading.protocols, tags=reading.tags)
            yield ImportedRow(place, endpoint, by_name=True)
        except WildcardName as error:
            yield PassedOver(place, "wildcard", error.message)
        except InvalidOption as error:
            yield PassedOver(place, "unreadable", error.message)


def _texts(value: t.Any) -> list[str]:
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return value
    raise InvalidOption("dns_names is no list of names.")


def _lines(value: t.Any) -> list[str]:
    if isinstance(value, str):
        return value.split("\n")
    raise InvalidOption("name_value is no text.")


def _instant(value: t.Any) -> datetime | None:
    """None where it does not tell; of one without a zone the text means UTC."""
    try:
        instant = datetime.fromisoformat(str(value).replace("Z", "+00:00"))
        return (instant if instant.tzinfo else instant.replace(tzinfo=timezone.utc)).astimezone(timezone.utc)
    except (OverflowError, ValueError):
        return None
