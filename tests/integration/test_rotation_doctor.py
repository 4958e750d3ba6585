# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The doctor: nothing to say about a healthy host, and each single fault is found, with what to do about it."""

from __future__ import annotations

import datetime
import os
import pathlib
import re
import socket
import typing as t

import pytest
from ansible_collections.certops.rotation.tests.support import pki
from ansible_collections.certops.rotation.tests.support.aws_faults import AwsFaults
from ansible_collections.certops.rotation.tests.support.fork_server import ModuleServer
from ansible_collections.certops.rotation.tests.support.module import run_module
from ansible_collections.certops.rotation.tests.support.moto import MotoServer
from ansible_collections.certops.rotation.tests.support.patient import Patient, healthy_host
from ansible_collections.certops.rotation.tests.support.playbook import run_playbook

DOCTOR = "certops.rotation.doctor"
DENIED = "AccessDeniedException"
DOCUMENTATION = pathlib.Path(__file__).parents[2] / "docs" / "troubleshooting.md"


@pytest.fixture
def patient(
    modules: ModuleServer, aws: MotoServer, faults: AwsFaults, intermediate: pki.CertificateAuthority
) -> t.Iterator[Patient]:
    with healthy_host(modules, aws, faults, intermediate) as made:
        yield made


def test_a_healthy_host(patient: Patient) -> None:
    checks = patient.checks()
    assert {name: check["message"] for name, check in checks.items() if not check["ok"]} == {}
    documented = set(re.findall(r"^\| `([^`]+)`", DOCUMENTATION.read_text(encoding="utf-8"), re.MULTILINE))
    made = {
        re.sub(r"^library .*", "library NAME", re.sub(r"^reload by .*", "reload by METHOD", name)) for name in checks
    }
    # These are shown only where something is wrong.
    of_ailments = {"hard links", "mount", "attributes", "configuration files"}
    assert made == documented - {"variables", "secret NAME", "certificate NAME", "layout", "prove"} - of_ailments
    assert "hot update" in checks["haproxy version"]["message"]
    assert patient.ailments(names=[], tags={"Environment": "production"}) == {}
    assert patient.ailments(names=[], name_prefix="web/") == {}
    assert patient.ailments(activate=False, socket="/nonexistent.sock", config=["/nonexistent.cfg"]) == {}


def test_it_only_looks(patient: Patient) -> None:
    paths = [patient.haproxy.certs_dir, *patient.haproxy.certs_dir.rglob("*")]
    before = [(path, path.stat().st_mtime_ns) for path in paths]
    worker = patient.haproxy.worker_pid()
    patient.faults.heal()
    patient.checks()
    reading = {"ListSecrets", "DescribeSecret", "BatchGetSecretValue", "GetSecretValue", "GetCallerIdentity"}
    assert set(patient.faults.counts()) <= reading
    paths = [patient.haproxy.certs_dir, *patient.haproxy.certs_dir.rglob("*")]
    assert [(path, path.stat().st_mtime_ns) for path in paths] == before
    assert patient.haproxy.worker_pid() == worker


def test_libraries_that_are_too_old(patient: Patient, tmp_path: pathlib.Path) -> None:
    """What needs them is left out, and all else is looked at."""
    for name in ("boto3", "cryptography"):
        metadata = tmp_path / f"{name}-1.0.0.dist-info" / "METADATA"
        metadata.parent.mkdir()
        metadata.write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0.0\n")
    path = os.pathsep.join((str(tmp_path), os.environ["PYTHONPATH"]))
    run = run_module("rotation_doctor_info", patient.options, env={**patient.faults.env, "PYTHONPATH": path})
    found = {check["check"]: check for check in run.result["checks"]}
    assert {name for name, check in found.items() if check["severity"] == "error"} == {
        "library boto3",
        "library cryptography",
    }
    assert "1.34.0 or newer is needed" in found["library boto3"]["message"]
    assert "without boto3" in found["secrets"]["message"]
    assert found["socket"]["ok"]


