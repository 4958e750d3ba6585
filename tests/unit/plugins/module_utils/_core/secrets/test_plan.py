# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which requests bring a secret to what it should be."""

from __future__ import annotations

import pytest
from ansible_collections.certops.rotation.plugins.module_utils._core.secrets.plan import (
    MAX_VALUE_BYTES,
    WantedSecret,
    failed_replicas,
    plan_absent,
    plan_present,
    require_other_regions,
    secret_document,
)
from ansible_collections.certops.rotation.plugins.module_utils._errors import InvalidOption, RotationError

DOCUMENT = secret_document({"certificate": "C", "private_key": "K"})
ARN = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:web-AbCdEf"


def wanted(**more):
    return WantedSecret(name="web", document=DOCUMENT, **more)


def described(labels=None, **more):
    return {"Name": "web", "ARN": ARN, "VersionIdsToStages": labels or {"old": ["AWSCURRENT"]}, **more}


def names(requests):
    return [request.name for request in requests]


def test_token_is_that_of_the_content():
    assert wanted().token == wanted(description="x").token
    assert 32 <= len(wanted().token) <= 64, "ClientRequestToken has 32 to 64 characters"
    assert WantedSecret("web", secret_document({"certificate": "D"})).token != wanted().token
    assert secret_document({"a": "1", "b": "2"}) == secret_document({"b": "2", "a": "1"})


def test_nothing_shows_the_value():
    (request,) = plan_present(None, wanted(), same_content=False)
    assert "private_key" not in f"{request!r} {wanted()!r}"


def test_limit_of_aws():
    room = MAX_VALUE_BYTES - len(secret_document({"a": ""}))
    assert secret_document({"a": "x" * room})
    with pytest.raises(RotationError, match="65536 at most"):
        secret_document({"a": "x" * (room + 1)})


def test_creation():
    (request,) = plan_present(None, wanted(tags={"b": "2", "a": "1"}, kms_key_id="k"), same_content=False)
    assert request.name == "CreateSecret"
    assert request.parameters["ClientRequestToken"] == wanted().token
    assert request.parameters["Tags"] == [{"Key": "a", "Value": "1"}, {"Key": "b", "Value": "2"}]
    assert names(plan_present(None, wanted(label="AWSPENDING"), same_content=False)) == [
        "CreateSecret",
        "PutSecretValue",
    ]


@pytest.mark.parametrize(
    ("labels", "same", "label", "expected"),
    [
        ({"old": ["AWSCURRENT"]}, True, "AWSCURRENT", []),
        ({"old": ["AWSCURRENT"]}, False, "AWSCURRENT", ["PutSecretValue"]),
        ({wanted().token: ["AWSCURRENT"]}, False, "AWSCURRENT", []),
        ({"old": ["AWSCURRENT"], wanted().token: ["AWSPREVIOUS"]}, False, "AWSCURRENT", ["UpdateSecretVersionStage"]),
        ({"old": ["AWSCURRENT"], wanted().token: ["AWSPREVIOUS"]}, True, "AWSCURRENT", []),
        ({"old": ["AWSCURRENT"]}, False, "AWSPENDING", ["PutSecretValue"]),
        ({wanted().token: ["AWSCURRENT"]}, False, "AWSPENDING", ["UpdateSecretVersionStage"]),
        ({"old": ["AWSPREVIOUS"]}, False, "AWSCURRENT", ["PutSecretValue"]),
    ],
)
def test_content(labels, same, label, expected):
    assert names(plan_present(described(labels), wanted(label=label), same_content=same)) == expected


@pytest.mark.parametrize(
    ("present", "asked", "same"),
    [
        ("arn:aws:kms:eu-central-1:1:key/1234", "1234", True),
        ("arn:aws:kms:eu-central-1:1:key/1234", "arn:aws:kms:eu-central-1:1:key/1234", True),
        ("arn:aws:kms:eu-central-1:1:key/1234", "234", False),
        ("arn:aws:kms:eu-central-1:1:alias/web", "alias/web", True),
        ("alias/web", "arn:aws:kms:eu-central-1:1:alias/web", True),
        (None, "alias/aws/secretsmanager", True),
        (None, "alias/web", False),
    ],
)
def test_kms_keys(present, asked, same):
    secret = described(KmsKeyId=present)
    assert names(plan_present(secret, wanted(kms_key_id=asked), same_content=True)) == (
        [] if same else ["UpdateSecret"]
    )


