# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json

import pytest
from ansible_collections.certops.rotation.plugins.module_utils._core.push.entries import Confirmation, OwedEntry
from ansible_collections.certops.rotation.plugins.module_utils._core.push.entry_files import (
    confirmation_from_json,
    file_name,
    named_by,
    owed_from_json,
    to_json,
)
from ansible_collections.certops.rotation.plugins.module_utils._errors import InvalidOption
from hypothesis import given
from hypothesis import strategies as st

ENTRY = OwedEntry(
    "web1",
    "example.com",
    "a" * 64,
    "2026-11-26T12:00:00Z",
    2,
    "no route",
    "2026-11-26T13:00:00Z",
    "b" * 64,
    False,
    "2026-11-26T12:30:00Z",
    f"2026-11-20T12:00:00Z deployed {'b' * 64}",
)
CONFIRMATION = Confirmation("web1", "example.com", "a" * 64, "2026-11-26T12:00:00Z", "receipt")


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("web1.example.com", "web1.example.com"),
        ("WEB1", "WEB1"),
        ("..", "%2E."),
        (".", "%2E"),
        (".lock", "%2Elock"),
        ("a/b", "a%2Fb"),
        ("2001:db8::1", "2001%3Adb8%3A%3A1"),
        ("[::1]:22", "%5B%3A%3A1%5D%3A22"),
        ("a~b", "a%7Eb"),
        ("a%2Fb", "a%252Fb"),
        ("tab\tnew\nline\0", "tab%09new%0Aline%00"),
        ("münchen", "m%C3%BCnchen"),
        ("example.com-0001", "example.com-0001"),
    ],
)
def test_a_name_makes_a_file_name_that_tells_it(name: str, file: str) -> None:
    assert file_name(name) == file
    assert named_by(file) == name


def test_a_long_name_is_cut_and_unlike_any_other() -> None:
    first, second = file_name("a" * 299 + "b"), file_name("a" * 299 + "c")
    assert first != second
    assert max(len(first), len(second)) <= 200
    assert named_by(first) is None


@given(st.text(min_size=1))
def test_each_name_has_a_safe_file_name_of_its_own(name: str) -> None:
    file = file_name(name)
    assert file not in ("", ".", "..")
    assert not set(file) & set("/\0\n\r\t ")
    assert not file.startswith(".")
    assert file.isascii()
    assert len(file) <= 200
    assert named_by(file) in (name, None)
    assert (named_by(file) is None) == ("~" in file)


def test_no_name_is_refused() -> None:
    with pytest.raises(InvalidOption, match="without a name"):
        file_name("")


@pytest.mark.parametrize("file", ["", "a/b", "a b", "%2", "%zz", "%2e", "a~b", "%FF"])
def test_a_file_name_of_another_kind_names_nobody(file: str) -> None:
    assert named_by(file) is None


def test_entries_are_read_as_they_were_written() -> None:
    assert owed_from_json(to_json(ENTRY)) == ENTRY
    assert confirmation_from_json(to_json(CONFIRMATION)) == CONFIRMATION
    fresh = OwedEntry("h", "l", "a" * 64, "2026-11-26T12:00:00Z")
    assert owed_from_json(to_json(fresh)) == fresh


def test_what_an_earlier_version_did_not_know_is_not_so() -> None:
    before = {name: value for name, value in vars(ENTRY).items() if name != "forced"}
    assert owed_from_json(json.dumps(before).encode()) == ENTRY
    assert not ENTRY.forced


def test_what_an_earlier_version_did_not_write_is_none() -> None:
    document = {name: value for name, value in vars(ENTRY).items() if name not in ("uploaded_at", "earlier_receipt")}
    entry = owed_from_json(json.dumps(document).encode())
    assert (entry.uploaded, entry.uploaded_at, entry.earlier_receipt) == ("b" * 64, None, None)


def test_what_a_later_version_adds_is_left_out() -> None:
    assert owed_from_json(json.dumps({**vars(ENTRY), "priority": 1}).encode()) == ENTRY


@pytest.mark.parametrize(
    "data", [b"", b"{", b"[]", b"null", b"1", b"\xff\xfe", b"[" * 100_000, b'{"host": "h"}', b"{" * 5 + b"}" * 5]
)
def test_what_is_no_document_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011  # which one is nobody's business
        owed_from_json(data)
    with pytest.raises(ValueError):  # noqa: PT011
        confirmation_from_json(data)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("host", ""),
        ("host", 1),
        ("lineage", None),
        ("fingerprint_sha256", "A" * 64),
        ("fingerprint_sha256", "a" * 63),
        ("queued_at", "yesterday"),
        ("queued_at", 1),
        ("attempts", -1),
        ("attempts", "1"),
        ("attempts", True),
        ("attempts", 1.5),
        ("last_error", None),
        ("next_attempt", "soon"),
        ("next_attempt", False),
        ("uploaded", "yes"),
        ("forced", None),
        ("forced", 1),
        ("uploaded_at", "yesterday"),
        ("uploaded_at", 1),
        ("earlier_receipt", ""),
        ("earlier_receipt", ["deployed"]),
    ],
)
def test_an_entry_with_another_value_is_refused(field: str, value: object) -> None:
    with pytest.raises(ValueError, match=field):
        owed_from_json(json.dumps({**vars(ENTRY), field: value}).encode())


@pytest.mark.parametrize(("field", "value"), [("evidence", "hope"), ("evidence", []), ("at", ""), ("host", [])])
def test_a_confirmation_with_another_value_is_refused(field: str, value: object) -> None:
    with pytest.raises(ValueError, match=field):
        confirmation_from_json(json.dumps({**vars(CONFIRMATION), field: value}).encode())