# Credentials, region, permissions


def test_no_credentials(patient: Patient) -> None:
    found = patient.ailments(unset="ACCESS_KEY")
    severity, message = found.pop("credentials")
    assert severity == "error"
    assert "There are none" in message
    assert "instance role" in message
    assert set(found) == {"secrets", "clock"}, "what could not be asked is said, and is no error of its own"
    assert {severity for severity, _message in found.values()} == {"warning"}


def test_credentials_that_aws_does_not_accept(patient: Patient) -> None:
    patient.faults.fail("GetCallerIdentity", "InvalidClientTokenId", "The security token is invalid")
    patient.faults.fail("ListSecrets", "UnrecognizedClientException", "The security token is invalid")
    severity, message = patient.ailments()["credentials"]
    assert severity == "error"
    assert "does not accept" in message
    assert "InvalidClientTokenId" in message


def test_a_host_that_cannot_reach_sts(patient: Patient) -> None:
    patient.faults.fail("GetCallerIdentity", "ServiceUnavailable", "made up")
    check, severity, message = patient.only_ailment()
    assert (check, severity) == ("credentials", "warning")
    assert "does not need STS" in message


def test_no_region(patient: Patient) -> None:
    found = patient.ailments(unset="REGION")
    assert set(found) == {"region", "secrets"}
    severity, message = found["region"]
    assert severity == "error"
    assert "Set option region" in message


def test_an_endpoint_that_nobody_listens_on(patient: Patient) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{closed.getsockname()[1]}"
        severity, message = patient.ailments(endpoint_url=address)["credentials"]
    assert severity == "error"
    assert "cannot be asked" in message
    assert "network" in message


def test_the_wrong_region(patient: Patient) -> None:
    check, severity, message = patient.only_ailment(names=[], name_prefix="web/", region="us-east-1")
    assert (check, severity) == ("secrets", "error")
    assert "None in region us-east-1 matches" in message
    found = patient.ailments(region="us-east-1")
    assert set(found) == {"secret web/a", "secret web/b"}
    assert "looked for in region us-east-1" in found["secret web/a"][1]
    passed_over = patient.ailments(region="us-east-1", on_missing="skip")
    assert passed_over["secret web/a"][0] == "warning"
    assert passed_over["secrets"][0] == "error", "to be left with none is another thing"


@pytest.mark.parametrize(
    ("operation", "options", "severity"),
    [
        ("ListSecrets", {}, "warning"),
        ("ListSecrets", {"names": [], "name_prefix": "web/"}, "error"),
        ("DescribeSecret", {"names": [], "name_prefix": "web/"}, "warning"),
        ("DescribeSecret", {}, "error"),
        ("BatchGetSecretValue", {}, "warning"),
        ("GetSecretValue", {}, "error"),
    ],
)
def test_a_denied_permission(patient: Patient, operation: str, options: dict[str, t.Any], severity: str) -> None:
    patient.faults.fail(operation, DENIED, "no identity-based policy allows the action")
    found = patient.ailments(**options)
    assert found[f"secretsmanager:{operation}"][0] == severity
    assert f"Allow secretsmanager:{operation}" in found[f"secretsmanager:{operation}"][1]
    assert "no identity-based policy" in found[f"secretsmanager:{operation}"][1]
    assert set(found) <= {f"secretsmanager:{operation}", "secrets"}


def test_a_key_that_may_not_be_used(patient: Patient) -> None:
    patient.faults.fail("GetSecretValue", DENIED, "Access to KMS is not allowed")
    for name in ("web/a", "web/b"):
        patient.faults.fail_in_batch(name, DENIED, "Access to KMS is not allowed")
    found = patient.ailments()
    assert set(found) == {"kms:Decrypt", "secret web/a", "secret web/b"}
    severity, message = found["kms:Decrypt"]
    assert severity == "error"
    assert "Allow kms:Decrypt on the secret's KMS key" in message


# Secrets


