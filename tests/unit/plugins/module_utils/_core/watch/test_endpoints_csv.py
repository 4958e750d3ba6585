# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import csv
import io
import typing as t

import hypothesis
import pytest
from ansible_collections.certops.rotation.plugins.module_utils._core.watch.endpoints import WatchedEndpoint
from ansible_collections.certops.rotation.plugins.module_utils._core.watch.endpoints_csv import (
    csv_entries,
    endpoints_csv,
)
from ansible_collections.certops.rotation.plugins.module_utils._core.watch.reading import read_endpoint
from ansible_collections.certops.rotation.plugins.module_utils._errors import InvalidOption
from hypothesis import strategies as st

words = st.text(st.characters(codec="utf-8", exclude_categories=("C", "Z"), exclude_characters=";="), max_size=20)
endpoints = st.builds(
    WatchedEndpoint,
    name=st.text(st.characters(codec="utf-8", exclude_categories=("C", "Z")), min_size=1, max_size=64)
    | st.sampled_from(["=1+1", "'=1", "''@x", "'", '"', 'a"b', "a,b;c|d", "#x", "sep=;", "-", "(none)"]),
    host=st.from_regex(r"[a-z][a-z0-9]{0,9}(\.[a-z][a-z0-9]{0,9}){0,3}", fullmatch=True) | st.just("2001:db8::1"),
    port=st.integers(1, 65535),
    server_name=st.sampled_from([None, "", "www.example.com"]),
    starttls=st.sampled_from([None, "smtp"]),
    address=st.sampled_from([None, "192.0.2.1", "::1"]),
    proxy_protocol=st.booleans(),
    enabled=st.booleans(),
    tags=st.dictionaries(words.filter(bool), words, max_size=3).map(lambda tags: tuple(sorted(tags.items()))),
)


def entries(text: str, size: int = 7) -> list[tuple[str, t.Any]]:
    found: list[tuple[str, t.Any]] = []
    for place, entry in csv_entries(text[start : start + size] for start in range(0, len(text), size)):
        found.append((place, entry.message if isinstance(entry, InvalidOption) else entry))
    return found


@hypothesis.given(st.lists(endpoints, max_size=5), st.integers(1, 50))
def test_what_is_written_is_read_back(written: list[WatchedEndpoint], size: int) -> None:
    read = [read_endpoint(entry, ["smtp"]) for _place, entry in entries(endpoints_csv(written), size)]
    assert read == written


@hypothesis.given(st.lists(endpoints, max_size=5))
def test_no_cell_is_a_formula(written: list[WatchedEndpoint]) -> None:
    for row in csv.reader(io.StringIO(endpoints_csv(written))):
        assert not any(cell[:1] in tuple("=+-@") for cell in row)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", []),
        ("\ufeffhost,port\na.example,25\n", [("line 2", {"host": "a.example", "port": "25"})]),
        ("Name;Host;Port\r\nShop;a.example;25\r\n", [("line 2", {"name": "Shop", "host": "a.example", "port": "25"})]),
        ("sep=;\nhost;tags\na.example;x=1\n", [("line 3", {"host": "a.example", "tags": "x=1"})]),
        ('host,tags\na.example,"x=1;y=2"\n', [("line 2", {"host": "a.example", "tags": "x=1;y=2"})]),
        ("hostname\tsni\tactive\na\tb\tno", [("line 2", {"host": "a", "server_name": "b", "enabled": "no"})]),
        ("host,port\na.example:25,\n", [("line 2", "a.example:25")]),
        ("host,port,name\na.example\n", [("line 2", "a.example")]),
        ("host,server_name\na.example,(none)\n", [("line 2", {"host": "a.example", "server_name": ""})]),
        ("a.example:8443\n\n# c\n  \n[::1]:443\n", [("line 1", "a.example:8443"), ("line 5", "[::1]:443")]),
        ("a.example,8443", [("line 1", {"host": "a.example", "port": "8443"})]),
        ("Shop,a.example,443\n", [("line 1", {"name": "Shop", "host": "a.example", "port": "443"})]),
        (",,\na,,\n", [("line 2", {"name": "a"})]),
        ("host,owner\na.example,me\n", [("line 2", {"host": "a.example", "owner": "me"})]),
    ],
)
def test_as_people_save_it(text: str, found: list[tuple[str, t.Any]]) -> None:
    assert entries(text) == entries(text, 1000) == found


def test_a_bad_line_costs_itself() -> None:
    text = (
        'host,port\na.example,1\n"b.example,2\nc.example,3\nd.example,4,5\ne.example,5,\nx\udcfc.example,7\n'
        + "y" * 70_000
        + "\nf.example,6\n"
    )
    assert entries(text, 1000) == [
        ("line 2", {"host": "a.example", "port": "1"}),
        ("line 3", "the line is no CSV (unexpected end of data): see to its quotation marks."),
        ("line 4", {"host": "c.example", "port": "3"}),
        ("line 5", "it has 3 cells, and the first line names 2."),
        ("line 6", {"host": "e.example", "port": "5"}),
        ("line 7", "the line is no UTF-8: save the file as CSV in UTF-8."),
        ("line 8", "the line has more than 65536 characters."),
        ("line 9", {"host": "f.example", "port": "6"}),
    ]


@pytest.mark.parametrize(
    ("first", "message"),
    [
        ("host,port,port", "the header has the column port twice."),
        ('"host,name', "the line is no CSV (unexpected end of data): see to its quotation marks."),
        ("host,n\udcfcme", "the line is no UTF-8: save the file as CSV in UTF-8."),
        ("a,b,c,d", "it has 4 cells, and no first line says what they are: begin the file with a line such as name,"),
        ("x" * 70_000, "the line has more than 65536 characters."),
    ],
)
def test_nothing_is_guessed_without_the_first_line(first: str, message: str) -> None:
    """Else cells of a.example,b.example,1 would be taken for name, host and port, whatever they are."""
    ((place, told),) = entries(f"{first}\na.example,b.example,1\n", 100)
    assert place == "line 1"
    assert told.startswith(message)


def test_a_file_without_lines_needs_no_memory() -> None:
    assert entries("x" * 1_000_000, 10_000) == [("line 1", "the line has more than 65536 characters.")]
