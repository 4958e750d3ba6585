# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The playbook rollback: the version before is on disk and served again, and clients never notice."""

from __future__ import annotations

import json
import pathlib
import typing as t

import pytest
from ansible_collections.certops.rotation.tests.support import pki, rotation
from ansible_collections.certops.rotation.tests.support.aws_faults import AwsFaults
from ansible_collections.certops.rotation.tests.support.fork_server import ModuleServer
from ansible_collections.certops.rotation.tests.support.playbook import PlaybookRun, run_playbook

ROLLBACK = "certops.rotation.rollback"
Pair = tuple[pki.IssuedCertificate, pki.IssuedCertificate]


def go_back(
    scene: rotation.Scene,
    *names: str,
    check: bool = False,
    env: t.Mapping[str, str] | None = None,
    hosts: t.Sequence[str] = ("host",),
    **variables: t.Any,
) -> PlaybookRun:
    extra = {"rollback_names": list(names)} if names else {}
    everything = {**scene.variables, **variables, **extra}
    return run_playbook(everything, playbook=ROLLBACK, env=env or scene.aws.env, check=check, hosts=hosts)


@pytest.fixture
def renewed(scene: rotation.Scene, modules: ModuleServer) -> Pair:
    """Certificate a, twice. Both were served. As the role does it, in a fraction of the time."""
    versions = []
    path = str(scene.haproxy.certs_dir)
    for _time in range(2):
        versions.append(scene.store("a"))
        for module, options in (
            ("certificate_sync", {"path": path, "name_prefix": rotation.PREFIX}),
            ("haproxy_certificate", {"socket": scene.haproxy.socket, "certificates": [{"src": str(scene.file("a"))}]}),
            ("rotation_record", {"path": path, "outcome": "proven", "activation": "hot_update"}),
        ):
            run = modules.run(module, options, env=scene.aws.env)
            assert not run.failed, run.output
    return versions[0], versions[1]


def test_back_on_disk_in_memory_and_proven(scene: rotation.Scene, renewed: Pair) -> None:
    first, second = renewed
    check = go_back(scene, "web/a", check=True)
    assert check.returncode == 0, check.output
    assert check.result("haproxy_rotation")["changed"] is True
    assert scene.served("a") == second.fingerprint_sha256
    with rotation.Client(scene, "a") as client:
        run = go_back(scene, "web/a")
    assert run.returncode == 0, run.output
    assert run.modules == ["certificate_rollback", "haproxy_rotation"]
    assert "Served again: web/a" in run.output
    assert scene.served("a") == first.fingerprint_sha256
    assert scene.file("a").read_text() == first.combined_pem
    assert client.failures == []
    assert client.made > 0
    state = scene.state()
    assert (state["outcome"], state["activation"], state["newly_proven"]) == ("proven", "hot_update", ["web/a"])
    # As long as the secret's current version is the other one, the next rotation brings it again.
    rotation.assert_converges(scene, second)


def current(scene: rotation.Scene) -> str:
    """Leaf of the secret's current version. (Asked for by its label: the emulator forgets a move otherwise.)"""
    stored = scene.aws.client().get_secret_value(SecretId="web/a", VersionStage="AWSCURRENT")
    return str(json.loads(stored["SecretString"])["certificate"])


def test_the_secret_goes_back_too_and_the_next_rotation_changes_nothing(scene: rotation.Scene) -> None:
    first = scene.store("a")
    assert scene.rotate().returncode == 0
    second = scene.store("a")
    assert scene.rotate().returncode == 0
    check = go_back(scene, "web/a", check=True, rollback_secrets=True)
    assert check.returncode == 0, check.output
    assert check.result("certificate_secret_stage")["changed"] is True
    assert (current(scene), scene.served("a")) == (second.certificate_pem, second.fingerprint_sha256)
    run = go_back(scene, "web/a", rollback_secrets=True)
    assert run.returncode == 0, run.output
    assert run.modules[:3] == ["certificate_rollback", "certificate_secret_stage", "haproxy_rotation"]
    assert [item["name"] for item in run.result("certificate_secret_stage")["secrets"]] == ["web/a"]
    assert (current(scene), scene.served("a")) == (first.certificate_pem, first.fingerprint_sha256)
    again = scene.rotate()
    assert again.returncode == 0, again.output
    assert again.changed == []
    assert scene.served("a") == first.fingerprint_sha256


def test_a_newer_version_that_nobody_has_seen_stops_it(scene: rotation.Scene, renewed: Pair) -> None:
    _first, second = renewed
    newer = scene.store("a")
    before = scene.disk()
    run = go_back(scene, "web/a", rollback_secrets=True)
    assert run.returncode == 2
    assert "Somebody has stored another version meanwhile" in run.error
    assert (current(scene), scene.served("a")) == (newer.certificate_pem, second.fingerprint_sha256)
    assert scene.disk() == before


