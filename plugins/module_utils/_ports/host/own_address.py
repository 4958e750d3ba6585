# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The addresses of this host: the one by which it reaches others, and whether one is its own."""

from __future__ import annotations

import contextlib
import errno
import ipaddress
import socket
import struct

# Connecting a datagram socket chooses the route, and sends nothing.
_FAR_AWAY = {socket.AF_INET: "1.1.1.1", socket.AF_INET6: "2606:4700:4700::1111"}
_ANY_PORT = 53
# RFC 5014, in the numbers of Linux: no temporary address (RFC 8981), which is another one tomorrow.
_IPV6_ADDR_PREFERENCES, _PREFER_SRC_PUBLIC = 72, 2
# rtnetlink(7): ask the kernel for the route to one address.
_REQUEST, _GET_ROUTE, _NEW_ROUTE, _DESTINATION, _LOCAL = 1, 26, 24, 1, 2
_NETLINK = getattr(socket, "AF_NETLINK", None)
_SECONDS = 5.0


def own_address() -> str | None:
    """The source address of this host's default IPv4 route, else of its IPv6 route; None where it has neither."""
    return _source_address(socket.AF_INET) or _source_address(socket.AF_INET6)


def host_name() -> str:
    """As the kernel has it, with or without a domain."""
    return socket.gethostname()


def _source_address(family: socket.AddressFamily) -> str | None:
    """None also for one that means nothing beyond a link."""
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            if family == socket.AF_INET6:
                with contextlib.suppress(OSError):  # another system
                    probe.setsockopt(socket.IPPROTO_IPV6, _IPV6_ADDR_PREFERENCES, _PREFER_SRC_PUBLIC)
            probe.connect((_FAR_AWAY[family], _ANY_PORT))
            address = str(probe.getsockname()[0])
    except OSError:
        return None
    return None if ipaddress.ip_address(address).is_link_local else address


def is_own_address(address: str) -> bool:
    """Whether what is sent to this IP address stays on this host, now. A zone (fe80::1%eth0) may follow.

    The kernel's routes tell. Where they cannot be asked, one of the own addresses is what can be bound to; that is any
    with net.ipv4.ip_nonlocal_bind.
    """
    text = address.partition("%")[0]
    family = socket.AF_INET6 if ":" in text else socket.AF_INET
    try:
        return _route_is_local(family, socket.inet_pton(family, text))
    except OSError:
        pass  # no netlink: another system, or a service that may not use it
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind((text, 0))
        except OSError as error:
            return error.errno != errno.EADDRNOTAVAIL
    return True


def _route_is_local(family: int, address: bytes) -> bool:
    """Raises OSError when the kernel cannot be asked."""
    if _NETLINK is None:
        raise OSError(errno.EAFNOSUPPORT, "no netlink")
    attribute = struct.pack("=HH", 4 + len(address), _DESTINATION) + address
    body = struct.pack("=BBBBBBBBI", family, 8 * len(address), 0, 0, 0, 0, 0, 0, 0) + attribute
    with socket.socket(_NETLINK, socket.SOCK_RAW, 0) as kernel:
        kernel.settimeout(_SECONDS)
        kernel.send(struct.pack("=IHHII", 16 + len(body), _GET_ROUTE, _REQUEST, 1, 0) + body)
        answer = kernel.recv(8192)
    # Else it is an error: there is no route at all.
    return struct.unpack_from("=H", answer, 4)[0] == _NEW_ROUTE and answer[16 + 7] == _LOCAL
