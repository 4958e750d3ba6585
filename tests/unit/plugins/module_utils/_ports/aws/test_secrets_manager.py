# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The port to Secrets Manager, over a real boto3 client whose requests are answered by a function."""

from __future__ import annotations

import json
import re
import typing as t

import boto3
import pytest
from ansible_collections.certops.rotation.plugins.module_utils._core.pipeline.source import (
    SecretFailure,
    SecretValue,
    SecretVersion,
    Selection,
)
from ansible_collections.certops.rotation.plugins.module_utils._errors import InvalidOption, SecretsManagerError
from ansible_collections.certops.rotation.plugins.module_utils._ports.aws.secret_writer import SecretWriter
from ansible_collections.certops.rotation.plugins.module_utils._ports.aws.secrets_manager import SecretsManager
from botocore.awsrequest import AWSResponse
from botocore.config import Config

ARN = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:"
Reply = dict[str, t.Any]
Answer = t.Callable[[str, Reply], Reply]


class ServiceError(Exception):
    """Answer with this AWS error code."""


class _Body:
    def __init__(self, content: bytes) -> None:
        self._content = content

    def stream(self, **_options: t.Any) -> t.Iterator[bytes]:
        yield self._content


def source(answer: Answer, *, retry: t.Callable[[t.Any], t.Any] = lambda function: function) -> SecretsManager:
    client = boto3.client(
        "secretsmanager",
        region_name="eu-central-1",
        aws_access_key_id="x",
        aws_secret_access_key="y",
        config=Config(retries={"total_max_attempts": 1}),
    )

    def respond(request: t.Any, event_name: str, **_event: t.Any) -> AWSResponse:
        try:
            status, reply = 200, answer(event_name.rpartition(".")[2], json.loads(request.body))
        except ServiceError as error:
            status, reply = 400, {"__type": str(error), "Message": f"{error} made up"}
        return AWSResponse(request.url, status, {}, _Body(json.dumps(reply).encode()))  # type: ignore[arg-type]

    client.meta.events.register("before-send.secretsmanager", respond)
    return SecretsManager(client, retry)


def listed(name: str, version: str | None = "v" * 32, arn: str | None = None, **fields: t.Any) -> Reply:
    stages = {version: ["AWSCURRENT", "other"], "w" * 32: ["AWSPREVIOUS"]} if version else {}
    return {"Name": name, "ARN": arn or f"{ARN}{name}-AbCdEf", "SecretVersionsToStages": stages, **fields}


def version(name: str) -> SecretVersion:
    return SecretVersion(name, f"{ARN}{name}-AbCdEf", "v" * 32)


def test_pages_are_read_to_their_end_for_a_prefix() -> None:
    def answer(operation: str, request: Reply) -> Reply:
        assert request["MaxResults"] == 100
        assert request["Filters"] == [{"Key": "name", "Values": ["a"]}]
        number = int(request.get("NextToken", "0"))
        more = {"NextToken": str(number + 1)} if number < 2 else {}
        return {"SecretList": [listed(f"a{number}")], **more}

    port = source(answer)
    assert [secret.name for secret in port.discover(Selection(name_prefix="a")).secrets] == ["a0", "a1", "a2"]
    assert port.api_calls == {"ListSecrets": 3}


def test_listing_for_names_stops_when_asking_is_cheaper() -> None:
    def answer(operation: str, request: Reply) -> Reply:
        if operation == "DescribeSecret":
            found = listed(request["SecretId"])
            return {**found, "VersionIdsToStages": found.pop("SecretVersionsToStages")}
        return {"SecretList": [listed(f"other{request.get('NextToken')}")], "NextToken": "more"}

    port = source(answer)
    discovery = port.discover(Selection(names=("a", "b", "c")))
    assert [secret.name for secret in discovery.secrets] == ["a", "b", "c"]
    assert port.api_calls == {"ListSecrets": 3, "DescribeSecret": 3}


@pytest.mark.parametrize("prefix", ["ä", "!a", "a,b"])
def test_prefixes_that_the_filter_refuses_are_not_sent(prefix: str) -> None:
    def answer(operation: str, request: Reply) -> Reply:
        assert "Filters" not in request
        return {"SecretList": [listed(f"{prefix}1"), listed("b")]}

    assert [secret.name for secret in source(answer).discover(Selection(name_prefix=prefix)).secrets] == [f"{prefix}1"]


def test_one_name_in_two_accounts_is_refused() -> None:
    other = "arn:aws:secretsmanager:eu-central-1:999999999999:secret:a-XyXyXy"

    def answer(operation: str, request: Reply) -> Reply:
        if operation == "ListSecrets":
            return {"SecretList": [listed("a")]}
        found = listed("a", arn=other)
        return {**found, "VersionIdsToStages": found.pop("SecretVersionsToStages")}

    discovery = source(answer).discover(Selection(names=("a", other)))
    assert discovery.secrets == ()
    [failure] = discovery.failures
    assert failure.problem.code == "file_name_collision"
    assert other in failure.problem.message
    assert f"{ARN}a-AbCdEf" in failure.problem.message


