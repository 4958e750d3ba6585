# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Name constraints (RFC 5280, 4.2.1.10), in full: cryptography's verifier leaves out subjects, its older versions more.

A subject counts as a directory name, each e-mail address in it as an address, and a common name that looks like a host
name as one, if the leaf has no other (RFC 6125, 6.4.4; OpenSSL judges alike).
"""

from __future__ import annotations

import re
import typing as t

try:
    from cryptography import x509
    from cryptography.x509.oid import NameOID
except ImportError:  # the module boundary says so
    pass

_MAX_COMPARISONS: t.Final = 500_000  # OpenSSL gives up at a million: honest certificates need some hundreds
_LABEL: t.Final = r"[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?"
_HOST_NAME: t.Final = re.compile(rf"{_LABEL}(?:\.{_LABEL})+", re.IGNORECASE)


def violated_constraint(path: t.Sequence[x509.Certificate]) -> str | None:
    """Which authority's constraint the subject of a certificate below it violates, or None. path: leaf first."""
    for position, authority in enumerate(path):
        constraints = _constraints(authority)
        if constraints is None:
            continue
        permitted = list(constraints.permitted_subtrees or ())
        excluded = list(constraints.excluded_subtrees or ())
        for below, member in enumerate(path[:position]):
            if below and member.subject == member.issuer:  # self-issued authorities are exempt
                continue
            names = len(list(member.subject)) + len(_alternative_names(member))
            if names * (len(permitted) + len(excluded)) > _MAX_COMPARISONS:
                return "an authority constrains too many names, and a certificate below it holds too many"
            for kind, value in _names(member, leaf=below == 0):
                alike = [subtree.value for subtree in permitted if isinstance(subtree, kind)]
                outside = bool(alike) and not any(_is_within(kind, value, subtree) for subtree in alike)
                forbidden = (subtree.value for subtree in excluded if isinstance(subtree, kind))
                if outside or any(_overlaps(kind, value, subtree) for subtree in forbidden):
                    return (
                        f"the authority '{authority.subject.rfc4514_string()}' may not issue for a name of "
                        f"'{member.subject.rfc4514_string()}'"
                    )
    return None


def _constraints(authority: x509.Certificate) -> x509.NameConstraints | None:
    try:
        return authority.extensions.get_extension_for_class(x509.NameConstraints).value
    except x509.ExtensionNotFound:
        return None


def _names(member: x509.Certificate, *, leaf: bool) -> t.Iterator[tuple[type[x509.GeneralName], t.Any]]:
    """The kind and the value of each name in the subject and beside it."""
    alternative = _alternative_names(member)
    for name in alternative:
        yield type(name), name.value
    subject = member.subject
    if list(subject):
        yield x509.DirectoryName, subject
    for attribute in subject.get_attributes_for_oid(NameOID.EMAIL_ADDRESS):
        yield x509.RFC822Name, str(attribute.value)
    if leaf and not any(isinstance(name, x509.DNSName) for name in alternative):
        for attribute in subject.get_attributes_for_oid(NameOID.COMMON_NAME):
            if isinstance(attribute.value, str) and _HOST_NAME.fullmatch(attribute.value):
                yield x509.DNSName, attribute.value


def _alternative_names(member: x509.Certificate) -> list[x509.GeneralName]:
    try:
        return list(member.extensions.get_extension_for_class(x509.SubjectAlternativeName).value)
    except x509.ExtensionNotFound:
        return []


def _is_within(kind: type[x509.GeneralName], value: t.Any, subtree: t.Any) -> bool:
    if kind is x509.DNSName:
        return _is_host_within(value, subtree)
    if kind is x509.IPAddress:
        return value in subtree
    if kind is x509.RFC822Name:
        return _is_address_within(value, subtree)
    return kind is x509.DirectoryName and _is_directory_within(value, subtree)


def _overlaps(kind: type[x509.GeneralName], value: t.Any, subtree: t.Any) -> bool:
    """Whether the name may stand for one in the subtree. Kinds of names that nobody compares here always may."""
    if kind not in (x509.DNSName, x509.IPAddress, x509.RFC822Name, x509.DirectoryName):
        return True
    if kind is x509.DNSName and value.startswith("*."):
        first_label, _dot, rest = subtree.lower().removeprefix(".").partition(".")
        if first_label and rest == value[2:].lower():
            return True
    return _is_within(kind, value, subtree)


def _is_host_within(host: str, subtree: str) -> bool:
    return f".{host}".lower().endswith("." + subtree.lower().removeprefix("."))


def _is_address_within(address: str, subtree: str) -> bool:
    """The subtree is one mailbox, or all of a host, or with a dot before it all of the hosts below it."""
    mailbox, _at, host = address.rpartition("@")
    wanted_mailbox, at, wanted_host = subtree.rpartition("@")
    host, wanted_host = host.lower(), wanted_host.lower()
    if wanted_host.startswith("."):
        return host.endswith(wanted_host)
    return host == wanted_host and (not at or mailbox == wanted_mailbox)


def _is_directory_within(subject: x509.Name, subtree: x509.Name) -> bool:
    """Whether the subject begins with the subtree's relative names (RFC 5280, 7.1: case and spaces do not count)."""
    prefix = [_comparable(name) for name in subtree.rdns]
    return [_comparable(name) for name in subject.rdns[: len(prefix)]] == prefix


def _comparable(name: x509.RelativeDistinguishedName) -> frozenset[tuple[str, str]]:
    values = ((attribute.oid.dotted_string, attribute.value) for attribute in name)
    return frozenset(
        (oid, " ".join((value if isinstance(value, str) else value.hex()).casefold().split())) for oid, value in values
    )
