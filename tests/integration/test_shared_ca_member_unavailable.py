# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""shared_ca_member where the metadata of the instance, Secrets Manager or the authority are not what they should be."""

from __future__ import annotations

import pathlib
import typing as t

import pytest
from ansible_collections.certops.rotation.tests.support.aws_faults import AwsFaults
from ansible_collections.certops.rotation.tests.support.fork_server import ModuleServer
from ansible_collections.certops.rotation.tests.support.instance_metadata import (
    INSTANCE_ID,
    PATHS,
    InstanceMetadataService,
)
from ansible_collections.certops.rotation.tests.support.moto import MotoServer
from ansible_collections.certops.rotation.tests.support.ports import free_port
from ansible_collections.certops.rotation.tests.support.shared_authority import SharedAuthority
from ansible_collections.certops.rotation.tests.support.shared_member import NAMES, Member


@pytest.fixture
def shared(modules: ModuleServer, faults: AwsFaults, aws: MotoServer) -> SharedAuthority:
    return SharedAuthority(modules, faults, aws)


@pytest.fixture
def member(shared: SharedAuthority, tmp_path: pathlib.Path) -> Member:
    return Member(shared, tmp_path / "joblet")


@pytest.fixture
def metadata(member: Member) -> t.Iterator[InstanceMetadataService]:
    with InstanceMetadataService() as service:
        member.env = service.env
        yield service


def test_on_ec2_names_and_region_come_from_the_metadata(
    shared: SharedAuthority, member: Member, metadata: InstanceMetadataService
) -> None:
    shared.good()
    member.env = {**member.env, "AWS_REGION": "", "AWS_DEFAULT_REGION": ""}
    result = member.four_times(use_secrets_manager="auto", metadata_names=True)
    assert result["source"] == "secrets_manager"
    assert result["instance"] == {"id": INSTANCE_ID, "region": "eu-central-1"}
    assert set(result["server"]["subject_alternative_names"]) == {*NAMES, *list(PATHS.values())[2:]}
    assert metadata.requests[0] == "PUT /latest/api/token"
    metadata.paths["public-ipv4"] = "203.0.113.8"
    assert member.good(use_secrets_manager="auto", metadata_names=True)["server"]["reason"] == "names_changed"
    # A moment without metadata is no reason for another certificate.
    member.env = {"AWS_EC2_METADATA_DISABLED": "true"}
    quiet = member.good(metadata_names=True)
    assert quiet["changed"] is False
    assert "203.0.113.8" in quiet["server"]["subject_alternative_names"]


@pytest.mark.parametrize("wrong", [{"instance-id": "vm-17"}, {"instance-id": "<html>"}, {"placement/region": ""}])
def test_what_answers_like_metadata_and_is_not_ec2(
    shared: SharedAuthority, member: Member, metadata: InstanceMetadataService, wrong: dict[str, str]
) -> None:
    shared.good()
    metadata.paths.update(wrong)
    run = member.run(use_secrets_manager="auto")
    assert run.failed
    assert run.result["reason"] == "not_ec2"


# When Secrets Manager is not there


@pytest.mark.parametrize("reason", ["denied", "unreachable", "other", "not_ec2", "no_region"])
def test_a_good_host_goes_on_untouched_and_a_new_one_fails(
    shared: SharedAuthority, member: Member, reason: str, tmp_path: pathlib.Path
) -> None:
    shared.good()
    member.good(clients=["admin"])
    args: dict[str, t.Any] = {"clients": ["admin"]}
    if reason in ("denied", "other"):
        code = {"denied": "AccessDeniedException", "other": "InvalidRequestException"}[reason]
        shared.faults.fail("DescribeSecret", code)
    elif reason == "unreachable":
        member.env = {"AWS_ENDPOINT_URL": f"http://127.0.0.1:{free_port()}"}
    elif reason == "not_ec2":
        args["use_secrets_manager"] = "auto"
    else:
        member.env = {"AWS_REGION": "", "AWS_DEFAULT_REGION": ""}
    before = member.snapshot()
    kept = member.good(**args)
    assert (kept["source"], kept["reason"], kept["changed"]) == ("kept", reason, False)
    assert kept["server"]["action"] == "unchanged"
    assert len(kept["trusted_fingerprints"]) == 1
    assert member.snapshot() == before
    failing = member.run(**args, on_unavailable="fail")
    assert (failing.failed, failing.result["reason"]) == (True, reason)
    new = Member(shared, tmp_path / "new")
    new.env = member.env
    for choice in ("keep", "fail"):
        run = new.run(**args, on_unavailable=choice)
        assert run.failed
        assert run.result["reason"] == reason
        assert new.snapshot() == {}
    # Good means: all of it.
    (member.path / "client-admin-key.pem").unlink()
    assert "does not have" in member.run(**args).result["msg"]


