# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import base64
import hmac
import json
import logging
import typing as t

import pytest
import requests
from ansible_collections.certops.rotation.plugins.module_utils._core.acme.account_secret import AccountAuthority
from ansible_collections.certops.rotation.plugins.module_utils._core.acme.account_terms import ExternalBinding
from ansible_collections.certops.rotation.plugins.module_utils._errors import AcmeError, InvalidOption
from ansible_collections.certops.rotation.plugins.module_utils._ports.acme.account import AcmeAccounts
from ansible_collections.certops.rotation.tests.support import pki
from ansible_collections.certops.rotation.tests.support.fake_authority import FakeClock
from ansible_collections.certops.rotation.tests.support.scripted_acme import (
    ACCOUNT,
    DIRECTORY,
    ORIGIN,
    Reply,
    ScriptedCa,
    acme_clock,
    directory,
    instead_of_https,
    refusal,
)

MAC_KEY = b"a secret of the CA's customer, 32"
FOUND = Reply({"status": "valid", "contact": ["mailto:a@b.example"]}, 200, {"Location": ACCOUNT})


@pytest.fixture
def ca(monkeypatch: pytest.MonkeyPatch) -> ScriptedCa:
    ca = ScriptedCa()
    ca.says("/newAccount", FOUND)
    instead_of_https(monkeypatch, ca)
    return ca


@pytest.fixture
def accounts(ca: ScriptedCa) -> t.Iterator[AcmeAccounts]:
    with AcmeAccounts(DIRECTORY, clock=acme_clock(FakeClock(pki.now()))) as accounts:
        yield accounts


@pytest.fixture(scope="module")
def key() -> str:
    return pki.private_key_pem(pki.new_key())


def register(accounts: AcmeAccounts, key: str, **options: t.Any) -> t.Any:
    return accounts.register(key, **{"contacts": (), "terms_agreed": True, "binding": None, **options})


def test_it_is_what_the_flow_asks_for(accounts: AcmeAccounts, ca: ScriptedCa, key: str) -> None:
    contract: AccountAuthority = accounts
    assert contract.directory == DIRECTORY
    assert contract.facts().profiles == {"classic": "as ever"}
    assert contract.requests == 1
    assert contract.find(key) is not None
    assert contract.requests == len(ca.asked) == 3  # the directory is asked for once


def test_an_account_is_found_and_none_is_made(accounts: AcmeAccounts, ca: ScriptedCa, key: str) -> None:
    found = accounts.find(key)
    assert found is not None
    assert (found.url, found.status, found.contacts) == (ACCOUNT, "valid", ("mailto:a@b.example",))
    asked = ca.last("/newAccount")
    assert asked.document == {"onlyReturnExisting": True}
    assert "kid" not in asked.protected
    assert asked.protected["jwk"]["kty"] == "EC"
    assert "d" not in asked.protected["jwk"]


def test_a_key_without_an_account(accounts: AcmeAccounts, ca: ScriptedCa, key: str) -> None:
    ca.says("/newAccount", refusal("accountDoesNotExist"))
    assert accounts.find(key) is None


@pytest.mark.parametrize(
    "reply",
    [
        refusal("unauthorized", 403),
        Reply({"status": "deactivated"}, 200, {"Location": ACCOUNT}),
        Reply({"status": "revoked"}, 200, {"Location": ACCOUNT}),
    ],
)
def test_an_account_that_was_given_up(accounts: AcmeAccounts, ca: ScriptedCa, key: str, reply: Reply) -> None:
    ca.says("/newAccount", reply)
    with pytest.raises(AcmeError) as raised:
        accounts.find(key)
    assert raised.value.fault == "account"


@pytest.mark.parametrize(
    "reply",
    [
        Reply({}, 200),
        Reply({}, 200, {"Location": "https://elsewhere.example/1"}),
        Reply([], 200, {"Location": ACCOUNT}),
    ],
)
def test_an_account_that_is_none_is_told(accounts: AcmeAccounts, ca: ScriptedCa, key: str, reply: Reply) -> None:
    ca.says("/newAccount", reply)
    with pytest.raises(AcmeError, match=f"The CA at {DIRECTORY} answers with") as raised:
        accounts.find(key)
    assert raised.value.fault == "authority"


