# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""endpoint_events: a real registry, real HTTP servers and programs, and all that they do wrong."""

from __future__ import annotations

import json
import pathlib
import ssl
import time
import typing as t
from datetime import datetime, timedelta, timezone

import pytest
from ansible_collections.certops.rotation.plugins.module_utils._core.watch.delivery import signature_of
from ansible_collections.certops.rotation.tests.support import bad_server, module, pki
from ansible_collections.certops.rotation.tests.support.connect_proxy import ConnectProxy
from ansible_collections.certops.rotation.tests.support.event_registry import EventRegistry
from ansible_collections.certops.rotation.tests.support.ports import free_port
from ansible_collections.certops.rotation.tests.support.webhook_server import WebhookServer

SECRET = "a-secret-that-nobody-guesses"


@pytest.fixture
def registry(tmp_path: pathlib.Path) -> EventRegistry:
    return EventRegistry(tmp_path / "endpoints.db")


@pytest.fixture
def webhook() -> t.Iterator[WebhookServer]:
    with WebhookServer() as server:
        yield server


def counts(run: module.ModuleRun) -> tuple[int, int, int]:
    return run.result["delivered"], run.result["failures"], run.result["left"]


# The way it goes


def test_check_run_check_run(registry: EventRegistry, webhook: WebhookServer) -> None:
    ids = registry.tell("a", "b")
    check = registry.run(url=webhook.url, check=True)
    assert (check.result["changed"], counts(check), webhook.posted) == (True, (2, 0, 0), [])
    run = registry.run(url=webhook.url)
    assert (run.failed, run.result["changed"], counts(run)) == (False, True, (2, 0, 0)), run.output
    assert webhook.ids == ids
    assert [each["id"] for each in run.result["events"]] == ids
    for check_mode in (True, False):
        again = registry.run(url=webhook.url, check=check_mode)
        assert (again.failed, again.result["changed"], counts(again)) == (False, False, (0, 0, 0))
    assert len(webhook.posted) == 2
    more = registry.tell("c")
    registry.run(url=webhook.url)
    assert webhook.ids == ids + more, "only what is new"


def test_what_a_webhook_gets(registry: EventRegistry, webhook: WebhookServer) -> None:
    (key,) = registry.tell("a")
    headers = {"Authorization": "Bearer token-of-the-chat", "idempotency-key": "not this one", "X-Own": 7}
    run = registry.run(url=f"{webhook.url}/hook/T0KEN?q=1", headers=headers, secret=SECRET)
    assert not run.failed, run.output
    (posted,) = webhook.posted
    assert posted.path == "/hook/T0KEN?q=1"
    assert posted.headers["idempotency-key"] == key == posted.event["id"]
    assert posted.headers["x-hub-signature-256"] == signature_of(posted.body, SECRET)
    assert posted.headers["content-type"] == "application/json"
    assert (posted.headers["authorization"], posted.headers["x-own"]) == ("Bearer token-of-the-chat", "7")
    assert posted.event == run.result["events"][0]
    assert {"kind": "new", "name": "a", "host": "a.example.com", "port": 443, "address": "192.0.2.1"}.items() <= (
        posted.event.items()
    )
    assert "a.example.com:443" in posted.event["message"]


def test_what_a_chat_gets(registry: EventRegistry, webhook: WebhookServer) -> None:
    registry.tell("a")
    registry.run(url=webhook.url, body_format="text", username="me", password=SECRET)
    (posted,) = webhook.posted
    assert set(posted.event) == {"text"}
    assert posted.event["text"].startswith("info: ")
    assert posted.headers["authorization"].startswith("Basic ")


def test_each_receiver_gets_each_event(registry: EventRegistry, webhook: WebhookServer) -> None:
    """And one that is down keeps nothing from the others."""
    ids = registry.tell("a", "b")
    down = registry.run("down", url=f"http://localhost:{free_port()}", retries=0)
    assert (down.failed, counts(down)) == (True, (0, 2, 2)), down.output
    assert "Is url right, and does the receiver run?" in down.result["msg"]
    assert not registry.run("up", url=webhook.url).failed
    assert webhook.ids == ids
    assert not registry.run("down", url=webhook.url).failed
    assert webhook.ids == ids + ids, "it was only late"


def test_only_what_is_wanted(registry: EventRegistry, webhook: WebhookServer) -> None:
    registry.tell("a", "b", days=1)
    run = registry.run(url=webhook.url, least_severity="warning")
    assert {posted.event["kind"] for posted in webhook.posted} == {"expiring"}
    assert (run.result["delivered"], run.result["passed_over"]) == (2, 2)
    assert not registry.run(url=webhook.url).result["changed"], "passed over for good"
    run = registry.run("tickets", url=webhook.url, kinds=["new"])
    assert (run.result["delivered"], run.result["passed_over"]) == (2, 2)


