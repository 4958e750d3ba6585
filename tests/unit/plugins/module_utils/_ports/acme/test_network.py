# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import datetime
import logging
import pathlib
import ssl
import threading
import typing as t

import pytest
import requests
import urllib3.exceptions
import yaml
from ansible_collections.certops.rotation.plugins.module_utils._core.acme.breaker import ONCE, ORDERING
from ansible_collections.certops.rotation.plugins.module_utils._errors import AcmeError
from ansible_collections.certops.rotation.plugins.module_utils._ports.acme.client import AcmeClient, signing_key
from ansible_collections.certops.rotation.plugins.module_utils._ports.acme.network import (
    AcmeLimits,
    Payload,
    user_agent,
)
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

NOW = datetime.datetime(2026, 11, 26, 8, tzinfo=datetime.timezone.utc)
THING = f"{ORIGIN}/thing"
RESET = requests.ConnectionError(
    urllib3.exceptions.ProtocolError("Connection aborted.", ConnectionResetError(104, "Connection reset by peer"))
)
REFUSED = requests.ConnectionError(
    urllib3.exceptions.MaxRetryError(
        t.cast(t.Any, None),
        "/thing",
        urllib3.exceptions.NewConnectionError(t.cast(t.Any, None), "refused"),
    )
)
SILENCE = requests.ReadTimeout("x")


@pytest.fixture
def ca(monkeypatch: pytest.MonkeyPatch) -> ScriptedCa:
    ca = ScriptedCa()
    instead_of_https(monkeypatch, ca)
    return ca


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(NOW)


@pytest.fixture
def client(ca: ScriptedCa, clock: FakeClock) -> t.Iterator[AcmeClient]:
    key = signing_key(pki.private_key_pem(pki.shared_key()))
    with AcmeClient(DIRECTORY, key, ACCOUNT, clock=acme_clock(clock)) as client:
        yield client


def ask(client: AcmeClient, **options: t.Any) -> t.Any:
    return client.post(THING, Payload(a=1), "the thing", **options).document()


def test_a_request_is_signed_for_its_url_by_the_account_and_says_who_asks(client: AcmeClient, ca: ScriptedCa) -> None:
    ca.says("/thing", Reply({"b": 2}))
    assert ask(client) == {"b": 2}
    asked = ca.last("/thing")
    assert asked.document == {"a": 1}
    assert (asked.protected["url"], asked.protected["kid"], asked.protected["alg"]) == (THING, ACCOUNT, "ES256")
    assert "jwk" not in asked.protected
    assert asked.headers["Content-Type"] == "application/jose+json"
    assert all(each.headers["User-Agent"].startswith("certops.rotation/") for each in ca.asked)


def test_the_agent_tells_the_collections_version(
    client: AcmeClient, ca: ScriptedCa, request: pytest.FixtureRequest
) -> None:
    client.directory_document()
    galaxy = yaml.safe_load((request.config.rootpath / "galaxy.yml").read_text("utf-8"))
    agent = ca.last("/dir").headers["User-Agent"]
    assert agent.startswith(f"certops.rotation/{galaxy['version']} ({galaxy['repository'].join(['+', ')'])}")
    assert " acme/" in agent
    assert " requests/" in agent


def test_post_as_get_has_no_payload_and_an_empty_object_is_one(client: AcmeClient, ca: ScriptedCa) -> None:
    ca.says("/thing", Reply())
    client.post(THING, None, "the thing")
    assert ca.last("/thing").payload == b""
    client.post(THING, Payload(), "the thing")
    assert ca.last("/thing").payload == b"{}"


@pytest.mark.parametrize(("kind", "algorithm"), [("ec", "ES256"), ("ec384", "ES384"), ("rsa2048", "RS256")])
def test_each_kind_of_key(ca: ScriptedCa, kind: pki.KeyType, algorithm: str) -> None:
    ca.says("/thing", Reply())
    with AcmeClient(DIRECTORY, signing_key(pki.private_key_pem(pki.shared_key(kind))), None) as client:
        ask(client)
    assert ca.last("/thing").protected["alg"] == algorithm
    assert set(ca.last("/thing").protected["jwk"]) in ({"kty", "crv", "x", "y"}, {"kty", "n", "e"})


