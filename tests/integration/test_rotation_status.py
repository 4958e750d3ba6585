# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""rotation_status_info and the playbook status: each layer that differs is seen, and nothing is touched."""

from __future__ import annotations

import contextlib
import json
import os
import pathlib
import socket
import ssl
import time
import typing as t

import pytest
from ansible_collections.certops.rotation.tests.support import rotation
from ansible_collections.certops.rotation.tests.support.fork_server import ModuleServer
from ansible_collections.certops.rotation.tests.support.playbook import PlaybookRun, run_playbook
from ansible_collections.certops.rotation.tests.support.prometheus import samples

STATUS = "certops.rotation.status"
ALL_OK = {"source": "ok", "disk": "ok", "memory": "ok", "wire": "ok"}


Look = t.Callable[..., dict[str, t.Any]]


@pytest.fixture
def look(scene: rotation.Scene, modules: ModuleServer) -> Look:
    """Look at all four layers, unless options say otherwise."""

    def look(**options: t.Any) -> dict[str, t.Any]:
        everywhere = {
            "path": str(scene.haproxy.certs_dir),
            "check_source": True,
            "socket": scene.haproxy.socket,
            "config": [str(scene.haproxy.config_path)],
        }
        run = modules.run("rotation_status_info", {**everywhere, **options}, env=scene.aws.env)
        assert not run.failed, run.output
        assert run.result["changed"] is False
        return run.result

    return look


@pytest.fixture
def deployed(scene: rotation.Scene, modules: ModuleServer) -> rotation.Scene:
    """As the role leaves it, in a fraction of the time."""
    scene.store("a")
    path = str(scene.haproxy.certs_dir)
    for module, options in (
        ("certificate_sync", {"path": path, "name_prefix": rotation.PREFIX}),
        ("haproxy_certificate", {"socket": scene.haproxy.socket, "certificates": [{"src": str(scene.file("a"))}]}),
        ("rotation_record", {"path": path, "outcome": "proven", "activation": "hot_update"}),
    ):
        run = modules.run(module, options, env=scene.aws.env)
        assert not run.failed, run.output
    return scene


def layers(status: dict[str, t.Any]) -> dict[str, str]:
    (certificate,) = status["certificates"]
    return dict(certificate["layers"])


def codes(status: dict[str, t.Any]) -> dict[str, str]:
    return {problem["code"]: problem["severity"] for problem in status["problems"]}


def playbook(scene: rotation.Scene, **extra: t.Any) -> PlaybookRun:
    return run_playbook({**scene.variables, **extra}, playbook=STATUS, env=scene.aws.env)


def test_all_is_well_and_nothing_is_touched(deployed: rotation.Scene, look: Look) -> None:
    before = deployed.disk()
    status = look(max_age="1d")
    assert deployed.disk() == before
    assert (status["healthy"], status["problems"]) == (True, [])
    assert layers(status) == ALL_OK
    assert status["last_run_succeeded"] is True
    assert status["last_success_at"] == status["last_run_at"] == deployed.state()["last_success_at"]
    assert 0 <= status["last_success_age_seconds"] < 600
    (certificate,) = status["certificates"]
    assert certificate["name"] == "web/a"
    assert certificate["fingerprint_sha256"] == deployed.served("a")
    assert (certificate["proven"], certificate["expired"], certificate["renewal_due"]) == (True, False, False)
    assert "Healthy: 1 certificates" in status["msg"]


@pytest.mark.usefixtures("deployed")
def test_only_what_is_asked_about_counts(look: Look) -> None:
    status = look(check_source=False, socket=None, config=None)
    assert layers(status) == {"source": "unknown", "disk": "ok", "memory": "unknown", "wire": "unknown"}
    assert status["problems"] == []


def test_a_new_version_waits(deployed: rotation.Scene, look: Look) -> None:
    deployed.store("a")
    status = look()
    assert layers(status) == {**ALL_OK, "source": "differs"}
    assert codes(status) == {"source_differs": "warning"}
    assert status["healthy"] is True
    deployed.aws.client().delete_secret(SecretId="web/a", ForceDeleteWithoutRecovery=True)
    status = look()
    assert layers(status)["source"] == "absent"
    assert codes(status) == {"source_absent": "warning", "sources_absent": "error"}
    assert "It was looked for in region eu-central-1" in status["msg"]
    assert status["healthy"] is False
    status = look(endpoint_url="http://127.0.0.1:9", aws_config={"retries": {"max_attempts": 0}})
    assert codes(status) == {"source_unknown": "error"}


