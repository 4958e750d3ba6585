# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""shared_ca_rotation against an emulated AWS: stages, ends between any two calls, and the policies for it."""

from __future__ import annotations

import fnmatch
import itertools
import json
import pathlib
import typing as t

import pytest
from ansible_collections.certops.rotation.tests.support.aws_faults import AwsFaults
from ansible_collections.certops.rotation.tests.support.fork_server import ModuleServer
from ansible_collections.certops.rotation.tests.support.moto import MotoServer
from ansible_collections.certops.rotation.tests.support.shared_authority import SharedAuthority

IAM = pathlib.Path(__file__).parents[2] / "docs" / "iam"
WRITES = ("CreateSecret", "PutSecretValue", "UpdateSecretVersionStage")


@pytest.fixture
def shared(modules: ModuleServer, faults: AwsFaults, aws: MotoServer) -> SharedAuthority:
    made = SharedAuthority(modules, faults, aws)
    made.good(clients=[{"name": "admin"}, {"name": "ci", "role": "maintainer"}])
    return made


def allowed(policy: str) -> set[str]:
    statements = json.loads((IAM / policy).read_text(encoding="utf-8"))["Statement"]
    actions = [action for statement in statements for action in _list(statement["Action"])]
    return {action.removeprefix("secretsmanager:") for action in actions}


def _list(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else value


def test_a_whole_rotation(shared: SharedAuthority) -> None:
    old = shared.certificate("ca-cert")
    leaf = shared.certificate("client-cert-ci")
    published = shared.four_times(True, lambda **args: shared.rotate("publish", **args)).result
    assert (published["previous_stage"], published["stage"]) == ("settled", "published")
    successor = shared.certificate("ca-cert", "AWSPENDING")
    assert successor.subject == old.subject
    assert successor.public_key() != old.public_key()
    assert published["trust_bundle"].count("BEGIN CERTIFICATE") == 2
    assert shared.certificate("ca-cert") == old
    assert shared.good()["changed"] is False, "an instance that boots now goes on with the authority before"

    promoted = shared.four_times(True, lambda **args: shared.rotate("promote", **args)).result
    assert promoted["stage"] == "promoted"
    assert shared.certificate("ca-cert") == successor
    assert shared.certificate("ca-cert", "RETIRING") == old
    assert set(promoted["trusted_fingerprints"]) == set(published["trusted_fingerprints"])
    shared.assert_whole("-ci")
    assert shared.certificate("client-cert-ci").subject == leaf.subject
    assert shared.certificate("client-cert-ci").public_key() != leaf.public_key()

    finished = shared.four_times(True, lambda **args: shared.rotate("finish", **args)).result
    assert finished["stage"] == "settled"
    assert finished["trust_bundle"] == finished["ca_certificate"]
    assert [each["role"] for each in shared.info()["certificates"]] == ["current", "client", "client"]
    shared.assert_whole("-ci")


def test_back_before_and_after_the_promotion(shared: SharedAuthority) -> None:
    old = shared.certificate("ca-cert")
    shared.rotate("publish")
    aborted = shared.four_times(True, lambda **args: shared.rotate("abort", **args)).result
    assert aborted["stage"] == "settled"
    shared.rotate("publish")
    shared.rotate("promote")
    aborted = shared.four_times(True, lambda **args: shared.rotate("abort", **args)).result
    assert aborted["stage"] == "promoted", "what the successor has issued meanwhile is trusted still"
    assert shared.certificate("ca-cert") == old
    assert shared.rotate("finish").result["stage"] == "settled"
    shared.assert_whole("-ci")


def test_another_kind_of_key(shared: SharedAuthority) -> None:
    shared.rotate("publish", key_type="rsa", key_size=2048, validity_days=100)
    successor = shared.certificate("ca-cert", "AWSPENDING")
    assert successor.public_key().key_size == 2048  # type: ignore[union-attr]
    assert (successor.not_valid_after_utc - successor.not_valid_before_utc).days == 100


def test_a_promotion_that_ends_at_any_write_is_completed_by_the_next_run(shared: SharedAuthority) -> None:
    assert not shared.rotate("publish").failed
    for _attempt in range(30):  # each run gets one write further
        calls = itertools.count(1)

        def second(_body: dict[str, t.Any], calls: t.Iterator[int] = calls) -> bool:
            return next(calls) > 1

        for operation in WRITES:
            shared.faults.fail(operation, "AccessDeniedException", when=second)
        run = shared.rotate("promote")
        shared.faults.heal()
        assert shared.info()["problems"] == []
        if not run.failed:
            break
        assert run.result["reason"] == "denied"
    else:
        pytest.fail("the step never came to its end")
    assert run.result["stage"] == "promoted"
    assert not shared.rotate("promote").result["changed"]
    shared.assert_whole("-ci")


def test_without_an_authority(modules: ModuleServer, faults: AwsFaults, aws: MotoServer) -> None:
    run = SharedAuthority(modules, faults, aws).rotate("publish")
    assert run.failed
    assert "create one first" in run.result["msg"]


# The policies


def test_the_policies_allow_what_is_called(shared: SharedAuthority) -> None:
    shared.faults.heal()
    shared.good()
    assert set(shared.faults.counts()) == allowed("shared-ca-member.json")
    shared.good(clients=[{"name": "new"}])
    shared.good(clients=[{"name": "new", "state": "revoked"}])
    shared.good(clients=[{"name": "new"}])
    # The label of a revoked client's key is moved by who may do that.
    moved = {"UpdateSecretVersionStage"}
    assert set(shared.faults.counts()) - moved <= allowed("shared-ca-bootstrap.json")
    for step in ("publish", "promote", "finish"):
        shared.rotate(step)
    assert set(shared.faults.counts()) <= allowed("shared-ca-rotate.json")
    # CreateSecret with tags needs the right to tag.
    assert allowed("shared-ca-bootstrap.json") - set(shared.faults.counts()) == {"TagResource"}


def test_the_policies_name_the_secrets() -> None:
    """And who has servers signed may not read the authority's key."""
    for policy in IAM.glob("shared-ca-*.json"):
        allowed_keys = set()
        for statement in json.loads(policy.read_text(encoding="utf-8"))["Statement"]:
            resources = statement["Resource"] if isinstance(statement["Resource"], list) else [statement["Resource"]]
            secrets = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:joblet/"
            assert all(each == "*" or each.startswith(secrets) for each in resources)
            assert ("*" in resources) == (statement["Action"] == "secretsmanager:ListSecrets")
            if any(fnmatch.fnmatchcase(f"{secrets}ca-key-AbCdEf", each) for each in resources):
                allowed_keys.add(statement["Effect"])
        assert allowed_keys == ({"Deny"} if policy.name == "shared-ca-member-signed.json" else {"Allow"})
