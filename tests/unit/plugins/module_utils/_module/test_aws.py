# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The module of all that ask AWS: what goes wrong before the first request, and what it says."""

from __future__ import annotations

import contextlib
import importlib.metadata
import json
import pathlib
import typing as t

import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.certops.rotation.plugins.module_utils._errors import RotationError
from ansible_collections.certops.rotation.plugins.module_utils._module.aws import AwsModule
from ansible_collections.certops.rotation.plugins.module_utils._module.guarded import GuardedModule
from botocore.exceptions import ClientError

PLUGINS = pathlib.Path(__file__).parents[5] / "plugins"
REGION = {"region": "eu-central-1"}


@pytest.fixture
def aws_module(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> t.Iterator[t.Callable[..., AwsModule]]:
    """One that is given these arguments, on a host that is told nothing else of AWS."""
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))

    with contextlib.ExitStack() as stack:

        def make(attempts: int = 1, **arguments: t.Any) -> AwsModule:
            stack.enter_context(patch_module_args(arguments))
            return AwsModule({"name": {"type": "str"}}, attempts=attempts)

        yield make


def test_it_has_the_options_of_aws_and_is_guarded(aws_module) -> None:
    module = aws_module(name="a", endpoint_url="http://127.0.0.1:9", **REGION)
    assert isinstance(module._module, GuardedModule)
    assert (module.params["name"], module.region, module.check_mode) == ("a", "eu-central-1", False)
    assert module.client("secretsmanager").meta.endpoint_url == "http://127.0.0.1:9"


@pytest.mark.parametrize("library", ["boto3", "botocore"])
def test_a_missing_library_is_told_by_who_needs_it(aws_module, library: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def version(name: str) -> str:
        if name == library:
            raise importlib.metadata.PackageNotFoundError
        return "99"

    module = aws_module(**REGION)
    monkeypatch.setattr(importlib.metadata, "version", version)
    for ask in (lambda: module.client("secretsmanager"), lambda: module.region):
        with pytest.raises(RotationError, match=f"Python library {library} .* is not installed"):
            ask()


def test_no_client_is_an_error_like_others(aws_module, capsys: pytest.CaptureFixture[str]) -> None:
    module = aws_module()
    with pytest.raises(RotationError, match="requires a region and none was found"):
        module.client("secretsmanager")
    with pytest.raises(SystemExit):
        module.fail_json(msg="the module's own way to fail is back")
    assert "own way to fail is back" in json.loads(capsys.readouterr().out)["msg"]


def test_a_warning_is_no_result(aws_module, monkeypatch: pytest.MonkeyPatch) -> None:
    results: list[dict[str, t.Any]] = []
    warnings: list[str] = []
    module = aws_module()
    monkeypatch.setattr(module._module, "exit_json", lambda **result: results.append(result))
    monkeypatch.setattr(module._module, "warn", warnings.append)
    module.warn("beware")
    module.exit_json(changed=False)
    assert (results, warnings) == ([{"changed": False}], ["beware"])


@pytest.mark.parametrize(("code", "attempts"), [("ThrottlingException", 3), ("InternalServiceError", 3), ("Other", 1)])
def test_throttled_calls_are_repeated(aws_module, code: str, attempts: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.sleep", lambda _seconds: None)
    calls = []

    def call() -> t.NoReturn:
        calls.append(code)
        raise ClientError({"Error": {"Code": code}}, "ListSecrets")

    with pytest.raises(ClientError):
        aws_module(attempts=3).retry(call)()
    assert len(calls) == attempts


def test_nobody_else_knows_how_to_ask_aws() -> None:
    """One home of the retries, of what a module for AWS is, and of what amazon.aws does about warnings."""
    words = ("AnsibleAWSModule", "AWSRetry", "jittered_backoff", '"_module"', "check_boto3")
    found = {
        str(path.relative_to(PLUGINS)): hits
        for path in PLUGINS.rglob("*.py")
        if (hits := [word for word in words if word in path.read_text()])
    }
    assert list(found) == ["module_utils/_module/aws.py"], found
