# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Name constraints on subjects (RFC 5280, 4.2.1.10), which cryptography's verifier leaves out."""

from __future__ import annotations

import typing as t

try:
    from cryptography import x509
except ImportError:  # the module boundary says so
    pass


def violated_constraint(path: t.Sequence[x509.Certificate]) -> str | None:
    """Which authority's constraint the subject of a certificate below it violates, or None. path: leaf first."""
    for position, authority in enumerate(path):
        constraints = _constraints(authority)
        if constraints is None:
            continue
        permitted = _directory_names(constraints.permitted_subtrees)
        excluded = _directory_names(constraints.excluded_subtrees)
        for below, member in enumerate(path[:position]):
            subject = member.subject
            if not list(subject) or (below and subject == member.issuer):  # self-issued authorities are exempt
                continue
            outside = bool(permitted) and not any(_is_within(subject, subtree) for subtree in permitted)
            if outside or any(_is_within(subject, subtree) for subtree in excluded):
                return (
                    f"the authority '{authority.subject.rfc4514_string()}' may not issue for the subject "
                    f"'{subject.rfc4514_string()}'"
                )
    return None


def _constraints(authority: x509.Certificate) -> x509.NameConstraints | None:
    try:
        return authority.extensions.get_extension_for_class(x509.NameConstraints).value
    except x509.ExtensionNotFound:
        return None


def _directory_names(subtrees: t.Iterable[x509.GeneralName] | None) -> list[x509.Name]:
    return [subtree.value for subtree in subtrees or () if isinstance(subtree, x509.DirectoryName)]


def _is_within(subject: x509.Name, subtree: x509.Name) -> bool:
    """Whether the subject begins with the subtree's relative names (RFC 5280, 7.1: case and spaces do not count)."""
    prefix = [_comparable(name) for name in subtree.rdns]
    return [_comparable(name) for name in subject.rdns[: len(prefix)]] == prefix


def _comparable(name: x509.RelativeDistinguishedName) -> frozenset[tuple[str, str]]:
    values = ((attribute.oid.dotted_string, attribute.value) for attribute in name)
    return frozenset(
        (oid, " ".join((value if isinstance(value, str) else value.hex()).casefold().split())) for oid, value in values
    )