def test_nonces_are_used_once_and_asked_for_only_where_none_is_left(client: AcmeClient, ca: ScriptedCa) -> None:
    ca.says("/thing", Reply())
    for _time in range(5):
        ask(client)
    nonces = [asked.protected["nonce"] for asked in ca.asked if asked.path == "/thing"]
    assert len(set(nonces)) == 5
    assert ca.count("/newNonce") == 1
    assert client.requests == 7 == len(ca.asked)


@pytest.mark.parametrize("nonce", ["", "a b", "ä".encode().decode("latin-1"), "=====", "A", "x" * 2000, "QUI=", "QUJ"])
def test_a_nonce_that_is_none_is_ignored(client: AcmeClient, ca: ScriptedCa, nonce: str) -> None:
    ca.says("/thing", Reply(nonce=nonce))
    ask(client)
    ask(client)
    assert ca.count("/newNonce") == 2


def test_a_ca_without_nonces_is_told(client: AcmeClient, ca: ScriptedCa) -> None:
    ca.says("/newNonce", Reply(b"", nonce=""))
    with pytest.raises(AcmeError, match="gives no nonce") as raised:
        ask(client)
    assert raised.value.fault == "authority"
    assert ca.count("/thing") == 0


def test_bad_nonces_are_borne_with_patience_but_not_for_ever(
    client: AcmeClient, ca: ScriptedCa, clock: FakeClock
) -> None:
    ca.says("/thing", *[refusal("badNonce")] * 20, Reply({"b": 2}))
    assert ask(client) == {"b": 2}
    assert ca.count("/thing") == 21
    assert ca.count("/newNonce") == 1  # each refusal brings a new one
    ca.says("/thing", refusal("badNonce"))
    with pytest.raises(AcmeError, match="refuses one nonce after the other") as raised:
        ask(client)
    assert raised.value.fault == "authority"
    assert ca.count("/thing") < 60
    assert clock.sleeps == []


def test_a_bad_nonce_is_no_reason_to_order_twice(client: AcmeClient, ca: ScriptedCa) -> None:
    """What is sent once only is sent again after that: it has not been looked at."""
    ca.says("/thing", refusal("badNonce"), Reply({"b": 2}))
    assert ask(client, repeating=ONCE) == {"b": 2}


@pytest.mark.parametrize(
    "failure", [RESET, REFUSED, Reply(b"", 500), Reply(b"<html>", 502), refusal("serverInternal", 503)]
)
def test_what_may_pass_is_tried_again(client: AcmeClient, ca: ScriptedCa, clock: FakeClock, failure: t.Any) -> None:
    ca.says("/thing", failure, failure, Reply({"b": 2}))
    assert ask(client) == {"b": 2}
    assert len(clock.sleeps) == 2


@pytest.mark.parametrize(
    ("failure", "said"),
    [
        (RESET, r"ends the connection without an answer \(Connection reset by peer\)"),
        (REFUSED, "cannot be reached"),
        (SILENCE, "does not answer in time"),
        (requests.ConnectTimeout("x"), "takes no connection in time"),
        (requests.exceptions.ProxyError("http://user:hunter2@proxy:3128"), "cannot be reached through the proxy"),
        (Reply(b"<html>", 502), "fails with HTTP status 502"),
        (refusal("serverInternal", 500), "fails with HTTP status 500: it is serverInternal"),
        (requests.exceptions.ChunkedEncodingError("x"), "ends the connection without an answer"),
        (requests.exceptions.InvalidURL("x"), "ends the connection without an answer"),
        (OSError(5, "Input/output error"), "Input/output error"),
        (UnicodeError("label too long"), "ends the connection without an answer"),
    ],
)
def test_what_does_not_pass_is_told_with_the_directory(
    client: AcmeClient, ca: ScriptedCa, clock: FakeClock, failure: t.Any, said: str
) -> None:
    ca.says("/thing", failure)
    with pytest.raises(AcmeError, match=said) as raised:
        ask(client)
    assert raised.value.fault == "authority"
    assert raised.value.message.startswith(f"The CA at {DIRECTORY} ")
    assert "hunter2" not in raised.value.message
    assert 1 < ca.count("/thing") <= 4
    assert clock.passed < 60


@pytest.mark.parametrize(
    ("failure", "times"), [(RESET, 2), (Reply(b"", 500), 2), (SILENCE, 1), (REFUSED, 4), (refusal("x", 503), 4)]
)
def test_an_order_is_not_sent_again_blindly(client: AcmeClient, ca: ScriptedCa, failure: t.Any, times: int) -> None:
    ca.says("/thing", failure)
    with pytest.raises(AcmeError):
        ask(client, repeating=ORDERING)
    assert ca.count("/thing") == times


