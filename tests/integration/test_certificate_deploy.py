# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""certificate_deploy: what was pushed becomes live, whole or not at all, and the pusher is told."""

from __future__ import annotations

import pathlib

import pytest
from ansible_collections.certops.rotation.tests.support.fork_server import ModuleServer
from ansible_collections.certops.rotation.tests.support.pki import CertificateAuthority
from ansible_collections.certops.rotation.tests.support.receiver import Receiver


@pytest.fixture(scope="module")
def authority() -> CertificateAuthority:
    return CertificateAuthority("Test Intermediate", parent=CertificateAuthority())


@pytest.fixture
def receiver(modules: ModuleServer, tmp_path: pathlib.Path) -> Receiver:
    return Receiver(modules, tmp_path)


def test_from_staging_to_live(receiver: Receiver, authority: CertificateAuthority) -> None:
    first = authority.issue("a.example.com")
    receiver.stage(first)
    check = receiver.deploy(check=True)
    assert check.result["changed"]
    assert not receiver.live.exists()
    assert len(receiver.staged()) == 1
    result = receiver.deployed()
    assert [item["action"] for item in result["lineages"]] == ["created"]
    assert receiver.fingerprints() == {"a.example.com": first.fingerprint_sha256}
    assert receiver.staged() == []
    receipt = receiver.receipt("a.example.com")
    assert (receipt["state"], receipt["fingerprint_sha256"]) == ("deployed", first.fingerprint_sha256)
    assert receiver.left_over() == []
    again = receiver.deployed()
    assert (again["changed"], again["lineages"]) == (False, [])


def test_identical_content_changes_nothing(receiver: Receiver, authority: CertificateAuthority) -> None:
    issued = authority.issue("a.example.com")
    receiver.stage(issued)
    receiver.deployed()
    before = (receiver.live / "a.example.com").readlink()
    for named in (True, False):
        receiver.stage(issued, named=named)
        result = receiver.deployed()
        assert not result["changed"]
        assert [item["action"] for item in result["lineages"]] == ["unchanged"]
        assert receiver.staged() == []
        assert (receiver.live / "a.example.com").readlink() == before
