# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The playbook rotate when HAProxy is not there, or not as it should be: it says so soon, and converges next time."""

from __future__ import annotations

import pathlib
import threading
import time

from ansible_collections.certops.rotation.tests.support import pki, rotation
from ansible_collections.certops.rotation.tests.support.moto import MotoServer
from ansible_collections.certops.rotation.tests.support.prometheus import samples

BOUND = 60  # seconds: far more than any wait of the role here, far less than waiting for ever


def test_haproxy_down(scene: rotation.Scene) -> None:
    """The socket's file stays behind, and nobody listens."""
    scene.store("a")
    assert scene.rotate().returncode == 0
    scene.haproxy.stop()
    assert pathlib.Path(scene.haproxy.socket).is_socket()
    issued = scene.store("a")

    start = time.monotonic()
    run = scene.rotate(reload_methods=["master"])

    assert time.monotonic() - start < BOUND
    assert run.returncode != 0
    assert scene.haproxy.socket in run.error
    assert "stale socket" in run.error
    assert "Reload by master" in run.error
    assert "The next run tries again" in run.error
    assert scene.file("a").read_text() == issued.combined_pem
    assert scene.state()["outcome"] == "failed"
    scene.haproxy.start()
    rotation.assert_converges(scene, issued)


def test_no_socket_at_all(scene: rotation.Scene) -> None:
    """Nothing is done on a host that cannot be finished, and all that is missing is in one message."""
    scene.store("a")
    run = scene.rotate(socket="/nonexistent/admin.sock", config=["/nonexistent/haproxy.cfg"])
    assert run.returncode != 0
    assert run.modules == ["haproxy_rotation"]
    assert run.result("haproxy_rotation")["api_calls"] == {}
    assert not (scene.haproxy.certs_dir / ".certops").exists()
    assert "2 things are missing" in run.error
    assert "haproxy_certificates_socket: /nonexistent/admin.sock does not exist" in run.error
    assert "/nonexistent/haproxy.cfg does not exist" in run.error
    predicted = scene.rotate(check=True, socket="/nonexistent/admin.sock")
    assert predicted.returncode == 0, predicted.output


def test_a_selection_that_finds_nothing(scene: rotation.Scene) -> None:
    """The play fails, state and metrics tell it, and what is served is left alone."""
    issued = scene.store("a")
    textfile = scene.haproxy.directory / "rotation.prom"
    assert scene.rotate(metrics_textfile=str(textfile)).returncode == 0
    assert scene.state()["outcome"] == "proven"
    disk = {path: facts for path, facts in scene.disk().items() if path.endswith(".pem")}
    run = scene.rotate(metrics_textfile=str(textfile), name_prefix="wev/", prune=True)
    assert run.returncode == 2
    assert "No secret was found by name_prefix 'wev/' in region eu-central-1" in run.error
    assert "nothing_found" in scene.state()["failures"][0]
    assert scene.state()["last_success_at"] is not None
    found = samples(textfile.read_text())
    (problems,) = [name for name in found if name.startswith('certops_last_run_problems{cause="source"')]
    assert found[problems] == 1
    assert found['cert_sync_operations_total{status="error"}'] == 1
    assert {path: facts for path, facts in scene.disk().items() if path.endswith(".pem")} == disk
    assert scene.served("a") == issued.fingerprint_sha256


def test_haproxy_restarts_meanwhile(scene: rotation.Scene) -> None:
    """A run that meets a HAProxy that is down for a moment waits for it, or fails clearly; the next one converges."""
    scene.store("a")
    assert scene.rotate().returncode == 0
    issued = scene.store("a")

    def restart() -> None:
        deadline = time.monotonic() + BOUND
        while scene.file("a").read_text() != issued.combined_pem and time.monotonic() < deadline:
            time.sleep(0.01)
        scene.haproxy.stop()
        time.sleep(1)
        scene.haproxy.start()

    thread = threading.Thread(target=restart)
    thread.start()
    start = time.monotonic()
    run = scene.rotate()
    elapsed = time.monotonic() - start
    thread.join()

    assert elapsed < BOUND
    assert run.returncode == 0 or "HAProxy" in run.error, run.output
    rotation.assert_converges(scene, issued)


def test_socket_without_admin_level(scene: rotation.Scene) -> None:
    issued = scene.store("a")
    run = scene.rotate(socket=scene.haproxy.operator_socket)
    assert run.returncode != 0
    assert "level admin" in run.error
    assert len(run.error.splitlines()) < 10
    assert scene.file("a").read_text() == issued.combined_pem
    rotation.assert_converges(scene, issued)


def test_reload_when_the_payload_does_not_fit(aws: MotoServer) -> None:
    """A long chain is more than tune.bufsize takes. The small one is updated, and the reload brings the other."""
    with rotation.scene(aws, extra_global=("tune.bufsize 8192",)) as scene:
        authority = scene.authority
        for number in range(12):
            authority = pki.CertificateAuthority(f"Level {number} of a long chain", parent=authority)
        long = authority.issue("a.example.com")
        scene.aws.put_secret("web/a", long.secret_document())
        small = scene.store("b")
        worker = scene.haproxy.worker_pid()

        alone = scene.rotate()
        assert alone.returncode != 0
        assert "tune.bufsize" in alone.error
        assert scene.served("b") == small.fingerprint_sha256
        assert scene.rotate(check=True).result("haproxy_rotation")["pending"] == ["web/a"]

        run = scene.rotate(reload_methods=["master"])
        assert run.returncode == 0, run.output
        assert scene.served("a") == long.fingerprint_sha256
        assert scene.haproxy.worker_pid() != worker
        assert scene.state()["activation"] == "reload"
        assert scene.rotate().changed == []


def test_certificate_that_no_bind_loads(aws: MotoServer) -> None:
    """A file that HAProxy does not load is not proven, unless the user says that this is right."""
    with rotation.scene(aws) as scene:
        scene.store("a")
        elsewhere = scene.haproxy.directory / "elsewhere"
        variables = {"path": str(elsewhere), "socket": "", "reload_methods": ["master"]}
        run = scene.rotate(**variables)
        assert run.returncode != 0
        assert "no TLS bind of HAProxy loads this file" in run.error
        assert (elsewhere / "web_a.pem").exists(), "no handshake has got another one, so nothing is taken back"
        run = scene.rotate(**variables, allow_unreferenced=True)
        assert run.returncode == 0, run.output
        assert (elsewhere / "web_a.pem").exists()