def test_a_file_was_changed_or_removed(deployed: rotation.Scene, look: Look) -> None:
    file = deployed.file("a")
    content = file.read_bytes()
    file.unlink()
    file.write_text("not ours")
    status = look()
    assert layers(status) == {**ALL_OK, "disk": "differs"}
    assert codes(status) == {"disk_differs": "error"}
    assert status["healthy"] is False
    file.unlink()
    # HAProxy has it all the same. Without its word for it, a bind that loads the directory would not load it any more.
    assert layers(look()) == {**ALL_OK, "disk": "absent"}
    assert layers(look(socket=None)) == {**ALL_OK, "disk": "absent", "memory": "unknown", "wire": "absent"}
    file.write_bytes(content)
    assert layers(look()) == ALL_OK


def test_haproxy_serves_something_else(deployed: rotation.Scene, look: Look) -> None:
    other = deployed.authority.issue("a.example.com")
    name = str(deployed.file("a"))
    deployed.haproxy.execute(f"set ssl cert {name} <<\n{other.combined_pem.strip()}\n\n")
    status = look()
    assert codes(status) == {"open_transaction": "warning"}
    assert status["open_transaction"] == name
    deployed.haproxy.execute(f"commit ssl cert {name}")
    status = look()
    assert layers(status) == {**ALL_OK, "memory": "differs", "wire": "differs"}
    assert codes(status) == {"memory_differs": "error", "wire_differs": "error"}
    assert other.fingerprint_sha256 in status["msg"]


def test_haproxy_is_down(deployed: rotation.Scene, look: Look) -> None:
    deployed.haproxy.stop()
    status = look()
    assert layers(status) == {**ALL_OK, "memory": "unknown", "wire": "unanswered"}
    assert codes(status) == {"memory_unknown": "error", "wire_unanswered": "error"}
    assert codes(look(on_unproven="warn")) == {"memory_unknown": "error", "wire_unanswered": "warning"}
    assert status["healthy"] is False
    run = playbook(deployed)
    assert run.returncode == 2
    assert "Not healthy" in run.error


def test_haproxy_does_not_use_it(deployed: rotation.Scene, look: Look) -> None:
    certs = str(deployed.haproxy.certs_dir)
    name = str(deployed.file("a"))
    deployed.haproxy.execute(f"del ssl crt-list {certs} {name}")
    deployed.haproxy.execute(f"del ssl cert {name}")
    status = look()
    assert layers(status)["memory"] == "absent"
    assert codes(status)["memory_absent"] == "error"
    assert codes(look(config=None, allow_unreferenced=True)) == {"memory_absent": "warning"}


def test_the_last_success_is_too_old(deployed: rotation.Scene, look: Look) -> None:
    state = deployed.haproxy.certs_dir / ".certops" / "state.json"
    old = {**deployed.state(), "finished_at": "2026-01-01T00:00:00Z", "last_success_at": "2026-01-01T00:00:00Z"}
    state.write_text(json.dumps(old))
    assert look()["healthy"] is True
    status = look(max_age="1d")
    assert codes(status) == {"last_success_too_old": "error"}
    run = playbook(deployed, status_max_age="1d")
    assert run.returncode == 2
    assert "the limit is 1d" in run.error
    # A run that found nothing to do is known by its metrics.
    textfile = str(deployed.haproxy.certs_dir.parent / "rotation.prom")
    assert deployed.rotate(metrics_textfile=textfile).returncode == 0
    status = look(max_age="1d")
    assert status["healthy"] is True
    assert status["last_success_age_seconds"] < 600


def test_a_run_that_failed(deployed: rotation.Scene, look: Look) -> None:
    deployed.haproxy.stop()
    deployed.store("a")
    assert deployed.rotate().returncode == 2
    deployed.haproxy.start()
    status = look()
    assert status["last_run_succeeded"] is False
    assert "last_run_failed" in codes(status)
    assert status["recent_errors"]


