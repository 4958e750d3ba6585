# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The processes of this machine, from the process file system (proc(5))."""

from __future__ import annotations

import contextlib
import os
import time
import typing as t

PROC = "/proc"


class Process(t.NamedTuple):
    """pid; parent: its parent's; name: the program's, cut to 15 characters by the kernel."""

    pid: int
    parent: int
    name: str


def find_process(pid: int, proc: str = PROC) -> Process | None:
    """None: there is no such process, or it has ended."""
    try:
        with open(os.path.join(proc, str(pid), "stat"), encoding="utf-8", errors="replace") as file:
            # The name in parentheses may hold anything, so look behind the last one: state, then parent.
            head, _separator, tail = file.read().rpartition(")")
        state, parent = tail.split()[:2]
    except (OSError, ValueError):
        return None
    return None if state in "ZX" else Process(pid, int(parent), head.partition("(")[2])


def started_at(pid: int, proc: str = PROC) -> float | None:
    """When it began, in seconds since 1970, within a few hundredths; None where that is not told."""
    try:
        with open(os.path.join(proc, str(pid), "stat"), encoding="utf-8", errors="replace") as file:
            ticks = int(file.read().rpartition(")")[2].split()[19])
        with open(os.path.join(proc, "uptime"), encoding="ascii") as file:
            uptime = float(file.read().split()[0])
    except (OSError, ValueError, IndexError):
        return None
    return time.time() - uptime + ticks / os.sysconf("SC_CLK_TCK")


def children_of(pid: int, proc: str = PROC) -> list[Process]:
    """Its child processes that live."""
    candidates = (find_process(int(entry), proc) for entry in os.listdir(proc) if entry.isdigit())
    return [process for process in candidates if process and process.parent == pid]


def serving(workers: t.Collection[int], master: int, proc: str = PROC) -> set[int]:
    """Those that listen, or all where none is seen to. A worker of HAProxy 3.1 and newer reads the configuration before
    it listens; one that leaves has ended to."""
    return {pid for pid in workers if _listens(pid, master, proc)} or set(workers)


def _listens(pid: int, without: int, proc: str) -> bool:
    """Whether it has listening sockets (TCP, Unix) that the other process has not. True if it may not be asked."""
    try:
        return not _listening(pid, proc).isdisjoint(open_sockets(pid, proc) - open_sockets(without, proc))
    except PermissionError:
        return True
    except OSError:  # it has ended
        return False


def open_sockets(pid: int, proc: str) -> set[str]:
    """Inodes of the sockets that it has open."""
    directory = os.path.join(proc, str(pid), "fd")
    inodes = set()
    for descriptor in os.listdir(directory):
        with contextlib.suppress(FileNotFoundError):  # closed by now
            kind, _separator, inode = os.readlink(os.path.join(directory, descriptor)).partition(":")
            if kind == "socket":
                inodes.add(inode.strip("[]"))
    return inodes


def _listening(pid: int, proc: str) -> set[str]:
    """Inodes of all listening sockets of its network namespace."""
    inodes = set()
    for name, is_listening, column in (("tcp", tcp_listens, 9), ("tcp6", tcp_listens, 9), ("unix", unix_listens, 6)):
        path = os.path.join(proc, str(pid), "net", name)
        with contextlib.suppress(FileNotFoundError), open(path, encoding="ascii", errors="replace") as file:
            next(file)
            inodes |= {fields[column] for fields in map(str.split, file) if is_listening(fields)}
    return inodes


def tcp_listens(fields: list[str]) -> bool:
    """Whether a row of /proc/net/tcp is of a listening socket."""
    return fields[3] == "0A"  # TCP_LISTEN


def unix_listens(fields: list[str]) -> bool:
    """The same of /proc/net/unix."""
    return bool(int(fields[3], 16) & 0x10000)  # __SO_ACCEPTCON