def test_missing_and_deleted_and_denied_are_told_apart(patient: Patient, aws: MotoServer) -> None:
    aws.put_secret("web/gone", patient.authority.issue("gone.example.com").secret_document())
    aws.client().delete_secret(SecretId="web/gone")
    patient.faults.fail_in_batch("web/b", DENIED, "an explicit deny")
    names = ["web/a", "web/b", "web/gone", "web/never"]
    found = patient.ailments(names=names)
    assert {check: severity for check, (severity, _message) in found.items()} == {
        "secret web/b": "error",
        "secret web/gone": "error",
        "secret web/never": "error",
    }
    assert "an explicit deny" in found["secret web/b"][1]
    assert "marked for deletion" in found["secret web/gone"][1]
    assert "does not exist" in found["secret web/never"][1]
    tolerated = patient.ailments(names=names, on_missing="skip", on_deleted="skip")
    assert tolerated["secret web/gone"][0] == tolerated["secret web/never"][0] == "warning"


def test_secrets_that_are_no_certificates(patient: Patient, aws: MotoServer) -> None:
    other = pki.private_key_pem(pki.new_key())
    issue = patient.authority.issue
    yesterday = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(days=1)
    aws.put_secret("web/text", "not JSON")
    aws.put_secret(
        "web/incomplete", {"certificate": issue("x.example.com").combined_pem.partition("-----BEGIN PRI")[0]}
    )
    aws.put_secret("web/mismatch", issue("y.example.com").secret_document(private_key=other))
    aws.put_secret("web/expired", issue("z.example.com", not_after=yesterday).secret_document())
    found = patient.ailments(names=[], name_prefix="web/")
    assert set(found) == {f"certificate web/{name}" for name in ("text", "incomplete", "mismatch", "expired")}
    assert {severity for severity, _message in found.values()} == {"error"}
    assert "[private_key_mismatch]" in found["certificate web/mismatch"][1]
    assert "[expired]" in found["certificate web/expired"][1]
    assert patient.ailments(names=["web/text"], on_invalid="skip")["certificate web/text"][0] == "warning"


def test_options_without_meaning(patient: Patient) -> None:
    found = patient.ailments(mode="0644", min_remaining="soon", names=[])
    assert found["options"][0] == "error"
    assert "Nothing is selected" in found["secrets"][1]
    assert "Set option tags" in found["secrets"][1]
    boolean = patient.ailments(tags={"Production": True})
    assert set(boolean) == {"options"}
    assert "Quote it as AWS has it" in boolean["options"][1]


# The clock


@pytest.mark.parametrize(("minutes", "severity"), [(2, "warning"), (-2, "warning"), (60, "error"), (-60, "error")])
def test_a_wrong_clock(patient: Patient, minutes: int, severity: str) -> None:
    patient.faults.clock_offset = datetime.timedelta(minutes=minutes)
    check, found, message = patient.only_ailment()
    assert (check, found) == ("clock", severity)
    assert ("behind" if minutes > 0 else "ahead of") in message
    assert "NTP" in message


# The playbook


def test_the_playbook(patient: Patient) -> None:
    variables = {f"haproxy_certificates_{name}": value for name, value in patient.options.items()}
    healthy = run_playbook(variables, playbook=DOCTOR, env=patient.faults.env)
    assert healthy.returncode == 0, healthy.output
    assert healthy.changed == []
    table = next(task.result["msg"] for task in healthy.tasks if task.action == "ansible.builtin.debug")
    assert len(table) == len(healthy.result("rotation_doctor_info")["checks"])
    assert {line.split()[0] for line in table} == {"ok"}

    sick = run_playbook(
        {**variables, "haproxy_certificates_socket": patient.haproxy.operator_socket},
        playbook=DOCTOR,
        env=patient.faults.env,
        check=True,
    )
    assert sick.returncode != 0
    assert "- socket: HAProxy answers on" in sick.error
    assert len(sick.error.strip().splitlines()) == 2, sick.error
