# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import datetime
import typing as t

import pytest
from ansible_collections.certops.rotation.plugins.module_utils._core.x509.changes import (
    GUARDED_CHANGES,
    change_problems,
)
from ansible_collections.certops.rotation.plugins.module_utils._core.x509.problems import PROBLEM_CODES

NOW = datetime.datetime(2026, 6, 1, tzinfo=datetime.timezone.utc)
SERVER, CLIENT, ANY = "1.3.6.1.5.5.7.3.1", "1.3.6.1.5.5.7.3.2", "2.5.29.37.0"
DEPLOYED = {
    "not_after": "2026-07-01T00:00:00Z",
    "subject_alternative_names": ["a.example.com", "b.example.com", "192.0.2.1"],
    "issuer": "CN=Issuer",
    "key": "RSA 2048",
    "extended_key_usage": [SERVER, CLIENT],
    "chain_not_after": "2030-01-01T00:00:00Z",
}


def found(allowed: t.Collection[str] = (), before: t.Mapping[str, t.Any] | None = None, **renewed: t.Any) -> list[str]:
    problems = change_problems(
        DEPLOYED if before is None else before, {**DEPLOYED, **renewed}, now=NOW, allowed=allowed
    )
    assert {problem.severity for problem in problems} <= {"error"}
    for problem in problems:
        assert problem.code in PROBLEM_CODES
        assert f"allow {problem.code} with allow_changes." in problem.message
    return [problem.code for problem in problems]


@pytest.mark.parametrize(
    "renewed",
    [
        {},
        {"not_after": "2026-09-01T00:00:00Z"},
        {"subject_alternative_names": ["*.example.com", "192.0.2.1"]},
        {"subject_alternative_names": [*DEPLOYED["subject_alternative_names"], "c.example.com"]},
        {"subject_alternative_names": ["192.0.2.1", "B.example.com", "A.example.com"]},
        {"key": "RSA 4096"},
        {"extended_key_usage": [CLIENT, SERVER, "1.2.3"]},
        {"extended_key_usage": [ANY]},
        {"extended_key_usage": None},
        {"chain_not_after": "2026-12-01T00:00:00Z"},
    ],
)
def test_what_takes_nothing_away(renewed: dict[str, t.Any]) -> None:
    assert found(**renewed) == []


CHANGES: dict[str, list[dict[str, t.Any]]] = {
    "san_dropped": [
        {"subject_alternative_names": ["a.example.com", "b.example.com"]},
        {"subject_alternative_names": ["*.b.example.com", "a.example.com", "192.0.2.1"]},
        {"subject_alternative_names": []},
    ],
    "issuer_changed": [{"issuer": "CN=Another"}],
    "key_type_changed": [{"key": "EC P-256"}, {"key": "Ed25519"}],
    "eku_lost": [{"extended_key_usage": [SERVER]}, {"extended_key_usage": []}],
    "expires_earlier": [{"not_after": "2026-06-30T23:59:59Z"}],
    "chain_dropped": [{"chain_not_after": None}],
}


@pytest.mark.parametrize("code", GUARDED_CHANGES)
def test_what_takes_something_away(code: str) -> None:
    for renewed in CHANGES[code]:
        assert found(**renewed) == [code]
        assert found(allowed=[code], **renewed) == []
        assert found(allowed=set(GUARDED_CHANGES) - {code}, **renewed) == [code]


def test_all_changes_are_told_at_once() -> None:
    renewed = {key: value for variants in CHANGES.values() for key, value in variants[0].items()}
    assert found(**renewed) == list(GUARDED_CHANGES)


def test_a_wildcard_is_not_replaced_by_names_below_it() -> None:
    before = {**DEPLOYED, "subject_alternative_names": ["*.example.com"]}
    assert found(before=before) == ["san_dropped"]


def test_anything_is_better_than_an_expired_certificate() -> None:
    before = {**DEPLOYED, "not_after": "2026-06-01T00:00:00Z"}
    assert found(before=before, **CHANGES["san_dropped"][0]) == []


@pytest.mark.parametrize("code", GUARDED_CHANGES)
def test_facts_that_are_not_known_are_not_compared(code: str) -> None:
    (fact,) = CHANGES[code][0]
    before = {key: value for key, value in DEPLOYED.items() if key != fact}
    assert found(before=before, **CHANGES[code][0]) == []
    assert found(before={}, **CHANGES[code][0]) == []


def test_many_dropped_names_are_counted() -> None:
    before = {**DEPLOYED, "subject_alternative_names": [f"n{number}.example.com" for number in range(10_000)]}
    (problem,) = change_problems(before, DEPLOYED, now=NOW, allowed=())
    assert "n4.example.com and 9995 more" in problem.message


def test_intermediates_of_one_organization_are_one_authority(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(DEPLOYED, "issuer", "CN=R10,O=Let's Encrypt,C=US")
    assert found(issuer="CN=R11,O=Let's Encrypt,C=US") == []
    assert found(issuer="CN=R10,O=Somebody Else,C=US") == ["issuer_changed"]
    assert found(issuer="CN=R10") == ["issuer_changed"]
    monkeypatch.setitem(DEPLOYED, "issuer", "no name at all")
    assert found(issuer="no name at all") == []
    assert found(issuer="CN=R10") == ["issuer_changed"]
