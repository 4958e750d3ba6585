# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which addresses of this host are listened at. The kernel gives a connection to the most specific one."""

from __future__ import annotations

import ipaddress
import struct
import typing as t

_TABLES = ("/proc/net/tcp", "/proc/net/tcp6")
_OWN_IPV6 = "/proc/net/if_inet6"
_LISTEN = "0A"  # state of a socket, of include/net/tcp_states.h


def listening_addresses(port: int) -> frozenset[str]:
    """The addresses at which somebody listens on this TCP port, those that stand for all (0.0.0.0, ::) among them.

    Empty where the system does not tell: proc(5), /proc/net/tcp.
    """
    found = set()
    for table in _TABLES:
        for fields in _rows(table):
            if len(fields) > 3 and fields[3] == _LISTEN:
                address, _colon, number = fields[1].partition(":")
                if int(number, 16) == port:
                    found.add(_address(address))
    return frozenset(found)


def own_ipv6_addresses() -> list[str]:
    """Those of this host that are valid beyond one link; [] where the system does not tell."""
    found = [ipaddress.IPv6Address(bytes.fromhex(fields[0])) for fields in _rows(_OWN_IPV6) if len(fields[0]) == 32]
    return [str(address) for address in found if not address.is_link_local]


def _rows(path: str) -> t.Iterator[list[str]]:
    try:
        with open(path, encoding="ascii") as table:
            yield from (line.split() for line in table if line.strip())
    except OSError:
        return


def _address(text: str) -> str:
    """Words of 32 bits in the order of bytes of this machine."""
    words = bytes.fromhex(text)
    packed = b"".join(struct.pack(">I", word) for word in struct.unpack(f"={len(words) // 4}I", words))
    address = ipaddress.ip_address(packed)
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return str(mapped or address)
