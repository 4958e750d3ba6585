# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What older services got wrong, as far as no other test is about it. A table in docs/operations.md names them all."""

from __future__ import annotations

import pathlib

from ansible_collections.certops.rotation.tests.support import rotation
from ansible_collections.certops.rotation.tests.support.aws_faults import AwsFaults
from ansible_collections.certops.rotation.tests.support.moto import MotoServer
from ansible_collections.certops.rotation.tests.support.pki import CertificateAuthority
from ansible_collections.certops.rotation.tests.support.prometheus import samples
from ansible_collections.certops.rotation.tests.support.sync import SyncTarget, actions


def test_a_new_chain_for_the_same_leaf_is_written(
    aws: MotoServer, target: SyncTarget, intermediate: CertificateAuthority
) -> None:
    """Comparing leaves alone does not see it, and comparing a leaf with the whole file never ends."""
    issued = intermediate.issue("a.example.com")
    chains = {"without": None, "with": issued.chain_pem, "without again": None}
    for chain in chains.values():
        aws.put_secret("a", issued.secret_document(certificate_chain=chain))
        _check, run, _check_again, _again = target.sync_four_times(names=["a"])
        assert actions(run)["a"] in ("created", "updated")
        (content,) = target.live_files().values()
        assert content.decode().count("BEGIN CERTIFICATE") == (2 if chain else 1)


def test_what_is_not_selected_is_never_read(
    aws: MotoServer, target: SyncTarget, faults: AwsFaults, intermediate: CertificateAuthority
) -> None:
    document = intermediate.issue("a.example.com").secret_document()
    for name, environment in (("one", "production"), ("two", "production"), ("three", "staging")):
        aws.put_secret(name, document, tags={"Environment": environment})
    target.sync(tags={"Environment": "production"})
    (batch,) = faults.bodies("BatchGetSecretValue")
    assert [arn.rpartition(":")[2][:-7] for arn in batch["SecretIdList"]] == ["one", "two"]
    assert faults.counts() == {"ListSecrets": 1, "BatchGetSecretValue": 1}


def test_three_bad_ones_of_five_are_no_success(scene: rotation.Scene, tmp_path: pathlib.Path) -> None:
    """Neither to the caller, nor in the state file, nor in the metrics; the two good ones are served."""
    good = {name: scene.store(name) for name in ("a", "b")}
    scene.aws.put_secret("web/json", '{"certificate": ')
    scene.store("keyless", private_key=None)
    stranger = CertificateAuthority().issue("x.example.com")
    scene.store("mismatch", private_key=stranger.private_key_pem)
    textfile = tmp_path / "rotation.prom"
    run = scene.rotate(metrics_textfile=str(textfile))
    assert run.returncode == 2
    for name, code in (
        ("json", "document_invalid"),
        ("keyless", "field_missing"),
        ("mismatch", "private_key_mismatch"),
    ):
        assert f"web/{name}: " in run.error
        assert f"[{code}]" in run.error
    for name, issued in good.items():
        assert scene.served(name) == issued.fingerprint_sha256
    state = scene.state()
    assert len(state["failures"]) == 3
    assert state["recent_errors"]
    assert state["last_success_at"] is None
    found = samples(textfile.read_text())
    assert found['cert_sync_operations_total{status="error"}'] == 1
    assert found.get('cert_sync_operations_total{status="success"}', 0) == 0
