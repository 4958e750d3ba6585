# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Name constraints (RFC 5280, 4.2.1.10), in full: cryptography's verifier leaves out subjects, its older versions more.

A subject counts as a directory name, each e-mail address in it as an address, and a common name that looks like a host
name as one, if the leaf has no other (RFC 6125, 6.4.4; OpenSSL judges alike).
"""

from __future__ import annotations

import ipaddress
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
        limits = _Limits.of(authority)
        if limits is None:
            continue
        for below, member in enumerate(path[:position]):
            if below and member.subject == member.issuer:  # self-issued authorities are exempt
                continue
            if limits.comparisons(member) > _MAX_COMPARISONS:
                return "an authority constrains too many names, and a certificate below it holds too many"
            if any(not limits.allow(kind, value) for kind, value in _names(member, leaf=below == 0)):
                return (
                    f"the authority '{authority.subject.rfc4514_string()}' may not issue for a name of "
                    f"'{member.subject.rfc4514_string()}'"
                )
    return None


def forbidden_names(leaf: x509.Certificate, authorities: t.Iterable[x509.Certificate]) -> list[str]:
    """The names of a certificate, its subject included, that one of the authorities above it may not issue for."""
    found: list[str] = []
    for limits in filter(None, map(_Limits.of, authorities)):
        for kind, value in _names(leaf, leaf=True):
            if not limits.allow(kind, value):
                found.append(value.rfc4514_string() if kind is x509.DirectoryName else str(value))
    return list(dict.fromkeys(found))


def allowed_name(authorities: t.Iterable[x509.Certificate]) -> x509.GeneralName | None:
    """Some name of a server that all these authorities may issue for; None where there seems to be none."""
    limits = list(filter(None, map(_Limits.of, authorities)))
    candidates: list[x509.GeneralName] = [x509.DNSName("trial.invalid")]
    for subtree in (subtree for limit in limits for subtree in limit.permitted):
        if isinstance(subtree, x509.DNSName):
            below = subtree.value.removeprefix(".")
            candidates += [x509.DNSName(f"trial.{below}"), x509.DNSName(below)] if below else []
        elif isinstance(subtree, x509.IPAddress):
            candidates.append(x509.IPAddress(getattr(subtree.value, "network_address", subtree.value)))
    candidates += [x509.IPAddress(ipaddress.ip_address(address)) for address in ("192.0.2.1", "2001:db8::1")]
    return next((name for name in candidates if all(limit.allow(type(name), name.value) for limit in limits)), None)


class _Limits:
    """What one authority may issue for. Raises ValueError and the like for a malformed extension."""

    def __init__(self, constraints: x509.NameConstraints) -> None:
        self.permitted = list(constraints.permitted_subtrees or ())
        self.excluded = list(constraints.excluded_subtrees or ())

    @classmethod
    def of(cls, authority: x509.Certificate) -> _Limits | None:
        """None where there are none."""
        constraints = _constraints(authority)
        return None if constraints is None else cls(constraints)

    def comparisons(self, member: x509.Certificate) -> int:
        names = len(list(member.subject)) + len(_alternative_names(member))
        return names * (len(self.permitted) + len(self.excluded))

    def allow(self, kind: type[x509.GeneralName], value: t.Any) -> bool:
        alike = [subtree.value for subtree in self.permitted if isinstance(subtree, kind)]
        if alike and not any(_is_within(kind, value, subtree) for subtree in alike):
            return False
        return not any(_overlaps(kind, value, subtree.value) for subtree in self.excluded if isinstance(subtree, kind))


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
    """An empty subtree is all hosts; one with a dot before it is those below it only, as OpenSSL has it."""
    host, subtree = host.lower(), subtree.lower()
    if not subtree or host == subtree:
        return True
    return host.endswith(subtree if subtree.startswith(".") else f".{subtree}")


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
