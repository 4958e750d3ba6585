# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The doctor: nothing to say about a healthy host, and each single fault is found, with what to do about it."""

from __future__ import annotations

import contextlib
import datetime
import os
import pathlib
import re
import socket
import typing as t

import pytest
from ansible_collections.certops.rotation.tests.support import pki
from ansible_collections.certops.rotation.tests.support.aws_faults import AwsFaults
from ansible_collections.certops.rotation.tests.support.docker_engine import DockerEngineHost, HaproxyContainer
from ansible_collections.certops.rotation.tests.support.fork_server import ModuleServer
from ansible_collections.certops.rotation.tests.support.haproxy import HaproxyInstance
from ansible_collections.certops.rotation.tests.support.module import run_module
from ansible_collections.certops.rotation.tests.support.moto import MotoServer
from ansible_collections.certops.rotation.tests.support.playbook import run_playbook

DOCTOR = "certops.rotation.doctor"
DENIED = "AccessDeniedException"
DOCUMENTATION = pathlib.Path(__file__).parents[2] / "docs" / "troubleshooting.md"


class Patient:
    """A healthy host, and what the doctor says about it when some options are others."""

    def __init__(
        self, modules: ModuleServer, faults: AwsFaults, haproxy: HaproxyInstance, authority: pki.CertificateAuthority
    ) -> None:
        self.modules = modules
        self.faults = faults
        self.haproxy = haproxy
        self.authority = authority
        self.certificates: dict[str, str] = {}
        self.options: dict[str, t.Any] = {
            "names": ["web/a", "web/b"],
            "path": str(haproxy.certs_dir),
            "socket": haproxy.socket,
            "reload_methods": ["master"],
            "master_socket": haproxy.master_socket,
            "binary": haproxy.binary,
            "config": [str(haproxy.config_path)],
            "timeout": 5,
        }

    def checks(self, *, unset: str = " ", **changed: t.Any) -> dict[str, dict[str, t.Any]]:
        """Check -> its result. The run never fails, and what it says of itself is true.

        unset: variables of the environment with this in their names are not there.
        """
        env = {name: value for name, value in self.faults.env.items() if unset not in name}
        run = self.modules.run("rotation_doctor_info", {**self.options, **changed}, env=env)
        assert not run.failed, run.output
        assert not run.result["changed"]
        checks = run.result["checks"]
        assert run.result["ok"] == all(check["severity"] != "error" for check in checks)
        assert all(check["message"] for check in checks)
        assert {check["ok"] for check in checks if check["severity"] == "ok"} <= {True}
        return {check["check"]: check for check in checks}

    def ailments(self, **changed: t.Any) -> dict[str, tuple[str, str]]:
        """Check -> severity and message, of those that are not well."""
        found = self.checks(**changed)
        return {name: (check["severity"], check["message"]) for name, check in found.items() if not check["ok"]}

    def only_ailment(self, **changed: t.Any) -> tuple[str, str, str]:
        """Check, severity and message: one fault, one finding, and all else is looked at."""
        found = self.ailments(**changed)
        assert len(found) == 1, found
        ((check, (severity, message)),) = found.items()
        return check, severity, message


@pytest.fixture
def patient(
    modules: ModuleServer, aws: MotoServer, faults: AwsFaults, intermediate: pki.CertificateAuthority
) -> t.Iterator[Patient]:
    issued = {name: intermediate.issue(f"{name}.example.com") for name in ("a", "b")}
    for name, certificate in issued.items():
        aws.put_secret(f"web/{name}", certificate.secret_document(), {"Environment": "production"})
    with HaproxyInstance({"web_a.pem": issued["a"].combined_pem}) as haproxy:
        made = Patient(modules, faults, haproxy, intermediate)
        made.certificates["web_a.pem"] = issued["a"].combined_pem
        yield made


