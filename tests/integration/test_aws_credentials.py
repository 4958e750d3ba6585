# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Where credentials and region come from: each of boto3's usual places, seen in the requests that arrive."""

from __future__ import annotations

import pathlib
import re
import typing as t

import pytest
from ansible_collections.certops.rotation.tests.support.aws_faults import AwsFaults
from ansible_collections.certops.rotation.tests.support.module import ModuleRun
from ansible_collections.certops.rotation.tests.support.moto import REGION, MotoServer
from ansible_collections.certops.rotation.tests.support.pki import CertificateAuthority
from ansible_collections.certops.rotation.tests.support.playbook import run_playbook
from ansible_collections.certops.rotation.tests.support.sync import SyncTarget, actions

KEY_ID = "ASIAEXAMPLEEXAMPLE00"
SECRET_KEY = "emulated/secret/key/of/a/session"
SESSION_TOKEN = "emulated-session-token-that-is-long"
NO_KEYS = {"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""}


class Signature(t.NamedTuple):
    """By whom and for which region a request was signed."""

    key_id: str
    region: str
    session_token: str | None


def signatures(faults: AwsFaults) -> set[Signature]:
    """Of all requests so far."""
    found = set()
    for request in faults.requests:
        scope = re.search(r"Credential=([^/]+)/\d+/([^/]+)/secretsmanager/", request.headers["Authorization"])
        assert scope
        found.add(Signature(scope[1], scope[2], request.headers.get("X-Amz-Security-Token")))
    return found


@pytest.fixture(autouse=True)
def _stored(aws: MotoServer, intermediate: CertificateAuthority) -> None:
    for region in (REGION, "us-west-2"):
        document = intermediate.issue(f"{region}.example.com").secret_document()
        aws.put_secret("web/a", document, region=region)


def test_keys_and_session_token_of_the_environment(target: SyncTarget, faults: AwsFaults) -> None:
    env = {"AWS_ACCESS_KEY_ID": KEY_ID, "AWS_SECRET_ACCESS_KEY": SECRET_KEY, "AWS_SESSION_TOKEN": SESSION_TOKEN}
    run = target.sync(name_prefix="web/", env=env)
    assert actions(run) == {"web/a": "created"}
    assert signatures(faults) == {Signature(KEY_ID, REGION, SESSION_TOKEN)}
    assert SECRET_KEY not in run.output
    assert SESSION_TOKEN not in run.output


def test_keys_and_session_token_of_the_role(faults: AwsFaults, tmp_path: pathlib.Path) -> None:
    variables = {
        "haproxy_certificates_names": ["web/a"],
        "haproxy_certificates_path": str(tmp_path),
        "haproxy_certificates_activate": False,
        "haproxy_certificates_aws": {
            "region": "us-west-2",
            "endpoint_url": faults.env["AWS_ENDPOINT_URL"],
            "access_key": KEY_ID,
            "secret_key": SECRET_KEY,
            "session_token": SESSION_TOKEN,
        },
    }
    run = run_playbook(variables, env={**faults.env, **NO_KEYS, "AWS_ENDPOINT_URL": ""})
    assert run.returncode == 0, run.output
    assert signatures(faults) == {Signature(KEY_ID, "us-west-2", SESSION_TOKEN)}
    assert SECRET_KEY not in run.output
    assert SESSION_TOKEN not in run.output


def test_the_role_of_the_instance(target: SyncTarget, aws: MotoServer, faults: AwsFaults) -> None:
    """From an instance metadata service, in its version 2: a PUT for a token, then two GETs."""
    instance = {"AWS_EC2_METADATA_DISABLED": "false", "AWS_EC2_METADATA_SERVICE_ENDPOINT": aws.endpoint_url}
    run = target.sync(name_prefix="web/", env={**NO_KEYS, **instance})
    assert actions(run) == {"web/a": "created"}
    ((key_id, region, session_token),) = signatures(faults)
    assert (key_id, region) == ("test-key", REGION)
    assert session_token, "credentials of a role are those of a session"
    assert session_token not in run.output


def sync_in(target: SyncTarget, env: dict[str, str], **options: str) -> ModuleRun:
    """With these variables alone to tell the region."""
    without = {name: value for name, value in target.env.items() if "REGION" not in name}
    return target.modules.run(
        "certificate_sync", target.arguments(name_prefix="web/", **options), env={**without, **env}
    )


@pytest.mark.parametrize(
    ("env", "options"),
    [
        ({"AWS_REGION": REGION}, {"region": "us-west-2"}),
        ({"AWS_REGION": "us-west-2", "AWS_DEFAULT_REGION": REGION}, {}),
        ({"AWS_DEFAULT_REGION": "us-west-2"}, {}),
        ({"AWS_CONFIG_FILE": "config"}, {}),
    ],
    ids=["option", "AWS_REGION", "AWS_DEFAULT_REGION", "configuration"],
)
def test_region(
    target: SyncTarget, faults: AwsFaults, tmp_path: pathlib.Path, env: dict[str, str], options: dict[str, str]
) -> None:
    if "AWS_CONFIG_FILE" in env:
        env = {"AWS_CONFIG_FILE": str(tmp_path / "config")}
        (tmp_path / "config").write_text("[default]\nregion = us-west-2\n")
    assert actions(sync_in(target, env, **options)) == {"web/a": "created"}
    assert {signature.region for signature in signatures(faults)} == {"us-west-2"}


def test_no_region_is_an_error(target: SyncTarget, faults: AwsFaults) -> None:
    """And not us-east-1, where other secrets may have the same tags, or none may be there to be found."""
    run = sync_in(target, {})
    assert run.failed
    assert "region" in run.result["msg"]
    assert faults.requests == []
