# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The function of AWS Lambda, as the example has it: its four steps with a real authority and a real canary."""

from __future__ import annotations

import concurrent.futures
import importlib.util
import json
import os
import pathlib
import subprocess
import sys
import types
import typing as t

import pytest
from ansible_collections.certops.rotation.plugins.module_utils._core.x509.bundle import (
    CertificateBundle,
    first_certificate,
)
from ansible_collections.certops.rotation.plugins.module_utils._flows.issue import rotation_function
from ansible_collections.certops.rotation.plugins.module_utils._module.rotation_function import (
    canary_endpoints,
    unproven,
)
from ansible_collections.certops.rotation.tests.support import pki, rotation
from ansible_collections.certops.rotation.tests.support.acme_dns import AwsWithDns
from ansible_collections.certops.rotation.tests.support.haproxy import HaproxyInstance
from ansible_collections.certops.rotation.tests.support.pebble import Pebble
from ansible_collections.certops.rotation.tests.support.playbook import run_playbook

EXAMPLE = pathlib.Path(__file__).parents[2] / "examples/lambda/rotation.py"
NAME, STEPS = "web/a", ("createSecret", "setSecret", "testSecret", "finishSecret")
TOKEN = "0" * 31 + "{}"


class Context:
    """left: milliseconds that the function has."""

    def __init__(self, left: int = 300_000) -> None:
        self.left = left

    def get_remaining_time_in_millis(self) -> int:
        return self.left


class Function:
    """A secret with a certificate that a canary serves, and a rotation that has begun."""

    def __init__(self, aws: AwsWithDns, pebble: Pebble, canary: rotation.Scene, handler: t.Any) -> None:
        self.aws = aws
        self.pebble = pebble
        self.canary = canary
        self._handler = handler
        self._tokens = 0
        self.before = canary.store("a")
        self.canary_deploys()
        self.arn = aws.client().describe_secret(SecretId=NAME)["ARN"]

    def begin(self) -> str:
        """As RotateSecret does before it calls the function: a version without a value. Returns its id, the token."""
        self._tokens += 1
        token = TOKEN.format(self._tokens)
        self.aws.client().rotate_secret(
            SecretId=NAME, ClientRequestToken=token, RotationRules={"AutomaticallyAfterDays": 30}
        )
        return token

    def step(self, name: str, token: str, left: int = 300_000, arn: str | None = None) -> str:
        event = {"Step": name, "SecretId": arn or self.arn, "ClientRequestToken": token}
        return str(self._handler(event, Context(left)))

    def labels(self) -> dict[str, list[str]]:
        found = self.aws.client().describe_secret(SecretId=NAME)["VersionIdsToStages"]
        return {version: sorted(labels) for version, labels in found.items() if labels}

    def holder(self, label: str) -> str:
        return next((version for version, labels in self.labels().items() if label in labels), "")

    def canary_deploys(self) -> None:
        """What it reads: AWSPENDING, else AWSCURRENT."""
        run = self.canary.rotate(labels=["AWSPENDING", "AWSCURRENT"], allow_changes=["all"])
        assert run.returncode == 0, run.output


@pytest.fixture(scope="module")
def pebble(aws_dns_server: AwsWithDns) -> t.Iterator[Pebble]:
    with Pebble(aws_dns_server.nameservers[0]) as server:
        yield server


@pytest.fixture
def function(aws_dns: AwsWithDns, pebble: Pebble, monkeypatch: pytest.MonkeyPatch) -> t.Iterator[Function]:
    aws_dns.zone("example.com")
    for name, value in aws_dns.env.items():
        monkeypatch.setenv(name, value)
    issuer = {"directory": pebble.directory_url, "account_secret": "accounts/pebble", "ca_bundle": pebble.ca_bundle}
    options = {"issuers": [issuer], "terms_agreed": True, "nameservers": aws_dns.nameservers, "caa": "ignore"}
    monkeypatch.setenv("CERTOPS_ISSUE", json.dumps(options))
    authority = pki.CertificateAuthority()
    with HaproxyInstance({"default.pem": authority.issue("default.example.com").combined_pem}) as haproxy:
        monkeypatch.setenv("CERTOPS_CANARIES", f"127.0.0.1:{haproxy.ports[0]}")
        yield Function(aws_dns, pebble, rotation.Scene(aws_dns, haproxy, authority), example().handler)


