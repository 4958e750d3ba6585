# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which addresses of this host are listened at, and by whom, as far as proc(5) tells whoever asks.

The kernel gives a connection to the most specific one.
"""

from __future__ import annotations

import contextlib
import ipaddress
import os
import re
import struct
import typing as t

from .processes import PROC, find_process, open_sockets, tcp_listens, unix_listens

_OWN_IPV6 = "net/if_inet6"
_TEMPORARY = re.compile(r"\.\d{1,10}\.tmp$")  # HAProxy binds a unix socket by such a name and then renames it
_ALL_IPV4, _ALL_IPV6 = "0.0.0.0", "::"  # noqa: S104


class Owner(t.NamedTuple):
    """A process that has a listening socket open. family: its parent's pid where that is the same program, as HAProxy's
    master is of its workers, or has the socket, too; else its own."""

    pid: int
    name: str
    family: int
    parent: int


class Listening:
    """The listening sockets of this network namespace, as they are now. proc: mount point of proc(5)."""

    def __init__(self, proc: str = PROC) -> None:
        self._proc = proc
        self._tcp: dict[tuple[str, int], list[str]] = {}
        self._unix: dict[str, list[str]] = {}
        self._owners: dict[str, list[Owner]] | None = None
        for address, port, inode in _tcp_sockets(proc):
            self._tcp.setdefault((address, port), []).append(inode)
        for path, inode in _unix_sockets(proc):
            self._unix.setdefault(path, []).append(inode)

    def at(self, host: str, port: int, unix_path: str | None = None) -> list[tuple[Owner, ...]]:
        """Who has each socket that a connection to this address may get, () where that may not be seen; [] where no
        socket is seen.

        unix_path: of a unix socket instead, an abstract one with a zero byte first.
        """
        if unix_path is not None:
            name = unix_path.rstrip("\0").replace("\0", "@")  # HAProxy fills up those of abns@
            inodes = self._unix.get(name, [])
            # Of several sockets of one path the file leads to one, and which one is not told.
            return [self._owners_of(inode) for inode in inodes] if len(inodes) == 1 else []
        address = _canonical(host.partition("%")[0])
        if address is None:
            return []
        for candidate in (address, *([] if ":" in address else [_ALL_IPV4]), _ALL_IPV6):
            inodes = self._tcp.get((candidate, port), [])
            if inodes:
                return [self._owners_of(inode) for inode in inodes]
        return []

    def _owners_of(self, inode: str) -> tuple[Owner, ...]:
        if self._owners is None:
            self._owners = self._all_owners()
        owners = {owner.pid: owner for owner in self._owners.get(inode, ())}
        # One that has it from its parent, which has it still, is one with it: docker-proxy, what systemd starts.
        return tuple(
            owner._replace(family=owners[owner.parent].family) if owner.parent in owners else owner
            for owner in owners.values()
        )

    def _all_owners(self) -> dict[str, list[Owner]]:
        """By inode of the listening sockets."""
        wanted = {inode for table in (self._tcp.values(), self._unix.values()) for found in table for inode in found}
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
        family = parent.pid if parent and parent.name == process.name else pid
        return Owner(pid, process.name, family, process.parent)


def listening_addresses() -> dict[int, set[str]]:
    """Of each TCP port at which somebody listens the addresses, those that stand for all (0.0.0.0, ::) among them.

    Empty where the system does not tell.
    """
    found: dict[int, set[str]] = {}
    for address, port, _inode in _tcp_sockets(PROC):
        found.setdefault(port, set()).add(address)
    return found


def own_ipv6_addresses() -> list[str]:
    """Those of this host that are valid beyond one link; [] where the system does not tell."""
    rows = _rows(PROC, _OWN_IPV6)
    found = [ipaddress.IPv6Address(bytes.fromhex(fields[0])) for fields in rows if len(fields[0]) == 32]
    return [str(address) for address in found if not address.is_link_local]


def _tcp_sockets(proc: str) -> t.Iterator[tuple[str, int, str]]:
    """Address, port and inode of each that listens."""
    for table in ("net/tcp", "net/tcp6"):
        for fields in _rows(proc, table):
            if len(fields) > 9 and tcp_listens(fields):
                address, _colon, port = fields[1].partition(":")
                yield _address(address), int(port, 16), fields[9]


def _unix_sockets(proc: str) -> t.Iterator[tuple[str, str]]:
    """Path (of an abstract one with an @ first) and inode of each that listens."""
    for fields in _rows(proc, "net/unix"):
        if len(fields) > 7 and fields[6].isdigit() and unix_listens(fields):
            path = " ".join(fields[7:])
            yield path.rstrip("@") if path.startswith("@") else _TEMPORARY.sub("", path), fields[6]


def _rows(proc: str, table: str) -> t.Iterator[list[str]]:
    try:
        with open(os.path.join(proc, table), encoding="utf-8", errors="surrogateescape") as file:
            yield from (line.split() for line in file if line.strip())
    except OSError:
        return


def _address(text: str) -> str:
    """Words of 32 bits in the order of bytes of this machine."""
    words = bytes.fromhex(text)
    packed = b"".join(struct.pack(">I", word) for word in struct.unpack(f"={len(words) // 4}I", words))
    return _canonical(str(ipaddress.ip_address(packed))) or ""


def _canonical(text: str) -> str | None:
    """An IP address in its usual spelling, an IPv4 one also where IPv6 carries it; None for any other text."""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return str(mapped or address)
