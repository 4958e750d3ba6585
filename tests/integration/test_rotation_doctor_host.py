# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The doctor on what is wrong with a host: directory, files, sockets, HAProxy, its configuration, ways to reload."""

from __future__ import annotations

import contextlib
import pathlib
import socket
import typing as t

import pytest
from ansible_collections.certops.rotation.tests.support import pki
from ansible_collections.certops.rotation.tests.support.aws_faults import AwsFaults
from ansible_collections.certops.rotation.tests.support.docker_engine import DockerEngineHost, HaproxyContainer
from ansible_collections.certops.rotation.tests.support.fork_server import ModuleServer
from ansible_collections.certops.rotation.tests.support.moto import MotoServer
from ansible_collections.certops.rotation.tests.support.patient import Patient, healthy_host


@pytest.fixture
def patient(
    modules: ModuleServer, aws: MotoServer, faults: AwsFaults, intermediate: pki.CertificateAuthority
) -> t.Iterator[Patient]:
    with healthy_host(modules, aws, faults, intermediate) as made:
        yield made


def test_a_directory_that_cannot_be_written(patient: Patient) -> None:
    check, severity, message = patient.only_ailment(path="/nonexistent/certs", prove=False)
    assert (check, severity) == ("path", "error")
    assert "/nonexistent, the parent of /nonexistent/certs, does not exist" in message
    assert "is not a directory" in patient.ailments(path="/dev/null")["path"][1]


def test_a_directory_that_is_open_to_everybody(patient: Patient) -> None:
    patient.haproxy.certs_dir.chmod(0o777)
    check, severity, message = patient.only_ailment()
    assert (check, severity) == ("path mode", "error")
    assert "every user of this host may put something else" in message
    assert "chmod go-w" in message


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
    assert "option reload_url is not set" in message


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


def test_a_configuration_that_cannot_be_read_is_not_called_wrong(patient: Patient, tmp_path: pathlib.Path) -> None:
    """As of a user who may not look at all that it names; and with the variables that the process has."""
    program = tmp_path / "haproxy"
    denied = "[ALERT] (1) : config : unable to scan directory '/etc/closed' : Permission denied."
    program.write_text(f'#!/bin/sh\n[ "$1" = -c ] || exec "{patient.haproxy.binary}" "$@"\necho "{denied}"\nexit 1\n')
    program.chmod(0o755)
    check, severity, message = patient.only_ailment(binary=str(program))
    assert (check, severity) == ("configuration", "warning")
    assert "could not be told beforehand" in message
    assert "'/etc/closed' : Permission denied" in message
    assert "refuses" not in message


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
    assert found["configuration files"][0] == "warning"
    assert f"HAProxy was started with {patient.haproxy.config_path}, and" in found["configuration files"][1]
    assert found["listeners"][0] == "error"
    assert "has no TLS listener" in found["listeners"][1]
