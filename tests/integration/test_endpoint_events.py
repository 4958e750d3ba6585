# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""endpoint_events: a real registry, real HTTP servers and programs, and all that they do wrong."""

from __future__ import annotations

import json
import os
import pathlib
import signal
import ssl
import subprocess
import time
import typing as t
from datetime import datetime, timedelta, timezone

import pytest
from ansible_collections.certops.rotation.plugins.module_utils._core.watch.delivery import signature_of
from ansible_collections.certops.rotation.tests.support import bad_server, module, pki
from ansible_collections.certops.rotation.tests.support.connect_proxy import ConnectProxy
from ansible_collections.certops.rotation.tests.support.databases import (
    PASSWORD,
    mariadb_server,
    postgresql_server,
)
from ansible_collections.certops.rotation.tests.support.disk import fill, tiny_file_system
from ansible_collections.certops.rotation.tests.support.event_registry import NO_PROXIES, EventRegistry
from ansible_collections.certops.rotation.tests.support.playbook import run_playbook
from ansible_collections.certops.rotation.tests.support.ports import free_port
from ansible_collections.certops.rotation.tests.support.prometheus import samples
from ansible_collections.certops.rotation.tests.support.webhook_server import WebhookServer

DATABASE = "postgresql://watch:of-the-database@127.0.0.1:9/watch"
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


# Runs that are killed

SETTINGS = {"receiver": "chat"}


def started() -> subprocess.Popen[str]:
    """The module, that waits for its request."""
    return subprocess.Popen(
        module.module_command(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, **NO_PROXIES},
    )


def test_killed_between_sending_and_noting(registry: EventRegistry, webhook: WebhookServer) -> None:
    """The event is sent again, with the same id; those that were noted are not."""
    ids = registry.tell("a", "b", "c")
    answered: list[str] = []

    def answer(posted: t.Any) -> int:
        if posted.event["name"] == "b" and "b" not in answered:
            process.send_signal(signal.SIGKILL)
        answered.append(posted.event["name"])
        return 200

    webhook.answer = answer
    request = module.module_request("endpoint_events", {**SETTINGS, "database_url": registry.url, "url": webhook.url})
    process = started()
    process.communicate(request, timeout=60)
    assert process.returncode == -signal.SIGKILL
    assert not registry.run(url=webhook.url).failed
    assert webhook.ids == [ids[0], ids[1], ids[1], ids[2]]
    assert registry.registry.undelivered("chat", 10) == []


def test_asked_to_end(registry: EventRegistry, webhook: WebhookServer) -> None:
    """What was sent is noted, and the rest is for the next run."""
    ids = registry.tell("a", "b", "c")

    def answer(posted: t.Any) -> int:
        if posted.event["name"] == "b":
            process.send_signal(signal.SIGTERM)
            time.sleep(0.2)
        return 200

    webhook.answer = answer
    request = module.module_request("endpoint_events", {**SETTINGS, "database_url": registry.url, "url": webhook.url})
    process = started()
    output, _none = process.communicate(request, timeout=60)
    run = module.parse_result("endpoint_events", process.returncode, output)
    assert (run.failed, counts(run)) == (True, (2, 0, 1))
    assert "SIGTERM" in run.result["msg"]
    webhook.answer = lambda _posted: 200
    assert counts(registry.run(url=webhook.url)) == (1, 0, 0)
    assert webhook.ids == ids


def test_two_runs_at_once(registry: EventRegistry, webhook: WebhookServer) -> None:
    """Both may send an event, none is lost, and neither run fails."""
    ids = registry.tell(*(f"n{number}" for number in range(30)))
    request = module.module_request("endpoint_events", {**SETTINGS, "database_url": registry.url, "url": webhook.url})
    with started() as one, started() as other:
        for process in (one, other):
            t.cast("t.IO[str]", process.stdin).write(request)
            t.cast("t.IO[str]", process.stdin).close()
        for process in (one, other):
            output = t.cast("t.IO[str]", process.stdout).read()
            run = module.parse_result("endpoint_events", process.wait(60), output)
            assert (run.failed, run.result["left"]) == (False, 0), output
    assert set(webhook.ids) == set(ids)
    assert registry.registry.undelivered("chat", 10) == []