def test_a_stamp_of_a_wrong_clock_hides_no_failure(
    deployed: rotation.Scene, look: Look, tmp_path: pathlib.Path
) -> None:
    success = tmp_path / "last-success"
    success.touch()
    state = deployed.haproxy.certs_dir / ".certops/state.json"
    document = json.loads(state.read_text())
    state.write_text(json.dumps({**document, "outcome": "failed", "failures": ["no socket"]}))
    ahead = time.time() + 3 * 365 * 86400
    os.utime(success, (ahead, ahead))
    status = look(success_files=[str(success)], max_age="1d")
    assert (status["healthy"], status["last_run_succeeded"]) == (False, False)
    assert codes(status) == {"last_run_failed": "error", "time_in_future": "warning"}
    assert "just now" not in status["msg"].splitlines()[0] or status["last_success_at"] == document["last_success_at"]
    state.write_text(json.dumps({**document, "finished_at": "2999-01-01T00:00:00Z", "last_success_at": None}))
    unknown = look(success_files=[str(success)], max_age="1d")
    assert (codes(unknown), unknown["last_success_at"]) == ({"time_in_future": "error"}, None)
    assert "last success not known" in unknown["msg"]


def test_a_directory_without_anything(look: Look, tmp_path: pathlib.Path) -> None:
    status = look(path=str(tmp_path / "none"))
    assert status["certificates"] == []
    assert codes(status) == {"never_succeeded": "error", "nothing_deployed": "error"}
    assert "there is no such directory" in status["msg"]
    assert (status["last_run_at"], status["last_run_succeeded"]) == (None, None)
    assert list(tmp_path.iterdir()) == []
    unreachable = look(path=str(tmp_path / "none"), socket="/nonexistent/admin.sock", config=None)
    assert codes(unreachable)["memory_unknown"] == "warning"
    only_master = look(socket=None, master_socket="/nonexistent/master.sock", config=None)
    assert "HAProxy was not asked what it holds" in only_master["msg"]


def test_served_certificates_that_nothing_knows_of_are_not_healthy(
    deployed: rotation.Scene, look: Look, tmp_path: pathlib.Path
) -> None:
    """The manifest tells of nothing, and the directory and HAProxy are full of certificates."""
    success = tmp_path / "last-success"
    success.touch()
    (deployed.haproxy.certs_dir / ".certops/manifest.json").unlink()
    status = look(success_files=[str(success)])
    assert (status["healthy"], status["certificates"]) == (False, [])
    assert codes(status) == {"nothing_deployed": "error"}
    assert "though default.pem, web_a.pem are there" in status["msg"]
    assert f"HAProxy holds {deployed.haproxy.certs_dir}/default.pem, {deployed.file('a')}." in status["msg"]
    assert "Healthy" not in status["msg"]


def test_the_playbook_answers_monitoring(deployed: rotation.Scene) -> None:
    run = playbook(deployed, status_max_age="1d")
    assert run.returncode == 0, run.output
    assert run.modules == ["rotation_status_info"]
    assert run.changed == []
    assert layers(run.result("rotation_status_info")) == ALL_OK


@pytest.mark.parametrize("variable", ["status_max_age", "haproxy_certificates_status_max_age"])
def test_how_old_the_last_success_may_be_is_told_for_the_playbook_or_the_role(
    deployed: rotation.Scene, variable: str
) -> None:
    run = playbook(deployed, **{variable: "soon"})
    assert run.returncode == 2
    assert "'soon' is not a duration" in run.error


