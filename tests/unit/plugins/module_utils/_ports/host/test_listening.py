# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Who listens at an address, seen with real sockets of this process and of a child."""

from __future__ import annotations

import contextlib
import os
import pathlib
import signal
import socket
import time
import typing as t

import pytest
from ansible_collections.certops.rotation.plugins.module_utils._ports.host.listening import (
    Listening,
    listening_addresses,
)
from ansible_collections.certops.rotation.tests.support.ports import free_port


def listener(host: str, port: int) -> socket.socket:
    made = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    if made.family == socket.AF_INET6:
        made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    made.bind((host, port))
    made.listen()
    return made


def pids(found: t.Sequence[t.Sequence[t.Any]]) -> list[list[int]]:
    return [[owner.pid for owner in owners] for owners in found]


def test_each_socket_of_an_address_and_who_has_it() -> None:
    port, own = free_port(), [os.getpid()]
    assert Listening().at("127.0.0.1", port) == []
    with listener("127.0.0.1", port), listener("127.0.0.1", port):
        assert pids(Listening().at("127.0.0.1", port)) == [own, own]
        assert Listening().at("127.0.0.2", port) == []
        assert Listening().at("localhost", port) == []
        assert listening_addresses()[port] == {"127.0.0.1"}
        (owner, *_others) = Listening().at("127.0.0.1", port)[0]
        assert owner.name


def test_the_most_specific_one_gets_all() -> None:
    port = free_port()
    with listener("::", port):
        assert len(Listening().at("127.0.0.1", port)) == 1
        assert len(Listening().at("::1", port)) == 1
        with listener("0.0.0.0", port):
            assert len(Listening().at("127.0.0.1", port)) == 1
            assert Listening().at("localhost", port) == []
        with listener("::1", port), listener("::1", port):
            assert len(Listening().at("0:0::1", port)) == 2
            assert len(Listening().at("::1%lo", port)) == 2
            assert len(Listening().at("127.0.0.1", port)) == 1
        with listener("::ffff:127.0.0.1", port):
            assert listening_addresses()[port] == {"::", "127.0.0.1"}


def test_processes_that_share_one_socket() -> None:
    port = free_port()
    with listener("127.0.0.1", port):
        child = os.fork()
        if child == 0:  # pragma: no cover
            time.sleep(60)
            os._exit(0)
        try:
            (owners,) = Listening().at("127.0.0.1", port)
        finally:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
    assert {owner.pid for owner in owners} == {os.getpid(), child}
    # A child of the same program is one with its parent, as HAProxy's workers are with their master.
    assert len({owner.family for owner in owners}) == 1


def test_unix_sockets(tmp_path: pathlib.Path) -> None:
    """HAProxy binds one by a temporary name; an abstract one has no file."""
    path = tmp_path / "a b.sock"
    with socket.socket(socket.AF_UNIX) as made, socket.socket(socket.AF_UNIX) as abstract:
        made.bind(f"{path}.{os.getpid()}.tmp")
        abstract.bind(f"\0rotation-{os.getpid()}")
        made.listen()
        abstract.listen()
        assert pids(Listening().at("", 0, str(path))) == [[os.getpid()]]
        assert pids(Listening().at("", 0, f"\0rotation-{os.getpid()}")) == [[os.getpid()]]
        assert Listening().at("", 0, str(tmp_path / "other.sock")) == []
        with socket.socket(socket.AF_UNIX) as padded:  # as HAProxy's abns@
            name = f"\0rotation-padded-{os.getpid()}".ljust(108, "\0")
            padded.bind(name)
            padded.listen()
            assert pids(Listening().at("", 0, name)) == [[os.getpid()]]
        # Of two the file leads to the later one, and which one that is nobody tells.
        with socket.socket(socket.AF_UNIX) as later:
            later.bind(str(path))
            later.listen()
            assert Listening().at("", 0, str(path)) == []


def test_what_may_not_be_seen(tmp_path: pathlib.Path) -> None:
    """Another user's processes, and a system without proc(5)."""
    assert Listening(str(tmp_path)).at("127.0.0.1", 443) == []
    (tmp_path / "net").mkdir()
    port = free_port()
    with contextlib.ExitStack() as stack:
        stack.enter_context(listener("127.0.0.1", port))
        for table in ("tcp", "tcp6", "unix"):
            (tmp_path / "net" / table).write_bytes(pathlib.Path("/proc/net", table).read_bytes())
        assert Listening(str(tmp_path)).at("127.0.0.1", port) == [()]


@pytest.mark.parametrize("row", ["", "garbage\n", "a b c d e f g h i j k\n", "1: 0100007F:01BB 0:0 0A\n"])
def test_tables_that_are_odd(tmp_path: pathlib.Path, row: str) -> None:
    (tmp_path / "net").mkdir()
    for table in ("tcp", "tcp6", "unix"):
        (tmp_path / "net" / table).write_text(row)
    assert Listening(str(tmp_path)).at("127.0.0.1", 443) == []