def test_a_registration(accounts: AcmeAccounts, ca: ScriptedCa, key: str) -> None:
    assert register(accounts, key, contacts=["mailto:a@b.example"]).url == ACCOUNT
    assert ca.last("/newAccount").document == {"termsOfServiceAgreed": True, "contact": ["mailto:a@b.example"]}


def test_terms_are_not_agreed_to_unasked(accounts: AcmeAccounts, ca: ScriptedCa, key: str) -> None:
    register(accounts, key, terms_agreed=False)
    assert ca.last("/newAccount").payload == b"{}"


@pytest.mark.parametrize(
    "kind", ["externalAccountRequired", "userActionRequired", "invalidContact", "badSignatureAlgorithm"]
)
def test_a_refused_registration(accounts: AcmeAccounts, ca: ScriptedCa, key: str, kind: str) -> None:
    ca.says("/newAccount", refusal(kind, 403))
    with pytest.raises(AcmeError, match="to register the account") as raised:
        register(accounts, key)
    assert (raised.value.fault, raised.value.problem_type) == ("account", kind)


@pytest.mark.parametrize(("algorithm", "digest"), [("HS256", "sha256"), ("HS384", "sha384"), ("HS512", "sha512")])
def test_an_external_account_binding(
    accounts: AcmeAccounts, ca: ScriptedCa, key: str, algorithm: str, digest: str
) -> None:
    register(accounts, key, binding=ExternalBinding("kid-1", MAC_KEY, algorithm))
    asked = ca.last("/newAccount")
    bound = asked.document["externalAccountBinding"]
    protected = json.loads(decoded(bound["protected"]))
    assert protected == {"alg": algorithm, "kid": "kid-1", "url": f"{ORIGIN}/newAccount"}
    assert json.loads(decoded(bound["payload"])) == asked.protected["jwk"]
    signed = f"{bound['protected']}.{bound['payload']}".encode()
    assert decoded(bound["signature"]) == hmac.digest(MAC_KEY, signed, digest)


def test_a_binding_with_another_algorithm_is_refused(accounts: AcmeAccounts, key: str) -> None:
    with pytest.raises(InvalidOption, match="algorithm other than") as raised:
        register(accounts, key, binding=ExternalBinding("kid-1", MAC_KEY, "none"))
    assert MAC_KEY.decode() not in str(raised.value)


def test_contacts_are_changed(accounts: AcmeAccounts, ca: ScriptedCa, key: str) -> None:
    ca.says("/account/1", Reply({"status": "valid", "contact": ["mailto:c@d.example"]}))
    assert accounts.set_contacts(key, ACCOUNT, ["mailto:c@d.example"]).contacts == ("mailto:c@d.example",)
    asked = ca.last("/account/1")
    assert (asked.document, asked.protected["kid"]) == ({"contact": ["mailto:c@d.example"]}, ACCOUNT)
    accounts.set_contacts(key, ACCOUNT, [])
    assert ca.last("/account/1").document == {"contact": []}


def test_an_account_is_deactivated(accounts: AcmeAccounts, ca: ScriptedCa, key: str) -> None:
    ca.says("/account/1", Reply({"status": "deactivated"}))
    accounts.deactivate(key, ACCOUNT)
    assert ca.last("/account/1").document == {"status": "deactivated"}


def test_nothing_is_signed_for_another_place(accounts: AcmeAccounts, ca: ScriptedCa, key: str) -> None:
    with pytest.raises(AcmeError):
        accounts.deactivate(key, "https://elsewhere.example/account/1")
    assert [asked.path for asked in ca.asked] == ["/dir"]


# Another key


@pytest.fixture(scope="module")
def new_key() -> str:
    return pki.private_key_pem(pki.shared_key("rsa2048"))


