# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The examples work as they stand, but for paths and ports: HAProxy takes them, and the playbooks rotate it."""

from __future__ import annotations

import hashlib
import importlib.metadata
import os
import pathlib
import subprocess
import sys
import typing as t

import pytest
import yaml
from ansible_collections.certops.rotation.tests.support import pki, secrets_scan
from ansible_collections.certops.rotation.tests.support.haproxy import HaproxyInstance
from ansible_collections.certops.rotation.tests.support.moto import MotoServer
from ansible_collections.certops.rotation.tests.support.ports import free_port

EXAMPLES = pathlib.Path(__file__).parents[2] / "examples"
PROGRAMS = pathlib.Path(sys.executable).parent
DOMAINS = ("www.example.com", "api.example.com")
# Configuration and the inventory that belongs to it.
SETUPS = [
    ("haproxy.cfg", "inventory.yml"),
    ("haproxy-crt-list.cfg", "inventory.yml"),
    ("docker/haproxy.cfg", "docker/inventory.yml"),
]


def content_of(name: str) -> t.Any:
    return yaml.safe_load((EXAMPLES / name).read_text(encoding="utf-8"))


class ExampleHaproxy(HaproxyInstance):
    """Runs an example's configuration."""

    def __init__(self, name: str, certificates: t.Mapping[str, str]) -> None:
        self._example = (EXAMPLES / name).read_text(encoding="utf-8")
        super().__init__(certificates, tls=["crt {certs}"])
        crt_list = (EXAMPLES / "crt-list.txt").read_text(encoding="utf-8")
        self.crt_list_path.write_text(self.adapted(crt_list))
        (self.directory / "log").touch()

    def write_config(self, extra: str = "") -> None:
        self.config_path.write_text(self.adapted(self._example) + extra)

    def adapted(self, text: str) -> str:
        """An example with paths, ports and programs of this test."""
        places = {
            "/etc/haproxy/certs": str(self.certs_dir),
            "/etc/haproxy/crt-list.txt": str(self.crt_list_path),
            "/etc/haproxy/haproxy.cfg": str(self.config_path),
            "/run/haproxy/admin.sock": self.socket,
            "/run/haproxy-master.sock": self.master_socket,
            "/run/haproxy/master.sock": self.master_socket,
            "/opt/certops/bin/python": sys.executable,
            "bind :443": f"bind 127.0.0.1:{self.ports[0] if self.ports else 443}",
            "bind :80": f"bind 127.0.0.1:{free_port()}",
            "host.docker.internal": "127.0.0.1",
            "/dev/log": str(self.directory / "log"),
            # Whoever runs the tests.
            "user haproxy\n": "uid " + str(os.getuid()) + "\n",
            "group haproxy\n": "gid " + str(os.getgid()) + "\n",
            '_group: "99"': f'_group: "{os.getgid()}"',
        }
        for place, here in places.items():
            text = text.replace(place, here)
        return text


@pytest.fixture
def certificates(aws: MotoServer, intermediate: pki.CertificateAuthority) -> dict[str, pki.IssuedCertificate]:
    """The current certificates in Secrets Manager, with the tag that the inventories select."""
    issued = {domain: intermediate.issue(domain) for domain in DOMAINS}
    for domain, certificate in issued.items():
        aws.put_secret(domain, certificate.secret_document(), {"Environment": "production"})
    return issued


