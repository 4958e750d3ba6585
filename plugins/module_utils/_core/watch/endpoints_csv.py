# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Watched endpoints as CSV (RFC 4180), which people keep in spreadsheets: written, and read as they save it. Pure."""

from __future__ import annotations

import csv
import re
import typing as t

from ..._errors import InvalidOption
from .endpoints import WatchedEndpoint
from .reading import FIELDS, endpoint_fields

#: Of server_name, where no SNI is to be sent: an empty cell means the usual one.
NO_SNI: t.Final = "(none)"
_ALIASES: t.Final = {"hostname": "host", "fqdn": "host", "sni": "server_name", "active": "enabled"}
_DELIMITERS: t.Final = ",;\t|"
_MOST_OF_A_LINE: t.Final = 64 * 1024
# What a spreadsheet takes for a formula, which may start programs, is text behind an apostrophe (OWASP, CSV injection);
# so is what would be a comment here.
_FORMULA = re.compile(r"'*[=+\-@#]")
_WITHOUT_HEADER: t.Final = {1: ("host",), 2: ("host", "port"), 3: ("name", "host", "port")}


def endpoints_csv(endpoints: t.Iterable[WatchedEndpoint]) -> str:
    """With a header; csv_entries and read_endpoint make the same endpoints of it."""
    lines = _Lines()
    writer = csv.writer(lines, lineterminator="\n")
    writer.writerow(FIELDS)
    for endpoint in endpoints:
        fields = endpoint_fields(endpoint)
        fields["tags"] = ";".join(f"{key}={value}" for key, value in endpoint.tags)
        fields["server_name"] = NO_SNI if endpoint.server_name == "" else endpoint.server_name
        writer.writerow(_cell(fields[field]) for field in FIELDS)
    return "".join(lines)


class _Lines(list[str]):
    """What csv.writer writes to."""

    def write(self, line: str) -> None:
        self.append(line)


def csv_entries(chunks: t.Iterable[str]) -> t.Iterator[tuple[str, dict[str, str] | str | InvalidOption]]:
    """Place ("line 7") and what read_endpoint takes, or what is wrong with the line.

    Comma, semicolon, tabulator or bar between the cells; with a header, in which ``host`` must be, or without one:
    host:port, or host and port, or name, host and port. Lines that are empty or begin with ``#`` say nothing. No cell
    has a line's end in it: so a quote that nobody has closed costs its own line alone. A first line that cannot be read
    ends the reading.
    """
    delimiter = ""
    header: tuple[str, ...] | None = None
    begun = False
    for number, line in enumerate(_lines(chunks), 1):
        if line is not None and (not line.strip() or line.startswith("#")):
            continue
        if number == 1 and line and re.fullmatch("sep=.", line):  # of Excel
            delimiter = line[-1]
            continue
        try:
            delimiter = delimiter or max(_DELIMITERS, key=(line or "").count)
            cells = _cells(line, delimiter)
            if not begun:
                header = _header(cells)
            if any(cells) and (begun or not header):
                yield f"line {number}", _entry(cells, header)
        except InvalidOption as error:
            yield f"line {number}", error
            if not begun:  # without it nobody knows what the cells of the others are
                return
        begun = True


def _lines(chunks: t.Iterable[str]) -> t.Iterator[str | None]:
    """Without their ends; None for one that is too long to be one."""
    rest, too_long = "", False
    for chunk in chunks:
        *whole, rest = (rest + chunk).split("\n")
        for line in whole:
            yield None if too_long or len(line) > _MOST_OF_A_LINE else _bare(line)
            too_long = False
        if len(rest) > _MOST_OF_A_LINE:
            rest, too_long = "", True
    if rest or too_long:
        yield None if too_long else _bare(rest)


def _bare(line: str) -> str:
    return line.removeprefix("\ufeff").rstrip("\r")


def _cells(line: str | None, delimiter: str) -> list[str]:
    if line is None:
        raise InvalidOption(f"the line has more than {_MOST_OF_A_LINE} characters.")
    try:
        line.encode()
    except UnicodeEncodeError:
        raise InvalidOption("the line is no UTF-8: save the file as CSV in UTF-8.") from None
    try:
        rows = list(csv.reader([line], delimiter=delimiter, strict=True, skipinitialspace=True))
    except csv.Error as error:
        raise InvalidOption(f"the line is no CSV ({error}): see to its quotation marks.") from None
    return [_plain(cell.strip()) for cell in rows[0]] if rows else []


def _header(cells: t.Sequence[str]) -> tuple[str, ...] | None:
    words = [cell.lower().replace(" ", "_") for cell in cells]
    names = tuple(_ALIASES.get(word, word) for word in words)
    if "host" not in names:
        return None
    twice = next((name for name in names if name and names.count(name) > 1), None)
    if twice:
        raise InvalidOption(f"the header has the column {twice} twice.")
    return names


def _entry(cells: t.Sequence[str], header: tuple[str, ...] | None) -> dict[str, str] | str:
    header = header or _WITHOUT_HEADER.get(len(cells))
    if header is None:
        raise InvalidOption(
            f"it has {len(cells)} cells, and no first line says what they are: begin the file with a line such as"
            f" {','.join(FIELDS)}."
        )
    if len(cells) > len(header) and any(cells[len(header) :]):
        raise InvalidOption(f"it has {len(cells)} cells, and the first line names {len(header)}.")
    entry = {name: cell for name, cell in zip(header, cells) if cell}
    if entry.get("server_name") == NO_SNI:
        entry["server_name"] = ""
    if set(entry) == {"host"}:
        return entry["host"]
    return entry


def _cell(value: t.Any) -> str:
    text = "" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
    return f"'{text}" if _FORMULA.match(text) else text


def _plain(cell: str) -> str:
    return cell[1:] if cell.startswith("'") and _FORMULA.match(cell) else cell
