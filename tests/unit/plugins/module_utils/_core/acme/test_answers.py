# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import datetime
import typing as t

import pytest
from ansible_collections.certops.rotation.plugins.module_utils._core.acme.answers import (
    UnreadableAnswer,
    parse_account,
    parse_authorization,
    parse_directory,
    parse_instant,
    parse_order,
    parse_renewal_window,
)
from ansible_collections.certops.rotation.plugins.module_utils._core.acme.urls import TrustedPlaces

CA = "https://ca.example"
PLACES = TrustedPlaces.of_directory(f"{CA}/dir")
NOW = datetime.datetime(2026, 11, 26, 8, tzinfo=datetime.timezone.utc)
DIRECTORY = {
    "newNonce": f"{CA}/nonce",
    "newAccount": f"{CA}/account",
    "newOrder": f"{CA}/order",
    "revokeCert": f"{CA}/revoke",
    "keyChange": f"{CA}/key",
    "renewalInfo": f"{CA}/ari",
    "Xf9sLq": "https://community.letsencrypt.org/t/adding-random-entries-to-the-directory/33417",
    "meta": {
        "caaIdentities": ["CA.example"],
        "termsOfService": f"{CA}/terms",
        "website": 5,
        "externalAccountRequired": True,
        "profiles": {"classic": "as ever", "short": "six days"},
    },
}
ORDER = {
    "status": "pending",
    "expires": "2026-11-27T08:00:00.123456789Z",
    "identifiers": [{"type": "dns", "value": "*.A.example"}, {"type": "ip", "value": "2001:DB8::0:1"}],
    "authorizations": [f"{CA}/authz/1", f"{CA}/authz/2"],
    "finalize": f"{CA}/finalize/1",
    "profile": "classic",
}
AUTHORIZATION = {
    "status": "pending",
    "identifier": {"type": "dns", "value": "a.example"},
    "wildcard": True,
    "challenges": [
        {"type": "dns-01", "url": f"{CA}/chall/1", "token": "abc_-9", "status": "pending"},
        {"type": "nobody-knows-01", "url": f"{CA}/chall/2", "status": "new", "extra": {}},
        {
            "type": "dns-persist-01",
            "url": f"{CA}/chall/3",
            "issuer-domain-names": ["CA.example", 5],
            "status": "pending",
        },
    ],
}
VALUES: list[t.Any] = [None, 5, True, "text", [], {}, ["x"], {"a": 1}, 4.5, [[]], "\x1b[2J", ""]


def test_a_directory() -> None:
    found = parse_directory(DIRECTORY, f"{CA}/dir")
    assert (found.new_nonce, found.new_order, found.renewal_info) == (f"{CA}/nonce", f"{CA}/order", f"{CA}/ari")
    assert found.facts.caa_identities == ("ca.example",)
    assert found.facts.profiles == {"classic": "as ever", "short": "six days"}
    assert found.facts.terms_of_service == f"{CA}/terms"
    assert found.facts.eab_required
    assert found.facts.renewal_info


def test_a_directory_with_what_is_obligatory_alone() -> None:
    bare = {name: DIRECTORY[name] for name in ("newNonce", "newAccount", "newOrder")}
    found = parse_directory(bare, f"{CA}/dir")
    assert (found.revoke_certificate, found.key_change, found.renewal_info) == (None, None, None)
    assert found.facts.profiles is None
    assert not found.facts.eab_required
    assert not found.facts.renewal_info


@pytest.mark.parametrize("name", ["newNonce", "newAccount", "newOrder"])
@pytest.mark.parametrize("value", VALUES)
def test_a_directory_without_an_address_is_none(name: str, value: t.Any) -> None:
    with pytest.raises(UnreadableAnswer, match=name):
        parse_directory({**DIRECTORY, name: value}, f"{CA}/dir")


