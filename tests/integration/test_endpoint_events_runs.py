# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""endpoint_events: runs that are killed or meet others, databases and disks, secrets, options, metrics."""

from __future__ import annotations

import os
import pathlib
import signal
import subprocess
import time
import typing as t

import pytest
from ansible_collections.certops.rotation.tests.support import module
from ansible_collections.certops.rotation.tests.support.databases import (
    PASSWORD,
    mariadb_server,
    postgresql_server,
)
from ansible_collections.certops.rotation.tests.support.disk import fill, tiny_file_system
from ansible_collections.certops.rotation.tests.support.event_registry import NO_PROXIES, EventRegistry
from ansible_collections.certops.rotation.tests.support.playbook import run_playbook
from ansible_collections.certops.rotation.tests.support.ports import free_port
from ansible_collections.certops.rotation.tests.support.prometheus import node_exporter, samples
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


def test_a_node_exporter_serves_the_metrics_of_all_receivers(
    registry: EventRegistry, webhook: WebhookServer, tmp_path: pathlib.Path
) -> None:
    """A file for each, beside that of the endpoints themselves."""
    registry.tell("a", "b", days=3)
    folder = tmp_path / "textfiles"
    folder.mkdir()
    for receiver in ("chat", "tickets"):
        assert not registry.run(receiver, url=webhook.url, metrics_textfile=str(folder / f"{receiver}.prom")).failed
    options = {"database_url": registry.url, "textfile": str(folder / "endpoints.prom")}
    assert not module.run_module("endpoint_dashboard", options).failed
    with node_exporter(folder) as exporter:
        found = exporter.scrape()
    assert found["node_textfile_scrape_error"] == 0
    for receiver in ("chat", "tickets"):
        assert found[f'certops_endpoint_events_undelivered{{receiver="{receiver}"}}'] == 0
    assert found['certops_endpoint_addresses{condition="expiring"}'] == 2
    served = [series for series in found if series.startswith("certops_endpoint_served{")]
    assert len(served) == 2
    assert all('key_type="any"' in series for series in served)


def test_metrics_that_cannot_be_written(
    registry: EventRegistry, webhook: WebhookServer, tmp_path: pathlib.Path
) -> None:
    """The events are delivered all the same, and the run says so."""
    registry.tell("a")
    run = registry.run(url=webhook.url, metrics_textfile=str(tmp_path / "nowhere" / "events.prom"))
    assert (run.failed, counts(run)) == (True, (1, 0, 0))
    assert "The metrics were not written" in run.result["msg"]
