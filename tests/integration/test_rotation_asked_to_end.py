# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A rotation that is asked to end, by signals at every stage or by a controller that goes away."""

from __future__ import annotations

import contextlib
import json
import os
import pathlib
import signal
import subprocess
import sys
import threading
import time
import typing as t

import pytest
from ansible_collections.certops.rotation.plugins.module_utils._ports.host.processes import Process, children_of
from ansible_collections.certops.rotation.tests.support import pki, rotation
from ansible_collections.certops.rotation.tests.support.aws_faults import AwsFaults
from ansible_collections.certops.rotation.tests.support.interrupted_host import Host, host
from ansible_collections.certops.rotation.tests.support.interruption import Interruptions, Place, Point
from ansible_collections.certops.rotation.tests.support.moto import MotoServer
from ansible_collections.certops.rotation.tests.support.playbook import ROTATE
from ansible_collections.certops.rotation.tests.support.ports import free_port
from ansible_collections.certops.rotation.tests.support.ssh_server import SshServer, ssh_server

_PATIENCE = 120  # seconds, for what takes one


@pytest.fixture(scope="module")
def interruptions() -> t.Iterator[Interruptions]:
    made = Interruptions()
    yield made
    made.close()


def test_asked_to_end_before_the_first_change(aws: MotoServer, faults: AwsFaults, interruptions: Interruptions) -> None:
    """It ends there, says so, and nothing is changed; neither is AWS waited for, which does not answer."""
    answer = threading.Event()

    def wait(_request: dict[str, t.Any], reply: dict[str, t.Any]) -> dict[str, t.Any]:
        answer.wait(_PATIENCE)
        return reply

    with host(aws, interruptions, {}) as made, contextlib.ExitStack() as stack:
        stack.callback(answer.set)
        made.env = faults.env
        earlier, _later = before_and_after(made.points(lambda: made.store("a")))
        assert {place.stage for place in earlier} == {"discover", "opened", "fetch"}
        made.store("a")
        disk = made.scene.disk()
        faults.change("BatchGetSecretValue", wait)
        for place in earlier:
            for name in ("SIGTERM", "SIGHUP", "SIGINT"):
                run = made.rotate(name, at=[place])
                assert (run.returncode, len(run.signalled)) == (1, 1), run.output
                assert run.told["msg"] == f"{name} came before anything was changed, so the run ended there."
                assert run.told["changed"] is False
        assert made.scene.disk() == disk
        answer.set()
        made.assert_the_next_run_converges()


def test_asked_to_end_later_on(aws: MotoServer, interruptions: Interruptions) -> None:
    """Again and again, at every call from the first change on: it goes on to its end, and tells that."""
    binds = ("crt {certs}", "crt {dir}/first.pem crt {certs}")
    first = pki.self_signed("first.example.com").combined_pem
    asked = ("SIGTERM", "SIGHUP", "SIGINT", "SIGHUP")
    told = "came while something was changed: the run went on to its end."
    stages = {"write", "opened", "activate", "prove", "record", "metrics", "end"}
    with rotation.scene(aws, tls=binds, certificates={"../first.pem": first}) as scene:
        made = Host(scene, interruptions, hurried=True)
        ways: tuple[dict[str, t.Any], ...] = ({}, {"socket": "", "reload_methods": ["master"]})
        for way in ways:
            _earlier, later = before_and_after(made.points(lambda: made.store("a"), **way))
            made.store("a")
            run = made.rotate(*asked, at=later, **way)
            assert run.returncode == 0, run.output
            assert {point.stage for point in run.signalled} == stages
            assert told in str(run.told["warnings"])
            made.assert_converged()

        (scene.haproxy.directory / "first.pem").write_text(made.issued["a"].combined_pem)
        assert scene.haproxy.reload()
        good = made.issued["a"]
        made.went_back = True
        made.store("a")
        run = made.rotate(*asked, at=[*later, Place("go_back")])
        assert run.returncode == 1
        assert {point.stage for point in run.signalled} == {*stages, "go_back"}
        assert "Rolled back 1 certificate" in run.told["msg"]
        assert told in str(run.told["warnings"])
        made.put("a", good)
        made.assert_the_next_run_converges()


def before_and_after(points: t.Sequence[Point]) -> tuple[list[Place], list[Place]]:
    """The places before the first change, and those that follow, of which there may be more."""
    first = next(number for number, point in enumerate(points) if point.stage == "write")
    earlier = [point.place for point in points[:first]]
    stages = dict.fromkeys(point.stage for point in points[first:])
    known = {place.stage for place in earlier}
    return earlier, [
        *(point.place for point in points[first:]),
        *(Place(stage) for stage in stages if stage not in known),
    ]