@pytest.mark.parametrize("value", [value for value in VALUES if value is not None])
def test_an_address_of_no_kind_is_told(value: t.Any) -> None:
    with pytest.raises(UnreadableAnswer, match="renewalInfo"):
        parse_directory({**DIRECTORY, "renewalInfo": value}, f"{CA}/dir")


@pytest.mark.parametrize("meta", VALUES)
def test_meta_of_another_type_is_as_none(meta: t.Any) -> None:
    assert parse_directory({**DIRECTORY, "meta": meta}, f"{CA}/dir").facts.terms_of_service is None


@pytest.mark.parametrize("name", ["caaIdentities", "termsOfService", "externalAccountRequired", "profiles"])
@pytest.mark.parametrize("value", VALUES)
def test_a_fact_of_another_type_breaks_nothing(name: str, value: t.Any) -> None:
    facts = parse_directory({**DIRECTORY, "meta": {name: value}}, f"{CA}/dir").facts
    assert all(isinstance(identity, str) for identity in facts.caa_identities)
    assert facts.eab_required == (name == "externalAccountRequired" and value is True)


def test_an_order() -> None:
    found = parse_order(ORDER, f"{CA}/order/1", PLACES, 3.0)
    assert found.url == f"{CA}/order/1"
    assert found.status == "pending"
    assert found.identifiers == ("*.a.example", "2001:db8::1")
    assert found.authorizations == (f"{CA}/authz/1", f"{CA}/authz/2")
    assert found.expires == datetime.datetime(2026, 11, 27, 8, tzinfo=datetime.timezone.utc)
    assert found.retry_after == 3.0
    assert found.certificate_url is None
    assert found.problem is None


@pytest.mark.parametrize("status", ["ready", "processing", "valid", "invalid"])
def test_an_order_may_be_anywhere_at_once(status: str) -> None:
    found = parse_order({**ORDER, "status": status, "certificate": f"{CA}/cert/1"}, f"{CA}/order/1", PLACES)
    assert (found.status, found.certificate_url) == (status, f"{CA}/cert/1")


def test_why_an_order_is_invalid() -> None:
    error = {"type": "urn:ietf:params:acme:error:caa", "detail": "forbidden", "status": 403}
    found = parse_order({**ORDER, "status": "invalid", "error": error}, f"{CA}/order/1", PLACES)
    assert found.problem is not None
    assert (found.problem.type, found.problem.status) == ("caa", 403)


@pytest.mark.parametrize("document", [value for value in VALUES if not isinstance(value, dict)])
def test_an_order_of_another_type_is_told(document: t.Any) -> None:
    with pytest.raises(UnreadableAnswer, match="something else where an order is due"):
        parse_order(document, f"{CA}/order/1", PLACES)


@pytest.mark.parametrize("name", ["status", "identifiers", "authorizations", "finalize"])
@pytest.mark.parametrize("value", [*VALUES, "frozen"])
def test_an_order_with_a_field_of_another_type_is_told(name: str, value: t.Any) -> None:
    if name == "authorizations" and value == []:
        return  # none is to be validated
    with pytest.raises(UnreadableAnswer) as raised:
        parse_order({**ORDER, name: value}, f"{CA}/order/1", PLACES)
    assert str(raised.value).isprintable()


@pytest.mark.parametrize("name", ["expires", "error", "profile", "notBefore", "unknown"])
@pytest.mark.parametrize("value", VALUES)
def test_what_need_not_be_there_may_be_anything(name: str, value: t.Any) -> None:
    assert parse_order({**ORDER, name: value}, f"{CA}/order/1", PLACES).status == "pending"


@pytest.mark.parametrize("url", ["http://ca.example/x", "https://elsewhere.example/x", "file:///etc/passwd", 5, None])
@pytest.mark.parametrize("where", ["authorizations", "finalize", "certificate"])
def test_an_order_leads_nowhere_else(where: str, url: t.Any) -> None:
    if where == "certificate" and url is None:
        return
    with pytest.raises(UnreadableAnswer):
        parse_order({**ORDER, where: [url] if where == "authorizations" else url}, f"{CA}/order/1", PLACES)