def test_another_key(accounts: AcmeAccounts, ca: ScriptedCa, key: str, new_key: str) -> None:
    ca.says("/keyChange", Reply())
    accounts.change_key(key, ACCOUNT, new_key)
    outer = ca.last("/keyChange")
    inner = json.loads(decoded(outer.document["protected"]))
    payload = json.loads(decoded(outer.document["payload"]))
    assert outer.protected["kid"] == ACCOUNT
    assert inner["url"] == outer.protected["url"] == f"{ORIGIN}/keyChange"
    assert (inner["alg"], inner["jwk"]["kty"]) == ("RS256", "RSA")
    assert "nonce" not in inner
    assert "kid" not in inner
    assert payload["account"] == ACCOUNT
    assert payload["oldKey"]["kty"] == "EC"
    assert "d" not in payload["oldKey"]


def test_the_same_key_is_no_other(accounts: AcmeAccounts, ca: ScriptedCa, key: str) -> None:
    with pytest.raises(InvalidOption, match="has this key already"):
        accounts.change_key(key, ACCOUNT, key)
    assert ca.count("/keyChange") == 0


def test_a_ca_that_changes_no_keys(accounts: AcmeAccounts, ca: ScriptedCa, key: str, new_key: str) -> None:
    ca.says("/dir", Reply(directory(keyChange=None)))
    with pytest.raises(AcmeError, match="does not change keys") as raised:
        accounts.change_key(key, ACCOUNT, new_key)
    assert raised.value.fault == "request"


@pytest.mark.parametrize("failure", [requests.ReadTimeout("x"), requests.ConnectionError("x"), Reply(b"", 500)])
def test_a_change_without_an_answer_is_asked_about(
    accounts: AcmeAccounts, ca: ScriptedCa, key: str, new_key: str, failure: t.Any
) -> None:
    ca.says("/keyChange", failure)
    accounts.change_key(key, ACCOUNT, new_key)
    assert ca.count("/keyChange") == 1
    assert ca.last("/newAccount").protected["jwk"]["kty"] == "RSA"
    ca.says("/newAccount", refusal("accountDoesNotExist"))
    with pytest.raises(AcmeError) as raised:
        accounts.change_key(key, ACCOUNT, new_key)
    assert raised.value.fault == "authority"
    ca.says("/newAccount", Reply({}, 200, {"Location": f"{ORIGIN}/account/2"}))
    with pytest.raises(AcmeError):
        accounts.change_key(key, ACCOUNT, new_key)


def test_a_change_that_was_not_made_is_no_success(
    accounts: AcmeAccounts, ca: ScriptedCa, key: str, new_key: str
) -> None:
    ca.says("/keyChange", Reply())
    ca.says("/newAccount", Reply({}, 200, {"Location": f"{ORIGIN}/account/2"}))
    with pytest.raises(AcmeError, match=r"says that it has changed the key .* and has not") as raised:
        accounts.change_key(key, ACCOUNT, new_key)
    assert raised.value.fault == "request"
    ca.says("/newAccount", Reply(b"", 500))
    with pytest.raises(AcmeError, match="fails with HTTP status 500"):
        accounts.change_key(key, ACCOUNT, new_key)


def test_a_refused_change(accounts: AcmeAccounts, ca: ScriptedCa, key: str, new_key: str) -> None:
    ca.says("/keyChange", refusal("malformed", 409))
    with pytest.raises(AcmeError, match="to change the account's key") as raised:
        accounts.change_key(key, ACCOUNT, new_key)
    assert raised.value.fault == "request"


def test_no_secret_is_sent_logged_or_shown(
    accounts: AcmeAccounts, ca: ScriptedCa, key: str, new_key: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    binding = ExternalBinding("kid-1", MAC_KEY)
    register(accounts, key, binding=binding)
    ca.says("/keyChange", Reply())
    accounts.change_key(key, ACCOUNT, new_key)
    mac_texts = (MAC_KEY.decode(), base64.urlsafe_b64encode(MAC_KEY).decode().rstrip("="))
    secrets = [*mac_texts, *(line for pem in (key, new_key) for line in pem.splitlines()[1:-1])]
    seen = repr(ca.asked) + caplog.text + repr(binding) + repr(vars(accounts))
    assert [secret for secret in secrets if secret in seen] == []
    assert caplog.text == ""


def decoded(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
