# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The playbook rotate from the secret to the served certificate; run_playbook greps every output for private keys."""

from __future__ import annotations

import datetime

import pytest
from ansible_collections.certops.rotation.tests.support import pki, rotation


def test_from_first_run_to_renewal(scene: rotation.Scene) -> None:
    first = {name: scene.store(name) for name in ("a", "b")}
    worker = scene.haproxy.worker_pid()

    predicted = scene.rotate(check=True)
    assert predicted.returncode == 0, predicted.output
    assert predicted.modules == ["haproxy_rotation"]
    assert [item["action"] for item in predicted.result("haproxy_rotation")["certificates"]] == ["created", "created"]
    assert not scene.file("a").exists()

    deployed = scene.rotate()
    assert deployed.returncode == 0, deployed.output
    assert scene.served("a") == first["a"].fingerprint_sha256
    assert scene.served("b") == first["b"].fingerprint_sha256
    state = scene.state()
    assert (state["outcome"], state["activation"]) == ("proven", "hot_update")

    disk, connections = scene.disk(), scene.runtime_connections()
    for check in (True, False):
        unchanged = scene.rotate(check=check)
        assert unchanged.returncode == 0, unchanged.output
        assert unchanged.modules == ["haproxy_rotation"]
        assert unchanged.changed == []
        assert unchanged.result("haproxy_rotation")["api_calls"] == {"ListSecrets": 1}
    assert scene.disk() == disk
    assert scene.runtime_connections() == connections + 1, "HAProxy was asked for something"

    renewed = scene.store("a")
    assert scene.rotate(check=True).changed == ["Rotate certificates"]
    with rotation.Client(scene, "a") as client:
        run = scene.rotate()
        assert run.returncode == 0, run.output
    assert scene.served("a") == renewed.fingerprint_sha256
    assert client.served == [first["a"].fingerprint_sha256, renewed.fingerprint_sha256]
    assert client.failures == []
    assert client.made > 20
    assert scene.haproxy.worker_pid() == worker
    assert scene.rotate().changed == []


def test_seven_bad_ones_among_300(scene: rotation.Scene) -> None:
    """Each of the 293 good ones is served, each of the 7 is named with its problem, and nothing bad is on disk."""
    key = pki.new_key()
    now = datetime.datetime.now(datetime.timezone.utc)
    good = {f"n{number}": scene.authority.issue(f"n{number}.example.com", key=key) for number in range(293)}
    stranger = pki.CertificateAuthority("Stranger")
    issue = scene.authority.issue
    other_key = pki.private_key_pem(pki.new_key())
    bad = {
        "expired": issue("bad1.example.com", not_after=now - datetime.timedelta(hours=1)).secret_document(),
        "not_yet_valid": issue("bad2.example.com", not_before=now + datetime.timedelta(days=1)).secret_document(),
        "private_key_mismatch": issue("bad3.example.com").secret_document(private_key=other_key),
        "domain_not_covered": issue("bad4.example.com").secret_document(domain_name="other.example.com"),
        "rsa_key_too_small": issue("bad5.example.com", key_type="rsa1024").secret_document(),
        "chain_incomplete": issue("bad6.example.com").secret_document(certificate_chain=stranger.certificate_pem),
        "no_certificate": "this is no certificate",
    }
    for name, issued in good.items():
        scene.aws.put_secret(rotation.PREFIX + name, issued.secret_document())
    for code, document in bad.items():
        scene.aws.put_secret(f"{rotation.PREFIX}bad-{code}", document)

    run = scene.rotate()

    assert run.returncode != 0
    items = {item["name"]: item for item in run.of("haproxy_rotation")[0].result["certificates"]}
    refused = {name: item for name, item in items.items() if item["action"] == "refused"}
    assert set(refused) == {f"{rotation.PREFIX}bad-{code}" for code in bad}
    assert len({item["problems"][0]["code"] for item in refused.values()}) == len(bad)
    for name in refused:
        assert f"{name}: " in run.error, run.error
    assert len(run.error.splitlines()) < 25, "does not fit a screen"
    assert {name: scene.served(name) for name in good} == {name: made.fingerprint_sha256 for name, made in good.items()}
    assert not list(scene.haproxy.certs_dir.glob("*bad*"))
    state = scene.state()
    assert len(state["newly_proven"]) == len(good)
    assert len(state["failures"]) == len(bad)

    disk, connections = scene.disk(), scene.runtime_connections()
    again = scene.rotate()
    assert again.returncode != 0
    assert again.changed == []
    assert scene.disk() == disk
    assert scene.runtime_connections() == connections + 1


