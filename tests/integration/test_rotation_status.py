# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""rotation_status_info and the playbook status: each layer that differs is seen, and nothing is touched."""

from __future__ import annotations

import json
import pathlib
import typing as t

import pytest
from ansible_collections.certops.rotation.tests.support import rotation
from ansible_collections.certops.rotation.tests.support.fork_server import ModuleServer
from ansible_collections.certops.rotation.tests.support.playbook import PlaybookRun, run_playbook

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
    # A bind that loads the directory would not load it any more.
    assert layers(look()) == {**ALL_OK, "disk": "absent", "wire": "absent"}
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
    assert layers(status) == {**ALL_OK, "memory": "unknown", "wire": "unknown"}
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


def test_a_directory_without_anything(look: Look, tmp_path: pathlib.Path) -> None:
    status = look(path=str(tmp_path / "none"))
    assert status["certificates"] == []
    assert codes(status) == {"never_succeeded": "error"}
    assert (status["last_run_at"], status["last_run_succeeded"]) == (None, None)
    assert list(tmp_path.iterdir()) == []


def test_the_playbook_answers_monitoring(deployed: rotation.Scene) -> None:
    run = playbook(deployed, status_max_age="1d")
    assert run.returncode == 0, run.output
    assert run.modules == ["rotation_status_info"]
    assert run.changed == []
    assert layers(run.result("rotation_status_info")) == ALL_OK
