# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""`haproxy -c` before a reload, of real HAProxys: in their own environment, and as a user that lacks something."""

from __future__ import annotations

import os
import pathlib
import typing as t

import pytest
from ansible_collections.certops.rotation.tests.support import pki, rotation
from ansible_collections.certops.rotation.tests.support.aws_faults import AwsFaults
from ansible_collections.certops.rotation.tests.support.fork_server import ModuleServer
from ansible_collections.certops.rotation.tests.support.haproxy import HaproxyInstance
from ansible_collections.certops.rotation.tests.support.module import ModuleRun

ROLE = "haproxy_certificates_"


def confined(path: pathlib.Path, binary: str, closed: pathlib.Path) -> str:
    """HAProxy's program as a confined service has it: without what lets root read everybody's files, as this one.

    Whoever is not root could close it to HAProxy itself only: there, the program says the same without looking.
    """
    program = f'exec setpriv --bounding-set=-all --inh-caps=-all "{binary}" "$@"'
    if os.geteuid() == 0:
        closed.chmod(0)
    else:
        program = f"echo \"[ALERT] (1) : config : unable to scan directory '{closed}' : Permission denied.\"; exit 1"
    path.write_text(f"#!/bin/sh\n{program}\n")
    path.chmod(0o755)
    return str(path)


@pytest.mark.usefixtures("haproxy_version")
def test_the_check_before_a_reload(
    modules: ModuleServer, monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path
) -> None:
    """One HAProxy that was started with a variable, which this process does not have, and from another directory."""
    monkeypatch.setenv("NAME_OF_CERTIFICATE", "a.pem")
    certificate = pki.self_signed("a.example.com").combined_pem
    with HaproxyInstance({"a.pem": certificate}, tls=['crt "{certs}/${{NAME_OF_CERTIFICATE}}"']) as haproxy:
        monkeypatch.delenv("NAME_OF_CERTIFICATE")

        def reload(**options: t.Any) -> ModuleRun:
            given = {"method": "master", "socket": haproxy.master_socket, "config": [str(haproxy.config_path)]}
            return modules.run("haproxy_reload", {**given, "binary": haproxy.binary, "timeout": 30, **options})

        plain = reload()
        assert (plain.failed, plain.result["reloaded"]) == (False, True), plain.output
        assert not plain.result.get("warnings")

        # Another one for the same file is HAProxy's refusal, and the given variable goes before that of the process.
        refused = reload(environment={"NAME_OF_CERTIFICATE": "none.pem"})
        assert (refused.failed, refused.result["reloaded"]) == (True, False)
        assert "none.pem" in refused.result["log"]

        # What is confined cannot tell; HAProxy itself takes it.
        closed = haproxy.directory / "closed"
        closed.mkdir()
        (closed / "b.pem").write_text(certificate)
        haproxy.write_config(f"    bind {haproxy.directory}/more.sock ssl crt {closed}/\n")
        told = reload(binary=confined(tmp_path / "haproxy", haproxy.binary, closed))
        assert (told.failed, told.result["reloaded"]) == (False, True), told.output
        warning = str(told.result["warnings"])
        assert "could not be told beforehand" in warning
        assert "Permission denied" in warning or f"may not read {closed}" in warning

        # And HAProxy itself refuses, which the check could not tell.
        worker = haproxy.worker_pid()
        haproxy.write_config(f"    bind {haproxy.directory}/more.sock ssl crt {closed}/\n    garbage here\n")
        refused = reload(binary=str(tmp_path / "haproxy"))
        assert (refused.failed, refused.result["reloaded"]) == (True, False), refused.output
        assert haproxy.worker_pid() == worker


def test_what_the_check_could_not_tell_takes_nothing_back(
    scene: rotation.Scene, faults: AwsFaults, modules: ModuleServer, tmp_path: pathlib.Path
) -> None:
    """A renewal by a reload, where the check may not read what HAProxy reads."""
    haproxy = scene.haproxy
    closed = haproxy.directory / "closed"
    closed.mkdir()
    (closed / "x.pem").write_text(pki.self_signed("x.example.com").combined_pem)
    haproxy.write_config(f"    bind {haproxy.directory}/more.sock ssl crt {closed}/\n")
    issued = scene.store("a")
    usual = {name.removeprefix(ROLE): value for name, value in scene.variables.items()}
    usual |= {
        "socket": "",
        "reload_methods": ["master"],
        "binary": confined(tmp_path / "haproxy", haproxy.binary, closed),
    }
    run = modules.run("haproxy_rotation", usual, env=faults.env)
    assert not run.failed, run.output
    assert (run.result["activation"], run.result["proven"], run.result["rolled_back"]) == ("reload", ["web/a"], [])
    assert "could not be told beforehand" in str(run.result["warnings"])
    assert scene.served("a") == issued.fingerprint_sha256
