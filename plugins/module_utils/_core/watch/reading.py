# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Watched endpoints from what people, files and other programs write, and back. Pure."""

from __future__ import annotations

import ipaddress
import re
import typing as t

from ..._errors import InvalidOption
from ..x509.names import MissingIdna, ascii_labels
from .endpoints import MOST_OF_A_HOST, MOST_OF_A_NAME, MOST_OF_AN_ADDRESS, WatchedEndpoint

FIELDS: t.Final = (
    "name",
    "host",
    "port",
    "server_name",
    "starttls",
    "address",
    "proxy_protocol",
    "enabled",
    "tags",
)
_HTTPS: t.Final = 443
_LONGEST_DNS_NAME: t.Final = 253  # RFC 1035
_LONGEST_TAG: t.Final = 256
_LONGEST_QUOTED: t.Final = 100
_DNS_NAME = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?(?:\.[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?)*")
_PORT = re.compile(r"[0-9]{1,5}")
_TRUE: t.Final = frozenset({"true", "yes", "on", "y", "t", "1"})
_FALSE: t.Final = frozenset({"false", "no", "off", "n", "f", "0"})

_Address = t.Union[ipaddress.IPv4Address, ipaddress.IPv6Address]


class WildcardName(InvalidOption):
    """A name with an asterisk stands for many hosts, so that nobody can ask for it."""


def read_endpoint(
    entry: t.Any,
    protocols: t.Collection[str],
    *,
    tags: t.Mapping[str, str] | None = None,
    beside: t.Collection[str] = (),
) -> WatchedEndpoint:
    """A text ``host``, ``host:port`` or ``[ipv6]:port``, or a dictionary of FIELDS, of which host alone must be there.

    Values may come as text, as from a file or a command line. protocols: what starttls may be. tags: for all that are
    read; the entry's own come before them. beside: fields that may be there and mean nothing here. Raises InvalidOption
    with what is wrong and what to do, and WildcardName.
    """
    if isinstance(entry, str):
        host, port = _split(entry)
        entry = {"host": host, "port": port}
    if not isinstance(entry, t.Mapping):
        raise InvalidOption(f"{_quoted(entry)} is neither a text such as www.example.com:443 nor a dictionary.")
    unknown = sorted(str(key) for key in entry if key not in FIELDS and key not in beside)
    if unknown:
        raise InvalidOption(f"{_quoted(unknown[0])} is no field of an endpoint: {', '.join(FIELDS)}.")
    host = canonical_host(_text(entry, "host") or "")
    address, server_name = _text(entry, "address"), _text(entry, "server_name", keep_empty=True)
    return WatchedEndpoint(
        name=_name(_text(entry, "name"), host),
        host=host,
        port=_port(entry.get("port")),
        server_name=canonical_host(server_name, "server_name") if server_name else server_name,
        starttls=_starttls(_text(entry, "starttls"), protocols),
        address=_ip_address(address) if address else None,
        proxy_protocol=_boolean(entry, "proxy_protocol", default=False),
        enabled=_boolean(entry, "enabled", default=True),
        tags=tuple(sorted({**(tags or {}), **read_tags(entry.get("tags"))}.items())),
    )


def read_endpoint_key(entry: t.Any) -> tuple[str, int]:
    """Host and port of a text, or of a pair as JSON has it. ``*.example.com`` is for each host of one more label.

    Raises InvalidOption.
    """
    is_pair = isinstance(entry, (list, tuple)) and len(entry) == 2
    host, port = entry if is_pair else _split(_plain(entry, "an endpoint"))
    base = str(host).strip().removeprefix("*.")
    endpoint = read_endpoint({"host": base, "port": port}, ())
    return (endpoint.host if base == str(host).strip() else f"*.{endpoint.host}"), endpoint.port


def endpoint_fields(endpoint: WatchedEndpoint) -> dict[str, t.Any]:
    """As results and files have it; read_endpoint makes the same endpoint of it."""
    return {**{field: getattr(endpoint, field) for field in FIELDS}, "tags": dict(endpoint.tags)}


def canonical_host(text: str, field: str = "host") -> str:
    """A DNS name in lower-case A-labels (IDNA 2008) without a dot at the end, or an IP address in its shortest form.

    Raises InvalidOption for what is neither, and WildcardName.
    """
    if not text:
        raise InvalidOption(f"{field} is missing: write a host name or an IP address.")
    bare = text[1:-1] if text.startswith("[") and text.endswith("]") else text
    address = _parsed(bare)
    if address is not None:
        if address.is_unspecified or address.is_multicast:
            raise InvalidOption(f"{field}: {_quoted(text)} is no address of a host.")
        return str(address)
    if "*" in bare:
        raise WildcardName(f"{field}: {_quoted(text)} stands for many hosts: write those that there are.")
    name = _a_labels(bare, text, field)
    last = name.rpartition(".")[2]
    if not _DNS_NAME.fullmatch(name) or last.isdigit():
        hint = "looks like an IP address and is none" if last.isdigit() or ":" in bare else "is no host name"
        raise InvalidOption(f"{field}: {_quoted(text)} {hint}: correct it.")
    return name


def read_tags(value: t.Any) -> dict[str, str]:
    """A dictionary, or a text ``key=value;key=value``, of which a key may stand alone. Raises InvalidOption."""
    if value is None or value == "":
        return {}
    if isinstance(value, str):
        pairs = [part.partition("=")[::2] for part in value.split(";") if part.strip()]
    elif isinstance(value, t.Mapping):
        pairs = [(_plain(key, "tags"), _plain(item, f"tags: {_quoted(key)}")) for key, item in value.items()]
    else:
        raise InvalidOption("tags is a dictionary such as {env: prod}, or a text such as env=prod;team=web.")
    found = {key.strip(): item.strip() for key, item in pairs}
    for key, item in found.items():
        if not key or re.search("[=;]", key) or ";" in item:
            raise InvalidOption(f"tags: {_quoted(key)} has no name, or an equals sign or semicolon in it.")
        if not f"{key}{item}".isprintable() or max(len(key), len(item)) > _LONGEST_TAG:
            raise InvalidOption(f"tags: a key or value has control characters, or more than {_LONGEST_TAG} characters.")
    return found


def _split(text: str) -> tuple[str, str | None]:
    """ "host:port" or "host" alone; an IPv6 address with a port is in brackets."""
    text = text.strip()
    if text.startswith("["):
        host, bracket, rest = text[1:].partition("]")
        if bracket and (not rest or re.match(":.", rest)):
            return host, rest[1:] or None
    elif text.count(":") <= 1:
        host, colon, port = text.partition(":")
        if port or not colon:
            return host, port or None
    elif _parsed(text):
        return text, None
    raise InvalidOption(f"{_quoted(text)} is no host:port; an IPv6 address needs brackets, such as [::1]:443.")


def _text(entry: t.Mapping[str, t.Any], field: str, *, keep_empty: bool = False) -> str | None:
    value = entry.get(field)
    if value is None:
        return None
    text = _plain(value, field).strip()
    if not text.isprintable():
        raise InvalidOption(f"{field} has control characters or a line's end in it: correct it.")
    return text if text or keep_empty else None


def _plain(value: t.Any, field: str) -> str:
    """YAML makes a number or a boolean of a text that looks like one."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (str, int, float)):
        return str(value)
    raise InvalidOption(f"{field} must be text, not {_quoted(value)}.")


def _name(given: str | None, host: str) -> str:
    if given is None:
        return host if len(host) <= MOST_OF_A_NAME else f"{host[: MOST_OF_A_NAME - 3]}..."
    if len(given) > MOST_OF_A_NAME:
        raise InvalidOption(f"name: {_quoted(given)} has more than {MOST_OF_A_NAME} characters: shorten it.")
    return given


def _port(value: t.Any) -> int:
    if value is None or value == "":
        return _HTTPS
    text = str(value).strip()
    if isinstance(value, (bool, float)) or not _PORT.fullmatch(text) or not 0 < int(text) < 65536:
        raise InvalidOption(f"port: {_quoted(value)} is no whole number from 1 to 65535.")
    return int(text)


def _starttls(text: str | None, protocols: t.Collection[str]) -> str | None:
    if text is not None and text.lower() not in protocols:
        raise InvalidOption(f"starttls: {_quoted(text)} is not one of {', '.join(sorted(protocols))}.")
    return text.lower() if text else None


def _ip_address(text: str) -> str:
    address = _parsed(text[1:-1] if text.startswith("[") and text.endswith("]") else text)
    if address is None:
        raise InvalidOption(f"address: {_quoted(text)} is no IP address. A name goes into host.")
    return str(address)


def _boolean(entry: t.Mapping[str, t.Any], field: str, *, default: bool) -> bool:
    text = _text(entry, field)
    if text is None:
        return default
    if text.lower() not in _TRUE | _FALSE:
        raise InvalidOption(f"{field}: {_quoted(text)} is neither true nor false.")
    return text.lower() in _TRUE


def _parsed(text: str) -> _Address | None:
    if len(text) > MOST_OF_AN_ADDRESS:  # a zone may have any length, and no interface has such a name
        return None
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None


def _a_labels(name: str, given: str, field: str) -> str:
    if len(name) > min(_LONGEST_DNS_NAME + 1, MOST_OF_A_HOST):  # to convert very long ones would take minutes
        raise InvalidOption(f"{field}: {_quoted(given)} has more than {_LONGEST_DNS_NAME} characters.")
    if not name.isascii():
        try:
            name = ascii_labels(name)
        except MissingIdna:
            raise InvalidOption(
                f"{field}: {_quoted(given)}: install the Python package idna, or write it in A-labels (xn--...)."
            ) from None
        except UnicodeError:
            raise InvalidOption(f"{field}: {_quoted(given)} is no internationalised name: correct it.") from None
    name = name.removesuffix(".").lower()
    if len(name) > _LONGEST_DNS_NAME:
        raise InvalidOption(f"{field}: {_quoted(given)} has more than {_LONGEST_DNS_NAME} characters.")
    return name


def _quoted(value: t.Any) -> str:
    """No more than a name has: somebody may have given a private key."""
    if isinstance(value, str):
        return repr(value) if len(value) <= _LONGEST_QUOTED else f"a text of {len(value)} characters"
    return repr(value) if isinstance(value, (int, float)) else f"a {type(value).__name__}"
