# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whether a certificate's names cover a domain (RFC 6125, RFC 9525)."""

from __future__ import annotations

import ipaddress
import typing as t

_MAX_LENGTH: t.Final = 253  # RFC 1035; to convert very long ones would take minutes


def covers(dns_names: t.Iterable[str], ip_addresses: t.Iterable[str], domain: str) -> bool:
    """domain: a host name (Unicode or A-labels, upper or lower case), an IP address, or a wildcard name itself.

    A wildcard stands for exactly one whole label, the left-most one. An address is only ever covered by an address.
    """
    return not uncovered(dns_names, ip_addresses, [domain])


def uncovered(dns_names: t.Iterable[str], ip_addresses: t.Iterable[str], domains: t.Iterable[str]) -> list[str]:
    """Those of the domains that no name covers, see covers()."""
    names = {a_labels(name) for name in dns_names}
    addresses = {ipaddress.ip_address(address) for address in ip_addresses}
    return [domain for domain in domains if not _is_covered(domain.strip(), names, addresses)]


def _is_covered(domain: str, names: set[str], addresses: set[ipaddress.IPv4Address | ipaddress.IPv6Address]) -> bool:
    try:
        return ipaddress.ip_address(domain) in addresses
    except ValueError:
        pass
    wanted = a_labels(domain)
    if not wanted:
        return False
    first_label, _dot, rest = wanted.partition(".")
    return wanted in names or bool(first_label and rest and f"*.{rest}" in names)


def a_labels(name: str) -> str:
    """Lower case, without the root's dot, internationalised labels as A-labels; "" when that is impossible."""
    name = name.removesuffix(".").lower()
    if len(name) > _MAX_LENGTH:
        return ""
    if name.isascii():
        return name
    try:
        return name.encode("idna").decode("ascii")
    except UnicodeError:
        return ""