def test_an_order_with_too_much_is_told() -> None:
    names = [{"type": "dns", "value": f"{number}.example"} for number in range(1001)]
    with pytest.raises(UnreadableAnswer, match="too many names"):
        parse_order({**ORDER, "identifiers": names}, f"{CA}/order/1", PLACES)
    with pytest.raises(UnreadableAnswer, match="authorization"):
        parse_order({**ORDER, "authorizations": [f"{CA}/authz/1"] * 1001}, f"{CA}/order/1", PLACES)


def test_an_authorization() -> None:
    found = parse_authorization(AUTHORIZATION, f"{CA}/authz/1", PLACES, 2.0)
    assert (found.identifier, found.wildcard, found.status, found.retry_after) == ("a.example", True, "pending", 2.0)
    assert [(each.type, each.token, each.status) for each in found.challenges] == [
        ("dns-01", "abc_-9", "pending"),
        ("nobody-knows-01", "", "new"),
        ("dns-persist-01", "", "pending"),
    ]
    assert found.challenges[2].issuer_domain_names == ("ca.example",)


def test_the_star_is_not_in_the_name() -> None:
    """RFC 8555 forbids it there, and some CAs write it."""
    document = {**AUTHORIZATION, "identifier": {"type": "dns", "value": "*.A.example"}}
    assert parse_authorization(document, f"{CA}/authz/1", PLACES).identifier == "a.example"


@pytest.mark.parametrize("status", ["pending", "valid", "invalid", "deactivated", "expired", "revoked"])
def test_each_status_of_an_authorization(status: str) -> None:
    assert parse_authorization({**AUTHORIZATION, "status": status}, f"{CA}/authz/1", PLACES).status == status


@pytest.mark.parametrize("name", ["status", "identifier"])
@pytest.mark.parametrize("value", [*VALUES, "frozen", {"type": "ip", "value": "a.example"}])
def test_an_authorization_with_a_field_of_another_type_is_told(name: str, value: t.Any) -> None:
    with pytest.raises(UnreadableAnswer):
        parse_authorization({**AUTHORIZATION, name: value}, f"{CA}/authz/1", PLACES)


@pytest.mark.parametrize("value", VALUES)
def test_challenges_of_another_type_are_none(value: t.Any) -> None:
    assert parse_authorization({**AUTHORIZATION, "challenges": value}, f"{CA}/authz/1", PLACES).challenges == ()
    assert parse_authorization({**AUTHORIZATION, "challenges": [value]}, f"{CA}/authz/1", PLACES).challenges == ()


@pytest.mark.parametrize(
    "change",
    [
        {"url": "https://elsewhere.example/chall"},
        {"url": "http://ca.example/chall"},
        {"url": 5},
        {"token": "../../etc/passwd"},
        {"token": 'a"b'},
        {"token": "ä"},
        {"token": "x" * 513},
        {"token": 5},
        {"type": 5},
        {"type": ""},
        {"type": "dns-01\x1b"},
    ],
)
def test_a_challenge_that_nobody_could_answer_is_left_out(change: dict[str, t.Any]) -> None:
    """A token is part of a path that a web server answers, and of what is signed."""
    challenge = {"type": "http-01", "url": f"{CA}/chall/1", "token": "abc", "status": "pending", **change}
    found = parse_authorization({**AUTHORIZATION, "challenges": [challenge]}, f"{CA}/authz/1", PLACES)
    assert found.challenges == ()


def test_why_a_challenge_failed() -> None:
    error = {"type": "urn:ietf:params:acme:error:dns", "detail": "NXDOMAIN"}
    challenge = {"type": "dns-01", "url": f"{CA}/chall/1", "token": "abc", "status": "invalid", "error": error}
    found = parse_authorization({**AUTHORIZATION, "challenges": [challenge]}, f"{CA}/authz/1", PLACES)
    assert found.problem is not None
    assert found.problem.detail == "NXDOMAIN"


