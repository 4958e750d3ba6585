# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import base64
import dataclasses
import datetime
import hashlib
import typing as t

import pytest
import requests
from ansible_collections.certops.rotation.plugins.module_utils._core.acme.account import AcmeAccount
from ansible_collections.certops.rotation.plugins.module_utils._core.acme.account_secret import key_thumbprint
from ansible_collections.certops.rotation.plugins.module_utils._core.acme.authority import (
    CertificateAuthority,
    Challenge,
    Order,
)
from ansible_collections.certops.rotation.plugins.module_utils._core.acme.wanted import Issuer
from ansible_collections.certops.rotation.plugins.module_utils._errors import AcmeError, InvalidOption
from ansible_collections.certops.rotation.plugins.module_utils._ports.acme.authority import AcmeAuthority
from ansible_collections.certops.rotation.tests.support import pki
from ansible_collections.certops.rotation.tests.support.fake_authority import FakeClock
from ansible_collections.certops.rotation.tests.support.scripted_acme import (
    ACCOUNT,
    DIRECTORY,
    ORIGIN,
    Asked,
    Reply,
    ScriptedCa,
    acme_clock,
    directory,
    instead_of_https,
    refusal,
)

NOW = datetime.datetime(2026, 11, 26, 8, tzinfo=datetime.timezone.utc)
ISSUER = Issuer(DIRECTORY, "account")
ORDER = {
    "status": "pending",
    "identifiers": [{"type": "dns", "value": "a.example"}],
    "authorizations": [f"{ORIGIN}/authz/1"],
    "finalize": f"{ORIGIN}/finalize/1",
}
URL = f"{ORIGIN}/order/1"
READY = Order(URL, "ready", ("a.example",), (f"{ORIGIN}/authz/1",), f"{ORIGIN}/finalize/1")
VALID = dataclasses.replace(READY, status="valid", certificate_url=f"{ORIGIN}/cert/1")
SILENCE = requests.ReadTimeout("x")


@pytest.fixture
def ca(monkeypatch: pytest.MonkeyPatch) -> ScriptedCa:
    ca = ScriptedCa()
    ca.says("/newOrder", Reply(ORDER, 201, {"Location": URL}))
    instead_of_https(monkeypatch, ca)
    return ca


@pytest.fixture(scope="module")
def key() -> str:
    return pki.private_key_pem(pki.new_key())


@pytest.fixture
def authority(ca: ScriptedCa, key: str) -> t.Iterator[AcmeAuthority]:
    account = AcmeAccount(DIRECTORY, ACCOUNT, key)
    with AcmeAuthority.open(ISSUER, account, clock=acme_clock(FakeClock(NOW))) as authority:
        yield authority


def order(authority: AcmeAuthority, *names: str, profile: str | None = None, replaces: str | None = None) -> Order:
    return authority.new_order(names or ("a.example",), profile=profile, replaces=replaces)


def test_it_is_what_the_flows_ask_for(authority: AcmeAuthority, ca: ScriptedCa, key: str) -> None:
    contract: CertificateAuthority = authority
    assert contract.directory == DIRECTORY
    assert contract.account_url == ACCOUNT
    assert contract.account_thumbprint == key_thumbprint(key)
    assert contract.requests == 0
    assert contract.facts().renewal_info
    assert contract.requests == 1


def test_an_account_of_another_ca_is_refused(key: str) -> None:
    with pytest.raises(InvalidOption, match=r"is one at https://other.example/dir, not at https://ca.example/dir"):
        AcmeAuthority.open(ISSUER, AcmeAccount("https://other.example/dir", ACCOUNT, key))


@pytest.mark.parametrize("kind", ["ec224", "rsa1024", "ed25519", "dsa2048"])
def test_a_key_that_signs_no_requests_is_refused(kind: pki.KeyType) -> None:
    pem = pki.private_key_pem(pki.shared_key(kind))
    with pytest.raises(InvalidOption, match="The key of an ACME account is") as raised:
        AcmeAuthority.open(ISSUER, AcmeAccount(DIRECTORY, ACCOUNT, pem))
    assert pem.splitlines()[1] not in str(raised.value)


