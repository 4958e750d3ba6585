# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The IAM policies in docs/iam allow every call that is made on the secrets that they name, and nothing else."""

from __future__ import annotations

import fnmatch
import json
import pathlib
import re
import typing as t

import pytest
from ansible_collections.certops.rotation.tests.support.aws_faults import AwsFaults
from ansible_collections.certops.rotation.tests.support.moto import MotoServer
from ansible_collections.certops.rotation.tests.support.pki import CertificateAuthority
from ansible_collections.certops.rotation.tests.support.sync import SyncTarget

DOCS = pathlib.Path(__file__).parents[2] / "docs"
NAMES = ("www.example.com", "api.example.com", "other.example.com")
PRODUCTION = {"Environment": "production"}
# Policy -> the secrets that it lets a host read.
READABLE = {
    "read-by-name.json": {"www.example.com", "api.example.com"},
    "read-by-tag.json": {"www.example.com", "other.example.com"},
    "read-all.json": set(NAMES),
}


def statements(name: str) -> list[dict[str, t.Any]]:
    policy = json.loads((DOCS / "iam" / name).read_text(encoding="utf-8"))
    assert policy["Version"] == "2012-10-17"
    return list(policy["Statement"])


def as_list(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else value


def is_allowed(name: str, action: str, arn: str, tags: t.Mapping[str, str]) -> bool:
    """As IAM decides, for the few elements that these policies have."""
    for statement in statements(name):
        assert set(statement) <= {"Sid", "Effect", "Action", "Resource", "Condition"}
        assert statement["Effect"] == "Allow"
        wanted = statement.get("Condition", {}).get("StringEquals", {})
        of_tags = {key.partition("/")[2]: value for key, value in wanted.items()}
        if (
            any(fnmatch.fnmatchcase(action, pattern) for pattern in as_list(statement["Action"]))
            and any(fnmatch.fnmatchcase(arn, pattern) for pattern in as_list(statement["Resource"]))
            and of_tags.items() <= tags.items()
        ):
            return True
    return False


@pytest.fixture
def secrets(aws: MotoServer, intermediate: CertificateAuthority) -> dict[str, tuple[str, dict[str, str]]]:
    """Name -> ARN and tags."""
    found = {}
    for name in NAMES:
        tags = {} if name == "api.example.com" else PRODUCTION
        aws.put_secret(name, intermediate.issue(name).secret_document(), tags)
        found[name] = (aws.client().describe_secret(SecretId=name)["ARN"], tags)
    return found


@pytest.mark.parametrize("policy", READABLE)
def test_exactly_the_calls_made_are_allowed(
    policy: str, target: SyncTarget, faults: AwsFaults, secrets: dict[str, tuple[str, dict[str, str]]]
) -> None:
    assert not target.sync(tags=PRODUCTION).failed
    assert not target.sync(names=list(NAMES)).failed
    assert target.sync(names=["missing"]).failed
    faults.fail("BatchGetSecretValue", "AccessDeniedException")
    assert not target.sync(names=list(NAMES), min_rsa_bits=3072).failed
    called = {f"secretsmanager:{operation}" for operation in faults.counts()}
    allowed = {action for statement in statements(policy) for action in as_list(statement["Action"])}
    assert allowed == called

    for name, (arn, tags) in secrets.items():
        for action in ("secretsmanager:GetSecretValue", "secretsmanager:DescribeSecret"):
            assert is_allowed(policy, action, arn, tags) == (name in READABLE[policy])
    for action in ("secretsmanager:ListSecrets", "secretsmanager:BatchGetSecretValue"):
        assert is_allowed(policy, action, "*", {})


def test_the_key_may_be_used_by_way_of_secrets_manager_only() -> None:
    (statement,) = statements("decrypt.json")
    assert (statement["Action"], statement["Effect"]) == ("kms:Decrypt", "Allow")
    assert list(statement["Condition"]["StringEquals"]) == ["kms:ViaService"]
    assert "*" not in statement["Resource"]


def test_the_documentation_shows_the_files_as_they_are() -> None:
    page = (DOCS / "security.md").read_text(encoding="utf-8")
    shown = re.search(r"^```json\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    assert shown
    assert json.loads(shown[1])["Statement"] == statements("read-by-tag.json")
    assert {path.name for path in (DOCS / "iam").iterdir()} == set(re.findall(r"\(iam/([a-z0-9-]+\.json)\)", page))