def test_secrets_without_a_current_version_and_deleted_ones() -> None:
    deleted = {"DeletedDate": 1700000000}
    reply = {"SecretList": [listed("a"), listed("b", version=None), listed("c", **deleted)]}
    by_prefix = source(lambda operation, request: reply).discover(Selection(name_prefix=" "))
    assert by_prefix.secrets == ()
    by_name = source(lambda operation, request: reply).discover(Selection(names=("a", "b", "c")))
    assert [secret.name for secret in by_name.secrets] == ["a"]
    codes = {failure.name: failure.problem.code for failure in by_name.failures}
    assert codes == {"b": "secret_no_current_version", "c": "secret_deleted"}


def test_batches_of_twenty_and_the_version_that_came() -> None:
    sizes = []

    def answer(operation: str, request: Reply) -> Reply:
        sizes.append(len(request["SecretIdList"]))
        values = [{"ARN": arn, "VersionId": "n" * 32, "SecretString": arn} for arn in request["SecretIdList"]]
        return {"SecretValues": values}

    port = source(answer)
    results = list(port.read([version(f"s{index}") for index in range(45)]))
    assert sorted(sizes) == [5, 20, 20]
    assert all(isinstance(result, SecretValue) and result.secret.version_id == "n" * 32 for result in results)
    assert "secret:s1" in str(results[1])
    assert "SecretString" not in repr(results[1])
    assert list(port.read([])) == []


@pytest.mark.parametrize(
    ("code", "message", "problem"),
    [
        ("ResourceNotFoundException", "Secrets Manager can't find the specified secret.", "secret_missing"),
        (
            "ResourceNotFoundException",
            "Secrets Manager can't find the specified secret value for staging label: AWSCURRENT",
            "secret_no_current_version",
        ),
        ("InvalidRequestException", "You can't perform this operation: it was marked for deletion.", "secret_deleted"),
        ("AccessDeniedException", "no", "secret_access_denied"),
        ("DecryptionFailure", "no", "secret_unreadable"),
    ],
)
def test_errors_of_single_secrets(code: str, message: str, problem: str) -> None:
    def answer(operation: str, request: Reply) -> Reply:
        good, bad, _silent = request["SecretIdList"]
        return {
            "SecretValues": [{"ARN": good, "VersionId": "v" * 32, "SecretBinary": "YWJj"}],
            "Errors": [{"SecretId": bad, "ErrorCode": code, "Message": message}],
        }

    good, bad, silent = source(answer).read([version("good"), version("bad"), version("silent")])
    assert isinstance(good, SecretValue)
    assert good.value == b"abc"
    assert isinstance(bad, SecretFailure)
    assert (bad.name, bad.problem.code) == ("bad", problem)
    assert isinstance(silent, SecretFailure)
    assert silent.problem.code == "secret_unreadable"


def test_nobody_waits_again_after_throttling_for_good() -> None:
    attempts: list[str] = []

    def retry(function: t.Any) -> t.Any:
        def patient() -> t.Any:
            for _attempt in range(3):
                try:
                    return function()
                except SecretsManagerError:
                    raise
                except Exception as error:  # noqa: BLE001 - what AWSRetry does
                    last = error
            raise last

        return patient

    def answer(operation: str, request: Reply) -> Reply:
        attempts.append(operation)
        raise ServiceError("ThrottlingException")

    port = source(answer, retry=retry)
    with pytest.raises(SecretsManagerError, match="AWS kept throttling"):
        port.discover(Selection(name_prefix="a"))
    assert len(attempts) == 3
    [failure] = port.read([version("a")])
    assert isinstance(failure, SecretFailure)
    assert "ThrottlingException" in failure.problem.message
    assert len(attempts) == 4
    assert port.api_calls == {"ListSecrets": 3, "BatchGetSecretValue": 1}


def test_tags_are_checked_again_whatever_the_filter_let_through() -> None:
    def tagged(name: str, **tags: str) -> Reply:
        return listed(name, Tags=[{"Key": key, "Value": value} for key, value in tags.items()])

    def answer(operation: str, request: Reply) -> Reply:
        assert {each["Key"] for each in request["Filters"]} == {"tag-key", "tag-value"}
        return {
            "SecretList": [
                tagged("a", E="prod", T="x"),
                tagged("b", E="prod2", T="x"),
                listed("c"),
                tagged("d", E="prod"),
            ]
        }

    found = source(answer).discover(Selection(tags={"T": "x", "E": "prod"}))
    assert [secret.name for secret in found.secrets] == ["a"]


