# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How a common name has to be spelled (Baseline Requirements for TLS of the CA/Browser Forum, 7.1.4.3)."""

from __future__ import annotations

import contextlib
import ipaddress
import itertools
import re
import typing as t

from .names import a_labels
from .problems import MaterialError

_Address = t.Union[ipaddress.IPv4Address, ipaddress.IPv6Address]

_DIGITS: t.Final = re.compile(r"0[xX][0-9a-fA-F]{1,8}|[0-9]{1,11}")
_DOTS: t.Final = re.compile("[.\u3002\uff0e\uff61]")  # as IDNA takes them (RFC 3490, 3.1)
_IPV4_BITS: t.Final = 32


def is_misspelt(common_name: str, dns_names: t.Sequence[str], ip_addresses: t.Sequence[str]) -> bool:
    """Whether it is one of the alternative names, but not character for character, or a host name in Unicode.

    One that is no alternative name at all is none of this.
    """
    if common_name in dns_names or any(common_name in _spellings(address) for address in ip_addresses):
        return False
    return (
        not _addresses(common_name).isdisjoint(map(ipaddress.ip_address, ip_addresses))
        or _host(common_name) in (set(map(_host, dns_names)) - {""})
        or _is_unicode_host(common_name)
    )


def _spellings(address: str) -> tuple[str, ...]:
    """RFC 5952 for IPv6, RFC 3986 section 3.2.2 for IPv4. An IPv4 address in IPv6 has two; Python knows one of them."""
    found = ipaddress.ip_address(address)
    mapped = found.ipv4_mapped if isinstance(found, ipaddress.IPv6Address) else None
    if mapped is None:
        return (str(found),)
    high, low = divmod(int(mapped), 1 << 16)
    return f"::ffff:{mapped}", f"::ffff:{high:x}:{low:x}"


def _host(text: str) -> str:
    """Empty for what can be none."""
    name = text.strip()
    try:
        labels = a_labels(name.removeprefix("*."))
    except MaterialError:  # for the want of a library, by which the name of a company need not be converted
        return ""
    return f"*.{labels}" if labels and name.startswith("*.") else labels


def _is_unicode_host(text: str) -> bool:
    """Also one that cannot be converted to A-labels: only its form tells it from the name of a company."""
    labels = _DOTS.split(text.strip())
    if not labels[-1]:
        labels.pop()
    return not text.isascii() and len(labels) > 1 and all(label and not re.search(r"\s", label) for label in labels)


def _addresses(text: str) -> set[_Address]:
    """Those that it can be read as: in brackets, with leading zeros, octal, hexadecimal, with fewer parts."""
    text = text.strip().removeprefix("[").removesuffix("]")
    found: set[_Address] = set()
    with contextlib.suppress(ValueError):
        found.add(ipaddress.ip_address(text))
    parts = text.split(".")
    if len(parts) <= 4 and all(map(_DIGITS.fullmatch, parts)):
        readings = itertools.product(*({_number(part, octal=True), _number(part, octal=False)} for part in parts))
        found.update(address for address in map(_ipv4, readings) if address)
    return found


def _number(digits: str, *, octal: bool) -> int:
    if digits[:2] in ("0x", "0X"):
        return int(digits, 16)
    is_octal = octal and digits[0] == "0" and not set(digits) & set("89")
    return int(digits, 8 if is_octal else 10)


def _ipv4(numbers: t.Sequence[int]) -> ipaddress.IPv4Address | None:
    """As inet_aton reads it: the last number takes the bytes that are left."""
    *first, last = numbers
    if any(number > 0xFF for number in first) or last >= 1 << (_IPV4_BITS - 8 * len(first)):
        return None
    return ipaddress.IPv4Address(int.from_bytes(bytes(first), "big") << (_IPV4_BITS - 8 * len(first)) | last)
