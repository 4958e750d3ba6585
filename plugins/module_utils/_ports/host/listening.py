# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Who listens at an address of this host, as far as the process file system (proc(5)) tells whoever asks."""

from __future__ import annotations

import contextlib
import os
import re
import socket
import sys
import typing as t

from .processes import PROC, find_process, open_sockets, tcp_listens, unix_listens

_TEMPORARY = re.compile(r"\.\d{1,10}\.tmp")  # HAProxy binds a unix socket by such a name and then renames it
_ANY = {socket.AF_INET: "0.0.0.0", socket.AF_INET6: "::"}  # noqa: S104


class Owner(t.NamedTuple):
    """A process that has a listening socket open. family: its parent's pid where that is the same program, as HAProxy's
    master is of its workers; else its own."""

    pid: int
    name: str
    family: int


class Listening:
    """The listening sockets of this network namespace, as they are now. proc: its mount point."""

    def __init__(self, proc: str = PROC) -> None:
        self._proc = proc
        self._tables = {family: self._tcp(name) for family, name in _TABLES.items()}
        self._unix = self._unix_sockets()
        self._owners: dict[str, list[Owner]] | None = None

    def at(self, host: str, port: int, unix_path: str | None = None) -> list[tuple[Owner, ...]]:
        """Who has each socket that a connection to this address may get, () where that may not be seen; [] where no
        socket is seen.

        The most specific ones get all: those of the address, else those of all IPv4 ones, else those of all IPv6 ones.
        unix_path: of a unix socket instead, an abstract one with a zero byte first.
        """
        if unix_path is not None:
            inodes = self._unix.get(_TEMPORARY.sub("", unix_path).replace("\0", "@"), [])
            return [self._owners_of(inode) for inode in inodes]
        for family, address in _candidates(host.partition("%")[0]):
            found = self._tables[family].get((_hexadecimal(family, address), port))
            if found:
                return [self._owners_of(inode) for inode in found]
        return []

    def _owners_of(self, inode: str) -> tuple[Owner, ...]:
        if self._owners is None:
            self._owners = self._all_owners()
        return tuple(self._owners.get(inode, ()))

    def _tcp(self, name: str) -> dict[tuple[str, int], list[str]]:
        found: dict[tuple[str, int], list[str]] = {}
        for fields in self._rows(name):
            if tcp_listens(fields):
                address, _colon, port = fields[1].partition(":")
                found.setdefault((address, int(port, 16)), []).append(fields[9])
        return found

    def _unix_sockets(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for fields in self._rows("unix"):
            if len(fields) > 7 and unix_listens(fields):
                path = " ".join(fields[7:])
                path = path.rstrip("@") if path.startswith("@") else _TEMPORARY.sub("", path)
                found.setdefault(path, []).append(fields[6])
        return found

    def _rows(self, name: str) -> t.Iterator[list[str]]:
        path = os.path.join(self._proc, "net", name)
        with contextlib.suppress(OSError), open(path, encoding="utf-8", errors="surrogateescape") as file:
            next(file, None)
            yield from map(str.split, file)

    def _all_owners(self) -> dict[str, list[Owner]]:
        """Inode of a listening socket -> who has it open."""
        inodes = [inode for table in self._tables.values() for found in table.values() for inode in found]
        wanted = {*inodes, *(inode for found in self._unix.values() for inode in found)}
        owners: dict[str, list[Owner]] = {}
        with contextlib.suppress(OSError):
            for pid in map(int, filter(str.isdigit, os.listdir(self._proc))):
                sockets: set[str] = set()
                with contextlib.suppress(OSError):  # not ours to see, or it has ended
                    sockets = open_sockets(pid, self._proc) & wanted
                owner = self._owner(pid) if sockets else None
                for inode in sockets:
                    owners.setdefault(inode, []).extend([owner] if owner else [])
        return owners

    def _owner(self, pid: int) -> Owner | None:
        process = find_process(pid, self._proc)
        if process is None:
            return None
        parent = find_process(process.parent, self._proc)
        return Owner(pid, process.name, parent.pid if parent and parent.name == process.name else pid)


_TABLES = {socket.AF_INET: "tcp", socket.AF_INET6: "tcp6"}


def _candidates(host: str) -> list[tuple[socket.AddressFamily, str]]:
    """Addresses that a socket may have to get a connection to this one, the most specific first."""
    if ":" in host:
        return [(socket.AF_INET6, host), (socket.AF_INET6, _ANY[socket.AF_INET6])]
    four = [(socket.AF_INET, host), (socket.AF_INET6, f"::ffff:{host}"), (socket.AF_INET, _ANY[socket.AF_INET])]
    return [*four, (socket.AF_INET6, _ANY[socket.AF_INET6])]


def _hexadecimal(family: socket.AddressFamily, address: str) -> str:
    """As the tables have it: words of 32 bits in the machine's order. "" for what is no address."""
    try:
        packed = socket.inet_pton(family, address)
    except (OSError, UnicodeError):
        return ""
    words = (packed[start : start + 4] for start in range(0, len(packed), 4))
    return "".join(f"{int.from_bytes(word, sys.byteorder):08X}" for word in words)