def test_a_terminal_asks_all_processes(aws: MotoServer, interruptions: Interruptions) -> None:
    """Programs that the run has started are not ended by what is sent to all processes of its group."""
    with host(aws, interruptions, {"socket": "", "reload_methods": ["master"]}) as made:
        binary = made.scene.haproxy.directory / "check"
        group = "set -- $(cat /proc/$PPID/stat)"  # the fifth field, see proc(5)
        lines = ["#!/bin/sh", 'check="$*"', group, "kill -HUP -$5", "kill -INT -$5"]
        lines.append(f"exec {made.scene.haproxy.binary} $check")
        binary.write_text("\n".join(lines) + "\n")
        binary.chmod(0o755)
        made.store("a")
        run = made.rotate(binary=str(binary))
        assert run.returncode == 0, run.output
        assert "SIGHUP and SIGINT came while something was changed" in str(run.told["warnings"])
        made.assert_converged()


# -- the controller goes away -------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def ssh(tmp_path_factory: pytest.TempPathFactory) -> t.Iterator[SshServer]:
    with ssh_server(tmp_path_factory.mktemp("ssh"), ["127.0.0.1"], free_port()) as server:
        yield server


class Gate:
    """A program that HAProxy's configuration is checked with: it waits until it is opened. reached: whether it does."""

    def __init__(self, directory: pathlib.Path, binary: str) -> None:
        self.program = directory / "gate"
        self._reached, self._opened = directory / "gate.reached", directory / "gate.opened"
        lines = [f"touch {self._reached}", f"until [ -e {self._opened} ]; do sleep 0.02; done", f'exec {binary} "$@"']
        self.program.write_text("\n".join(["#!/bin/sh", *lines]) + "\n")
        self.program.chmod(0o755)

    @property
    def reached(self) -> bool:
        return self._reached.exists()

    def open(self) -> None:
        self._opened.touch()

    def close(self) -> None:
        self._reached.unlink(missing_ok=True)
        self._opened.unlink(missing_ok=True)


def wait_until(condition: t.Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + _PATIENCE
    while not condition():
        assert time.monotonic() < deadline, f"{what}: not within {_PATIENCE} seconds"
        time.sleep(0.02)


def descendants(pid: int) -> list[Process]:
    children = children_of(pid)
    return children + [below for child in children for below in descendants(child.pid)]


def kill(processes: t.Iterable[Process]) -> None:
    for process in processes:
        with contextlib.suppress(ProcessLookupError):
            os.kill(process.pid, signal.SIGKILL)


def cut(what: str, controller: subprocess.Popen[bytes], server: SshServer) -> None:
    """End one end of the connection, as nobody would expect it."""
    if what == "session":
        kill(children_of(server.pid))
    elif what == "client":
        kill(process for process in descendants(controller.pid) if process.name == "ssh")
    else:
        processes = descendants(controller.pid)
        controller.kill()
        kill(processes)


def test_the_controller_goes_away(
    aws: MotoServer, interruptions: Interruptions, ssh: SshServer, tmp_path: pathlib.Path
) -> None:
    """In the middle of a reload, with new files on disk: the host's process goes on, and leaves nothing to be done."""
    with host(aws, interruptions, {"socket": "", "reload_methods": ["master"]}) as made:
        gate = Gate(tmp_path, made.scene.haproxy.binary)
        names = {"AWS_ACCESS_KEY_ID": "access_key", "AWS_SECRET_ACCESS_KEY": "secret_key", "AWS_REGION": "region"}
        access = {option: aws.env[name] for name, option in names.items()}
        role = {
            **made.scene.variables,
            "haproxy_certificates_socket": "",
            "haproxy_certificates_reload_methods": ["master"],
            "haproxy_certificates_binary": str(gate.program),
            "haproxy_certificates_aws": {**access, "endpoint_url": aws.endpoint_url},
        }
        # Without a master that others keep open: what is cut is cut.
        connection = {**ssh.variables, "ansible_ssh_args": "-o ControlMaster=no -o ControlPath=none"}
        cuts = {True: ("session", "controller"), False: ("session", "client")}
        for pipelining, whats in cuts.items():  # without it Ansible asks for a terminal, which then hangs up
            hosts = {"127.0.0.1": {**connection, **role, "ansible_ssh_pipelining": pipelining}}
            inventory = tmp_path / "inventory.json"
            inventory.write_text(json.dumps({"haproxy": {"hosts": hosts}}))
            for what in whats:
                made.store("a")
                gate.close()
                command = [sys.executable, "-m", "ansible", "playbook", ROTATE, "-i", str(inventory)]
                with (tmp_path / "output").open("wb") as output:
                    controller = subprocess.Popen(
                        command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True
                    )
                try:
                    wait_until(lambda one=controller: gate.reached or one.poll() is not None, "to begin the reload")
                    assert gate.reached, (tmp_path / "output").read_text()
                    cut(what, controller, ssh)
                    controller.wait(_PATIENCE)
                    wait_until(lambda: not children_of(ssh.pid), "to end the session")
                finally:
                    controller.kill()
                    gate.open()
                wait_until(lambda: made.served("a") == made.issued["a"].fingerprint_sha256, "to reload")
                wait_until(made.is_idle, "to end")
                made.assert_converged()
                made.before = dict(made.issued)
                run = made.rotate(metrics_textfile="")
                assert run.told["changed"] is False, run.output