def test_one_secret_by_every_name_it_has() -> None:
    """BatchGetSecretValue answers once, and one asked for is not another one whose ARN only looks like it."""
    arn = f"{ARN}web/a-AbCdEf"
    names = ("web/a", arn, f"{ARN}web/a", f"{ARN}web/b", "web/b", "web/a-AbCdEf")

    def answer(operation: str, request: Reply) -> Reply:
        assert request["SecretIdList"] == ["web/a", "web/b", "web/a-AbCdEf"]
        found = (("web/b", "AbCdEf"), ("web/a-AbCdEf", "XyZaBc"), ("web/a", "AbCdEf"))
        return {
            "SecretValues": [
                {"Name": name, "ARN": f"{ARN}{name}-{suffix}", "VersionId": "v" * 32, "SecretString": name}
                for name, suffix in found
            ]
        }

    results = list(source(answer).read([SecretVersion(name, name, "") for name in names]))
    values = [result.value for result in results if isinstance(result, SecretValue)]
    assert values == ["web/a", "web/a", "web/a", "web/b", "web/b", "web/a-AbCdEf"]


def test_a_name_is_of_the_own_account_whatever_else_is_asked_for() -> None:
    """An ARN of another account may hold the same name."""
    other = f"{ARN.replace('123456789012', '999999999999')}web/a-XyZaBc"

    def answer(operation: str, request: Reply) -> Reply:
        asked = request.get("SecretIdList") or [request["SecretId"]]
        found = [f"{ARN}{each}-AbCdEf" if each == "web/a" else each for each in asked]
        values = [{"Name": "web/a", "ARN": arn, "VersionId": "v" * 32, "SecretString": arn} for arn in found]
        return values[0] if operation == "GetSecretValue" else {"SecretValues": values}

    own = f"{ARN}web/a-AbCdEf"
    for names in ([other, "web/a", own], ["web/a", other, own], [own, other, "web/a"]):
        results = source(answer).read([SecretVersion(name, name, "") for name in names])
        values = [result.value for result in results if isinstance(result, SecretValue)]
        assert values == [other if name == other else own for name in names]


def test_one_failure_for_every_name_it_has() -> None:
    def answer(operation: str, request: Reply) -> Reply:
        if operation == "GetSecretValue":
            raise ServiceError("AccessDeniedException")
        errors = [
            {"SecretId": each, "ErrorCode": "AccessDeniedException", "Message": "no"}
            for each in request["SecretIdList"]
        ]
        return {"SecretValues": [], "Errors": errors}

    names = ("a", f"{ARN}a-AbCdEf", f"{ARN}a")
    results = list(source(answer).read([SecretVersion(name, name, "") for name in names]))
    codes = [result.problem.code for result in results if isinstance(result, SecretFailure)]
    assert codes == ["secret_access_denied"] * 3


@pytest.mark.parametrize(
    ("identifier", "said"),
    [
        ("arn:aws:secretsmanager:us-east-1:123456789012:secret:web/a-AbCdEf", "Set the region to us-east-1"),
        ("arn:aws:secretsmanager:us-east-1:123456789012:secret:web/a", "region us-east-1"),
        ("arn:aws-cn:secretsmanager:cn-north-1:123456789012:secret:web/a-AbCdEf", "partition aws-cn"),
        ("arn:aws:acm:eu-central-1:123456789012:certificate/7e7a28d2", "nor the ARN of one"),
        ("arn:aws:secretsmanager:eu-central-1:123456789012:web/a", "nor the ARN of one"),
    ],
)
def test_an_arn_of_elsewhere_is_compared_before_anything_is_asked(identifier: str, said: str) -> None:
    def answer(operation: str, request: Reply) -> Reply:
        raise AssertionError(f"{operation} was asked")

    port = source(answer)
    [discovered] = port.discover(Selection(names=(identifier,))).failures
    [read] = port.read([SecretVersion(identifier, identifier, "")])
    for failure in (discovered, read):
        assert isinstance(failure, SecretFailure)
        assert failure.problem.code == "secret_elsewhere"
        assert said in failure.problem.message
        assert "Create it" not in failure.problem.message
    with pytest.raises(InvalidOption, match=re.escape(said)):
        SecretWriter(port._client, lambda function: function).describe(identifier)


def test_an_arn_that_is_not_there_is_not_said_to_be_created() -> None:
    def answer(operation: str, request: Reply) -> Reply:
        if operation == "ListSecrets":
            return {"SecretList": []}
        raise ServiceError("ResourceNotFoundException")

    [failure] = source(answer).discover(Selection(names=(f"{ARN}gone-AbCdEf",))).failures
    assert failure.problem.code == "secret_missing"
    assert "Create it" not in failure.problem.message
    assert "123456789012" in failure.problem.message
