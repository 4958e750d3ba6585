# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whether a certificate's names cover a domain (RFC 6125, RFC 9525)."""

from __future__ import annotations

import ipaddress
import typing as t

from .problems import MaterialError

_MAX_LENGTH: t.Final = 253  # RFC 1035; to convert very long ones would take minutes


def covers(dns_names: t.Iterable[str], ip_addresses: t.Iterable[str], domain: str) -> bool:
    """domain: a host name (Unicode or A-labels, upper or lower case), an IP address (IPv6 with or without
    brackets), or a wildcard name itself.

    A wildcard stands for exactly one whole label, the left-most one. An address is only ever covered by an address.
    """
    return not uncovered(dns_names, ip_addresses, [domain])


def uncovered(dns_names: t.Iterable[str], ip_addresses: t.Iterable[str], domains: t.Iterable[str]) -> list[str]:
    """Those of the domains that no name covers, see covers()."""
    names = {a_labels(name) for name in dns_names}
    addresses = {ipaddress.ip_address(address) for address in ip_addresses}
    return [domain for domain in domains if not _is_covered(domain.strip(), names, addresses)]


def _is_covered(domain: str, names: set[str], addresses: set[ipaddress.IPv4Address | ipaddress.IPv6Address]) -> bool:
    bare = domain[1:-1] if domain.startswith("[") and domain.endswith("]") else domain  # as URLs write IPv6
    try:
        return ipaddress.ip_address(bare) in addresses
    except ValueError:
        pass
    wanted = a_labels(domain)
    if not wanted:
        return False
    first_label, _dot, rest = wanted.partition(".")
    return wanted in names or bool(first_label and rest and f"*.{rest}" in names)


def a_labels(name: str) -> str:
    """Lower case, without the root's dot, internationalised labels as A-labels; "" when that is impossible.

    Raises MaterialError when the library for that is missing.
    """
    name = name.removesuffix(".").lower()
    if len(name) > _MAX_LENGTH:
        return ""
    try:
        return ascii_labels(name)
    except MissingIdna:
        raise MaterialError(
            "name_not_ascii",
            "A name is not ASCII: install the Python library idna on the host that runs the module, or write it in "
            "A-labels (xn--...).",
        ) from None
    except UnicodeError:
        return ""


class MissingIdna(UnicodeError):
    """The library idna is missing."""


def ascii_labels(name: str) -> str:
    """Each label that is not ASCII as an A-label of IDNA 2008 (RFC 5891), mapped as people type it (UTS 46).

    IDNA 2003, which Python's own codec speaks, makes other names of some (with ß for instance): of other people. Labels
    of ASCII stay as they are. Raises MissingIdna, and UnicodeError for what is no such name.
    """
    if name.isascii():
        return name
    try:
        import idna  # not above: it is slow to load, and seldom needed
    except ImportError:
        raise MissingIdna("the library idna is missing") from None
    mapped = idna.uts46_remap(name, std3_rules=False, transitional=False)
    if len(mapped) > _MAX_LENGTH + 1:  # one character may become many, and to convert very many takes minutes
        raise UnicodeError("the name is too long")
    return ".".join(label if label.isascii() else idna.alabel(label).decode("ascii") for label in mapped.split("."))


def unicode_labels(name: str) -> str:
    """With A-labels as people read them; as it is where that is impossible."""
    try:
        import idna
    except ImportError:
        return name
    try:
        return ".".join(idna.ulabel(label) if label[:4].lower() == "xn--" else label for label in name.split("."))
    except UnicodeError:
        return name
