# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""certificate_secret_stage: a label moves to a version that is there, for all secrets or for none."""

from __future__ import annotations

import json
import pathlib
import typing as t

import pytest
from ansible_collections.certops.rotation.tests.support.aws_faults import AwsFaults
from ansible_collections.certops.rotation.tests.support.fork_server import ModuleServer
from ansible_collections.certops.rotation.tests.support.module import ModuleRun
from ansible_collections.certops.rotation.tests.support.moto import REGION, MotoServer

POLICY = pathlib.Path(__file__).parents[2] / "docs" / "iam" / "move-current.json"

Move = t.Callable[..., ModuleRun]


def only_labelled_versions(_request: dict[str, t.Any], reply: dict[str, t.Any]) -> dict[str, t.Any]:
    """DescribeSecret of AWS does not tell of the others."""
    stages = reply.get("VersionIdsToStages", {})
    return {**reply, "VersionIdsToStages": {version: labels for version, labels in stages.items() if labels}}


@pytest.fixture
def move(modules: ModuleServer, faults: AwsFaults) -> Move:
    faults.change("DescribeSecret", only_labelled_versions)

    def move(*secrets: dict[str, t.Any], check: bool = False, **options: t.Any) -> ModuleRun:
        arguments = {"secrets": list(secrets), **options}
        return modules.run("certificate_secret_stage", arguments, check=check, env=faults.env)

    return move


@pytest.fixture
def versions(aws: MotoServer) -> list[str]:
    """Of the secret web/a, oldest first."""
    return [aws.put_secret("web/a", f"value {number}") for number in range(3)]


def current(aws: MotoServer, name: str = "web/a") -> str:
    stages = aws.client().describe_secret(SecretId=name)["VersionIdsToStages"]
    return next(version for version, labels in stages.items() if "AWSCURRENT" in labels)


def back(versions: list[str], to: int = 1, name: str = "web/a") -> dict[str, t.Any]:
    return {"name": name, "version_id": versions[to], "from_version_id": versions[2]}


def test_check_run_check_run(move: Move, aws: MotoServer, versions: list[str]) -> None:
    run = move(back(versions), check=True)
    assert (run.result["changed"], current(aws)) == (True, versions[2])
    assert run.result["secrets"][0]["action"] == "moved"
    run = move(back(versions), back(versions))
    assert (run.result["changed"], current(aws)) == (True, versions[1])
    (item,) = run.result["secrets"]
    assert (item["name"], item["version_id"], item["previous_version_id"]) == ("web/a", versions[1], versions[2])
    assert run.result["diff"] == {"before": {"web/a": versions[2]}, "after": {"web/a": versions[1]}}
    value = aws.client().get_secret_value(SecretId="web/a", VersionStage="AWSCURRENT")["SecretString"]
    assert value == "value 1"
    for check in (True, False):
        run = move(back(versions), check=check)
        assert (run.result["changed"], run.result["secrets"][0]["action"]) == (False, "unchanged")


def test_a_version_without_any_label_and_one_that_is_gone(
    move: Move, aws: MotoServer, faults: AwsFaults, versions: list[str]
) -> None:
    assert not move(back(versions, 0)).failed
    assert current(aws) == versions[0]
    assert faults.counts()["ListSecretVersionIds"] == 1
    gone = "0" * 32
    run = move({"name": "web/a", "version_id": gone})
    assert run.failed
    assert f"version {gone} does not exist any more" in run.result["msg"]


def test_another_version_became_current_meanwhile(move: Move, aws: MotoServer, versions: list[str]) -> None:
    newer = aws.put_secret("web/a", "value 3")
    other = [aws.put_secret("web/b", f"value {number}") for number in range(3)]
    run = move(back(other, name="web/b"), back(versions))
    assert run.failed
    assert f"AWSCURRENT is at version {newer}, and not at {versions[2]}" in run.result["msg"]
    assert (current(aws), current(aws, "web/b")) == (newer, other[2])


def test_two_runs_at_the_same_time(move: Move, aws: MotoServer, faults: AwsFaults, versions: list[str]) -> None:
    """The other one was quicker: AWS refuses the request, and the label is where it should be."""
    client = aws.client()

    def be_quicker(_request: dict[str, t.Any]) -> bool:
        client.update_secret_version_stage(
            SecretId="web/a",
            VersionStage="AWSCURRENT",
            MoveToVersionId=versions[1],
            RemoveFromVersionId=versions[2],
        )
        return True

    faults.fail("UpdateSecretVersionStage", "InvalidParameterException", when=be_quicker)
    run = move(back(versions))
    assert not run.failed, run.output
    assert (run.result["changed"], run.result["secrets"][0]["action"]) == (False, "unchanged")


def test_a_denied_move_tells_what_was_done_before(
    move: Move, aws: MotoServer, faults: AwsFaults, versions: list[str]
) -> None:
    faults.fail("UpdateSecretVersionStage", "AccessDeniedException")
    run = move(back(versions))
    assert run.failed
    assert (
        "secretsmanager:UpdateSecretVersionStage of secret web/a failed with AccessDeniedException" in run.result["msg"]
    )
    assert (run.result["changed"], run.result["secrets"]) == (False, [])
    assert current(aws) == versions[2]


def test_the_policy_allows_exactly_what_is_called(move: Move, faults: AwsFaults, versions: list[str]) -> None:
    assert not move(back(versions, 0)).failed
    called = {f"secretsmanager:{operation}" for operation in faults.counts()}
    (statement,) = json.loads(POLICY.read_text(encoding="utf-8"))["Statement"]
    assert set(statement["Action"]) == called


def test_another_label(move: Move, aws: MotoServer, versions: list[str]) -> None:
    run = move({"name": "web/a", "version_id": versions[0]}, stage="APPROVED")
    assert run.result["secrets"][0]["previous_version_id"] is None
    stages = aws.client().describe_secret(SecretId="web/a")["VersionIdsToStages"]
    assert (stages[versions[0]], current(aws)) == (["APPROVED"], versions[2])


@pytest.mark.usefixtures("aws")
def test_nothing_to_do_asks_nobody(move: Move, faults: AwsFaults) -> None:
    run = move()
    assert (run.failed, run.result["changed"]) == (False, False)
    assert faults.counts() == {}
    assert "no such secret" in move({"name": "web/none", "version_id": "0" * 32}).result["msg"]


def test_one_secret_by_name_and_by_arn(move: Move, aws: MotoServer, versions: list[str]) -> None:
    arn = aws.client().describe_secret(SecretId="web/a")["ARN"]
    run = move(back(versions), back(versions, 0, name=arn))
    assert run.failed
    assert "A secret has one current version" in run.result["msg"]
    assert current(aws) == versions[2]
    run = move(back(versions), back(versions, name=arn))
    assert [item["name"] for item in run.result["secrets"]] == ["web/a"]
    assert current(aws) == versions[1]


def test_a_replica_and_an_arn_of_elsewhere(move: Move, aws: MotoServer) -> None:
    """What AWS would refuse, check mode refuses."""
    primary = aws.client(region="us-east-1")
    value = [primary.create_secret(Name="web/r", SecretString="0", AddReplicaRegions=[{"Region": REGION}])]
    value.append(primary.put_secret_value(SecretId="web/r", SecretString="1"))
    for check in (True, False):
        run = move({"name": "web/r", "version_id": value[0]["VersionId"]}, check=check)
        assert run.failed
        assert "run this with region us-east-1" in run.result["msg"]
        run = move({"name": value[0]["ARN"], "version_id": value[0]["VersionId"]}, check=check)
        assert run.failed
        assert "Set the region to us-east-1" in run.result["msg"]
