# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The IAM policies for issuing allow every call that is made, on the resources that they name, and little else."""

from __future__ import annotations

import fnmatch
import json
import pathlib
import typing as t

import pytest
from ansible_collections.certops.rotation.tests.support.acme_dns import AwsWithDns
from ansible_collections.certops.rotation.tests.support.fork_server import ModuleServer
from ansible_collections.certops.rotation.tests.support.issuing_scene import BUCKET, Scene, items, pebble_for
from ansible_collections.certops.rotation.tests.support.module import ModuleRun
from ansible_collections.certops.rotation.tests.support.moto import MotoServer
from ansible_collections.certops.rotation.tests.support.pebble import Pebble

IAM = pathlib.Path(__file__).parents[2] / "docs" / "iam"
# Operations that IAM calls otherwise.
ACTIONS = {"ListObjectsV2": "ListBucket", "HeadObject": "GetObject"}
SERVICES = {
    "Secret": "secretsmanager",
    "TagResource": "secretsmanager",
    "Certificate": "acm",
    "Object": "s3",
    "ResourceRecordSets": "route53",
    "HostedZones": "route53",
    "Change": "route53",
}


def statements(policy: str) -> list[dict[str, t.Any]]:
    read = json.loads((IAM / policy).read_text(encoding="utf-8"))
    assert read["Version"] == "2012-10-17"
    assert all(each["Effect"] == "Allow" for each in read["Statement"])
    return list(read["Statement"])


