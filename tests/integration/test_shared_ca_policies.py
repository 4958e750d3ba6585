# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The IAM policies for the shared authority allow every call that their roles make, and nothing that none makes."""

from __future__ import annotations

import json
import pathlib
import re
import typing as t

import pytest
from ansible_collections.certops.rotation.tests.support.aws_faults import AwsFaults
from ansible_collections.certops.rotation.tests.support.fork_server import ModuleServer
from ansible_collections.certops.rotation.tests.support.moto import MotoServer
from ansible_collections.certops.rotation.tests.support.shared_authority import SharedAuthority
from ansible_collections.certops.rotation.tests.support.shared_member import Member

IAM = pathlib.Path(__file__).parents[2] / "docs" / "iam"


def allowed(policy: str) -> set[str]:
    """The operations, of which those on single secrets are limited to one prefix."""
    statements: list[dict[str, t.Any]] = json.loads((IAM / policy).read_text())["Statement"]
    operations = set()
    for statement in statements:
        actions = statement["Action"] if isinstance(statement["Action"], list) else [statement["Action"]]
        names = {action.partition(":")[2] for action in actions}
        whole = "*" if names == {"ListSecrets"} else "arn:aws:secretsmanager:eu-central-1:123456789012:secret:joblet/*"
        assert statement["Resource"] == whole
        operations |= names
    return operations


@pytest.fixture
def shared(modules: ModuleServer, faults: AwsFaults, aws: MotoServer) -> SharedAuthority:
    return SharedAuthority(modules, faults, aws)


def used(shared: SharedAuthority) -> set[str]:
    """Operations since this was asked before. TagResource is what CreateSecret with tags needs."""
    operations = set(shared.faults.counts())
    if any(body.get("Tags") for body in shared.faults.bodies("CreateSecret")):
        operations.add("TagResource")
    shared.faults.requests.clear()
    return operations


def test_policies_are_complete_and_no_larger(shared: SharedAuthority, tmp_path: pathlib.Path) -> None:
    # Created, a client revoked and let in again: what any instance may come to do.
    shared.good()
    shared.good(clients=[{"name": "ci"}])
    shared.good(clients=[{"name": "ci", "state": "revoked"}])
    shared.good(clients=[{"name": "ci"}])
    assert used(shared) == allowed("shared-ca-bootstrap.json")
    member = Member(shared, tmp_path / "joblet")
    member.good(clients=["ci"])
    member.good(clients=["ci"])
    assert used(shared) == allowed("shared-ca-member.json")
    for step in ("publish", "promote", "finish"):
        assert not shared.rotate(step).failed
    shared.good(force=True)
    shared.good(clients=[{"name": "ci", "state": "revoked"}])  # as the playbook may, before it begins
    assert used(shared) | {"CreateSecret", "TagResource"} == allowed("shared-ca-rotate.json")


def test_the_guide_names_what_cloudtrail_records(shared: SharedAuthority, tmp_path: pathlib.Path) -> None:
    """Each call that is made, none that is not, and a command that asks for one whose calls tell who has issued."""
    section = (IAM.parent / "shared-ca.md").read_text().partition("\n## Who did what\n")[2].partition("\n## ")[0]
    named = set(re.findall(r"`([A-Z][A-Za-z]+)`", section))
    for clients in ([], [{"name": "ci"}], [{"name": "ci", "state": "revoked"}], [{"name": "ci"}]):
        shared.good(clients=clients)
    assert set(shared.faults.counts()) == named

    (secret,) = re.findall(r"AttributeKey=ResourceName,AttributeValue=(\S+)", section)

    def reads_of_the_key() -> int:
        """By a host without the right to write, since this was asked before."""
        asked = [body["SecretId"] for body in shared.faults.bodies("GetSecretValue")]
        shared.faults.requests.clear()
        return sum(re.search(rf"(^|:secret:){re.escape(secret)}(-\w+)?$", each) is not None for each in asked)

    reads_of_the_key()
    member = Member(shared, tmp_path / "joblet")
    member.good(clients=["ci"])
    assert reads_of_the_key() == 1, "a server certificate was issued"
    member.good(clients=["ci"])
    assert reads_of_the_key() == 0, "nothing was"
    member.good(clients=["ci"], server_names=["another.example.com"])
    assert reads_of_the_key() == 1
