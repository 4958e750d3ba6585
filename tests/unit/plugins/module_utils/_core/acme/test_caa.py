# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.certops.rotation.plugins.module_utils._core.acme.caa import (
    CaaRecord,
    CaaSet,
    caa_problem,
    parse_issue_value,
)

ACCOUNT = "https://ca.example/acct/1"


def finding(identifier: str, *records: tuple[str, str] | tuple[str, str, int], challenge: str = "dns-01") -> str | None:
    made = tuple(CaaRecord(record[2] if len(record) > 2 else 0, record[0], record[1]) for record in records)
    return caa_problem(
        identifier,
        CaaSet("example.com", made),
        identities=["ca.example", "ca2.example"],
        account_url=ACCOUNT,
        challenge=challenge,
    )


ALLOWED = [
    ("a.example.com", [("issue", "ca.example")]),
    ("a.example.com", [("issue", "CA2.Example ")]),
    ("a.example.com", [("ISSUE", "ca.example")]),
    ("a.example.com", [("issue", ";"), ("issue", "ca.example")]),
    ("a.example.com", [("issue", "ca.example;")]),
    ("a.example.com", [("issue", " ca.example ; policy = ev ")]),
    ("a.example.com", [("iodef", "mailto:a@example.com")]),
    ("a.example.com", [("unknown", "x")]),
    ("a.example.com", [("issuewild", ";")]),
    ("a.example.com", [("issue", f"ca.example; accounturi={ACCOUNT}")]),
    ("a.example.com", [("issue", "ca.example; ACCOUNTURI = " + ACCOUNT)]),
    ("a.example.com", [("issue", "ca.example; validationmethods=http-01,dns-01")]),
    ("a.example.com", [("issue", "ca.example; accounturi=https://other/1"), ("issue", "ca.example")]),
    ("a.example.com", [("issue", "ca.example", 128), ("iodef", "x", 128)]),
    ("*.example.com", [("issue", "ca.example")]),
    ("*.example.com", [("issue", ";"), ("issuewild", "ca.example")]),
    ("*.example.com", [("iodef", "x")]),
]
REFUSED = [
    ("a.example.com", [("issue", ";")], "nobody"),
    ("a.example.com", [("issue", "")], "nobody"),
    ("a.example.com", [("issue", "other.example")], "let other.example issue, and not ca.example or ca2.example"),
    ("a.example.com", [("issue", "other.example; x=y")], "other.example"),
    ("a.example.com", [("issue", "%%%")], "nobody"),
    ("a.example.com", [("issue", "sub.ca.example")], "sub.ca.example"),
    ("*.example.com", [("issuewild", ";"), ("issue", "ca.example")], 'CAA 0 issuewild "ca.example"'),
    ("*.example.com", [("issue", "other.example")], 'CAA 0 issue "ca.example"'),
    ("a.example.com", [("issue", "ca.example"), ("newthing", "x", 128)], "newthing"),
    ("a.example.com", [("issue", "ca.example"), ("\x1b[2J", "x", 128)], r"\\x1b"),
    (
        "a.example.com",
        [("issue", "ca.example; accounturi=https://ca.example/acct/2")],
        "account https://ca.example/acct/2",
    ),
    ("a.example.com", [("issue", f"ca.example; accounturi={ACCOUNT}; accounturi={ACCOUNT}")], "several accounts"),
    ("a.example.com", [("issue", "ca.example; accounturi=")], "to the account"),
    (
        "a.example.com",
        [("issue", "ca.example; validationmethods=http-01")],
        "by the challenges http-01, and this one is dns-01",
    ),
    ("a.example.com", [("issue", "ca.example; validationmethods=")], r"by the challenges \(none\)"),
    ("a.example.com", [("issue", "ca.example; nonsense")], "malformed"),
    ("a.example.com", [("issue", "ca.example; a=b;")], "malformed"),
    ("a.example.com", [("issue", "ca.example; a=b c")], "malformed"),
]


@pytest.mark.parametrize(("identifier", "records"), ALLOWED)
def test_may_issue(identifier: str, records: list[tuple[str, str]]) -> None:
    assert finding(identifier, *records) is None


@pytest.mark.parametrize(("identifier", "records", "text"), REFUSED)
def test_must_not_issue(identifier: str, records: list[tuple[str, str]], text: str) -> None:
    import re

    found = finding(identifier, *records)
    assert found is not None
    assert found.startswith(f"{identifier}: ")
    assert "at example.com" in found
    assert re.search(text, found), found
    assert found.isprintable()


def test_without_records_or_identities_nothing_is_said() -> None:
    records = CaaSet("example.com", (CaaRecord(0, "issue", ";"),))
    assert caa_problem("a.test", None, identities=["ca.example"], account_url=None, challenge="dns-01") is None
    assert caa_problem("a.test", records, identities=[], account_url=None, challenge="dns-01") is None


def test_before_there_is_an_account_no_record_is_refused_for_it() -> None:
    records = CaaSet("example.com", (CaaRecord(0, "issue", "ca.example; accounturi=https://x/1"),))
    assert caa_problem("a.test", records, identities=["CA.example"], account_url=None, challenge="dns-01") is None


def test_the_persistent_challenge_is_one_of_the_methods() -> None:
    given = ("issue", "ca.example; validationmethods=dns-persist-01")
    assert finding("a.example.com", given, challenge="dns-persist-01") is None
    assert finding("a.example.com", given, challenge="dns-01") is not None


@pytest.mark.parametrize(
    ("value", "parsed"),
    [
        ("ca.example", ("ca.example", ())),
        ("ca.example; a=1; b=2", ("ca.example", (("a", "1"), ("b", "2")))),
        (";", ("", None)),
        ("ca.example; =1", ("ca.example", None)),
        ("ca.example; a=\u00fc", ("ca.example", None)),
        ("-ca.example", ("", None)),
        ("ca..example", ("", None)),
    ],
)
def test_values_of_issue(value: str, parsed: tuple[str, tuple[tuple[str, str], ...] | None]) -> None:
    assert parse_issue_value(value) == parsed