def as_list(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else value


def allowed(*policies: str) -> set[str]:
    return {action for policy in policies for each in statements(policy) for action in as_list(each["Action"])}


def is_allowed(policy: str, action: str, resource: str) -> bool:
    return any(
        action in as_list(each["Action"])
        and any(fnmatch.fnmatchcase(resource, pattern) for pattern in as_list(each["Resource"]))
        for each in statements(policy)
    )


def called(*runs: ModuleRun) -> set[str]:
    """As actions of IAM. GetCallerIdentity needs no right."""
    found = set()
    for run in runs:
        assert not run.failed, run.result.get("msg")
        for operation in set(run.result["api_calls"]) - {"GetCallerIdentity"}:
            service = next(name for part, name in SERVICES.items() if part in operation)
            found.add(f"{service}:{ACTIONS.get(operation, operation)}")
    return found


@pytest.fixture(scope="module")
def pebble(issuing_aws: AwsWithDns) -> t.Iterator[Pebble]:
    with pebble_for(issuing_aws) as server:
        yield server


def test_exactly_the_calls_of_issuing_are_allowed(
    issuing_aws: AwsWithDns, issuing: ModuleServer, pebble: Pebble
) -> None:
    scene = Scene(issuing_aws, issuing, pebble)
    scene.begin()
    truth = {"type": "secrets_manager", "prefix": "web/", "tags": {"a": "1"}}
    in_s3 = {"type": "s3", "bucket": BUCKET}
    issuers = [scene.issuer(account_secret="certops/account")]

    def issue(*stores: dict[str, t.Any], **more: t.Any) -> ModuleRun:
        return scene.issue(["www.example.com"], issuers=issuers, stores=[truth, *stores], **more)

    first = issue({"type": "acm"}, in_s3)
    assert items(first)["www.example.com"]["action"] == "issued"
    # Renewed, with all that options can ask for, and somebody else's value at the name of the challenge.
    issuing_aws.put_record(scene.zone, "_acme-challenge.www.example.com", "TXT", ["of somebody else"])
    tags = {"tags": {"a": "1"}}
    stores = [{"type": "acm", **tags}, {**in_s3, **tags, "kms_key_id": "11111111-2222-3333-4444-555555555555"}]
    renewed = issue(*stores, force=True)
    unchanged = issue(*stores)
    assert items(unchanged)["www.example.com"]["action"] == "unchanged"
    policies = ("issue.json", "issue-acm.json", "issue-s3.json")
    used = called(first, renewed, unchanged)
    used |= {"s3:PutObjectTagging"}  # the right to send tags along with PutObject
    assert allowed(*policies) == used
    # On what they name. An account of one's own has another number, region, zone and bucket.
    for secret in issuing_aws.client().list_secrets()["SecretList"]:
        for action in ("DescribeSecret", "GetSecretValue", "CreateSecret", "PutSecretValue"):
            assert is_allowed("issue.json", f"secretsmanager:{action}", secret["ARN"]), secret["ARN"]
    (arn,) = [
        each["CertificateArn"] for each in issuing_aws.client("acm").list_certificates()["CertificateSummaryList"]
    ]
    assert is_allowed("issue-acm.json", "acm:ImportCertificate", arn)
    objects = [each["Key"] for each in issuing_aws.client("s3").list_objects_v2(Bucket=BUCKET)["Contents"]]
    assert len(objects) == 4
    assert all(is_allowed("issue-s3.json", "s3:PutObject", f"arn:aws:s3:::my-certificates/{key}") for key in objects)


def test_nothing_but_challenges_may_be_written_in_a_zone() -> None:
    (change,) = [each for each in statements("issue.json") if each["Sid"] == "ProveNames"]
    assert change["Action"] == ["route53:ChangeResourceRecordSets"]
    assert "*" not in change["Resource"]
    assert change["Condition"] == {
        "ForAllValues:StringEquals": {"route53:ChangeResourceRecordSetsRecordTypes": ["TXT"]},
        "ForAllValues:StringLike": {"route53:ChangeResourceRecordSetsNormalizedRecordNames": ["_acme-challenge.*"]},
    }


def test_other_secrets_and_objects_are_out_of_reach() -> None:
    secret = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:"
    for name in ("database-AbCdEf", "webshop-AbCdEf", "accounts/certops/x-AbCdEf"):
        assert not is_allowed("issue.json", "secretsmanager:GetSecretValue", secret + name)
        assert not is_allowed("issue.json", "secretsmanager:PutSecretValue", secret + name)
    assert not is_allowed("issue-s3.json", "s3:PutObject", "arn:aws:s3:::my-certificates/other/cert.pem")
    assert "*" not in {resource for each in statements("issue-s3.json") for resource in as_list(each["Resource"])}
    for each in statements("issue-s3.json"):
        assert each["Condition"]["StringEquals"] == {"aws:ResourceAccount": "123456789012"}


def test_the_key_may_be_used_by_way_of_the_stores_only() -> None:
    (statement,) = statements("issue-kms.json")
    assert statement["Action"] == ["kms:Decrypt", "kms:GenerateDataKey"]
    assert "*" not in statement["Resource"]
    assert statement["Condition"]["StringEquals"]["kms:ViaService"] == [
        "secretsmanager.eu-central-1.amazonaws.com",
        "s3.eu-central-1.amazonaws.com",
    ]


def test_exactly_the_calls_on_the_table_are_allowed(aws: MotoServer, modules: ModuleServer) -> None:
    def table(**args: t.Any) -> set[str]:
        run = modules.run("domain_table", {"table": "certificates", **args}, env=aws.env)
        assert not run.failed, run.result.get("msg")
        return {f"dynamodb:{operation}" for operation in run.result["api_calls"]}

    used = table(domains="a.example.com", tags={"a": "1"}) | table(deletion_protection=True, tags={"a": "2"})
    used |= table(certificates=[{"domains": "a.example.com", "name": "a"}])
    used |= table(domains="a.example.com", state="absent")
    assert used == allowed("domain-table.json")
    table(domains="a.example.com")
    info = modules.run("domain_table_info", {"table": "certificates"}, env=aws.env)
    assert {f"dynamodb:{operation}" for operation in info.result["api_calls"]} == allowed("domain-table-read.json")
    arn = info.result["table_arn"]
    assert all(is_allowed("domain-table.json", action, arn) for action in allowed("domain-table.json"))
