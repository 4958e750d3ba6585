# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The playbook rotate when the proof fails or HAProxy refuses: disk and memory go back, and all is said."""

from __future__ import annotations

import threading
import time

from ansible_collections.certops.rotation.tests.support import rotation
from ansible_collections.certops.rotation.tests.support.moto import MotoServer

BOUND = 60  # seconds: far more than any wait of the role here, far less than waiting for ever


def test_another_certificate_answers_for_the_name(aws: MotoServer) -> None:
    """Rolled back on disk and in memory, the old one served, both fingerprints told; other certificates stay new."""
    with rotation.second_bind(aws) as (scene, first, old):
        scene.store("b")
        assert scene.rotate().returncode == 0

        new = scene.store("a")
        other = scene.store("b")
        run = scene.rotate()

        assert run.returncode != 0
        assert new.fingerprint_sha256 in run.error
        assert old.fingerprint_sha256 in run.error
        assert scene.file("a").read_text() == old.combined_pem
        assert scene.served("a") == old.fingerprint_sha256
        assert scene.file("b").read_text() == other.combined_pem
        assert scene.served("b") == other.fingerprint_sha256
        assert scene.state()["outcome"] == "rolled_back"
        assert new.fingerprint_sha256 in scene.state()["recent_errors"][-1]["message"]

        first.write_text(new.combined_pem)
        scene.haproxy.reload()
        rotation.assert_converges(scene, new)


def test_a_new_certificate_that_is_not_proven_is_removed_again(scene: rotation.Scene) -> None:
    scene.haproxy.write_certificate("aaa.pem", scene.authority.issue("a.example.com").combined_pem)
    scene.haproxy.reload()
    shadowing = scene.served("a")
    issued = scene.store("a")

    with rotation.another_program(scene, "a.example.com") as address:
        run = scene.rotate(binds=[address])

    assert run.returncode != 0
    assert issued.fingerprint_sha256 in run.error
    assert f"{address} for a.example.com serves " in run.error
    assert not scene.file("a").exists()
    assert str(scene.file("a")) not in scene.haproxy.execute("show ssl cert")
    assert scene.served("a") == shadowing


def test_reload_alone_and_its_rollback(aws: MotoServer) -> None:
    """Without a stats socket: every change is a reload, and so is going back."""
    with rotation.scene(aws) as scene:
        old = scene.store("a")
        reload = {"socket": "", "reload_methods": ["master"]}
        run = scene.rotate(**reload)
        assert run.returncode == 0, run.output
        assert run.result("haproxy_rotation")["activation"] == "reload"
        assert scene.served("a") == old.fingerprint_sha256

        new = scene.store("a")
        with rotation.another_program(scene, "a.example.com") as address:
            run = scene.rotate(**reload, binds=[address])
        assert run.returncode != 0
        assert new.fingerprint_sha256 in run.error
        assert f"{address} for a.example.com serves " in run.error
        assert "failed as well" in run.error, "the old one is not served either, and that must be said"
        assert scene.file("a").read_text() == old.combined_pem

        rotation.assert_converges(scene, new, **reload)


def test_configuration_that_does_not_load(aws: MotoServer) -> None:
    """The reload is refused: the old worker serves on, the files go back, HAProxy's own words are told."""
    with rotation.scene(aws) as scene:
        old = scene.store("a")
        reload = {"socket": "", "reload_methods": ["master"]}
        assert scene.rotate(**reload).returncode == 0
        worker = scene.haproxy.worker_pid()
        scene.haproxy.write_config("    bogus keyword")
        new = scene.store("a")

        run = scene.rotate(**reload)

        assert run.returncode != 0
        assert "bogus" in run.error
        assert scene.haproxy.worker_pid() == worker
        assert scene.file("a").read_text() == old.combined_pem
        assert scene.served("a") == old.fingerprint_sha256
        scene.haproxy.write_config()
        rotation.assert_converges(scene, new, **reload)


def test_rollback_that_fails_shows_both_errors(aws: MotoServer) -> None:
    with rotation.second_bind(aws) as (scene, _first, _old):
        assert scene.rotate().returncode == 0
        new = scene.store("a")
        versions = scene.haproxy.certs_dir / ".certops/versions"

        def lose_the_kept_version() -> None:
            deadline = time.monotonic() + BOUND
            while scene.file("a").read_text() != new.combined_pem and time.monotonic() < deadline:
                time.sleep(0.01)
            live = scene.file("a").stat().st_ino
            for version in versions.iterdir():
                if version.stat().st_ino != live:
                    version.unlink()

        thread = threading.Thread(target=lose_the_kept_version)
        thread.start()
        run = scene.rotate()
        thread.join()

        assert run.returncode != 0
        assert new.fingerprint_sha256 in run.error
        assert "failed as well" in run.error
        assert "missing or damaged" in run.error
        assert scene.state()["outcome"] == "failed"


def test_haproxy_refuses_a_certificate(aws: MotoServer) -> None:
    """The rules of its TLS library are stricter than the user's: the file goes back, the others are served."""
    with rotation.scene(aws, extra_global=("ssl-default-bind-ciphers DEFAULT:@SECLEVEL=2",)) as scene:
        old = scene.store("a")
        assert scene.rotate().returncode == 0
        weak = scene.authority.issue("a.example.com", key_type="rsa1024")
        scene.aws.put_secret("web/a", weak.secret_document())
        other = scene.store("b")

        run = scene.rotate(min_rsa_bits=1024, allow_changes=["key_type_changed"])

        assert run.returncode != 0
        assert "web/a: " in run.error
        assert "The previous file is back" in run.error
        assert scene.file("a").read_text() == old.combined_pem
        assert scene.served("a") == old.fingerprint_sha256
        assert scene.served("b") == other.fingerprint_sha256
        assert scene.state()["outcome"] == "rolled_back"
        new = scene.store("a")
        rotation.assert_converges(scene, new)