def test_a_new_host_has_an_authority_of_its_own_only_when_told_to_and_joins_later(
    shared: SharedAuthority, member: Member
) -> None:
    shared.good()
    shared.faults.fail("DescribeSecret", "AccessDeniedException")
    alone = member.four_times(on_unavailable="embedded", clients=["admin"])
    assert (alone["source"], alone["reason"]) == ("embedded", "denied")
    member.assert_whole()
    own = member.path / "embedded"
    assert own.stat().st_mode & 0o777 == 0o700
    assert {file.name: file.stat().st_mode & 0o777 for file in own.iterdir()} == {
        "ca.pem": 0o600,
        "client-admin.pem": 0o600,
    }
    shared.faults.heal()
    joined = member.four_times(on_unavailable="embedded", clients=["admin"])
    assert (joined["source"], joined["server"]["reason"]) == ("secrets_manager", "ca_changed")
    assert joined["trusted_fingerprints"] == [shared.info()["fingerprint_sha256"]]
    # From now on it goes on with what it shares.
    shared.faults.fail("DescribeSecret", "AccessDeniedException")
    assert member.good(on_unavailable="embedded", clients=["admin"])["source"] == "kept"


@pytest.mark.parametrize("choice", ["keep", "embedded"])
def test_absent_and_deleted_are_not_unavailable(shared: SharedAuthority, member: Member, choice: str) -> None:
    run = member.run(on_unavailable=choice)
    assert (run.failed, run.result["reason"]) == (True, "absent")
    assert "Run certops.rotation.shared_ca first" in run.result["msg"]
    shared.good()
    shared.client.delete_secret(SecretId="joblet/ca-cert")
    run = member.run(on_unavailable=choice)
    assert (run.failed, run.result["reason"]) == (True, "deleted")
    assert member.snapshot() == {}


def test_without_secrets_manager_there_is_no_call(shared: SharedAuthority, member: Member) -> None:
    result = member.four_times(use_secrets_manager="false", clients=["admin", "ci"])
    assert result["source"] == "embedded"
    assert shared.faults.requests == []
    member.assert_whole()
    assert "OU=ci" in result["clients"]["ci"]["subject"]
    assert member.certificate("ca.pem").subject.rfc4514_string().startswith("CN=Joblet-CA,OU=CA")
    (member.path / "embedded" / "ca.pem").write_text("garbage")
    broken = member.run(use_secrets_manager="false")
    assert broken.failed
    assert "does not hold one certificate, with those from it to its root, and its key" in broken.result["msg"]


# Refused before anything is written


def test_a_torn_authority_issues_nothing(shared: SharedAuthority, member: Member, aws: MotoServer) -> None:
    shared.good()
    member.good()
    before = member.snapshot()
    other = SharedAuthority(shared.modules, shared.faults, aws, "other")
    other.good()
    shared.client.put_secret_value(SecretId="joblet/ca-key", SecretString=other.text("ca-key"))
    shared.client.put_secret_value(SecretId="joblet/ca-key", SecretString=other.text("ca-key") + "\n")
    torn = member.run(server_names=["joblet"])
    assert torn.failed
    assert "is its private key" in torn.result["msg"]
    assert member.good()["changed"] is False, "who issues nothing does not need the key"
    assert member.snapshot() == before
