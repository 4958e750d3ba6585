# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Where to connect for the address of a bind line (configuration manual, 4.2 "bind" and 11 "address formats")."""

from __future__ import annotations

import re
import typing as t

_TCP_PREFIXES = (
    "ipv4@",
    "ipv6@",
    "tcp@",
    "tcp4@",
    "tcp6@",
    "mptcp@",
    "mptcp4@",
    "mptcp6@",
    "stream+ipv4@",
    "stream+ipv6@",
)
_UNIX_PREFIXES = ("unix@", "uxst@", "stream+unix@")
_UNPROBEABLE_PREFIXES = {
    "uxdg@": "is a unix socket of datagrams",
    "fd@": "is an inherited file descriptor",
    "sockpair@": "is an inherited socket pair",
    "quic4@": "speaks QUIC",
    "quic6@": "speaks QUIC",
    "udp@": "speaks UDP",
    "udp4@": "speaks UDP",
    "udp6@": "speaks UDP",
    "rhttp@": "is a reversed HTTP connection",
}
_PORT = re.compile(r"[0-9]{1,9}")
_ABSTRACT_LENGTH = 108  # bytes of a unix socket's address; HAProxy fills those of abns@ up with zero bytes


def unix_path(text: str, prefix: str = "") -> str | None:
    """The path of a unix socket's address, with a zero byte first for an abstract one; None for other addresses.

    prefix: of "unix-bind prefix", which HAProxy puts before every path, and not before abstract names.
    """
    for kind in ("abns@", "abnsz@"):
        if text.startswith(kind):
            name = f"\0{text[len(kind) :]}"
            return name.ljust(_ABSTRACT_LENGTH, "\0") if kind == "abns@" else name
    for kind in _UNIX_PREFIXES:
        if text.startswith(kind):
            return prefix + text[len(kind) :]
    return prefix + text if text.startswith("/") else None


def listening_address(text: str) -> tuple[str, list[int], str | None]:
    """Where to connect for the address of a bind line that is no unix socket: host, ports, and why not if it cannot be.

    Addresses that mean all interfaces become loopback.
    """
    for prefix, reason in _UNPROBEABLE_PREFIXES.items():
        if text.startswith(prefix):
            return "", [0], reason
    is_ipv6 = False
    for prefix in _TCP_PREFIXES:
        if text.startswith(prefix):
            text = text[len(prefix) :]
            is_ipv6 = prefix.endswith("6@")
            break
    host, _colon, ports = text.rpartition(":")
    first, _dash, last = ports.partition("-")
    if not _PORT.fullmatch(first) or not _PORT.fullmatch(last or first):
        return "", [0], "has no port that can be understood"
    if not 0 < int(first) <= int(last or first) < 65536:
        return "", [0], "has no port that can be asked"
    host = host[1:-1] if host.startswith("[") and host.endswith("]") else host
    if host in ("", "*"):
        host = "::1" if is_ipv6 else "127.0.0.1"
    elif host == "0.0.0.0":  # noqa: S104  # nothing is bound here
        host = "127.0.0.1"
    elif ":" in host and set(host) <= {":", "0"}:
        host = "::1"
    if "@" in host:
        return "", [0], "is of an address family that is not known here"
    return host, list(range(int(first), int(last or first) + 1)), None


def is_quic(text: str) -> bool:
    """Whether HAProxy speaks QUIC at this address, and so TLS whatever the line says."""
    return text.startswith(("quic4@", "quic6@"))


def stands_for_all(text: str) -> bool:
    """Whether the address of a bind line is that of all the host's interfaces."""
    prefix = next((prefix for prefix in _TCP_PREFIXES if text.startswith(prefix)), "")
    host = text[len(prefix) :].rpartition(":")[0].strip("[]")
    return host in ("", "*", "0.0.0.0") or (":" in host and set(host) <= {":", "0"})  # noqa: S104


def ways_to_all(host: str, own_ipv6: t.Sequence[str]) -> t.Iterator[str]:
    """Addresses by which a listener on all addresses can be asked, the usual one first.

    On Linux all of 127.0.0.0/8 are the host's own. own_ipv6: other addresses of it.
    """
    yield host
    if ":" in host:
        yield from own_ipv6
    else:
        yield from (f"127.0.0.{number}" for number in range(2, 255))


def endpoint_label(host: str, port: int) -> str:
    """ "host:port", with brackets around an IPv6 address."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
