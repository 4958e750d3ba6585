# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Hosts that hang, drip, flood and lie, before they have proved who they are and after: each costs its own time-out,
says whose fault it is, and leaves no process here."""

from __future__ import annotations

import concurrent.futures
import os
import pathlib
import signal
import socket
import subprocess
import sys
import time
import typing as t

import pytest
from ansible_collections.certops.rotation.plugins.module_utils._core.push.delivery import Delivery
from ansible_collections.certops.rotation.plugins.module_utils._core.push.targets import PushTarget
from ansible_collections.certops.rotation.plugins.module_utils._errors import PushError
from ansible_collections.certops.rotation.plugins.module_utils._ports.host.processes import children_of, find_process
from ansible_collections.certops.rotation.plugins.module_utils._ports.sftp.openssh import OpensshDeliverer
from ansible_collections.certops.rotation.tests.support.bad_server import BadServer
from ansible_collections.certops.rotation.tests.support.push_lineages import new_lineage
from ansible_collections.certops.rotation.tests.support.ssh_hosts import SshHost, make_key
from ansible_collections.certops.rotation.tests.support.stalling_proxy import StallingProxy

Outcome = t.Union[PushError, list[Delivery]]


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> t.Iterator[SshHost]:
    """What it runs for a login, the key's line says."""
    settings = ["ForceCommand none", "ChrootDirectory none"]
    with SshHost(tmp_path_factory.mktemp("ssh"), "web1", settings=settings) as host:
        yield host


@pytest.fixture(autouse=True)
def no_process_stays() -> t.Iterator[None]:
    yield
    assert [process for process in children_of(os.getpid()) if process.name == "ssh"] == []


def attempt(target: PushTarget) -> Outcome:
    try:
        return OpensshDeliverer().deliver(target, [new_lineage()], uploaded={}, wait=False)
    except PushError as error:
        return error


def at_once(targets: t.Sequence[PushTarget]) -> list[Outcome]:
    """Beside each other: nobody's fault costs another's time. None of them ends by itself."""
    started = time.monotonic()
    with concurrent.futures.ThreadPoolExecutor(len(targets)) as threads:
        outcomes = list(threads.map(attempt, targets))
    assert time.monotonic() - started < 100
    return outcomes


# Before it has proved who it is


def _repeat(connection: socket.socket, content: bytes, pause: float = 0) -> None:
    while True:
        connection.sendall(content)
        time.sleep(pause)


def _speak(connection: socket.socket, content: bytes) -> None:
    connection.sendall(content)
    connection.recv(65536)
    time.sleep(600)


