# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from datetime import datetime, timezone

import pytest
from ansible_collections.certops.rotation.plugins.module_utils._core.acme.persist import (
    PersistAccount,
    PersistRecord,
    persist_name,
    persist_records,
    persist_standing,
)
from ansible_collections.certops.rotation.plugins.module_utils._errors import DnsError

URL = "https://ca.example/acct/123"
BY_URL = PersistAccount(("authority.example", "second.example"), URL)
# The example of draft-ietf-acme-dns-persist-02, section 10.2.
BY_HASH = PersistAccount(
    ("authority.example",), URL, "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs", "https://ca.example/account-hash/"
)
HASHED = "https://ca.example/account-hash/sha-256/5SQm7n6tPh2-PlLbCKGnViTXX5z19SCN4cPGQHSk-kw"
NOW = datetime(2026, 11, 26, 12, 0, tzinfo=timezone.utc)
SECONDS = int(NOW.timestamp())


def test_one_record_for_a_name_and_its_wildcard() -> None:
    records = persist_records(["example.com", "*.example.com", "Other.Example.com.", "example.com"], BY_URL)
    assert records == (
        PersistRecord("_validation-persist.example.com", f"authority.example; accounturi={URL}; policy=wildcard"),
        PersistRecord("_validation-persist.other.example.com", f"authority.example; accounturi={URL}"),
    )


def test_the_record_by_hash_is_the_drafts_example() -> None:
    (record,) = persist_records(["example.com"], BY_HASH)
    assert record.value == f"authority.example; accounturi={HASHED}"


def test_an_end_is_written_in_seconds() -> None:
    (record,) = persist_records(["*.example.com"], BY_URL, NOW)
    assert record.value.endswith(f"; policy=wildcard; persistUntil={SECONDS}")


def test_the_line_for_a_zone_file_has_strings_that_are_short_enough() -> None:
    (record,) = persist_records(["example.com"], PersistAccount(("a.example",), "https://ca.example/" + "x" * 500))
    name, _type, strings = record.line.partition(" IN TXT ")
    assert name == "_validation-persist.example.com."
    parts = strings.strip('"').split('" "')
    assert [len(part) <= 255 for part in parts] == [True] * 3
    assert "".join(parts) == record.value


@pytest.mark.parametrize(
    ("identifier", "value"),
    [
        ("example.com", f"authority.example; accounturi={URL}"),
        ("example.com", f"Authority.Example;accounturi={URL};policy=wildcard"),
        ("example.com", f"second.example; policy=other; accounturi = {URL}; future=1; future=2"),
        ("*.example.com", f"authority.example; accounturi={URL}; policy=WildCard"),
        ("example.com", f"authority.example; accounturi={URL}; persistUntil={SECONDS}"),
        ("example.com", f"authority.example; accounturi={URL}; persistUntil={10**30}"),
    ],
)
def test_is_accepted(identifier: str, value: str) -> None:
    others = ["v=spf1 -all", "other.example; accounturi=x", "", f"authority.example; accounturi={URL}0"]
    assert persist_standing(identifier, [*others, value], BY_URL, NOW).problem is None


@pytest.mark.parametrize(
    ("identifier", "value", "text"),
    [
        ("example.com", "other.example; accounturi=" + URL, "no TXT record there is for authority.example"),
        ("example.com", "authority.example", "is for the account (none)"),
        ("example.com", "authority.example; accounturi=", "is for the account (none)"),
        ("example.com", f"authority.example; accounturi={URL}/", f"is for the account {URL}/"),
        ("example.com", f"authority.example; accounturi={URL.upper()}", "is for the account"),
        ("example.com", f"authority.example; accounturi={URL};", "is malformed"),
        ("example.com", f"authority.example; accounturi={URL}; policy", "is malformed"),
        ("example.com", f"authority.example; accounturi={URL}; accounturi={URL}", "has a parameter twice"),
        ("*.example.com", f"authority.example; accounturi={URL}", "is not for wildcards"),
        ("example.com", f"authority.example; accounturi={URL}; persistUntil={SECONDS - 1}", "has ended at 2026-11-26"),
        ("example.com", f"authority.example; accounturi={URL}; persistUntil=soon", "which is no time"),
        ("example.com", f"authority.example; accounturi={URL}; persistUntil=-5", "which is no time"),
    ],
)
def test_is_not_accepted_and_what_to_set_is_told(identifier: str, value: str, text: str) -> None:
    problem = persist_standing(identifier, [value], BY_URL, NOW).problem
    assert problem is not None
    assert text in problem
    assert problem.startswith(f"{identifier}: the CA looks at _validation-persist.example.com")
    assert problem.endswith(persist_records([identifier], BY_URL)[0].line)


def test_nothing_there() -> None:
    assert persist_standing("example.com", [], BY_URL, NOW).problem is not None


def test_when_it_ends_is_told() -> None:
    value = f"authority.example; accounturi={URL}; persistUntil={SECONDS + 60}"
    assert persist_standing("example.com", [value], BY_URL, NOW).ends == datetime(
        2026, 11, 26, 12, 1, tzinfo=timezone.utc
    )
    assert persist_standing("example.com", [f"authority.example; accounturi={URL}"], BY_URL, NOW).ends is None


def test_hashes_are_those_of_the_name_or_of_any() -> None:
    any_name = BY_HASH.uri("*")
    for uri, accepted in [(HASHED, True), (any_name, True), (URL, False), (BY_HASH.uri("other.example.com"), False)]:
        standing = persist_standing("example.com", [f"authority.example; accounturi={uri}"], BY_HASH, NOW)
        assert (standing.problem is None) is accepted, uri


def test_where_the_ca_looks() -> None:
    assert persist_name("*.B\u00fccher.example.") == "_validation-persist.xn--bcher-kva.example"
    with pytest.raises(DnsError):
        persist_name("a..b")