@pytest.mark.parametrize(
    ("failure", "times"), [(RESET, 1), (Reply(b"", 500), 1), (SILENCE, 1), (REFUSED, 4), (refusal("x", 503), 4)]
)
def test_what_is_sent_once_is_sent_again_only_where_it_did_not_arrive(
    client: AcmeClient, ca: ScriptedCa, failure: t.Any, times: int
) -> None:
    ca.says("/thing", failure)
    with pytest.raises(AcmeError):
        ask(client, repeating=ONCE)
    assert ca.count("/thing") == times


@pytest.mark.parametrize("value", ["7", "Thu, 26 Nov 2026 08:00:07 GMT"])
def test_a_busy_ca_is_given_the_time_it_wants(client: AcmeClient, ca: ScriptedCa, clock: FakeClock, value: str) -> None:
    ca.says("/thing", refusal("rateLimited", 503, {"Retry-After": value}), Reply({"b": 2}))
    assert ask(client) == {"b": 2}
    assert clock.sleeps == [7]


def test_a_busy_ca_that_wants_more_time_than_there_is_is_not_waited_for(
    client: AcmeClient, ca: ScriptedCa, clock: FakeClock
) -> None:
    ca.says("/thing", refusal("rateLimited", 503, {"Retry-After": "3600"}))
    with pytest.raises(AcmeError) as raised:
        ask(client)
    assert (raised.value.fault, raised.value.retry_after) == ("authority", 3600)
    assert clock.sleeps == []


@pytest.mark.parametrize(("value", "told"), [("120", 120), ("Thu, 26 Nov 2026 09:00:00 GMT", 3600), ("x", None)])
@pytest.mark.parametrize("body", [refusal("rateLimited").body, b"<html>", b""])
def test_a_limit_is_never_tried_again_here(
    client: AcmeClient, ca: ScriptedCa, value: str, told: float | None, body: t.Any
) -> None:
    ca.says("/thing", Reply(body, 429, {"Retry-After": value}))
    with pytest.raises(AcmeError) as raised:
        ask(client)
    assert (raised.value.fault, raised.value.retry_after) == ("rate_limited", told)
    assert ca.count("/thing") == 1


@pytest.mark.parametrize(
    ("status", "fault"), [(400, "authority"), (403, "authority"), (404, "gone"), (407, "authority"), (410, "gone")]
)
@pytest.mark.parametrize("body", [b"<html>\x1b[2J</html>", b"", b"[]", b"{}", b'"x"', b"\xff", b"[" * 100_000])
def test_a_refusal_without_a_reason(client: AcmeClient, ca: ScriptedCa, status: int, fault: str, body: bytes) -> None:
    ca.says("/thing", Reply(body, status))
    with pytest.raises(AcmeError, match=f"refuses the thing with HTTP status {status} and no reason") as raised:
        ask(client)
    assert raised.value.fault == fault


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("location", ["https://elsewhere.example/", "http://ca.example/thing", "/thing2", ""])
def test_redirections_are_not_followed(client: AcmeClient, ca: ScriptedCa, status: int, location: str) -> None:
    ca.says("/thing", Reply(b"", status, {"Location": location}))
    with pytest.raises(AcmeError, match="sends elsewhere") as raised:
        ask(client)
    assert raised.value.fault == "authority"
    assert ca.count("/thing") == 1
    assert ca.asked[-1].path == "/thing"


def test_an_answer_without_end_is_not_read(client: AcmeClient, ca: ScriptedCa) -> None:
    ca.says("/thing", Reply(b"x" * (1024 * 1024 + 1)))
    with pytest.raises(AcmeError, match="sends more than any answer has"):
        ask(client)
    assert ca.count("/thing") == 1


def test_a_certificate_that_is_not_trusted_is_told_at_once(client: AcmeClient, ca: ScriptedCa) -> None:
    cause = ssl.SSLCertVerificationError(1, "certificate verify failed")
    cause.verify_message = "self-signed certificate"
    ca.says("/thing", requests.exceptions.SSLError(urllib3.exceptions.SSLError(cause)))
    with pytest.raises(AcmeError, match=r"not trusted \(self-signed certificate\): set ca_bundle") as raised:
        ask(client)
    assert raised.value.fault == "authority"
    assert ca.count("/thing") == 1


