# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The names of a server certificate, judged before anything is issued or stored."""

from __future__ import annotations

import ipaddress
import re
import typing as t

try:
    from cryptography import x509
except ImportError:  # the module boundary says so
    pass

from ..._errors import InvalidOption
from ..x509.names import a_labels

_LABEL = r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
_HOST = re.compile(rf"(?:\*\.)?{_LABEL}(?:\.{_LABEL})*")
_LIKE_AN_ADDRESS = re.compile(r"[0-9.]+|[^:]*:(?s:.*)")
_LONGEST_NAME = 253


def alternative_names(texts: t.Iterable[str]) -> tuple[x509.GeneralName, ...]:
    """Host names and IP addresses (IPv6 with or without brackets), trimmed, without repetitions.

    The unspecified addresses 0.0.0.0 and :: are left out: nobody connects to them. Raises InvalidOption for what is
    neither, such as 999.1.1.1, and when nothing is left.
    """
    names: dict[str, x509.GeneralName] = {}
    for text in (text.strip() for text in texts):
        address = _address(text)
        if address is not None:
            if not address.is_unspecified:
                names.setdefault(str(address), x509.IPAddress(address))
        elif text:
            host = _host(text)
            names.setdefault(host, x509.DNSName(host))
    if not names:
        raise InvalidOption("A server certificate needs at least one host name or IP address.")
    return tuple(names.values())


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    bare = text[1:-1] if text.startswith("[") and text.endswith("]") else text
    try:
        address = ipaddress.ip_address(bare)
    except ValueError:
        return None
    if isinstance(address, ipaddress.IPv6Address) and address.scope_id:
        raise InvalidOption(f"The address {text!r} has a zone, which means something on one host only: leave it out.")
    return address


def _host(text: str) -> str:
    if _LIKE_AN_ADDRESS.fullmatch(text):
        raise InvalidOption(f"{text!r} looks like an IP address and is none: correct it, or leave it out.")
    host = a_labels(text)
    if len(host) > _LONGEST_NAME or not _HOST.fullmatch(host):
        raise InvalidOption(f"{text!r} is neither a host name nor an IP address: correct it, or leave it out.")
    return host