def test_the_controller_does_it_once_for_all_hosts(scene: rotation.Scene, renewed: Pair, faults: AwsFaults) -> None:
    """Hosts that share a directory here stand for hosts that have the same certificate: one may be done already."""
    first, _second = renewed
    run = go_back(
        scene,
        "web/a",
        env=faults.env,
        hosts=("one", "two"),
        check=True,
        rollback_secrets=True,
        rollback_delegate="localhost",
        # What hosts have for themselves is not for the controller.
        haproxy_certificates_aws={"profile": "of-the-hosts"},
        haproxy_certificates_rollback_aws={},
    )
    assert run.returncode == 0, run.output
    assert len({task.host for task in run.of("certificate_rollback")}) == 2
    assert all(task.status == "ok" for task in run.of("certificate_rollback"))
    (moved,) = run.of("certificate_secret_stage")
    assert len(moved.result["secrets"]) == 1
    assert faults.counts() == {"DescribeSecret": 1}
    run = go_back(scene, "web/a", env=faults.env, rollback_secrets=True, rollback_delegate="localhost")
    assert run.returncode == 0, run.output
    assert (current(scene), scene.served("a")) == (first.certificate_pem, first.fingerprint_sha256)


def test_without_the_right_nothing_changes_anywhere(scene: rotation.Scene, renewed: Pair, faults: AwsFaults) -> None:
    _first, second = renewed
    before = scene.disk()
    faults.fail("UpdateSecretVersionStage", "AccessDeniedException")
    run = go_back(scene, "web/a", env=faults.env, rollback_secrets=True)
    assert run.returncode == 2
    assert "UpdateSecretVersionStage of secret" in run.error
    assert scene.disk() == before
    assert scene.served("a") == second.fingerprint_sha256


def test_by_a_reload_where_there_is_no_socket(scene: rotation.Scene, renewed: Pair) -> None:
    first, _second = renewed
    reload = {"haproxy_certificates_socket": "", "haproxy_certificates_reload_methods": ["master"]}
    run = go_back(scene, "web/a", **reload)
    assert run.returncode == 0, run.output
    assert run.result("haproxy_rotation")["activation"] == "reload"
    assert scene.served("a") == first.fingerprint_sha256
    assert scene.state()["activation"] == "reload"


def test_the_first_version_is_not_taken_away(scene: rotation.Scene) -> None:
    """As every host is before its first renewal: served, proven, and the only one."""
    issued = scene.store("a")
    assert scene.rotate().returncode == 0
    before = scene.disk()
    for check in (True, False):
        run = go_back(scene, "web/a", check=check, rollback_secrets=True)
        assert run.returncode == 2
        assert "host: web/a: there is no version before" in run.error
        assert "Nothing was changed on any host." in run.error
        assert run.modules == ["certificate_rollback"]
        assert "Served again" not in run.output
    assert scene.disk() == before
    assert scene.served("a") == issued.fingerprint_sha256


def test_one_host_without_a_version_before_keeps_all_as_they_are(
    scene: rotation.Scene, renewed: Pair, modules: ModuleServer, tmp_path: pathlib.Path
) -> None:
    """All hosts are looked at before the first one is touched, and all that cannot go back are named."""
    _first, second = renewed
    new = {"path": str(tmp_path / "new"), "name_prefix": rotation.PREFIX}
    assert not modules.run("certificate_sync", new, env=scene.aws.env).failed
    before = scene.disk()
    run = go_back(
        scene,
        "web/a",
        hosts=("one", "new", "three", "empty"),
        haproxy_certificates_path="{{ '"
        + str(tmp_path)
        + "/' ~ inventory_hostname if inventory_hostname in ['new', 'empty'] else '"
        + str(scene.haproxy.certs_dir)
        + "' }}",
        rollback_secrets=True,
    )
    assert run.returncode == 2
    lines = run.error.splitlines()
    assert lines[0] == "Nothing was changed on any host."
    assert any(line.startswith("new: web/a: there is no version before") for line in lines)
    assert any(line.startswith("empty: No certificate was deployed to") for line in lines)
    assert not any(line.startswith(("one:", "three:")) for line in lines)
    assert set(run.modules) == {"certificate_rollback"}
    assert scene.disk() == before
    assert (current(scene), scene.served("a")) == (second.certificate_pem, second.fingerprint_sha256)


@pytest.mark.usefixtures("renewed")
def test_what_is_not_served_fails(scene: rotation.Scene) -> None:
    run = go_back(scene, "web/a", haproxy_certificates_binds=["127.0.0.1:9"])
    assert run.returncode == 2
    assert "These are back on disk, but handshakes do not get them: web/a" in run.error
    assert scene.state()["outcome"] == "failed"


def test_names_are_needed(scene: rotation.Scene) -> None:
    run = go_back(scene)
    assert run.returncode == 2
    assert "Name the secrets" in run.error
    run = run_playbook(scene.variables, playbook=ROLLBACK, env=scene.aws.env, extra={"rollback_names": []})
    assert run.returncode == 2
    assert "name the secrets" in run.error
    run = go_back(scene, "web/unknown")
    assert run.returncode == 2
    assert "web/unknown" in run.error
