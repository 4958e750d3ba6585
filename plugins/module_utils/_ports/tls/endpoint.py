# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What to probe: one TLS endpoint, as users write it and as a checked value."""

from __future__ import annotations

import dataclasses
import functools
import ipaddress
import re
import typing as t

from ..._core.x509.names import MissingIdna, ascii_labels
from ..._errors import ProbeError
from .proxy_header import PROXY_PROTOCOLS, ProxyProtocol
from .starttls import PROTOCOLS

KEY_TYPES = ("any", "rsa", "ecdsa")
_MAX_NAME = 253  # RFC 1035
_FIELDS = ("host", "port", "server_name", "address", "source_address", "starttls", "key_type", "proxy_protocol")
_WORDS_OF_PROXY_PROTOCOL: t.Final[dict[str, ProxyProtocol]] = {
    **dict.fromkeys(("", "0", "false", "no", "off"), False),
    **dict.fromkeys(("1", "true", "yes", "on"), True),
    "v1": "v1",
    "v2": "v2",
}


@dataclasses.dataclass(frozen=True)
class Endpoint:
    """One TLS endpoint. Raises ProbeError when a field makes no sense; a name that is none is found by the probe.

    host: DNS name (international ones as U-labels or A-labels) or IP address.
    server_name: name for SNI (RFC 6066) and for the trust check; None or "" sends no SNI.
    address: connect there instead of resolving host.
    starttls: plain-text protocol that is upgraded first, one of starttls.PROTOCOLS.
    key_type: accept a certificate of this key type only ("rsa", "ecdsa"), which limits the handshake to TLS 1.2.
    proxy_protocol: send a PROXY protocol header first, for listeners that expect one.
    unix_path: connect to this unix socket instead, an abstract one with a zero byte first; then host and port say
    nothing.
    source_address: connect from this IP address of our host.
    """

    host: str
    port: int
    server_name: str | None = None
    address: str | None = None
    starttls: str | None = None
    key_type: str = "any"
    proxy_protocol: ProxyProtocol = False
    unix_path: str | None = None
    source_address: str | None = None

    def __post_init__(self) -> None:
        if self.unix_path is None and not 0 < self.port < 65536:
            raise ProbeError(f"port {self.port} is not between 1 and 65535")
        if self.starttls and self.starttls not in PROTOCOLS:
            raise ProbeError(f"starttls {self.starttls!r} is not one of {', '.join(sorted(PROTOCOLS))}")
        if self.key_type not in KEY_TYPES:
            raise ProbeError(f"key_type {self.key_type!r} is not one of {', '.join(KEY_TYPES)}")
        if self.address and not is_ip(self.address):
            raise ProbeError(f"address {self.address!r} is not an IP address")
        if self.source_address and not is_ip(self.source_address):
            raise ProbeError(f"source_address {self.source_address!r} is not an IP address")
        if self.proxy_protocol not in PROXY_PROTOCOLS:
            raise ProbeError(f"proxy_protocol {self.proxy_protocol!r} is not one of true, false, v1, v2")

    @property
    def connect_host(self) -> str:
        """What to resolve and connect to, in ASCII. Raises ProbeError when the host is no name."""
        return self.address or ascii_name(self.host)

    @property
    def sni(self) -> str | None:
        """The name for SNI in ASCII, None for a handshake without it. Raises ProbeError when it cannot be sent."""
        return ascii_name(self.server_name) if self.server_name else None

    @property
    def odd_name(self) -> str | None:
        """Why nobody can ask for one of its names; None when they can be asked for."""
        try:
            _names = self.unix_path or self.connect_host, self.sni
        except ProbeError as error:
            return error.message
        return None

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"


@functools.lru_cache(maxsize=1024)
def is_ip(text: str) -> bool:
    """Whether text is an IPv4 or IPv6 address; a zone (fe80::1%eth0) may follow."""
    try:
        ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return False
    return True


@functools.lru_cache(maxsize=1024)
def ascii_name(name: str) -> str:
    """A host name as DNS and SNI carry it: A-labels, no dot at the end. Raises ProbeError when it is no host name."""
    if is_ip(name):
        return name
    shown = name if len(name) <= _MAX_NAME else f"{name[:50]}..."
    try:
        # To convert a very long one would take minutes.
        encoded = ascii_labels(name.rstrip(".")) if len(name) <= _MAX_NAME + 1 else ""
    except MissingIdna:
        raise ProbeError(
            f"{shown!r}: install the Python library idna on the host that runs the module, or write it in A-labels"
            " (xn--...)"
        ) from None
    except UnicodeError:
        encoded = ""
    if not re.fullmatch(r"(?=.{1,253}$)[A-Za-z0-9_-]{1,63}(\.[A-Za-z0-9_-]{1,63})*", encoded):
        raise ProbeError(f"{shown!r} is not a host name")
    return encoded


def split_host_port(text: str) -> tuple[str, int]:
    """Split "host:port" or "[ipv6]:port". Raises ProbeError when it is neither."""
    host, colon, port = text.strip().rpartition(":")
    bracketed = host.startswith("[") and host.endswith("]")
    if not colon or not host or not port.isascii() or not port.isdigit() or (":" in host and not bracketed):
        raise ProbeError(f"{text!r} is not host:port (an IPv6 address needs brackets, such as [::1]:443)")
    return (host[1:-1] if bracketed else host), int(port)


def parse_endpoint(entry: t.Any, position: int) -> Endpoint:
    """An Endpoint from a user's "host:port" or dict; SNI is the host by default, unless that is an IP address.

    position: the entry's index, for the message. Raises ProbeError that names the entry.
    """
    try:
        if isinstance(entry, str):
            host, port = split_host_port(entry)
            return Endpoint(host, port, server_name=None if is_ip(host) else host)
        if not isinstance(entry, t.Mapping):
            raise ProbeError("it is neither a text nor a dictionary")
        return _from_mapping(entry)
    except ProbeError as error:
        raise ProbeError(f"endpoints[{position}] ({entry!r}): {error.message}") from error


def _from_mapping(entry: t.Mapping[str, t.Any]) -> Endpoint:
    unknown = sorted(set(entry) - set(_FIELDS))
    if unknown:
        raise ProbeError(f"unknown field {', '.join(unknown)}; known are {', '.join(_FIELDS)}")
    host = str(entry.get("host") or "").strip()
    host = host[1:-1] if host.startswith("[") and host.endswith("]") else host
    if not host:
        raise ProbeError("host is missing")
    try:
        port = int(entry.get("port") or 443)
    except (TypeError, ValueError):
        raise ProbeError(f"port {entry['port']!r} is not a number") from None
    default_name = None if is_ip(host) else host
    return Endpoint(
        host,
        port,
        server_name=entry.get("server_name", default_name),
        address=entry.get("address") or None,
        starttls=entry.get("starttls") or None,
        key_type=entry.get("key_type") or "any",
        proxy_protocol=_proxy_protocol(entry.get("proxy_protocol")),
        source_address=entry.get("source_address") or None,
    )


def _proxy_protocol(value: t.Any) -> ProxyProtocol:
    """Truth may come as a text."""
    if value is None or isinstance(value, bool):
        return bool(value)
    text = str(value).strip().lower()
    if text not in _WORDS_OF_PROXY_PROTOCOL:
        raise ProbeError(f"proxy_protocol {value!r} is not one of true, false, v1, v2")
    return _WORDS_OF_PROXY_PROTOCOL[text]