def test_old_events_are_given_up_and_told(registry: EventRegistry, webhook: WebhookServer) -> None:
    registry.tell("a", at=datetime.now(timezone.utc) - timedelta(days=8))
    check = registry.run(url=webhook.url, check=True)
    assert (check.result["changed"], check.result["given_up"]) == (True, 1)
    run = registry.run(url=webhook.url)
    assert (run.failed, run.result["given_up"], webhook.posted) == (False, 1, [])
    assert "never got to chat within 1w and are given up: 1." in str(run.result["warnings"])
    patient = registry.run("patient", url=webhook.url, give_up_after="0")
    assert counts(patient) == (1, 0, 0)


def test_a_registry_that_is_not_there_has_no_events(tmp_path: pathlib.Path, webhook: WebhookServer) -> None:
    run = EventRegistry(tmp_path / "none.db").run(url=webhook.url)
    assert (run.failed, run.result["changed"], counts(run)) == (False, False, (0, 0, 0)), run.output
    assert not (tmp_path / "none.db").exists()


# Receivers that do wrong


@pytest.mark.parametrize("status", [422])
def test_a_refused_event_keeps_no_other_back(registry: EventRegistry, webhook: WebhookServer, status: int) -> None:
    ids = registry.tell("a", "b", "c")
    webhook.answer = lambda posted: status if posted.event["name"] == "a" else 200
    run = registry.run(url=webhook.url)
    assert (run.failed, counts(run), webhook.ids) == (True, (2, 1, 1), ids)
    assert f"answers {status}" in run.result["msg"]
    assert run.result["problems"] == [
        {"id": ids[0], "name": "a", "fault": "refused", "message": run.result["problems"][0]["message"]}
    ]
    webhook.answer = lambda _posted: 200
    assert counts(registry.run(url=webhook.url)) == (1, 0, 0)
    assert webhook.ids[-1] == ids[0]


@pytest.mark.parametrize("status", [307, 401, 429, 503])
def test_a_receiver_that_is_not_available(registry: EventRegistry, webhook: WebhookServer, status: int) -> None:
    registry.tell("a", "b", "c")
    webhook.answer = lambda _posted: status
    run = registry.run(url=webhook.url, headers={"X-Token": SECRET}, retries=1)
    assert (run.failed, counts(run)) == (True, (0, 2, 3)), run.output
    assert [posted.event["name"] for posted in webhook.posted] == ["a", "a", "c"]
    assert {posted.path for posted in webhook.posted} == {"/"}, "no redirection is followed"
    assert f"answers {status}" in run.result["msg"]


@pytest.mark.parametrize(
    ("behave", "words"),
    [
        (lambda connection, _request: time.sleep(30), "no answer within 0.5 seconds"),
        (bad_server.drips("HTTP/1.1 200 OK\r\nX-A: "), "no answer within 0.5 seconds"),
        (bad_server.drips("HTTP/1.1 100 Continue\r\n\r\n", "HTTP/1.1 100 Continue\r\n\r\n"), "no answer within"),
        (bad_server.floods("HTTP/1.1 200 OK\r\nX-A: ", "a"), "does not speak HTTP"),
        (bad_server.says("SSH-2.0-OpenSSH_9.2\r\n"), "does not speak HTTP"),
        (lambda connection, _request: connection.close(), "ends the connection without an answer"),
    ],
    ids=["silent", "drips", "continues", "floods", "ssh", "closes"],
)
def test_whatever_a_server_does(registry: EventRegistry, behave: bad_server.Behaviour, words: str) -> None:
    registry.tell("a")
    with bad_server.BadServer(behave) as server:
        run = registry.run(url=f"http://{server.address}/", timeout=0.5, retries=0)
    assert (run.failed, counts(run)) == (True, (0, 1, 1))
    assert words in run.result["msg"], run.result["msg"]


@pytest.mark.parametrize(
    "answer",
    [
        bad_server.drips("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n"),
        bad_server.drips("HTTP/1.1 202 Accepted\r\nTransfer-Encoding: chunked\r\n\r\n", ""),
    ],
    ids=["length", "chunked"],
)
def test_a_confirmation_counts_whatever_follows(registry: EventRegistry, answer: bad_server.Behaviour) -> None:
    """Else it would get the same event for ever."""
    registry.tell("a")
    with bad_server.BadServer(answer) as server:
        assert counts(registry.run(url=f"http://{server.address}/", timeout=20, retries=0)) == (1, 0, 0)