def test_a_renewal_window() -> None:
    document = {
        "suggestedWindow": {"start": "2026-12-01T00:00:00Z", "end": "2026-12-02T02:00:00+02:00"},
        "explanationURL": f"{CA}/why",
    }
    found = parse_renewal_window(document, NOW, 3600)
    assert found.start == datetime.datetime(2026, 12, 1, tzinfo=datetime.timezone.utc)
    assert found.end == datetime.datetime(2026, 12, 2, tzinfo=datetime.timezone.utc)
    assert found.ask_again == NOW + datetime.timedelta(hours=1)
    assert found.explanation_url == f"{CA}/why"


@pytest.mark.parametrize(("told", "waited"), [(None, 21600), (0, 60), (59, 60), (86400, 86400), (604800, 86400)])
def test_how_often_it_is_asked_is_bounded(told: float | None, waited: int) -> None:
    window = {"suggestedWindow": {"start": "2026-12-01T00:00:00Z", "end": "2026-12-02T00:00:00Z"}}
    assert parse_renewal_window(window, NOW, told).ask_again == NOW + datetime.timedelta(seconds=waited)


@pytest.mark.parametrize("end", ["2026-12-01T00:00:00Z", "2026-11-01T00:00:00Z", *VALUES])
def test_a_window_that_does_not_end_after_it_begins_is_none(end: t.Any) -> None:
    with pytest.raises(UnreadableAnswer):
        parse_renewal_window({"suggestedWindow": {"start": "2026-12-01T00:00:00Z", "end": end}}, NOW, None)


@pytest.mark.parametrize("document", [*VALUES, *({"suggestedWindow": value} for value in VALUES)])
def test_a_window_of_another_type_is_told(document: t.Any) -> None:
    with pytest.raises(UnreadableAnswer):
        parse_renewal_window(document, NOW, None)


def test_an_account() -> None:
    found = parse_account({"status": "valid", "contact": ["mailto:a@b.example", 5], "orders": 7}, f"{CA}/account/1")
    assert (found.url, found.status, found.contacts) == (f"{CA}/account/1", "valid", ("mailto:a@b.example",))
    assert parse_account({}, f"{CA}/account/1").status == "valid"
    assert parse_account({"status": "deactivated", "contact": 5}, f"{CA}/account/1").contacts == ()


@pytest.mark.parametrize("document", [*(value for value in VALUES if not isinstance(value, dict)), {"status": "x"}])
def test_an_account_of_another_type_is_told(document: t.Any) -> None:
    with pytest.raises(UnreadableAnswer):
        parse_account(document, f"{CA}/account/1")


@pytest.mark.parametrize(
    ("text", "instant"),
    [
        ("2026-11-26T08:00:00Z", NOW),
        ("2026-11-26t08:00:00.999999999z", NOW),
        ("2026-11-26 08:00:00+00:00", NOW),
        ("2026-11-26T10:30:00+02:30", NOW),
        ("2026-11-26T00:00:00-08:00", NOW),
        ("2026-11-26T07:59:60Z", NOW - datetime.timedelta(seconds=1)),
        ("0001-01-01T00:00:00Z", datetime.datetime(1, 1, 1, tzinfo=datetime.timezone.utc)),
    ],
)
def test_instants(text: str, instant: datetime.datetime) -> None:
    assert parse_instant(text) == instant


@pytest.mark.parametrize(
    "value",
    [
        "2026-13-01T00:00:00Z",
        "0001-01-01T00:00:00+02:00",
        "9999-12-31T23:00:00-05:00",
        "2026-11-26",
        "٢٠٢٦-11-26T08:00:00Z",
    ],
)
def test_what_is_no_instant(value: str) -> None:
    assert parse_instant(value) is None
