# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Real processes with real sockets."""

from __future__ import annotations

import os
import pathlib
import socket
import subprocess
import sys
import time
import typing as t

import pytest
from ansible_collections.certops.rotation.plugins.module_utils._ports.host.processes import (
    children_of,
    find_process,
    serving,
    started_at,
)

_LISTENER = """
import socket, sys
if sys.argv[1] == "unix":
    server = socket.socket(socket.AF_UNIX)
    server.bind(sys.argv[2])
else:
    server = socket.socket(socket.AF_INET6 if sys.argv[1] == "tcp6" else socket.AF_INET)
    server.bind(("::1" if sys.argv[1] == "tcp6" else "127.0.0.1", 0))
server.listen()
print("ready", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def idle() -> t.Iterator[int]:
    """A child that holds no listening socket."""
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE) as process:
        yield process.pid
        process.communicate()


@pytest.mark.parametrize("kind", ["tcp", "tcp6", "unix"])
def test_those_that_listen(idle: int, tmp_path: pathlib.Path, kind: str) -> None:
    command = [sys.executable, "-c", _LISTENER, kind, str(tmp_path / "socket")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        assert {child.pid for child in children_of(os.getpid())} >= {idle, process.pid}
        assert serving({idle, process.pid}, os.getpid()) == {process.pid}
        process.communicate()
    assert find_process(process.pid) is None
    assert serving({idle, process.pid}, os.getpid()) == {idle, process.pid}, "none does, so nothing is known"


def test_what_the_parent_listens_on_is_not_the_childs(idle: int) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.set_inheritable(True)
        with subprocess.Popen(["cat"], stdin=subprocess.PIPE, close_fds=False) as heir:
            assert serving({idle, heir.pid}, os.getpid()) == {idle, heir.pid}
            assert serving({idle, heir.pid}, idle) == {heir.pid}
            heir.communicate()


def test_when_a_process_began(tmp_path: pathlib.Path) -> None:
    before = time.time()
    with subprocess.Popen(["sleep", "60"]) as child:
        after = time.time()
        began = started_at(child.pid)
        child.kill()
    assert began is not None
    assert before - 0.1 < began < after + 0.1
    assert started_at(child.pid, str(tmp_path)) is None
    (tmp_path / str(child.pid)).mkdir()
    (tmp_path / str(child.pid) / "stat").write_text("1 (odd) S 1")
    assert started_at(child.pid, str(tmp_path)) is None
