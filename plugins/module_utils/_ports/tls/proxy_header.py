# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a proxy says first: whose connection it passes on (HAProxy's PROXY protocol, versions 1 and 2)."""

from __future__ import annotations

import ipaddress
import typing as t

#: False: none. True: an empty one of version 1, "use the connection's own addresses". "v1", "v2": with addresses, for
#: listeners that refuse an empty one or know one version only.
ProxyProtocol = t.Union[bool, t.Literal["v1", "v2"]]
PROXY_PROTOCOLS: t.Final[tuple[ProxyProtocol, ...]] = (False, True, "v1", "v2")

_EMPTY: t.Final = b"PROXY UNKNOWN\r\n"  # 2.1
_SIGNATURE: t.Final = b"\r\n\r\n\0\r\nQUIT\n"  # 2.2
_LOCAL, _PROXY = b"\x20", b"\x21"
_FAMILIES: t.Final = {4: b"\x11", 6: b"\x21"}  # TCP over IPv4 and IPv6


def proxy_header(kind: ProxyProtocol, own: t.Any, peer: t.Any) -> bytes:
    """The header that passes on our own connection. own, peer: as getsockname() and getpeername() have them.

    Connections that are none of IP have no addresses to tell.
    """
    if kind is False:
        return b""
    source, destination = _address(own), _address(peer)
    if kind is True or source is None or destination is None:
        return _SIGNATURE + _LOCAL + b"\0\0\0" if kind == "v2" else _EMPTY
    ports = (own[1], peer[1])
    if kind == "v1":
        return f"PROXY TCP{source.version} {source} {destination} {ports[0]} {ports[1]}\r\n".encode("ascii")
    content = source.packed + destination.packed + b"".join(port.to_bytes(2, "big") for port in ports)
    return _SIGNATURE + _PROXY + _FAMILIES[source.version] + len(content).to_bytes(2, "big") + content


def _address(end: t.Any) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """Without its zone, which means nothing to another host."""
    return ipaddress.ip_address(end[0].partition("%")[0]) if isinstance(end, tuple) else None