BANNER = b"SSH-2.0-OpenSSH_9.2\r\n"
STRANGERS: dict[str, tuple[t.Callable[[socket.socket], None], str]] = {
    "silent": (lambda connection: time.sleep(600), "did not speak SSH within 4 seconds"),
    "drips lines": (lambda connection: _repeat(connection, b"wait\r\n", 0.2), "did not speak SSH within 4 seconds"),
    "drips a line": (lambda connection: _repeat(connection, b"x", 0.2), "did not speak SSH within 4 seconds"),
    "floods lines": (lambda connection: _repeat(connection, b"\x1b[2Jno\r\n" * 1000), "ended: "),
    "floods": (lambda connection: _repeat(connection, b"\xff" * 65536), "ended: "),
    "silent after its banner": (lambda connection: _speak(connection, BANNER), "the SSH handshake and the login"),
    "nonsense after its banner": (lambda connection: _speak(connection, BANNER + b"\xff" * 65536), "ended: "),
    "of an old protocol": (lambda connection: _speak(connection, b"SSH-1.5-old\r\n"), "ended: "),
    "a web server": (lambda connection: connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n"), "ended: "),
    "ends at once": (lambda connection: None, "ended: "),
}


def test_strangers_cost_their_own_time_only(host: SshHost) -> None:
    def behaving(behave: t.Callable[[socket.socket], None]) -> BadServer:
        return BadServer(lambda connection, _request: behave(connection), reads_request=False)

    servers = {name: behaving(behave) for name, (behave, _said) in STRANGERS.items()}
    targets = []
    for name, server in servers.items():
        server.__enter__()
        address, _colon, port = server.address.partition(":")
        targets.append(host.target(name=name, address=address, port=int(port), timeout=8))
    outcomes = dict(zip(STRANGERS, at_once(targets)))
    for server in servers.values():
        server.__exit__()
    for name, outcome in outcomes.items():
        assert isinstance(outcome, PushError)
        assert outcome.fault == "unreachable", (name, outcome)
        assert str(outcome).startswith(f"{name}: ")
        assert STRANGERS[name][1] in str(outcome), (name, outcome)
        assert "\x1b" not in str(outcome)


# After the login

LIARS = {
    "silent": ("sleep 600", "unreachable", "let certdeploy in, but did not begin SFTP within 12 seconds"),
    "drips": (
        "printf '\\000\\000\\100\\000\\002'; while sleep 0.2; do printf x; done",
        "unreachable",
        "did not begin SFTP within 12 seconds",
    ),
    "floods": ("cat /dev/zero", "remote", "does not speak SFTP: it announced a packet of 0 bytes"),
    "floods its standard error": ("yes 'Permission denied (publickey).' >&2", "unreachable", "did not begin SFTP"),
    "greets": ("echo Welcome to this machine; sleep 600", "remote", "if it has a shell, that must print nothing"),
    "ends": ("exit 3", "remote", "does not speak SFTP: what it runs for that ends with 3. Confine the account"),
    "lets nobody in": ("echo 'This account is currently not available.' >&2; exit 1", "remote", "ends with 1."),
    "another protocol": ("printf '\\000\\000\\000\\005\\002\\000\\000\\000\\001'; sleep 600", "remote", "version 1"),
}


def test_liars_cost_their_own_time_only(host: SshHost, tmp_path: pathlib.Path) -> None:
    lines, targets = [], []
    for number, (name, (command, _fault, _said)) in enumerate(LIARS.items()):
        key = tmp_path / str(number)
        make_key(key)
        quoted = command.replace('"', '\\"')
        lines.append(f'command="{quoted}" {key.with_suffix(".pub").read_text()}')
        targets.append(host.target(name=name, private_key_file=str(key), timeout=12))
    host.authorize(*lines)
    for name, outcome in zip(LIARS, at_once(targets)):
        _command, fault, said = LIARS[name]
        assert isinstance(outcome, PushError)
        assert (outcome.fault, said in str(outcome)) == (fault, True), (name, outcome)


# In the middle of an upload


@pytest.fixture(scope="module")
def receiver(tmp_path_factory: pytest.TempPathFactory) -> t.Iterator[SshHost]:
    with SshHost(tmp_path_factory.mktemp("receiver"), "web1") as host:
        yield host


def large() -> t.Any:
    lineage = new_lineage("large.example.com")
    lineage.parts["chain"] = lineage.parts["fullchain"] = b"x" * 4_000_000  # type: ignore[index]
    return lineage


@pytest.mark.parametrize("way", ["stalls", "breaks", "hangs"])
def test_a_connection_that_ends_in_the_middle_of_a_file(receiver: SshHost, way: str) -> None:
    with StallingProxy(receiver.address, receiver.port, passes=1_000_000) as broken:
        target = receiver.target(address=broken.address, port=broken.port, timeout=6)
        with concurrent.futures.ThreadPoolExecutor(1) as thread:
            delivered = thread.submit(OpensshDeliverer().deliver, target, [large()], uploaded={}, wait=True)
            while not list(receiver.staging.glob(".upload-*/fullchain.pem")) and not delivered.done():
                time.sleep(0.01)
            if way == "breaks":
                receiver.restart()
            elif way == "hangs":
                receiver.hang()
            (delivery,) = delivered.result(100)
    if way == "hangs":
        receiver.resume()
    assert (delivery.uploaded, delivery.receipt, delivery.fault) == (False, None, "unreachable")
    assert delivery.error.startswith("web1: large.example.com: not uploaded to the end: it ")
    assert not list(receiver.staging.glob("large.example.com@*"))
    lineage = large()
    assert OpensshDeliverer().deliver(receiver.target(), [lineage], uploaded={}, wait=False)[0].uploaded
    for path in receiver.staging.glob("*/*"):
        path.unlink()
        path.parent.rmdir() if not list(path.parent.iterdir()) else None


def test_what_has_arrived_before_the_connection_ends_is_delivered(receiver: SshHost) -> None:
    lineage = new_lineage("arrived.example.com")
    staged = receiver.staging / f"{lineage.name}@{lineage.fingerprint_sha256}"
    with concurrent.futures.ThreadPoolExecutor(1) as thread:
        waiting = thread.submit(OpensshDeliverer().deliver, receiver.target(), [lineage], uploaded={}, wait=True)
        while not staged.exists():
            time.sleep(0.01)
        time.sleep(0.2)
        receiver.restart()
        (delivery,) = waiting.result(100)
    assert (delivery.uploaded, delivery.receipt, delivery.fault) == (True, None, "unreachable")
    assert "it was uploaded, and its receipt could not be waited for: it ended the connection" in delivery.error


def test_a_pusher_that_is_killed_leaves_no_process() -> None:
    """Not even one that waits in a key exchange, where ssh itself knows no time-out."""
    program = "\n".join(
        [
            "import sys, tempfile",
            f"sys.path[:] = {sys.path!r}",
            "from ansible_collections.certops.rotation.plugins.module_utils._core.push.targets import PushTarget",
            "from ansible_collections.certops.rotation.plugins.module_utils._ports.sftp.openssh import *",
            "key = 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIMe1W9vExBAajQhmoEg5qhLSAAYdH9OZMHA7q1TFJD7A'",
            "target = PushTarget('web1', '127.0.0.1', ('*',), (key,), port=int(sys.argv[1]), timeout=600)",
            "OpensshDeliverer().deliver(target, [], uploaded={}, wait=False)",
        ]
    )
    reached: list[bool] = []

    def behave(connection: socket.socket, _request: bytes) -> None:
        connection.sendall(BANNER)
        reached.append(connection.recv(65536).startswith(b"SSH-2.0-"))
        time.sleep(600)

    with BadServer(behave, reads_request=False) as server:
        port = server.address.partition(":")[2]
        with subprocess.Popen([sys.executable, "-c", program, port]) as pusher:
            while not reached:
                assert pusher.poll() is None
                time.sleep(0.01)
            (ssh,) = children_of(pusher.pid)
            assert ssh.name == "ssh"
            pusher.send_signal(signal.SIGKILL)
        deadline = time.monotonic() + 30
        while find_process(ssh.pid):
            assert time.monotonic() < deadline
            time.sleep(0.01)