def test_a_healthy_host(patient: Patient) -> None:
    checks = patient.checks()
    assert {name: check["message"] for name, check in checks.items() if not check["ok"]} == {}
    documented = set(re.findall(r"^\| `([^`]+)`", DOCUMENTATION.read_text(encoding="utf-8"), re.MULTILINE))
    made = {
        re.sub(r"^library .*", "library NAME", re.sub(r"^reload by .*", "reload by METHOD", name)) for name in checks
    }
    # These are shown only where something is wrong.
    assert made == documented - {"secret NAME", "certificate NAME", "layout", "prove"}
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
    assert "Set haproxy_certificates_aws.region" in message


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
    assert "Set haproxy_certificates_tags" in found["secrets"][1]


# The clock


@pytest.mark.parametrize(("minutes", "severity"), [(2, "warning"), (-2, "warning"), (60, "error"), (-60, "error")])
def test_a_wrong_clock(patient: Patient, minutes: int, severity: str) -> None:
    patient.faults.clock_offset = datetime.timedelta(minutes=minutes)
    check, found, message = patient.only_ailment()
    assert (check, found) == ("clock", severity)
    assert ("behind" if minutes > 0 else "ahead of") in message
    assert "NTP" in message


# The host


def test_a_directory_that_cannot_be_written(patient: Patient) -> None:
    check, severity, message = patient.only_ailment(path="/nonexistent/certs", prove=False)
    assert (check, severity) == ("path", "error")
    assert "/nonexistent, the parent of /nonexistent/certs, does not exist" in message
    assert "is not a directory" in patient.ailments(path="/dev/null")["path"][1]


def test_a_directory_that_is_open_to_everybody(patient: Patient) -> None:
    patient.haproxy.certs_dir.chmod(0o777)
    check, severity, message = patient.only_ailment()
    assert (check, severity) == ("path mode", "error")
    assert "chmod o-w" in message


def test_deployed_files_that_are_missing_or_open(patient: Patient) -> None:
    deployed = patient.modules.run(
        "certificate_sync", {"names": ["web/a", "web/b"], "path": patient.options["path"]}, env=patient.faults.env
    )
    assert not deployed.failed, deployed.output
    assert patient.checks()["files"]["message"].startswith("2 deployed")
    (patient.haproxy.certs_dir / "web_a.pem").chmod(0o644)
    check, severity, message = patient.only_ailment()
    assert (check, severity) == ("files", "error")
    assert "web_a.pem is open to every user" in message
    (patient.haproxy.certs_dir / "web_a.pem").unlink()
    check, severity, message = patient.only_ailment()
    assert (check, severity) == ("files", "warning")
    assert "web_a.pem is missing" in message


def test_a_socket_without_the_level(patient: Patient) -> None:
    check, severity, message = patient.only_ailment(socket=patient.haproxy.operator_socket)
    assert (check, severity) == ("socket", "error")
    assert "level operator" in message
    assert f"stats socket {patient.haproxy.operator_socket} level admin" in message


def test_haproxy_is_down(patient: Patient) -> None:
    """Its sockets stay behind as files that nobody listens on."""
    stale = pathlib.Path(patient.haproxy.socket)
    patient.haproxy.stop()
    if not stale.exists():
        with contextlib.closing(socket.socket(socket.AF_UNIX)) as listener:
            listener.bind(str(stale))
    found = patient.ailments()
    assert found["socket"][0] == "error"
    assert "stale socket" in found["socket"][1]
    assert "start it" in found["socket"][1]
    assert found["reload by master"][0] == "error"


def test_a_socket_that_is_not_there(patient: Patient) -> None:
    check, severity, message = patient.only_ailment(socket="/nonexistent.sock")
    assert (check, severity) == ("socket", "warning"), "reloads work"
    assert "does not exist" in message
    found = patient.ailments(socket="/nonexistent.sock", master_socket="")
    assert found["socket"][0] == found["reload by master"][0] == "error"


