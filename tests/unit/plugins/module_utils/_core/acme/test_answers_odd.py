# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whatever JSON, or no JSON, a server answers: it is read, or UnreadableAnswer says in harmless words why not."""

from __future__ import annotations

import copy
import datetime
import typing as t

import hypothesis
import pytest
from ansible_collections.certops.rotation.plugins.module_utils._core.acme.answers import (
    UnreadableAnswer,
    parse_account,
    parse_authorization,
    parse_directory,
    parse_order,
    parse_renewal_window,
)
from ansible_collections.certops.rotation.plugins.module_utils._core.acme.chains import parse_chain
from ansible_collections.certops.rotation.plugins.module_utils._core.acme.headers import parse_retry_after
from ansible_collections.certops.rotation.plugins.module_utils._core.acme.problems import (
    parse_problem,
    problem_fault,
    problem_text,
)
from ansible_collections.certops.rotation.plugins.module_utils._core.acme.urls import TrustedPlaces, UnsafeUrl
from hypothesis import strategies as st

CA = "https://ca.example"
PLACES = TrustedPlaces.of_directory(f"{CA}/dir")
NOW = datetime.datetime(2026, 11, 26, 8, tzinfo=datetime.timezone.utc)
PROBLEM = {
    "type": "urn:ietf:params:acme:error:compound",
    "detail": "no",
    "status": 403,
    "instance": f"{CA}/why",
    "subproblems": [{"type": "caa", "detail": "no", "identifier": {"type": "dns", "value": "a.example"}}],
}


def _told_of(document: t.Any) -> str:
    problem = parse_problem(document, None)
    if problem is None:
        return ""
    for validating in (True, False):
        assert problem_fault(problem, validating=validating)
    return problem_text(problem)


DOCUMENTS: dict[str, tuple[t.Callable[[t.Any], t.Any], dict[str, t.Any]]] = {
    "directory": (
        lambda document: parse_directory(document, f"{CA}/dir"),
        {
            **{name: f"{CA}/{name}" for name in ("newNonce", "newAccount", "newOrder", "renewalInfo")},
            "meta": {"profiles": {"a": "b"}, "caaIdentities": ["ca.example"], "termsOfService": f"{CA}/terms"},
        },
    ),
    "order": (
        lambda document: parse_order(document, f"{CA}/order/1", PLACES),
        {
            "status": "invalid",
            "expires": "2026-11-27T08:00:00Z",
            "identifiers": [{"type": "dns", "value": "a.example"}, {"type": "ip", "value": "::1"}],
            "authorizations": [f"{CA}/authz/1"],
            "finalize": f"{CA}/finalize/1",
            "certificate": f"{CA}/cert/1",
            "error": PROBLEM,
        },
    ),
    "authorization": (
        lambda document: parse_authorization(document, f"{CA}/authz/1", PLACES),
        {
            "status": "pending",
            "identifier": {"type": "dns", "value": "a.example"},
            "wildcard": True,
            "challenges": [
                {"type": "dns-01", "url": f"{CA}/chall/1", "token": "abc", "status": "invalid", "error": PROBLEM},
                {"type": "dns-persist-01", "url": f"{CA}/chall/2", "issuer-domain-names": ["ca.example"]},
            ],
        },
    ),
    "window": (
        lambda document: parse_renewal_window(document, NOW, None),
        {"suggestedWindow": {"start": "2026-12-01T00:00:00Z", "end": "2026-12-02T00:00:00Z"}, "explanationURL": CA},
    ),
    "account": (lambda document: parse_account(document, f"{CA}/account/1"), {"status": "valid", "contact": ["a"]}),
    "problem": (_told_of, PROBLEM),
}
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text()
JSON = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4))


def places_in(document: t.Any) -> t.Iterator[tuple[t.Any, t.Any]]:
    """(container, key) of each value in it."""
    for key, value in document.items() if isinstance(document, dict) else enumerate(document):
        yield document, key
        if isinstance(value, (dict, list)):
            yield from places_in(value)


def read(parse: t.Callable[[t.Any], t.Any], document: t.Any) -> None:
    try:
        told = parse(document)
    except UnreadableAnswer as error:
        told = str(error)
        assert len(told) < 500
    if isinstance(told, str):
        assert told.isprintable()


@pytest.mark.parametrize("kind", DOCUMENTS)
@hypothesis.given(st.data())
def test_a_value_of_any_kind_anywhere(kind: str, data: st.DataObject) -> None:
    parse, good = DOCUMENTS[kind]
    parse(good)
    document = copy.deepcopy(good)
    container, key = data.draw(st.sampled_from(list(places_in(document))))
    container[key] = data.draw(JSON)
    read(parse, document)


@pytest.mark.parametrize("kind", DOCUMENTS)
@hypothesis.given(JSON)
def test_another_document(kind: str, document: t.Any) -> None:
    read(DOCUMENTS[kind][0], document)


@hypothesis.given(st.binary() | st.text().map(lambda text: f"-----BEGIN CERTIFICATE-----\n{text}\n-----END".encode()))
def test_any_chain(content: bytes) -> None:
    with pytest.raises(UnreadableAnswer):
        parse_chain(content)


@hypothesis.given(st.text(), st.text())
def test_any_header(value: str, date: str) -> None:
    seconds = parse_retry_after(value, date, NOW)
    assert seconds is None or seconds >= 0


@hypothesis.given(st.text() | st.text().map(lambda text: f"https://{text}"))
def test_any_url(url: str) -> None:
    try:
        told = PLACES.checked(url)
    except UnsafeUrl as error:
        told = str(error)
    assert told.isprintable()