def test_a_full_disk(tmp_path: pathlib.Path, webhook: WebhookServer) -> None:
    """What cannot be noted is sent again: so nothing more is sent, and the run says why."""
    (tmp_path / "disk").mkdir()
    with tiny_file_system(tmp_path / "disk") as mount:
        registry = EventRegistry(mount / "endpoints.db")
        ids = registry.tell("a", "b", "c")
        ballast = fill(mount)
        run = registry.run(url=webhook.url)
        assert run.failed
        assert str(mount) in run.result["msg"]
        assert len(webhook.posted) <= 1
        ballast.unlink()
        assert not registry.run(url=webhook.url).failed
        assert list(dict.fromkeys(webhook.ids)) == ids


@pytest.mark.parametrize("server", [postgresql_server, mariadb_server], ids=["postgresql", "mariadb"])
def test_other_databases(server: t.Any, webhook: WebhookServer) -> None:
    with server() as started_server:
        registry = EventRegistry(started_server.database())
        ids = registry.tell("a", "b")
        run = registry.run(url=webhook.url)
        assert (run.failed, webhook.ids) == (False, ids), run.output
        assert not registry.run(url=webhook.url).result["changed"]
        assert PASSWORD not in run.output


# Secrets and options


def test_no_secret_is_shown(registry: EventRegistry, webhook: WebhookServer) -> None:
    registry.tell("a")
    webhook.answer = lambda _posted: 500
    secrets = {"path": "T0KEN-of-the-path", "header": "header-value-x", "password": "password-x", "secret": SECRET}
    run = registry.run(
        url=f"{webhook.url}/{secrets['path']}?key={secrets['path']}",
        headers={"X-Token": secrets["header"]},
        username="me",
        password=secrets["password"],
        secret=secrets["secret"],
        retries=0,
    )
    assert run.failed
    assert f"http://localhost:{webhook.port} answers 500" in run.result["msg"], "enough to know whom to ask"
    assert [name for name, secret in secrets.items() if secret in run.output] == []


