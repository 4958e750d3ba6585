# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The playbook rollback: the version before is on disk and served again, and clients never notice."""

from __future__ import annotations

import typing as t

from ansible_collections.certops.rotation.tests.support import pki, rotation
from ansible_collections.certops.rotation.tests.support.playbook import PlaybookRun, run_playbook

ROLLBACK = "certops.rotation.rollback"


def go_back(scene: rotation.Scene, *names: str, check: bool = False, **variables: t.Any) -> PlaybookRun:
    extra = {"rollback_names": list(names)} if names else {}
    return run_playbook({**scene.variables, **variables, **extra}, playbook=ROLLBACK, env=scene.aws.env, check=check)


def renewed(scene: rotation.Scene) -> tuple[pki.IssuedCertificate, pki.IssuedCertificate]:
    """Certificate a, twice. Both were served."""
    versions = []
    for _time in range(2):
        versions.append(scene.store("a"))
        run = scene.rotate()
        assert run.returncode == 0, run.output
    return versions[0], versions[1]


def test_back_on_disk_in_memory_and_proven(scene: rotation.Scene) -> None:
    first, second = renewed(scene)
    check = go_back(scene, "web/a", check=True)
    assert check.returncode == 0, check.output
    assert check.result("certificate_rollback")["changed"] is True
    assert scene.served("a") == second.fingerprint_sha256
    with rotation.Client(scene, "a") as client:
        run = go_back(scene, "web/a")
    assert run.returncode == 0, run.output
    assert run.modules == ["certificate_rollback", "haproxy_certificate", "rotation_status_info", "rotation_record"]
    assert scene.served("a") == first.fingerprint_sha256
    assert scene.file("a").read_text() == first.combined_pem
    assert client.failures == []
    assert client.made > 0
    state = scene.state()
    assert (state["outcome"], state["activation"], state["newly_proven"]) == ("proven", "hot_update", ["web/a"])
    # As long as the secret's current version is the other one, the next rotation brings it again.
    rotation.assert_converges(scene, second)


def test_by_a_reload_where_there_is_no_socket(scene: rotation.Scene) -> None:
    first, _second = renewed(scene)
    reload = {"haproxy_certificates_socket": "", "haproxy_certificates_reload_methods": ["master"]}
    run = go_back(scene, "web/a", **reload)
    assert run.returncode == 0, run.output
    assert "haproxy_reload" in run.modules
    assert scene.served("a") == first.fingerprint_sha256
    assert scene.state()["activation"] == "reload"


def test_what_is_not_served_fails(scene: rotation.Scene) -> None:
    renewed(scene)
    run = go_back(scene, "web/a", haproxy_certificates_binds=["127.0.0.1:9"])
    assert run.returncode == 2
    assert "These are back on disk, but handshakes do not get them: web/a" in run.error
    assert scene.state()["outcome"] == "failed"


def test_names_are_needed(scene: rotation.Scene) -> None:
    run = go_back(scene)
    assert run.returncode == 2
    assert "Name the secrets" in run.error
    run = go_back(scene, "web/unknown")
    assert run.returncode == 2
    assert "web/unknown" in run.error