@contextlib.contextmanager
def held_connection(scene: rotation.Scene) -> t.Iterator[None]:
    """A request that is not complete: it keeps the worker alive that has it, as downloads and websockets do."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with (
        socket.create_connection(("127.0.0.1", scene.haproxy.port), timeout=10) as raw,
        context.wrap_socket(raw, server_hostname="a.example.com") as connection,
    ):
        connection.sendall(b"GET / HTTP/1.1\r\nHost: a.example.com\r\n")
        yield


def renew_by_reload(scene: rotation.Scene, modules: ModuleServer) -> None:
    scene.store("a")
    sync = {"path": str(scene.haproxy.certs_dir), "name_prefix": rotation.PREFIX}
    assert modules.run("certificate_sync", sync, env=scene.aws.env).result["changed"] is True
    assert scene.haproxy.reload()


def test_old_workers_are_asked_one_by_one(deployed: rotation.Scene, modules: ModuleServer, look: Look) -> None:
    master = deployed.haproxy.master_socket
    status = look(master_socket=master)
    assert (status["old_workers"], status["old_workers_unknown"]) == ([], None)
    with held_connection(deployed):
        old = deployed.haproxy.worker_pid()
        renew_by_reload(deployed, modules)
        status = look(master_socket=master)
        assert layers(status) == ALL_OK
        assert codes(status) == {"old_worker_differs": "warning"}
        (worker,) = status["old_workers"]
        assert (worker["pid"], worker["reloads"], worker["differing"]) == (old, 1, ["web/a"])
        assert status["certificates"][0]["old_workers"] == [{"pid": old, "verdict": "differs"}]
        assert "ok, 1 old differs" in status["msg"]

        # A change that somebody began in it, and another one in the current worker.
        name = str(deployed.file("a"))
        pem = deployed.authority.issue("a.example.com").combined_pem.strip()
        deployed.haproxy.execute(f"@!{old} set ssl cert {name} <<\n{pem}\n\n", master)
        status = look(master_socket=master)
        assert (status["old_workers"][0]["open_transaction"], status["open_transaction"]) == (name, None)
        assert (codes(status)["open_transaction"], status["certificates"][0]["uncommitted"]) == ("warning", False)
        deployed.haproxy.execute(f"set ssl cert {name} <<\n{pem}\n\n")
        assert look()["certificates"][0]["uncommitted"] is True
        deployed.haproxy.execute(f"abort ssl cert {name}")

        run = playbook(deployed)
        assert run.returncode == 0, run.output
        assert run.result("rotation_status_info")["old_workers"][0]["pid"] == old
    deadline = time.monotonic() + 60
    while look(master_socket=master)["old_workers"]:
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_old_workers_without_a_master_socket(deployed: rotation.Scene, modules: ModuleServer, look: Look) -> None:
    with held_connection(deployed):
        old = deployed.haproxy.worker_pid()
        renew_by_reload(deployed, modules)
        for options in ({}, {"master_socket": "/nonexistent/master.sock"}):
            status = look(**options)
            (worker,) = status["old_workers"]
            assert (worker["pid"], worker["uptime_seconds"], worker["differing"]) == (old, None, [])
            assert "only HAProxy's master socket reaches it" in worker["reason"]
            assert codes(status) == {"old_worker_unknown": "warning"}
            assert status["certificates"][0]["old_workers"] == [{"pid": old, "verdict": "unknown"}]


def test_old_workers_that_cannot_be_known(deployed: rotation.Scene, look: Look) -> None:
    # Nobody answers at the stats socket, so not even the processes are known.
    status = look(socket=str(deployed.haproxy.directory / "none.sock"))
    assert status["old_workers"] is None
    assert "takes HAProxy's master socket" in status["old_workers_unknown"]
    assert "old workers of HAProxy: that takes" in status["msg"]
    # A socket that is not the master's.
    status = look(master_socket=deployed.haproxy.socket)
    assert status["old_workers"] is None
    assert codes(status)["old_workers_unknown"] == "warning"


def test_the_master_socket_alone_will_do(deployed: rotation.Scene, look: Look) -> None:
    status = look(socket=None, master_socket=deployed.haproxy.master_socket)
    assert layers(status) == ALL_OK
    name = str(deployed.file("a"))
    pem = deployed.authority.issue("a.example.com").combined_pem.strip()
    deployed.haproxy.execute(f"set ssl cert {name} <<\n{pem}\n\n")
    deployed.haproxy.execute(f"commit ssl cert {name}")
    assert layers(look(socket=None, master_socket=deployed.haproxy.master_socket))["memory"] == "differs"


def test_the_playbook_tells_the_metrics_of_every_layer(deployed: rotation.Scene, tmp_path: pathlib.Path) -> None:
    textfile = tmp_path / "rotation.prom"
    name = str(deployed.file("a"))
    pem = deployed.authority.issue("a.example.com").combined_pem.strip()
    deployed.haproxy.execute(f"set ssl cert {name} <<\n{pem}\n\n")
    deployed.haproxy.execute(f"commit ssl cert {name}")
    run = playbook(deployed, haproxy_certificates_metrics_textfile=str(textfile))
    assert run.returncode == 2
    assert run.modules == ["rotation_status_info", "rotation_metrics"]
    assert run.changed == []
    drift = {
        layer: value
        for layer in ALL_OK
        for series, value in samples(textfile.read_text()).items()
        if series.startswith("certops_certificate_drift") and f'"{layer}"' in series
    }
    assert drift == {"source": 0, "disk": 0, "memory": 1, "wire": 1}