def test_each_try_has_the_time_that_is_left(client: AcmeClient, ca: ScriptedCa, clock: FakeClock) -> None:
    def slow(asked: t.Any) -> Reply:
        clock.passed += 40
        raise SILENCE

    ca.says("/thing", slow)
    with pytest.raises(AcmeError):
        ask(client)
    given = [asked.timeout.total for asked in ca.asked if asked.path == "/thing"]
    assert given[0] == 45
    assert given[1] < 20
    assert len(given) == 2


# The directory


def test_the_directory_is_asked_for_once_by_many_threads(client: AcmeClient, ca: ScriptedCa) -> None:
    threads = [threading.Thread(target=client.directory_document) for _number in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert ca.count("/dir") == 1


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b"5", b"\xff", {"newNonce": 5}, directory(newOrder=None)])
def test_what_is_no_directory_is_told(client: AcmeClient, ca: ScriptedCa, body: t.Any) -> None:
    ca.says("/dir", Reply(body))
    with pytest.raises(AcmeError, match=f"The CA at {DIRECTORY} ") as raised:
        client.directory_document()
    assert raised.value.fault == "authority"


def test_a_directory_that_is_not_there_is_the_authoritys_fault(client: AcmeClient, ca: ScriptedCa) -> None:
    ca.says("/dir", Reply(b"not found", 404))
    with pytest.raises(AcmeError, match="to show its directory with HTTP status 404") as raised:
        client.directory_document()
    assert raised.value.fault == "authority"


# The breaker


def test_a_ca_that_is_silent_is_not_asked_again_for_a_while(
    client: AcmeClient, ca: ScriptedCa, clock: FakeClock
) -> None:
    ca.says("/thing", SILENCE)
    for _time in range(4):
        with pytest.raises(AcmeError):
            ask(client)
    asked = len(ca.asked)
    with pytest.raises(AcmeError, match="is not asked for now, because it does not answer in time") as raised:
        ask(client)
    assert raised.value.fault == "authority"
    assert DIRECTORY in raised.value.message
    assert len(ca.asked) == asked
    clock.passed += 61
    ca.says("/thing", Reply({"b": 2}))
    assert ask(client) == {"b": 2}
    assert ask(client) == {"b": 2}


def test_a_directory_that_cannot_be_had_ends_all_waiting_at_once(client: AcmeClient, ca: ScriptedCa) -> None:
    """Sixteen threads wait for it: the others need not try for themselves."""
    ca.says("/dir", SILENCE)
    with pytest.raises(AcmeError, match="does not answer in time"):
        client.directory_document()
    asked = len(ca.asked)
    with pytest.raises(AcmeError, match="is not asked for now"):
        client.directory_document()
    assert len(ca.asked) == asked


def test_refusals_do_not_count_as_failures(client: AcmeClient, ca: ScriptedCa) -> None:
    ca.says("/thing", refusal("rateLimited", 429))
    for _time in range(20):
        with pytest.raises(AcmeError) as raised:
            ask(client)
        assert raised.value.fault == "rate_limited"


# Secrets


def test_nothing_is_logged(client: AcmeClient, ca: ScriptedCa, caplog: pytest.LogCaptureFixture) -> None:
    """The library tells all payloads and answers at the level debug."""
    caplog.set_level(logging.DEBUG)
    ca.says("/thing", refusal("badNonce"), RESET, Reply({"secret": "hunter2"}))
    client.post(THING, Payload(secret="hunter1"), "the thing")
    assert caplog.text == ""


def test_no_password_is_taken_from_the_home_directory(
    client: AcmeClient, ca: ScriptedCa, tmp_path: t.Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("default login me password hunter2\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    client.directory_document()
    assert "Authorization" not in ca.last("/dir").headers


def test_limits_are_the_callers(ca: ScriptedCa) -> None:
    ca.says("/thing", Reply())
    limits = AcmeLimits(connect=1, answer=2, request=3)
    with AcmeClient(DIRECTORY, signing_key(pki.private_key_pem(pki.shared_key())), ACCOUNT, limits=limits) as client:
        ask(client)
    timeout = ca.last("/thing").timeout
    assert timeout.connect_timeout <= 1
    assert timeout.total <= 2


def test_the_user_agent_tells_this_version() -> None:
    galaxy = yaml.safe_load((pathlib.Path(__file__).parents[6] / "galaxy.yml").read_text("utf-8"))
    assert user_agent().startswith(f"certops.rotation/{galaxy['version']} ")