def test_tags_of_aws_stay():
    tags = [{"Key": "aws:cloudformation:stack-name", "Value": "x"}, {"Key": "a", "Value": "1"}]
    (request,) = plan_present(described(Tags=tags), wanted(tags={}), same_content=True)
    assert (request.name, request.parameters["TagKeys"]) == ("UntagResource", ["a"])
    assert plan_present(described(Tags=tags), wanted(tags={}, purge_tags=False), same_content=True) == []
    assert plan_present(described(Tags=tags), wanted(), same_content=True) == []


def test_key_of_a_replica_is_not_changed_in_place():
    secret = described(ReplicationStatus=[{"Region": "eu-west-1", "KmsKeyId": "alias/one"}])
    assert plan_present(secret, wanted(replicas={"eu-west-1": None}), same_content=True) == []
    assert plan_present(secret, wanted(replicas={"eu-west-1": "alias/one"}), same_content=True) == []
    with pytest.raises(InvalidOption, match="eu-west-1"):
        plan_present(secret, wanted(replicas={"eu-west-1": "alias/two"}), same_content=True)


def test_absent():
    assert plan_absent(None, recovery_window=30, force=True) == []
    assert plan_absent(described(DeletedDate="now"), recovery_window=30, force=False) == []
    assert names(plan_absent(described(DeletedDate="now"), recovery_window=30, force=True)) == ["DeleteSecret"]
    replicated = described(ReplicationStatus=[{"Region": "eu-west-1"}])
    remove, delete = plan_absent(replicated, recovery_window=9, force=False)
    assert remove.parameters["RemoveReplicaRegions"] == ["eu-west-1"]
    assert delete.parameters == {"SecretId": ARN, "RecoveryWindowInDays": 9}


def test_deleted_one_is_restored_first():
    assert names(plan_present(described(DeletedDate="now"), wanted(description="x"), same_content=False)) == [
        "RestoreSecret",
        "UpdateSecret",
        "PutSecretValue",
    ]


REPLICA = {"PrimaryRegion": "us-east-1"}


def test_a_replica_is_left_alone_and_named():
    """AWS refuses what would change it, so check mode does."""
    for more in ({"description": "x"}, {"tags": {"a": "1"}}, {"replicas": {"eu-west-1": None}}):
        with pytest.raises(RotationError, match="its primary in region us-east-1"):
            plan_present(described(**REPLICA), wanted(**more), same_content=True)
    with pytest.raises(RotationError, match="run this with region us-east-1"):
        plan_present(described(**REPLICA), wanted(), same_content=False)
    with pytest.raises(RotationError, match="region us-east-1"):
        plan_absent(described(**REPLICA), recovery_window=30, force=True)
    assert plan_present(described(**REPLICA), wanted(), same_content=True) == []
    primary = described(PrimaryRegion="eu-central-1")
    assert names(plan_present(primary, wanted(), same_content=False)) == ["PutSecretValue"]
    assert names(plan_absent(primary, recovery_window=30, force=True)) == ["DeleteSecret"]


@pytest.mark.parametrize("name", [ARN, ARN[:-7], "a b", "", "x" * 513])
def test_what_cannot_be_the_name_of_a_new_secret(name):
    with pytest.raises(InvalidOption):
        plan_present(None, WantedSecret(name=name, document=DOCUMENT), same_content=False)


def test_no_replica_of_itself():
    require_other_regions("eu-central-1", None)
    require_other_regions("eu-central-1", ["eu-west-1"])
    with pytest.raises(InvalidOption, match="the secret itself"):
        require_other_regions("eu-central-1", ["eu-west-1", "eu-central-1"])


def test_a_replica_that_failed_is_told_of():
    status = [
        {"Region": "eu-west-1", "Status": "Failed", "StatusMessage": "exists"},
        {"Region": "b", "Status": "InSync"},
    ]
    (text,) = failed_replicas(described(ReplicationStatus=status))
    assert "eu-west-1: exists" in text
    assert failed_replicas(None) == []