@pytest.mark.parametrize("pem", ["", "x", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"])
def test_what_is_no_key_is_refused(pem: str) -> None:
    with pytest.raises(InvalidOption, match="The key of an ACME account is"):
        AcmeAuthority.open(ISSUER, AcmeAccount(DIRECTORY, ACCOUNT, pem))


def test_a_key_is_in_no_representation(authority: AcmeAuthority, key: str) -> None:
    assert key.splitlines()[1] not in repr(AcmeAccount(DIRECTORY, ACCOUNT, key))
    assert key.splitlines()[1] not in repr(vars(authority))


# newOrder


def test_an_order(authority: AcmeAuthority, ca: ScriptedCa) -> None:
    found = order(authority)
    assert (found.url, found.status, found.identifiers) == (URL, "pending", ("a.example",))
    assert ca.last("/newOrder").document == {"identifiers": [{"type": "dns", "value": "a.example"}]}


def test_addresses_are_told_from_names(authority: AcmeAuthority, ca: ScriptedCa) -> None:
    told = [
        {"type": "dns", "value": "*.a.example"},
        {"type": "ip", "value": "::1"},
        {"type": "ip", "value": "10.0.0.1"},
    ]
    ca.says("/newOrder", Reply({**ORDER, "identifiers": told}, 201, {"Location": URL}))
    order(authority, "*.a.example", "::1", "10.0.0.1")
    assert ca.last("/newOrder").document["identifiers"] == told


def test_the_profile_is_asked_for(authority: AcmeAuthority, ca: ScriptedCa) -> None:
    order(authority, profile="classic")
    assert ca.last("/newOrder").document["profile"] == "classic"


@pytest.mark.parametrize(
    ("meta", "said"), [({"profiles": {"b": "", "a": ""}}, "its profiles are a, b"), ({}, "it has no profiles")]
)
def test_a_profile_that_the_ca_has_not_is_told_before_anything_is_ordered(
    authority: AcmeAuthority, ca: ScriptedCa, meta: t.Any, said: str
) -> None:
    """One that has no profiles would ignore it."""
    ca.says("/dir", Reply(directory(meta=meta)))
    with pytest.raises(AcmeError, match=said) as raised:
        order(authority, profile="classic")
    assert (raised.value.fault, raised.value.problem_type) == ("request", "invalidProfile")
    assert ca.count("/newOrder") == 0


def test_what_it_replaces_is_told(authority: AcmeAuthority, ca: ScriptedCa) -> None:
    order(authority, replaces="aki.serial")
    assert ca.last("/newOrder").document["replaces"] == "aki.serial"


def test_what_it_replaces_is_not_told_where_the_ca_has_no_ari(authority: AcmeAuthority, ca: ScriptedCa) -> None:
    ca.says("/dir", Reply(directory(renewalInfo=None)))
    order(authority, replaces="aki.serial")
    assert "replaces" not in ca.last("/newOrder").document


@pytest.mark.parametrize(("kind", "status"), [("alreadyReplaced", 409), ("malformed", 400), ("unauthorized", 403)])
def test_it_is_ordered_all_the_same_where_it_replaces_nothing(
    authority: AcmeAuthority, ca: ScriptedCa, kind: str, status: int
) -> None:
    """Also where the certificate is of another account, so that renewals go on after a new one was registered."""
    ca.says("/newOrder", refusal(kind, status), Reply(ORDER, 201, {"Location": URL}))
    assert order(authority, replaces="aki.serial").url == URL
    assert "replaces" not in ca.last("/newOrder").document
    assert ca.count("/newOrder") == 2


def test_it_is_ordered_all_the_same_where_the_ca_fails_to_find_what_it_replaces(
    authority: AcmeAuthority, ca: ScriptedCa
) -> None:
    """Pebble answers so at times."""
    ca.says("/newOrder", *[refusal("serverInternal", 500)] * 2, Reply(ORDER, 201, {"Location": URL}))
    assert order(authority, replaces="aki.serial").url == URL
    assert "replaces" not in ca.last("/newOrder").document


@pytest.mark.parametrize(
    ("kind", "status"),
    [("rateLimited", 429), ("rejectedIdentifier", 400), ("caa", 403), ("userActionRequired", 403), ("badCSR", 400)],
)
def test_what_is_refused_for_another_reason_is_not_ordered_again(
    authority: AcmeAuthority, ca: ScriptedCa, kind: str, status: int
) -> None:
    ca.says("/newOrder", refusal(kind, status))
    with pytest.raises(AcmeError, match=f"refuses an order for a.example: it is {kind}"):
        order(authority, replaces="aki.serial")
    assert ca.count("/newOrder") == 1


def test_a_limit_of_the_account_names_no_certificate(authority: AcmeAuthority, ca: ScriptedCa) -> None:
    """By the names in the error it is decided for whom it is held."""
    ca.says("/newOrder", refusal("rateLimited", 429, {"Retry-After": "60"}))
    with pytest.raises(AcmeError) as raised:
        order(authority)
    assert raised.value.identifiers == ()
    assert raised.value.retry_after == 60


def test_of_many_names_some_are_told(authority: AcmeAuthority, ca: ScriptedCa) -> None:
    ca.says("/newOrder", refusal("caa", 403))
    with pytest.raises(AcmeError, match=r"an order for 0.example, .*, 4.example and 95 more: it is caa"):
        order(authority, *(f"{number}.example" for number in range(100)))


@pytest.mark.parametrize("location", [None, "", "/order/1", "http://ca.example/order/1", "https://elsewhere.example/1"])
def test_an_order_without_a_place_is_told(authority: AcmeAuthority, ca: ScriptedCa, location: str | None) -> None:
    ca.says("/newOrder", Reply(ORDER, 201, {} if location is None else {"Location": location}))
    with pytest.raises(AcmeError, match="an order that has for its URL") as raised:
        order(authority)
    assert raised.value.fault == "authority"


@pytest.mark.parametrize("body", [b"", b"<html>", b"null", b"5", b"[]", {}, {**ORDER, "status": "frozen\x1b[2J"}])
def test_an_order_that_is_none_is_told(authority: AcmeAuthority, ca: ScriptedCa, body: t.Any) -> None:
    ca.says("/newOrder", Reply(body, 201, {"Location": URL}))
    with pytest.raises(AcmeError, match=f"The CA at {DIRECTORY} answers with") as raised:
        order(authority)
    assert raised.value.fault == "authority"
    assert raised.value.message.isprintable()


def test_an_order_for_other_names_is_not_taken(authority: AcmeAuthority, ca: ScriptedCa) -> None:
    with pytest.raises(AcmeError, match=r"an order for other names than b\.example"):
        order(authority, "b.example")


def test_the_order_of_names_does_not_matter(authority: AcmeAuthority, ca: ScriptedCa) -> None:
    names = [{"type": "dns", "value": name} for name in ("B.example", "a.example")]
    ca.says("/newOrder", Reply({**ORDER, "identifiers": names}, 201, {"Location": URL}))
    assert order(authority, "a.example", "b.example").url == URL


# Orders and authorizations


@pytest.mark.parametrize("value", ["7", "Thu, 26 Nov 2026 08:00:07 GMT"])
def test_when_to_ask_again_is_handed_on(authority: AcmeAuthority, ca: ScriptedCa, value: str) -> None:
    ca.says("/order/1", Reply({**ORDER, "status": "processing"}, 200, {"Retry-After": value}))
    document = {"status": "pending", "identifier": {"type": "dns", "value": "a.example"}, "challenges": []}
    ca.says("/authz/1", Reply(document, 200, {"Retry-After": value}))
    assert authority.order(URL).retry_after == 7
    assert authority.authorization(f"{ORIGIN}/authz/1").retry_after == 7
    assert ca.last("/authz/1").payload == b""


def test_an_order_that_is_not_known_is_gone(authority: AcmeAuthority) -> None:
    with pytest.raises(AcmeError, match=r"to show the order https://ca.example/order/9") as raised:
        authority.order(f"{ORIGIN}/order/9")
    assert raised.value.fault == "gone"


@pytest.mark.parametrize("url", ["https://old.example/order/1", "http://ca.example/order/1", ""])
def test_an_order_at_another_ca_is_gone(authority: AcmeAuthority, ca: ScriptedCa, url: str) -> None:
    """Of a journal, after the directory has been moved."""
    with pytest.raises(AcmeError, match="is not asked to show the order") as raised:
        authority.order(url)
    assert raised.value.fault == "gone"
    assert [asked.path for asked in ca.asked] == ["/dir"]


def test_an_order_of_another_account_is_gone(authority: AcmeAuthority, ca: ScriptedCa) -> None:
    ca.says("/order/1", refusal("unauthorized", 403))
    with pytest.raises(AcmeError, match="it is unauthorized") as raised:
        authority.order(URL)
    assert raised.value.fault == "gone"
    assert ca.count("/account/1") == 1


def test_an_account_that_is_not_valid_is_told_from_that(authority: AcmeAuthority, ca: ScriptedCa) -> None:
    ca.says("/order/1", refusal("unauthorized", 403))
    ca.says("/account/1", refusal("unauthorized", 403))
    with pytest.raises(AcmeError, match="to show the account") as raised:
        authority.order(URL)
    assert raised.value.fault == "account"


def test_the_account_is_not_asked_for_elsewhere(ca: ScriptedCa, key: str) -> None:
    """Its URL comes from a secret."""
    ca.says("/order/1", refusal("unauthorized", 403))
    account = AcmeAccount(DIRECTORY, "https://elsewhere.example/account/1", key)
    with (
        AcmeAuthority.open(ISSUER, account) as authority,
        pytest.raises(AcmeError, match="is not asked to show the acc"),
    ):
        authority.order(URL)
    assert {asked.path for asked in ca.asked} == {"/dir", "/newNonce", "/order/1"}


# Challenges


def test_what_is_published(authority: AcmeAuthority) -> None:
    expected = f"token.{authority.account_thumbprint}"
    assert authority.key_authorization("token") == expected
    digest = hashlib.sha256(expected.encode()).digest()
    assert authority.txt_value("token") == base64.urlsafe_b64encode(digest).decode().rstrip("=")


@pytest.mark.parametrize("kind", ["dns-01", "http-01", "dns-persist-01", "nobody-knows-01"])
def test_an_answer_is_an_empty_object(authority: AcmeAuthority, ca: ScriptedCa, kind: str) -> None:
    ca.says("/chall/1", Reply())
    authority.answer(Challenge(kind, f"{ORIGIN}/chall/1", "token", "pending"))
    assert ca.last("/chall/1").payload == b"{}"


@pytest.mark.parametrize("status", ["processing", "valid", "invalid"])
def test_what_has_been_answered_is_not_answered_again(authority: AcmeAuthority, ca: ScriptedCa, status: str) -> None:
    authority.answer(Challenge("dns-01", f"{ORIGIN}/chall/1", "token", status))
    assert ca.asked == []


# finalize


def test_finalize_sends_the_request(authority: AcmeAuthority, ca: ScriptedCa) -> None:
    ca.says("/finalize/1", Reply({**ORDER, "status": "processing"}, 200, {"Retry-After": "3"}))
    found = authority.finalize(READY, b"\x30\x00")
    assert (found.status, found.url, found.retry_after) == ("processing", URL, 3)
    assert ca.last("/finalize/1").document == {"csr": "MAA"}


@pytest.mark.parametrize("failure", [SILENCE, Reply(b"", 500), requests.ConnectionError("x")])
@pytest.mark.parametrize("status", ["processing", "valid"])
def test_a_finalize_without_an_answer_is_asked_about(
    authority: AcmeAuthority, ca: ScriptedCa, failure: t.Any, status: str
) -> None:
    ca.says("/finalize/1", failure)
    ca.says("/order/1", Reply({**ORDER, "status": status}))
    assert authority.finalize(READY, b"csr").status == status
    assert ca.count("/finalize/1") == 1


def test_a_finalize_that_did_not_arrive_is_sent_again_once(authority: AcmeAuthority, ca: ScriptedCa) -> None:
    ca.says("/finalize/1", SILENCE, Reply({**ORDER, "status": "processing"}))
    ca.says("/order/1", Reply({**ORDER, "status": "ready"}))
    assert authority.finalize(READY, b"csr").status == "processing"
    ca.says("/finalize/1", SILENCE)
    with pytest.raises(AcmeError, match="does not answer in time"):
        authority.finalize(READY, b"csr")
    assert ca.count("/finalize/1") == 4


@pytest.mark.parametrize(("kind", "code"), [("orderNotReady", 403), ("malformed", 400)])
@pytest.mark.parametrize("status", ["processing", "valid"])
def test_what_an_earlier_run_has_finalized_is_no_failure(
    authority: AcmeAuthority, ca: ScriptedCa, kind: str, code: int, status: str
) -> None:
    ca.says("/finalize/1", refusal(kind, code))
    ca.says("/order/1", Reply({**ORDER, "status": status}))
    assert authority.finalize(READY, b"csr").status == status


@pytest.mark.parametrize(
    ("kind", "code", "fault"),
    [
        ("badCSR", 400, "request"),
        ("orderNotReady", 403, "request"),
        ("unauthorized", 403, "identifier"),
        ("caa", 403, "identifier"),
        ("rateLimited", 429, "rate_limited"),
        ("serverInternal", 500, "authority"),
    ],
)
def test_a_refused_finalize(authority: AcmeAuthority, ca: ScriptedCa, kind: str, code: int, fault: str) -> None:
    ca.says("/finalize/1", refusal(kind, code))
    ca.says("/order/1", Reply({**ORDER, "status": "invalid"}))
    with pytest.raises(AcmeError, match=kind) as raised:
        authority.finalize(READY, b"csr")
    assert raised.value.fault == fault


def test_a_refused_finalize_of_a_deactivated_account(authority: AcmeAuthority, ca: ScriptedCa) -> None:
    for path in ("/finalize/1", "/order/1", "/account/1"):
        ca.says(path, refusal("unauthorized", 403))
    with pytest.raises(AcmeError) as raised:
        authority.finalize(READY, b"csr")
    assert raised.value.fault == "account"


# certificate


class Chains(t.NamedTuple):
    first: str
    second: str
    third: str


@pytest.fixture(scope="module")
def chains() -> Chains:
    """Of one leaf, to three roots."""
    key, leaf_key = pki.new_key(), pki.new_key()
    texts = []
    for name in ("Root 1", "Root 2", "Root 3"):
        middle = pki.CertificateAuthority("Middle", key=key, parent=pki.CertificateAuthority(name))
        issued = middle.issue("a.example", key=leaf_key)
        texts.append(issued.certificate_pem + issued.chain_pem)
    return Chains(*texts)


@pytest.fixture
def offered(ca: ScriptedCa, chains: Chains) -> None:
    links = '<https://ca.example/dir>;rel="index", <https://ca.example/cert/2>;rel="alternate", </cert/3>;rel=alternate'
    ca.says("/cert/1", Reply(chains.first.encode(), 200, {"Link": links}))
    ca.says("/cert/2", Reply(chains.second.encode()))
    ca.says("/cert/3", Reply(chains.third.encode()))


@pytest.mark.usefixtures("offered")
@pytest.mark.parametrize(
    ("preferred", "index", "downloads"),
    [(None, 0, 1), ("Root 1", 0, 1), ("Root 2", 1, 2), ("root 3", 2, 3), ("Root 4", 0, 3), ("", 0, 1)],
)
def test_the_preferred_chain(
    authority: AcmeAuthority, ca: ScriptedCa, chains: Chains, preferred: str | None, index: int, downloads: int
) -> None:
    assert authority.certificate(VALID, preferred) == chains[index]
    assert sum(ca.count(f"/cert/{number}") for number in (1, 2, 3)) == downloads
    assert ca.last("/cert/1").headers["Accept"] == "application/pem-certificate-chain"


@pytest.mark.parametrize(
    "link",
    [
        "garbage",
        "<>;rel=alternate",
        "<https://elsewhere.example/cert/2>;rel=alternate",
        "<http://169.254.169.254/>;rel=alternate",
        "<https://ca.example/cert/2>",
        "<https://[::1>;rel=alternate",
        ";;;,,,<",
    ],
)
def test_alternates_that_are_none_are_left(authority: AcmeAuthority, ca: ScriptedCa, chains: Chains, link: str) -> None:
    ca.says("/cert/1", Reply(chains.first.encode(), 200, {"Link": link}))
    assert authority.certificate(VALID, "Root 2") == chains.first


def test_alternates_without_end_are_not_all_fetched(authority: AcmeAuthority, ca: ScriptedCa, chains: Chains) -> None:
    links = ", ".join(f"<https://ca.example/cert/{number}>;rel=alternate" for number in range(2, 500))
    ca.says("/cert/1", Reply(chains.first.encode(), 200, {"Link": links}))
    for number in range(2, 500):
        ca.says(f"/cert/{number}", Reply(chains.first.encode()))
    assert authority.certificate(VALID, "Root 2") == chains.first
    assert len(ca.asked) < 20


@pytest.mark.parametrize("body", [b"", b"<html>", b"{}", b"-----BEGIN CERTIFICATE-----\n", b"\xff"])
def test_a_certificate_that_is_none_is_told(authority: AcmeAuthority, ca: ScriptedCa, body: bytes) -> None:
    ca.says("/cert/1", Reply(body))
    with pytest.raises(AcmeError, match=f"The CA at {DIRECTORY} answers with") as raised:
        authority.certificate(VALID, None)
    assert raised.value.fault == "authority"


@pytest.mark.usefixtures("offered")
def test_a_certificate_for_other_names_is_not_taken(authority: AcmeAuthority) -> None:
    with pytest.raises(AcmeError, match=r"a certificate that is not for b\.example"):
        authority.certificate(dataclasses.replace(VALID, identifiers=("a.example", "b.example")), None)


def test_a_valid_order_without_a_certificate_is_told(authority: AcmeAuthority) -> None:
    with pytest.raises(AcmeError, match="an order that has no certificate"):
        authority.certificate(READY, None)


# Renewal information


def test_the_window(authority: AcmeAuthority, ca: ScriptedCa) -> None:
    document = {"suggestedWindow": {"start": "2026-12-01T00:00:00Z", "end": "2026-12-02T00:00:00Z"}}
    ca.says("/ari/aki.serial", Reply(document, 200, {"Retry-After": "21600"}))
    window = authority.renewal_window("aki.serial")
    assert window is not None
    assert window.ask_again == NOW + datetime.timedelta(hours=6)
    assert ca.last("/ari/aki.serial").method == "GET"
    assert ca.last("/ari/aki.serial").payload is None


def test_a_ca_without_ari_is_not_asked(authority: AcmeAuthority, ca: ScriptedCa) -> None:
    ca.says("/dir", Reply(directory(renewalInfo=None)))
    assert authority.renewal_window("aki.serial") is None
    assert len(ca.asked) == 1


def test_a_certificate_that_the_ca_does_not_know_has_no_window(authority: AcmeAuthority) -> None:
    with pytest.raises(AcmeError) as raised:
        authority.renewal_window("aki.serial")
    assert raised.value.fault == "gone"


# Revocation


def test_a_revocation(authority: AcmeAuthority, ca: ScriptedCa) -> None:
    ca.says("/revokeCert", Reply(b""), refusal("alreadyRevoked"), refusal("unauthorized", 403))
    authority.revoke(b"\x30\x00", 4)
    assert ca.last("/revokeCert").document == {"certificate": "MAA", "reason": 4}
    authority.revoke(b"\x30\x00", 4)
    with pytest.raises(AcmeError, match="to revoke the certificate"):
        authority.revoke(b"\x30\x00", 4)


def test_a_ca_that_does_not_revoke(authority: AcmeAuthority, ca: ScriptedCa) -> None:
    ca.says("/dir", Reply(directory(revokeCert=None)))
    with pytest.raises(AcmeError, match="does not revoke certificates by ACME") as raised:
        authority.revoke(b"\x30\x00", 4)
    assert raised.value.fault == "request"


def test_all_is_asked_with_the_account_and_nothing_else(authority: AcmeAuthority, ca: ScriptedCa, key: str) -> None:
    order(authority)
    signed: list[Asked] = [asked for asked in ca.asked if asked.payload is not None]
    assert signed
    assert all(asked.protected["kid"] == ACCOUNT for asked in signed)
    secret = key.splitlines()[1]
    assert not any(secret in repr(asked) for asked in ca.asked)