@pytest.mark.usefixtures("ansible_version")
def test_a_key_that_does_not_match_never_reaches_haproxy(scene: rotation.Scene) -> None:
    served = scene.store("a")
    assert scene.rotate().returncode == 0
    connections = scene.runtime_connections()

    scene.store("a", private_key=pki.private_key_pem(pki.new_key()))
    run = scene.rotate()

    assert run.returncode != 0
    assert "web/a: " in run.error
    assert "private_key_mismatch" in run.error
    assert run.result("haproxy_rotation")["activation"] == "none"
    assert scene.runtime_connections() == connections + 1
    assert scene.file("a").read_text() == served.combined_pem
    assert scene.served("a") == served.fingerprint_sha256


def test_prune_removes_from_memory_and_disk(scene: rotation.Scene) -> None:
    scene.store("a")
    scene.store("b")
    assert scene.rotate().returncode == 0
    scene.aws.client().delete_secret(SecretId="web/b", ForceDeleteWithoutRecovery=True)

    kept = scene.rotate()
    assert (kept.returncode, kept.changed) == (0, [])
    assert scene.file("b").exists()

    predicted = scene.rotate(check=True, prune=True)
    assert (predicted.returncode, scene.file("b").exists()) == (0, True)
    (plan,) = [task.result["msg"] for task in predicted.tasks if task.task == "Show the plan"]
    assert [(line.split()[0], line.split()[-1]) for line in plan[1:]] == [("unchanged", "web/a"), ("removed", "web/b")]
    pruned = scene.rotate(prune=True)
    assert pruned.returncode == 0, pruned.output
    assert not scene.file("b").exists()
    assert str(scene.file("b")) not in scene.haproxy.execute("show ssl cert")
    assert str(scene.file("a")) in scene.haproxy.execute("show ssl cert")
    assert scene.rotate(prune=True).changed == []


def test_a_run_that_ended_between_disk_and_memory_is_completed_by_the_next(scene: rotation.Scene) -> None:
    scene.store("a")
    scene.store("b")
    assert scene.rotate().returncode == 0
    renewed = scene.store("a")
    scene.aws.client().delete_secret(SecretId="web/b", ForceDeleteWithoutRecovery=True)

    assert scene.rotate(prune=True, activate=False).returncode == 0
    assert not scene.file("b").exists()
    assert str(scene.file("b")) in scene.haproxy.execute("show ssl cert")
    assert scene.served("a") != renewed.fingerprint_sha256

    assert scene.rotate(prune=True).returncode == 0
    assert str(scene.file("b")) not in scene.haproxy.execute("show ssl cert")
    assert scene.served("a") == renewed.fingerprint_sha256
    assert scene.rotate(prune=True).changed == []


def test_files_only(scene: rotation.Scene) -> None:
    """For a host whose HAProxy is started afterwards; the next run with activation takes up what was left."""
    issued = scene.store("a")
    connections = scene.runtime_connections()
    run = scene.rotate(activate=False, socket="/nonexistent/socket")
    assert run.returncode == 0, run.output
    assert run.modules == ["haproxy_rotation"]
    assert scene.file("a").read_text() == issued.combined_pem
    assert scene.runtime_connections() == connections + 1
    assert scene.rotate(activate=False).changed == []

    activated = scene.rotate()
    assert activated.returncode == 0, activated.output
    assert scene.served("a") == issued.fingerprint_sha256


def test_without_proof_haproxys_word_counts(scene: rotation.Scene) -> None:
    issued = scene.store("a")
    handshakes = scene.handshakes()
    run = scene.rotate(prove=False, config=[])
    assert run.returncode == 0, run.output
    assert scene.handshakes() == handshakes, "it was asked what it serves"
    assert scene.served("a") == issued.fingerprint_sha256
    assert scene.rotate(prove=False, config=[]).changed == []
