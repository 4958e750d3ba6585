# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""rotation_record: what was proven is remembered once, and how runs ended can be read."""

from __future__ import annotations

import json
import stat

import pytest
from ansible_collections.certops.rotation.tests.support.moto import MotoServer
from ansible_collections.certops.rotation.tests.support.pki import CertificateAuthority
from ansible_collections.certops.rotation.tests.support.sync import SyncTarget

NAMES = ["web/a", "web/b"]


@pytest.fixture
def deployed(aws: MotoServer, target: SyncTarget, intermediate: CertificateAuthority) -> SyncTarget:
    for name in NAMES:
        aws.put_secret(name, intermediate.issue([f"{name[-1]}.example.com"]).secret_document())
    target.sync(name_prefix="web/")
    return target


def _state(target: SyncTarget) -> dict[str, object]:
    state: dict[str, object] = json.loads((target.path / ".certops" / "state.json").read_text())
    return state


def test_proven_once(deployed: SyncTarget) -> None:
    assert deployed.sync(name_prefix="web/").result["pending"] == NAMES
    before = deployed.snapshot()
    check = deployed.module("rotation_record", outcome="proven", activation="reload", check=True)
    assert deployed.snapshot() == before
    run = deployed.module("rotation_record", outcome="proven", activation="reload")
    assert check.result["changed"] is run.result["changed"] is True
    assert run.result["diff"]["after"] == {"newly_proven": NAMES}
    state = _state(deployed)
    assert state == run.result["state"]
    assert (state["outcome"], state["activation"], state["newly_proven"]) == ("proven", "reload", NAMES)
    assert state["last_success_at"] == state["finished_at"]
    recorded = deployed.snapshot()
    assert stat.S_IMODE((deployed.path / ".certops" / "state.json").stat().st_mode) == 0o600
    for check_mode in (True, False):
        again = deployed.module("rotation_record", outcome="proven", activation="none", check=check_mode)
        assert again.result["changed"] is False
        assert again.result["state"] == state
        stamp = {} if check_mode else {".certops/last-success": ("0o600", 0, 0, b"")}
        assert deployed.snapshot() == {**recorded, **stamp}
    sync = deployed.sync(name_prefix="web/")
    assert (sync.result["changed"], sync.result["pending"]) == (False, [])


def test_some_proven(deployed: SyncTarget) -> None:
    run = deployed.module("rotation_record", outcome="proven", names=["web/b"])
    assert run.result["state"]["newly_proven"] == ["web/b"]
    assert {name: each["proven"] for name, each in run.result["state"]["certificates"].items()} == {
        "web/a": False,
        "web/b": True,
    }
    assert deployed.sync(name_prefix="web/").result["pending"] == ["web/a"]


def test_renewed_one_is_pending_again(
    deployed: SyncTarget, aws: MotoServer, intermediate: CertificateAuthority
) -> None:
    deployed.module("rotation_record", outcome="proven")
    aws.put_secret("web/a", intermediate.issue(["a.example.com"]).secret_document())
    assert deployed.sync(name_prefix="web/").result["pending"] == ["web/a"]
    run = deployed.module("rotation_record", outcome="proven")
    assert run.result["state"]["newly_proven"] == ["web/a"]


@pytest.mark.parametrize("outcome", ["failed", "rolled_back"])
def test_every_bad_end_is_recorded(deployed: SyncTarget, outcome: str) -> None:
    proven = deployed.module("rotation_record", outcome="proven").result["state"]
    for number in range(7):
        run = deployed.module("rotation_record", outcome=outcome, reason=f"error {number}")
        assert run.result["changed"] is True
    state = _state(deployed)
    assert state["outcome"] == outcome
    assert state["last_success_at"] == proven["finished_at"]
    errors = state["recent_errors"]
    assert isinstance(errors, list)
    assert [error["message"] for error in errors] == [f"error {number}" for number in range(2, 7)]
    recovered = deployed.module("rotation_record", outcome="proven")
    assert (recovered.result["changed"], recovered.result["state"]["newly_proven"]) == (True, [])


def test_proven_with_failures_is_no_success(deployed: SyncTarget) -> None:
    failures = ["web/c: expired [expired]"]
    state = deployed.module("rotation_record", outcome="proven", failures=failures).result["state"]
    assert state["last_success_at"] is None
    assert state["failures"] == failures
    assert deployed.module("rotation_record", outcome="proven", failures=failures).result["changed"] is False
    assert deployed.module("rotation_record", outcome="proven").result["changed"] is True


def test_unknown_name(deployed: SyncTarget) -> None:
    run = deployed.module("rotation_record", outcome="proven", names=["nobody"])
    assert run.failed
    assert "nobody" in run.result["msg"]
    assert not (deployed.path / ".certops" / "state.json").exists()


@pytest.mark.parametrize("damage", ["", "[]", "{", '{"recent_errors": 5, "failures": {}}'])
def test_damaged_state_is_written_anew(deployed: SyncTarget, damage: str) -> None:
    (deployed.path / ".certops" / "state.json").write_text(damage)
    run = deployed.module("rotation_record", outcome="failed", reason="m")
    assert not run.failed, run.result
    assert [error["message"] for error in _state(deployed)["recent_errors"]] == ["m"]  # type: ignore[attr-defined]


@pytest.mark.parametrize("check", [True, False])
def test_directory_that_was_never_written_to(target: SyncTarget, check: bool) -> None:
    run = target.module("rotation_record", outcome="failed", reason="m", check=check)
    assert run.failed
    assert "is no directory that certificate_sync has written to" in run.result["msg"]
    assert not target.path.exists()