def test_a_way_to_reload_that_does_not_work(patient: Patient) -> None:
    check, severity, message = patient.only_ailment(master_socket=patient.haproxy.socket)
    assert (check, severity) == ("reload by master", "warning"), "hot updates work"
    assert "master" in message


def test_an_endpoint_that_reloads(patient: Patient) -> None:
    ways: dict[str, t.Any] = {"socket": "", "reload_methods": ["http"]}
    with socket.create_server(("127.0.0.1", 0)) as endpoint:
        url = f"http://user:hidden-word@127.0.0.1:{endpoint.getsockname()[1]}/reload"
        assert patient.ailments(**ways, reload_url=url) == {}
    check, severity, message = patient.only_ailment(**ways, reload_url=url)
    assert (check, severity) == ("reload by http", "error")
    assert "refused" in message
    assert "hidden-word" not in message
    check, severity, message = patient.only_ailment(**ways, reload_url="")
    assert "haproxy_certificates_reload_url is not set" in message


def test_haproxy_in_docker(patient: Patient) -> None:
    """Running, under another name, stopped, and without the socket of Docker."""
    with DockerEngineHost() as engine, HaproxyContainer(engine, dict(patient.certificates)) as haproxy:
        ways: dict[str, t.Any] = {
            "path": str(haproxy.certs_dir),
            "config": [str(haproxy.config_path)],
            "socket": "",
            "reload_methods": ["docker"],
            "container": haproxy.name,
            "docker_host": engine.address,
            "check_config": False,
        }
        checks = patient.checks(**ways)
        assert checks["reload by docker"]["ok"], checks["reload by docker"]
        assert {"configuration", "haproxy program"} & set(checks) == set()

        check, severity, message = patient.only_ailment(**{**ways, "container": "nobody"})
        assert (check, severity) == ("reload by docker", "error")
        assert "nobody" in message
        haproxy.request("POST", "kill")
        assert "docker start" in patient.only_ailment(**ways)[2]
        assert "Start Docker" in patient.only_ailment(**{**ways, "docker_host": "unix:///nonexistent.sock"})[2]


def test_a_haproxy_that_does_not_reload_on_hup(patient: Patient, tmp_path: pathlib.Path) -> None:
    pid_file = tmp_path / "haproxy.pid"
    pid_file.write_text(f"{patient.haproxy.worker_pid()}\n")
    check, severity, message = patient.only_ailment(socket="", reload_methods=["signal"], pid_file=str(pid_file))
    assert (check, severity) == ("reload by signal", "error")
    assert "master-worker mode" in message
    pid_file.write_text(f"{patient.haproxy.master_pid}\n")
    assert patient.ailments(socket="", reload_methods=["signal"], pid_file=str(pid_file)) == {}


def test_a_broken_configuration(patient: Patient) -> None:
    patient.haproxy.write_config("    nonsense here")
    check, severity, message = patient.only_ailment()
    assert (check, severity) == ("configuration", "error")
    assert "nonsense" in message


def test_no_program(patient: Patient) -> None:
    found = patient.ailments(binary="no-such-haproxy", reload_methods=[])
    assert found["haproxy program"][0] == "warning"
    assert "no-such-haproxy" in found["haproxy program"][1]


def test_listeners_that_do_not_load_the_directory(patient: Patient, tmp_path: pathlib.Path) -> None:
    check, severity, message = patient.only_ailment(path=str(tmp_path / "elsewhere"))
    assert (check, severity) == ("listeners", "warning")
    assert f"crt {tmp_path}/elsewhere/" in message
    plain = tmp_path / "plain.cfg"
    plain.write_text("defaults\n mode http\n timeout connect 5s\n timeout client 5s\n timeout server 5s\n")
    found = patient.ailments(config=[str(plain)])
    assert found["listeners"][0] == "error"
    assert "has no TLS listener" in found["listeners"][1]


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
