# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.certops.rotation.plugins.module_utils._core.acme.problems import (
    parse_problem,
    problem_error,
    problem_fault,
    problem_identifiers,
    problem_text,
)

PREFIX = "urn:ietf:params:acme:error:"
FAULTS = {
    "accountDoesNotExist": "account",
    "alreadyReplaced": "request",
    "alreadyRevoked": "request",
    "badCSR": "request",
    "badNonce": "authority",
    "badPublicKey": "account",
    "badRevocationReason": "request",
    "badSignatureAlgorithm": "account",
    "caa": "identifier",
    "compound": "request",
    "connection": "identifier",
    "dns": "identifier",
    "externalAccountRequired": "account",
    "incorrectResponse": "identifier",
    "invalidContact": "account",
    "invalidProfile": "request",
    "malformed": "request",
    "orderNotReady": "request",
    "rateLimited": "rate_limited",
    "rejectedIdentifier": "identifier",
    "serverInternal": "authority",
    "tls": "identifier",
    "unauthorized": "account",
    "unsupportedContact": "account",
    "unsupportedIdentifier": "identifier",
    "userActionRequired": "account",
}


def problem(kind: str = "malformed", status: int | None = 400, **more: t.Any) -> t.Any:
    return parse_problem({"type": PREFIX + kind, "detail": "no", **more}, status)


@pytest.mark.parametrize(("kind", "fault"), FAULTS.items())
def test_each_type_is_somebodys_fault(kind: str, fault: str) -> None:
    assert problem_fault(problem(kind, 403)) == fault


@pytest.mark.parametrize("kind", FAULTS)
def test_a_ca_that_fails_is_at_fault_itself(kind: str) -> None:
    """Also where a busy one calls that rateLimited, as Let's Encrypt does with 503: another CA may do."""
    assert problem_fault(problem(kind, 503)) == "authority"


@pytest.mark.parametrize(
    ("kind", "status", "fault"),
    [
        ("somethingNew", 400, "request"),
        ("somethingNew", 404, "gone"),
        ("malformed", 404, "gone"),
        ("malformed", 410, "gone"),
        ("malformed", 429, "rate_limited"),
        ("somethingNew", 429, "rate_limited"),
        ("somethingNew", None, "request"),
    ],
)
def test_the_status_decides_where_the_type_does_not(kind: str, status: int | None, fault: str) -> None:
    assert problem_fault(problem(kind, status)) == fault


def test_unauthorized_is_about_a_name_where_a_validation_ended_so() -> None:
    assert problem_fault(problem("unauthorized", 403), validating=True) == "identifier"


def test_a_validation_that_failed_with_a_status_of_5xx_is_judged_by_its_type() -> None:
    """Some CAs give each problem of a challenge the status 500."""
    assert problem_fault(problem("dns", 500), validating=True) == "identifier"
    assert problem_fault(problem("serverInternal", 500), validating=True) == "authority"


def subproblem(kind: str, name: str) -> dict[str, t.Any]:
    return {"type": PREFIX + kind, "detail": f"not {name}", "identifier": {"type": "dns", "value": name}}


@pytest.mark.parametrize(
    ("kinds", "fault"),
    [
        (["caa", "rejectedIdentifier"], "identifier"),
        (["serverInternal"], "authority"),
        (["rateLimited", "caa"], "identifier"),
        (["rateLimited", "rateLimited"], "rate_limited"),
    ],
)
@pytest.mark.parametrize("outer", ["compound", "malformed"])
def test_subproblems_decide_for_what_holds_them(kinds: list[str], fault: str, outer: str) -> None:
    found = problem(outer, 400, subproblems=[subproblem(kind, "a.example") for kind in kinds])
    assert problem_fault(found) == fault


def test_subproblems_name_identifiers() -> None:
    found = problem(
        "rejectedIdentifier",
        subproblems=[subproblem("caa", "a.example"), subproblem("dns", "b.example"), subproblem("tls", "a.example")],
    )
    assert problem_identifiers(found) == ("a.example", "b.example")
    error = problem_error(found, "The CA refuses it")
    assert error.identifiers == ("a.example", "b.example")
    assert "a.example: not a.example; b.example: not b.example" in error.message
    assert problem_error(problem("caa"), "It").identifiers == ()


def test_an_error_says_what_and_what_to_do_and_shows_the_cas_page() -> None:
    found = problem(
        "userActionRequired", 403, detail="Terms of service have changed", instance="https://ca.example/tos"
    )
    error = problem_error(found, "The CA at https://ca.example refuses an order", retry_after=5)
    assert error.message == (
        "The CA at https://ca.example refuses an order: Terms of service have changed [userActionRequired]"
        " See https://ca.example/tos Agree to the CA's terms at the address given, then set terms_agreed."
    )
    assert (error.fault, error.problem_type, error.url) == ("account", "userActionRequired", "https://ca.example/tos")
    assert error.retry_after == 5


def test_the_page_is_found_in_the_text() -> None:
    """Let's Encrypt names the place where a paused name is set free only there."""
    page = "https://portal.letsencrypt.org/sfe/v1/unpause?jwt=" + "e" * 400
    found = problem("rateLimited", 429, detail=f"Your account is temporarily prevented from ... visit {page}.")
    assert found.instance == page
    assert found.instance in problem_text(found)


@pytest.mark.parametrize(
    "instance", [7, "javascript:alert(1)", "http://ca.example", "https://", "https://a\x1b[2J", None]
)
def test_a_page_that_is_none_is_not_shown(instance: t.Any) -> None:
    assert problem(instance=instance).instance is None


@pytest.mark.parametrize("document", [None, [], "text", 5, True, {}, {"type": 5, "detail": ["x"]}, {"subproblems": {}}])
def test_what_is_no_problem_document_is_none(document: t.Any) -> None:
    assert parse_problem(document, 400) is None


@pytest.mark.parametrize(
    "subproblems", [5, "text", {"a": 1}, [5, None, "x", []], [{}], [{"identifier": 5}], [{"identifier": {"value": 5}}]]
)
def test_subproblems_of_other_types_are_left_out(subproblems: t.Any) -> None:
    assert problem(subproblems=subproblems).subproblems == ()


def test_text_of_a_ca_is_bounded_and_moves_no_cursor() -> None:
    found = problem(
        "x" * 5000, detail="\x1b[2J\r\n\u202e" + "d" * 100_000, subproblems=[subproblem("dns", "a" * 9999)] * 999
    )
    text = problem_text(found)
    assert len(text) < 2500
    assert text.isprintable()
    assert "\\x1b" in text
    assert len(found.subproblems) <= 100


@pytest.mark.parametrize("prefix", [PREFIX, "urn:acme:error:", ""])
def test_the_prefix_is_left_out(prefix: str) -> None:
    assert parse_problem({"type": prefix + "caa"}, 403).type == "caa"  # type: ignore[union-attr]


def test_a_blank_type_is_none() -> None:
    found = parse_problem({"type": "about:blank", "title": "Not Found", "status": 404})
    assert found is not None
    assert (found.type, found.detail, found.status) == ("", "Not Found", 404)


@pytest.mark.parametrize("status", ["404", 99999, -1, True, None, 4.5])
def test_a_status_that_is_none_is_not_taken(status: t.Any) -> None:
    assert problem(status=None, detail="x").status is None
    assert parse_problem({"detail": "x", "status": status}).status is None  # type: ignore[union-attr]
