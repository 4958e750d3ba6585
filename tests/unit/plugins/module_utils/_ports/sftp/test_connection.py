# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A connection ends in time and leaves no process, whatever the program behind it does with its pipes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import typing as t

import pytest
from ansible_collections.certops.rotation.plugins.module_utils._core.push import sftp
from ansible_collections.certops.rotation.plugins.module_utils._ports.host.processes import children_of, find_process
from ansible_collections.certops.rotation.plugins.module_utils._ports.sftp.connection import (
    ConnectionEnded,
    SftpConnection,
)

# An SFTP server in so far as a test needs one: says its version, then does as it is told.
SERVER = """
import os, struct, sys, time
def send(*packets): os.write(1, b"".join(struct.pack(">I", len(p)) + p for p in packets))
def status(number, code=0): return struct.pack(">BIII", 101, number, code, 0) + bytes(4)
def receive():
    data = b""
    while len(data) < 4 or len(data) < 4 + int.from_bytes(data[:4], "big"):
        data += os.read(0, 1) or sys.exit()
    return int.from_bytes(data[5:9], "big")
receive()
send(struct.pack(">BI", 2, 3))
"""
REQUESTS = [sftp.remove("/a"), sftp.remove("/b")]


def connect(script: str, seconds: float = 60) -> SftpConnection:
    return SftpConnection([sys.executable, "-c", script], os.environ, time.monotonic() + seconds)


def python_children() -> list[t.Any]:
    return children_of(os.getpid())


@pytest.fixture(autouse=True)
def nothing_stays() -> t.Iterator[None]:
    before = {process.pid for process in python_children()}
    yield
    assert {process.pid for process in python_children()} <= before


def test_answers_are_given_in_the_order_of_the_questions() -> None:
    with connect(f"{SERVER}\na, b = receive(), receive()\nsend(status(b, 2), status(a, 1))\nreceive()") as connection:
        connection.begin()
        replies = connection.exchange(REQUESTS)
        assert [sftp.status_of(reply).code for reply in replies] == [1, 2]
        assert connection.exchange([]) == []


def test_much_goes_both_ways_at_once() -> None:
    """More than the pipes hold: who only sends, and who only listens, would wait for ever."""
    script = f"{SERVER}\nwhile True: send(struct.pack('>BII', 103, receive(), 9000) + bytes(9000))"
    with connect(script.replace("os.read(0, 1)", "os.read(0, 4 - len(data) if len(data) < 4 else"
                                " 4 + int.from_bytes(data[:4], 'big') - len(data))")) as connection:  # fmt: skip
        connection.begin()
        replies = connection.exchange(sftp.writes(b"h", bytes(5_000_000)))
        assert len(replies) > 100
        assert sftp.data_of(replies[-1]) == bytes(9000)


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("print('Welcome to this machine', flush=True); import time; time.sleep(600)", "announced a packet of 146"),
        ("import os\nwhile True: os.write(1, b'\\xff' * 65536)", "announced a packet of"),
        ("import os; os.write(1, bytes(4))\nimport time; time.sleep(600)", "announced a packet of 0"),
        ("import os; os.write(1, b'\\0\\0\\0\\x05\\x65\\0\\0\\0\\3'); import time; time.sleep(600)", "packet type 101"),
    ],
)
def test_nonsense_is_not_listened_to(script: str, said: str) -> None:
    with connect(script) as connection, pytest.raises(sftp.SftpNonsense, match=said):
        connection.begin()


@pytest.mark.parametrize(
    ("does", "said"),
    [
        ("receive(); send(status(77))", "what it was not asked"),
        ("n = receive(); send(status(n), status(n))", "what it was not asked"),
        ("receive(); send(b'')", "announced a packet of 0"),
        ("receive(); os.write(1, b'\\xff\\xff\\xff\\xff')", "announced a packet of 4294967295"),
    ],
)
def test_answers_to_nothing_are_nonsense(does: str, said: str) -> None:
    with connect(f"{SERVER}\n{does}\ntime.sleep(600)") as connection:
        connection.begin()
        with pytest.raises(sftp.SftpNonsense, match=said):
            connection.exchange(REQUESTS)


def test_a_flood_that_nobody_asked_for_ends() -> None:
    with connect(f"{SERVER}\nwhile True: send(status(1))") as connection:
        connection.begin()
        with pytest.raises(sftp.SftpNonsense, match="what it was not asked"):
            connection.pause(600)


def test_a_flood_while_we_send_ends() -> None:
    with connect(f"{SERVER}\nwhile True: os.write(1, bytes(65536))") as connection:
        connection.begin()
        with pytest.raises(sftp.SftpNonsense, match="more than it was asked for"):
            connection.exchange(sftp.writes(b"h", bytes(10_000_000)))


@pytest.mark.parametrize(
    "does",
    [
        "time.sleep(600)",
        "signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(600)",
        "os.write(1, b'\\0\\0\\x20\\0')\nwhile True: os.write(1, b'x'); time.sleep(0.05)",
        "while True: os.write(2, b'noise ' * 10000)",
        "os.close(1) if os.fork() else None; time.sleep(600)",
    ],
)
def test_silence_drip_and_noise_end_at_the_deadline(does: str) -> None:
    with connect(f"import signal\n{SERVER}\n{does}") as connection:
        connection.begin()
        connection.deadline = time.monotonic() + 0.5
        with pytest.raises(ConnectionEnded) as ended:
            connection.exchange([*REQUESTS, *sftp.writes(b"h", bytes(10_000_000))])
        assert ended.value.timed_out


def test_of_what_is_told_beginning_and_end_are_kept() -> None:
    script = "import os, sys\nsys.stderr.write('first\\n' + 'noise\\n' * 200_000 + 'last\\n')"
    with connect(script) as connection:
        with pytest.raises(ConnectionEnded) as ended:
            connection.begin()
        assert not ended.value.timed_out
        assert connection.report.startswith("first\n")
        assert connection.report.endswith("last\n")
        assert len(connection.report) < 300_000


def test_it_ends_with_all_that_it_has_started() -> None:
    program = "import subprocess, sys\nprint(subprocess.Popen(['sleep', '600']).pid, file=sys.stderr)\n" + SERVER
    with connect(program) as connection:
        connection.begin()
        connection.pause(0.2)
        child = int(connection.report)
        assert find_process(child)
    _wait_until_gone(child)


PARENT = """
import os, sys, time
from ansible_collections.certops.rotation.plugins.module_utils._ports.sftp.connection import SftpConnection
with SftpConnection(["sleep", "600"], os.environ, time.monotonic() + 600) as connection:
    print(connection._process.pid, flush=True)
    connection.begin()
"""


def test_it_ends_with_this_process_however_that_ends() -> None:
    with subprocess.Popen([sys.executable, "-c", PARENT], stdout=subprocess.PIPE) as parent:
        assert parent.stdout
        child = int(parent.stdout.readline())
        assert find_process(child)
        parent.send_signal(signal.SIGKILL)
    _wait_until_gone(child)


def _wait_until_gone(pid: int) -> None:
    deadline = time.monotonic() + 30
    while find_process(pid):
        assert time.monotonic() < deadline
        time.sleep(0.01)