def test_https_validates_both_ends(registry: EventRegistry, tmp_path: pathlib.Path) -> None:
    ca = pki.CertificateAuthority()
    issued, client = ca.issue("localhost"), ca.issue("monitor", usages=(pki.ExtendedKeyUsageOID.CLIENT_AUTH,))
    (tmp_path / "ca.pem").write_text(ca.root_pem)
    (tmp_path / "server.pem").write_text(issued.combined_pem)
    (tmp_path / "client.pem").write_text(client.combined_pem)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(tmp_path / "ca.pem"))
    context.load_cert_chain(tmp_path / "server.pem")
    context.verify_mode = ssl.CERT_REQUIRED
    registry.tell("a")
    with WebhookServer(context) as webhook:
        stranger = registry.run(url=webhook.url, retries=0)
        assert stranger.failed
        assert "its certificate is not valid" in stranger.result["msg"]
        assert registry.run(url=webhook.url, ca_path=str(tmp_path / "ca.pem"), retries=0, timeout=1).failed, (
            "no client certificate"
        )
        assert not webhook.posted
        options = {"ca_path": str(tmp_path / "ca.pem"), "client_cert": str(tmp_path / "client.pem")}
        assert not registry.run(url=webhook.url, **options).failed
        with ConnectProxy() as proxy:
            registry.tell("b")
            env = {"https_proxy": f"http://me:pr0xy-pass@127.0.0.1:{proxy.port}"}
            run = registry.run(url=webhook.url, env=env, **options)
            assert not run.failed, run.output
            assert proxy.targets == [f"localhost:{webhook.port}"]
            assert "Proxy-Authorization: Basic bWU6cHIweHktcGFzcw==" in proxy.head
            registry.tell("c")
            assert not registry.run(url=webhook.url, env={**env, "no_proxy": "localhost"}, **options).failed
            assert len(proxy.targets) == 1
        assert len(webhook.posted) == 3


def test_a_proxy_for_http(registry: EventRegistry, webhook: WebhookServer) -> None:
    """It gets the whole URL, and here plays the receiver as well."""
    registry.tell("a")
    env = {"http_proxy": f"http://127.0.0.1:{webhook.port}"}
    assert not registry.run(url="http://hooks.example.com/a", env=env).failed
    (posted,) = webhook.posted
    assert (posted.path, posted.headers["host"]) == ("http://hooks.example.com/a", "hooks.example.com")


@pytest.mark.parametrize("answer", ["HTTP/1.1 407 Who are you\r\n\r\n", "hello\r\n\r\n", ""])
def test_a_proxy_that_refuses(registry: EventRegistry, answer: str) -> None:
    registry.tell("a")
    with bad_server.BadServer(bad_server.says(answer)) as server:
        env = {"https_proxy": f"http://me:pr0xy-pass@{server.address}"}
        run = registry.run(url="https://hooks.example.com/a", env=env, retries=0)
    assert run.failed
    assert "the proxy" in run.result["msg"]
    assert "https_proxy" in run.result["msg"]
    assert "pr0xy-pass" not in run.output


# Programs


def program(tmp_path: pathlib.Path, script: str) -> str:
    path = tmp_path / "receiver"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return str(path)


def test_a_program_reads_each_event(registry: EventRegistry, tmp_path: pathlib.Path) -> None:
    ids = registry.tell("a", "b")
    taken = tmp_path / "taken"
    run = registry.run(command=[program(tmp_path, 'echo "$1"; cat >> "$2"'), "an argument", str(taken)])
    assert (run.failed, counts(run)) == (False, (2, 0, 0)), run.output
    assert [json.loads(line)["id"] for line in taken.read_text().splitlines()] == ids
    assert not registry.run(command=[program(tmp_path, "exit 1")]).result["changed"]


@pytest.mark.parametrize(
    ("script", "fault", "words"),
    [
        ("exit 65", "refused", "ended with 65: it said nothing"),
        ("echo no ticket today >&2; exit 3", "unavailable", "ended with 3: no ticket today"),
        ("sleep 30", "unavailable", "took more than 0.5 seconds and was ended"),
        ("sleep 30 & exit 4", "unavailable", "ended with 4"),
        ("kill -9 $$", "unavailable", "was ended by signal 9"),
    ],
)
def test_a_program_that_fails(
    registry: EventRegistry, tmp_path: pathlib.Path, script: str, fault: str, words: str
) -> None:
    registry.tell("a")
    run = registry.run(command=[program(tmp_path, script)], timeout=0.5 if script == "sleep 30" else 20, retries=0)
    assert (run.failed, counts(run)) == (True, (0, 1, 1))
    assert words in run.result["msg"], run.result["msg"]
    assert [problem["fault"] for problem in run.result["problems"]] == [fault]


def test_a_program_need_not_read(registry: EventRegistry, tmp_path: pathlib.Path) -> None:
    registry.tell("a")
    assert not registry.run(command=[program(tmp_path, "exit 0")]).failed


def test_a_program_that_is_not_there(registry: EventRegistry) -> None:
    registry.tell("a")
    run = registry.run(command=["/nowhere/receiver", SECRET], retries=0)
    assert run.failed
    assert "/nowhere/receiver cannot be run: No such file or directory. Correct command." in run.result["msg"]
    assert SECRET not in run.result["msg"]