def example() -> types.ModuleType:
    spec = importlib.util.spec_from_file_location("rotation", EXAMPLE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_four_steps_each_of_them_twice(function: Function) -> None:
    before, orders, token = function.holder("AWSCURRENT"), function.pebble.counts()["orders"], function.begin()
    assert function.labels()[token] == ["AWSPENDING"]

    assert "is issued, and waits as AWSPENDING" in function.step("createSecret", token)
    assert "has a certificate already" in function.step("createSecret", token)
    assert function.pebble.counts()["orders"] == orders + 1
    assert function.labels()[token] == ["AWSPENDING", f"AWSPENDING-ON-{before}"]
    value = function.aws.client().get_secret_value(SecretId=NAME, VersionId=token)["SecretString"]
    issued = json.loads(value)["certificate"]

    for _time in range(2):
        assert "canaries fetch" in function.step("setSecret", token)
    with pytest.raises(RuntimeError, match="serves another certificate for"):
        function.step("testSecret", token, left=10_000)
    assert function.labels()[token] == ["AWSPENDING", f"AWSPENDING-ON-{before}"], "the canary may have another try"

    function.canary_deploys()
    for _time in range(2):
        assert "all canaries serve" in function.step("testSecret", token)
    for _time in range(2):
        assert "is the current one" in function.step("finishSecret", token)
    assert function.labels() == {before: ["AWSPREVIOUS"], token: ["AWSCURRENT"]}
    for name in STEPS:
        assert "current one" in function.step(name, token)
    assert function.pebble.counts()["orders"] == orders + 1
    current = function.aws.client().get_secret_value(SecretId=NAME, VersionStage="AWSCURRENT")["SecretString"]
    assert json.loads(current)["certificate"] == issued
    assert function.canary.served("a") != function.before.fingerprint_sha256
    function.canary_deploys()

    # Nothing blocks the next rotation.
    later = function.begin()
    assert function.labels()[later] == ["AWSPENDING"]


def test_issuing_twice_at_once_for_one_secret_and_for_two(function: Function, monkeypatch: pytest.MonkeyPatch) -> None:
    """They have one journal: whoever is overtaken waits, and goes on. The same token is issued for once."""
    certificates, token, other = function.pebble.counts()["certificates"], function.begin(), "1" * 32
    function.canary.store("b")
    arn = function.aws.client().describe_secret(SecretId="web/b")["ARN"]
    function.aws.client().rotate_secret(
        SecretId="web/b", ClientRequestToken=other, RotationRules={"AutomaticallyAfterDays": 30}
    )
    monkeypatch.setattr(rotation_function, "_FIRST_PAUSE", 2.0)
    with concurrent.futures.ThreadPoolExecutor(3) as pool:
        first, second, third = (
            pool.submit(function.step, "createSecret", token),
            pool.submit(function.step, "createSecret", token),
            pool.submit(function.step, "createSecret", other, arn=arn),
        )
        done = first.result(), second.result()
        assert "web/b: a certificate" in third.result()
    # The second one of the same token may go on with the order of the first one, from the journal.
    assert any("is issued" in each for each in done)
    assert all("is issued" in each or "has a certificate already" in each for each in done)
    assert function.pebble.counts()["certificates"] == certificates + 2


def test_a_step_without_a_value_and_a_label_that_was_left_behind(function: Function) -> None:
    token = function.begin()
    for name in STEPS[1:]:
        with pytest.raises(RuntimeError, match="has no value"):
            function.step(name, token)
    function.canary_deploys()
    assert function.canary.served("a") == function.before.fingerprint_sha256, "nobody is hurt by an empty version"

    later = function.begin()
    for name in STEPS:
        with pytest.raises(RuntimeError, match=f"AWSPENDING is at version {later}.*certificate_candidate"):
            function.step(name, token)
    assert "is issued" in function.step("createSecret", later)


def test_another_run_of_the_step_ends_after_this_one_has_looked(
    function: Function, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = function.begin()
    function.step("createSecret", token)
    certificates, looked = function.pebble.counts()["certificates"], rotation_function.RotationFunction._value
    answers = [""]

    def first_nothing(*arguments: t.Any) -> t.Any:
        return answers.pop() if answers else looked(*arguments)

    monkeypatch.setattr(rotation_function, "_FIRST_PAUSE", 0.1)
    monkeypatch.setattr(rotation_function.RotationFunction, "_value", first_nothing)
    assert "has a certificate already" in function.step("createSecret", token)
    assert answers == []
    assert function.pebble.counts()["certificates"] == certificates


def test_the_playbook_finishes_what_the_function_has_begun(function: Function) -> None:
    before, token = function.holder("AWSCURRENT"), function.begin()
    function.step("createSecret", token)
    scene = function.canary
    read = {"haproxy_certificates_labels": ["AWSPENDING", "AWSCURRENT"], "haproxy_certificates_allow_changes": ["all"]}
    run = run_playbook(
        {**scene.variables, **read},
        playbook="certops.rotation.promote",
        hosts=["lb1"],
        env=function.aws.env,
        extra={
            "promotion_label": "AWSPENDING",
            "promotion_canaries": "lb1",
            "promotion_fleet": "lb1",
            "promotion_soak": "0",
            "promotion_lag": "0",
        },
    )
    assert run.returncode == 0, run.output[-4000:]
    assert function.labels() == {before: ["AWSPREVIOUS"], token: ["AWSCURRENT"]}
    assert scene.served("a") != function.before.fingerprint_sha256
    for name in STEPS:  # which comes to find it done
        assert "current one" in function.step(name, token)
    later = function.begin()
    assert function.labels()[later] == ["AWSPENDING"], "nothing blocks the next rotation"


def test_somebody_stores_another_certificate_before_it_is_finished(function: Function) -> None:
    token = function.begin()
    function.step("createSecret", token)
    function.canary_deploys()
    function.step("testSecret", token)
    hotfix = function.canary.store("a")
    current = function.holder("AWSCURRENT")
    with pytest.raises(RuntimeError, match="is superseded"):
        function.step("finishSecret", token)
    assert function.holder("AWSCURRENT") == current
    function.canary_deploys()
    assert function.canary.served("a") == hotfix.fingerprint_sha256


def test_what_is_no_rotation_is_refused(function: Function) -> None:
    token = function.begin()
    function.aws.client().update_secret_version_stage(
        SecretId=NAME, VersionStage="AWSPENDING", RemoveFromVersionId=token
    )
    good, gone = {"Step": "createSecret", "SecretId": function.arn, "ClientRequestToken": token}, f"{function.arn}x"
    for event, named in (
        ({}, "is not the one to rotate to: no version has the label"),
        ({"Step": "dropSecret"}, "Step dropSecret"),
        ({"ClientRequestToken": ""}, "no event of a rotation"),
        ({"SecretId": gone}, "no such secret"),
    ):
        with pytest.raises(RuntimeError, match=named):
            example().handler({**good, **event}, Context())


def test_a_twin_with_another_type_of_key() -> None:
    """It has the same names, and is preferred. With TLS 1.3 alone nobody can ask for the other one."""
    authority, names = pki.CertificateAuthority(), ["www.example.com", "*.www.example.com"]
    ecdsa, rsa, later = authority.issue(names), *(authority.issue(names, key_type="rsa2048") for _again in range(2))
    served = {"default.pem": authority.issue("default.example.com"), "ecdsa.pem": ecdsa, "rsa.pem": rsa}
    binds = ("crt {certs}", "crt {certs} ssl-min-ver TLSv1.3")
    with HaproxyInstance({name: issued.combined_pem for name, issued in served.items()}, tls=binds) as haproxy:
        any_version, newest = (canary_endpoints(f"127.0.0.1:{port}") for port in haproxy.ports)
        assert unproven(any_version, bundle_of(ecdsa)) == []
        assert unproven(any_version, bundle_of(rsa)) == []
        another = f"127.0.0.1:{haproxy.ports[0]} serves another certificate for www.example.com."
        assert unproven(any_version, bundle_of(later)) == [another]
        assert unproven(newest, bundle_of(ecdsa)) == []
        (hidden,) = unproven(newest, bundle_of(rsa))
        assert "has TLS 1.3 alone, where nobody can ask for one with a key of type rsa beside it" in hidden
        haproxy.stop()
        (silent,) = unproven(any_version, bundle_of(rsa))
        assert "could not be asked: connection refused" in silent


def bundle_of(issued: pki.IssuedCertificate) -> CertificateBundle:
    return CertificateBundle(first_certificate(issued.combined_pem.encode()), (), b"")


def test_it_needs_no_ansible() -> None:
    blocked = "import sys\nfor name in ('ansible', 'ansible_collections.amazon'): sys.modules[name] = None\n"
    program = f"{blocked}sys.path.insert(0, {str(EXAMPLE.parent)!r})\nimport rotation\nprint(rotation.handler.__name__)"
    collections = os.environ["ANSIBLE_COLLECTIONS_PATH"]
    run = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "PYTHONPATH": collections},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.stdout.strip() == "handler", run.stderr