def test_no_secret_is_shown_by_ansible(registry: EventRegistry, webhook: WebhookServer) -> None:
    """At the highest verbosity, of a receiver that is down and of one that is not."""
    ids = registry.tell("a")
    secrets = {"path": "T0KEN-of-the-path", "header": "header-value-x", "password": "password-x", "secret": SECRET}
    module_options = {
        "database_url": registry.url,
        "headers": {"X-Token": secrets["header"]},
        "username": "me",
        "password": secrets["password"],
        "secret": secrets["secret"],
        "retries": 0,
    }
    urls = [f"http://localhost:{port}/{secrets['path']}" for port in (free_port(), webhook.port)]
    task = {
        "name": "Tell them",
        "certops.rotation.endpoint_events": {
            **module_options,
            "receiver": "receiver {{ item }}",
            "url": "{{ urls[item | int] }}",
        },
        "loop": [0, 1],
    }
    play = [{"hosts": "haproxy", "gather_facts": False, "tasks": [task]}]
    run = run_playbook({"urls": urls}, playbook=play, env=NO_PROXIES)
    assert run.returncode == 2
    assert webhook.ids == ids
    assert "Is url right, and does the receiver run?" in run.output
    assert [name for name, secret in secrets.items() if secret in run.output] == []
    play[0]["tasks"] = [
        {
            "name": "Tell",
            "certops.rotation.endpoint_events": {"receiver": "x", "url": urls[1], "database_url": DATABASE},
        }
    ]
    run = run_playbook({}, playbook=play, env=NO_PROXIES)
    assert run.returncode == 2
    assert "database" in run.output
    assert "of-the-database" not in run.output


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({}, "one of the following is required: url, command"),
        ({"url": "https://h", "command": ["x"]}, "mutually exclusive"),
        ({"url": "ftp://h/"}, "url is an address such as https://host:port/path"),
        ({"url": "https://h:99999/"}, "url is an address such as https://host:port/path"),
        ({"url": "https://u:hidden@h/"}, "url holds credentials"),
        ({"url": "https://h/a b"}, "characters that HTTP cannot carry"),
        ({"url": "https://bücher.example/"}, "characters that HTTP cannot carry"),
        ({"command": []}, "command is empty"),
        ({"command": [" "]}, "command is empty"),
        ({"command": ["x"], "secret": "ssss"}, "secret: these options belong to url"),
        ({"url": "https://h", "secret": ""}, "secret is empty"),
        ({"url": "https://h", "username": ""}, "username is empty"),
        ({"url": "https://h", "headers": {"X-Token": None}}, "headers: X-Token has no value"),
        ({"url": "https://h", "receiver": " "}, "receiver is a name"),
        ({"url": "https://h", "receiver": "r" * 65}, "receiver is a name"),
        ({"url": "https://h", "timeout": 0}, "timeout is a number from 0.1"),
        ({"url": "https://h", "timeout": "nan"}, "timeout is a number from 0.1"),
        ({"url": "https://h", "limit": 0}, "limit is a number from 1"),
        ({"url": "https://h", "give_up_after": "7"}, "give_up_after: '7' is not a duration"),
        ({"url": "https://h", "metrics_textfile": "/tmp/x.txt"}, "ends in .prom"),
        ({"url": "https://h", "ca_path": "/nowhere/ca.pem"}, "Cannot load /nowhere/ca.pem"),
        ({"url": "https://h", "database_url": "postgresql://u:hidden@/"}, "database"),
    ],
)
def test_options_that_cannot_be(registry: EventRegistry, options: dict[str, t.Any], words: str) -> None:
    run = registry.run(**options)
    assert run.failed
    assert words in run.result["msg"], run.result["msg"]
    assert "hidden" not in run.output


def test_values_as_text(registry: EventRegistry, webhook: WebhookServer) -> None:
    """As -e gives them."""
    registry.tell("a", "b")
    run = registry.run(url=webhook.url, limit="1", timeout="5", retries="0", time_limit="60", kinds="new,expired")
    assert (run.failed, counts(run)) == (False, (1, 0, 1)), run.output


def test_metrics(registry: EventRegistry, webhook: WebhookServer, tmp_path: pathlib.Path) -> None:
    textfile = tmp_path / "events.prom"
    registry.tell("a", "b")
    webhook.answer = lambda posted: 400 if posted.event["name"] == "a" else 200
    registry.run(url=webhook.url, metrics_textfile=str(textfile), check=True)
    assert not textfile.exists()
    assert registry.run(url=webhook.url, metrics_textfile=str(textfile)).failed
    found = samples(textfile.read_text())
    assert found['certops_endpoint_events_undelivered{receiver="chat"}'] == 1
    assert found['certops_endpoint_events_last_run_success{receiver="chat"}'] == 0
    assert time.time() - found['certops_endpoint_events_oldest_undelivered_timestamp_seconds{receiver="chat"}'] < 3600
    webhook.answer = lambda _posted: 200
    assert not registry.run(url=webhook.url, metrics_textfile=str(textfile)).failed
    found = samples(textfile.read_text())
    assert found['certops_endpoint_events_undelivered{receiver="chat"}'] == 0


def test_metrics_that_cannot_be_written(
    registry: EventRegistry, webhook: WebhookServer, tmp_path: pathlib.Path
) -> None:
    """The events are delivered all the same, and the run says so."""
    registry.tell("a")
    run = registry.run(url=webhook.url, metrics_textfile=str(tmp_path / "nowhere" / "events.prom"))
    assert (run.failed, counts(run)) == (True, (1, 0, 0))
    assert "The metrics were not written" in run.result["msg"]
