# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whether a certificate's names cover a domain (RFC 6125, RFC 9525)."""

from __future__ import annotations

import ipaddress
import typing as t


def covers(dns_names: t.Iterable[str], ip_addresses: t.Iterable[str], domain: str) -> bool:
    """domain: a host name (Unicode or A-labels, upper or lower case), an IP address, or a wildcard name itself.

    A wildcard stands for exactly one whole label, the left-most one. An address is only ever covered by an address.
    """
    domain = domain.strip()
    try:
        address = ipaddress.ip_address(domain)
    except ValueError:
        pass
    else:
        return any(ipaddress.ip_address(name) == address for name in ip_addresses)
    wanted = _a_labels(domain)
    if not wanted:
        return False
    first_label, _dot, rest = wanted.partition(".")
    acceptable = {wanted, f"*.{rest}"} if first_label and rest else {wanted}
    return any(_a_labels(name) in acceptable for name in dns_names)


def _a_labels(name: str) -> str:
    """Lower case, without the root's dot, internationalised labels as A-labels; "" when that is impossible."""
    name = name.removesuffix(".").lower()
    if name.isascii():
        return name
    try:
        return name.encode("idna").decode("ascii")
    except UnicodeError:
        return ""