def run(playbook: str, inventory: pathlib.Path, aws: MotoServer, *more: str) -> subprocess.CompletedProcess[str]:
    command = [PROGRAMS / "ansible-playbook", f"certops.rotation.{playbook}", "-i", inventory, *more]
    result = subprocess.run(
        command,
        env={**os.environ, **aws.env, "ANSIBLE_NOCOLOR": "true", "ANSIBLE_LOCALHOST_WARNING": "false"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=300,
        check=False,
    )
    secrets_scan.assert_no_private_key(result.stdout)
    return result


@pytest.mark.parametrize(("config", "inventory"), SETUPS)
def test_haproxy_is_rotated(
    config: str,
    inventory: str,
    aws: MotoServer,
    intermediate: pki.CertificateAuthority,
    certificates: dict[str, pki.IssuedCertificate],
    tmp_path: pathlib.Path,
) -> None:
    old = {f"{domain}.pem": intermediate.issue(domain).combined_pem for domain in DOMAINS}
    with ExampleHaproxy(config, old) as haproxy:
        checked = subprocess.run([haproxy.binary, "-c", "-f", haproxy.config_path], capture_output=True, check=False)
        assert checked.returncode == 0, checked.stderr
        assert b"[WARNING]" not in checked.stdout + checked.stderr
        hosts = tmp_path / "inventory.yml"
        hosts.write_text(haproxy.adapted((EXAMPLES / inventory).read_text(encoding="utf-8")))

        doctor = run("doctor", hosts, aws)
        assert doctor.returncode == 0, doctor.stdout
        before = {path: path.read_bytes() for path in haproxy.certs_dir.iterdir()}
        predicted = run("rotate", hosts, aws, "--check", "--diff")
        assert predicted.returncode == 0, predicted.stdout
        assert {path: path.read_bytes() for path in haproxy.certs_dir.iterdir()} == before
        worker = haproxy.worker_pid()
        rotated = run("rotate", hosts, aws)
        assert rotated.returncode == 0, rotated.stdout
        for domain, certificate in certificates.items():
            assert hashlib.sha256(haproxy.served_leaf(domain)).hexdigest() == certificate.fingerprint_sha256
        assert haproxy.worker_pid() == worker, "a hot update was possible"
        assert haproxy.reload(), "the files and the crt-list are good for a reload, too"


def test_the_compose_file() -> None:
    path = EXAMPLES / "docker/compose.yml"
    command = [PROGRAMS / "check-jsonschema", "--builtin-schema", "vendor.compose-spec", path]
    checked = subprocess.run(command, capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    (service,) = content_of("docker/compose.yml")["services"].values()
    variables = content_of("docker/inventory.yml")["haproxy"]["vars"]
    mounts = dict(volume.partition(":")[::2] for volume in service["volumes"])
    assert mounts == {"/etc/haproxy": "/etc/haproxy:ro", "/run/haproxy": "/run/haproxy"}, "the same path on both sides"
    options = dict(zip(service["command"][1::2], service["command"][2::2]))
    assert options["-S"].partition(",")[0] == variables["haproxy_certificates_master_socket"]
    assert [options["-f"]] == variables["haproxy_certificates_config"]
    sources = [variables["haproxy_certificates_path"], options["-f"]]
    assert all(pathlib.PurePath(source).is_relative_to("/etc/haproxy") for source in sources)


def test_the_command_of_the_container_starts_haproxy(intermediate: pki.CertificateAuthority) -> None:
    """As the image's entry point makes it: haproxy -W -db and the arguments."""
    (service,) = content_of("docker/compose.yml")["services"].values()
    arguments = service["command"][1:]
    certificates = {f"{domain}.pem": intermediate.issue(domain).combined_pem for domain in DOMAINS}
    with ExampleHaproxy("docker/haproxy.cfg", certificates) as haproxy:
        haproxy.stop()
        command = [haproxy.binary, "-W", "-db", "-c", *map(haproxy.adapted, arguments)]
        checked = subprocess.run(command, capture_output=True, text=True, check=False)
        assert checked.returncode == 0, checked.stdout + checked.stderr


def test_the_health_check_of_the_container(intermediate: pki.CertificateAuthority) -> None:
    (service,) = content_of("docker/compose.yml")["services"].values()
    kind, *command = service["healthcheck"]["test"]
    assert kind == "CMD"
    certificates = {f"{domain}.pem": intermediate.issue(domain).combined_pem for domain in DOMAINS}
    with ExampleHaproxy("docker/haproxy.cfg", certificates) as haproxy:
        here = [word.replace("/443", f"/{haproxy.ports[0]}") for word in command]
        assert here != command
        healthy = subprocess.run(here, capture_output=True, timeout=10, check=False)
        assert healthy.returncode == 0, healthy.stderr
        assert haproxy.served_leaf(DOMAINS[0])
        assert "handshake" not in haproxy.log
        haproxy.stop()
        assert subprocess.run(here, capture_output=True, timeout=10, check=False).returncode != 0


def test_the_execution_environment() -> None:
    path = EXAMPLES / "execution-environment.yml"
    command = [PROGRAMS / "ansible-lint", "--offline", "--nocolor", "-q", path]
    linted = subprocess.run(command, cwd=EXAMPLES.parent, capture_output=True, text=True, check=False)
    assert linted.returncode == 0, linted.stdout + linted.stderr
    definition = content_of("execution-environment.yml")
    assert definition["version"] == 3
    assert definition["dependencies"]["galaxy"]["collections"] == [{"name": "certops.rotation"}]
    # The rest comes from these, which ansible-builder reads in every collection.
    metadata = yaml.safe_load((EXAMPLES.parent / "meta/execution-environment.yml").read_text(encoding="utf-8"))
    assert all((EXAMPLES.parent / file).is_file() for file in metadata["dependencies"].values())


def test_the_decision_environment(tmp_path: pathlib.Path) -> None:
    """ansible-builder takes it; it is the execution environment, and what runs rulebooks."""
    path = EXAMPLES / "decision-environment.yml"
    create = ["ansible-builder", "create", "--file", path, "--context", tmp_path, "--output-filename", "Containerfile"]
    created = subprocess.run(
        [PROGRAMS / create[0], *create[1:]], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert created.returncode == 0, created.stdout + created.stderr
    definition, execution = content_of("decision-environment.yml"), content_of("execution-environment.yml")
    own = {name: definition["dependencies"].pop(name) for name in ("python", "system")}
    assert definition["dependencies"] == execution["dependencies"]
    assert definition["images"] == execution["images"]
    (rulebook,) = own["python"]
    installed = importlib.metadata.version("ansible-rulebook")
    assert rulebook == f"ansible-rulebook>={installed}" or installed > rulebook.partition(">=")[2]
    java = next(line for line in own["system"] if line.startswith("java-"))
    assert java.startswith("java-17-")
    assert "ENV JAVA_HOME=/usr/lib/jvm/jre-17" in (tmp_path / "Containerfile").read_text()


def test_every_example_is_linked_and_tested() -> None:
    files = {str(path.relative_to(EXAMPLES)) for path in EXAMPLES.rglob("*") if path.is_file()} - {"README.md"}
    readme = (EXAMPLES / "README.md").read_text(encoding="utf-8")
    source = pathlib.Path(__file__).read_text(encoding="utf-8")
    with_tests_of_their_own = ("awx/", "boot/", "ci/", "dns/", "lambda/")
    assert {directory for directory in with_tests_of_their_own if f"]({directory})" not in readme} == set()
    files = {file for file in files if not file.startswith(with_tests_of_their_own)}
    assert {file for file in files if f"]({file})" not in readme} == set()
    assert {file for file in files if f'"{file}"' not in source and f'/ "{file}"' not in source} - {
        "docker/compose.yml",
        "haproxy-acme.cfg",  # test_http_01.py
    } == set()
