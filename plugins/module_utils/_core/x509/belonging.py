# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which certificates of a document belong to the chain of another one, wherever they lie."""

from __future__ import annotations

import typing as t

from .certificate import Certificate, load_certificate
from .containers import certificates_of_pkcs7, first_element
from .encodings import PKCS7
from .field_names import capitalized
from .fields import Field
from .pem import CERTIFICATE, TRUSTED_CERTIFICATE, PemBlock
from .problems import MaterialError

_MAX_CHECKS: t.Final = 1000  # of signatures: many certificates may have one name


def certificates_in_field(field: Field) -> list[Certificate]:
    """Those that can be read."""
    return _read(field)[0]


def _read(field: Field) -> tuple[list[Certificate], MaterialError | None]:
    """And why that is not all of them."""
    found: list[Certificate] = []
    failure = None
    try:
        blocks = field.blocks
    except MaterialError as exc:
        return found, exc
    try:
        field.require_read()
    except MaterialError as exc:
        failure = exc
    for block in blocks:
        try:
            found += map(load_certificate, _ders(block))
        except MaterialError as exc:
            failure = MaterialError(exc.problem.code, f"{capitalized(field.name)}: {exc.message}")
    return found, failure


def _ders(block: PemBlock) -> list[bytes]:
    if block.label == PKCS7:
        return certificates_of_pkcs7(block.der)
    if block.label == TRUSTED_CERTIFICATE:
        return [first_element(block.der)]
    return [block.der] if block.label == CERTIFICATE else []


def authorities_of(certificates: t.Sequence[Certificate], candidates: t.Sequence[Certificate]) -> list[Certificate]:
    """The candidates above the certificates, nearest first, without those that are known already.

    Roots, which clients have, only where they decide on the way: beside a cross-signed twin. Raises MaterialError.
    """
    if not candidates:
        return []
    issuers = _Issuers(candidate for candidate in candidates if candidate not in certificates)
    found: list[Certificate] = []
    for child in (members := [*certificates]):
        new = [issuer for issuer in issuers.of(child) if issuer not in found]
        found += new
        members += new
    crossed = {each.subject_name for each in members if not each.self_signed}
    return [each for each in found if not each.self_signed or each.subject_name in crossed]


def field_with_issuer(certificates: t.Sequence[Certificate], fields: t.Sequence[Field]) -> Field | None:
    """The first with an intermediate that one of the certificates lacks. Raises MaterialError."""
    if not fields:
        return None
    lacking = _lacking(certificates, certificates)
    for field in fields if lacking else ():
        others = _Issuers(each for each in certificates_in_field(field) if not each.self_signed)
        if any(issuer not in certificates for child in lacking for issuer in others.of(child)):
            return field
    return None


def require_readable(certificates: t.Sequence[Certificate], fields: t.Sequence[Field]) -> None:
    """Raises MaterialError for the first field for authorities in which something cannot be read, where that may be
    what one of the certificates lacks."""
    read = [_read(field) for field in fields]
    failures = [failure for _found, failure in read if failure]
    if failures and _lacking(certificates, [*certificates, *(each for found, _failure in read for each in found)]):
        raise failures[0]


def _lacking(certificates: t.Sequence[Certificate], candidates: t.Iterable[Certificate]) -> list[Certificate]:
    """Those whose issuer is not among the candidates."""
    issuers = _Issuers(candidates)
    return [each for each in certificates if not each.self_signed and not issuers.of(each)]


class _Issuers:
    def __init__(self, certificates: t.Iterable[Certificate]) -> None:
        self._by_name: dict[t.Any, list[Certificate]] = {}
        for certificate in dict.fromkeys(certificates):
            self._by_name.setdefault(certificate.subject_name, []).append(certificate)
        self._checks = 0

    def of(self, child: Certificate) -> list[Certificate]:
        """By name and signature; one that cannot be checked counts. Raises MaterialError when there are too many."""
        named = self._by_name.get(child.issuer_name, []) if child.issuer_name is not None else []
        self._checks += len(named)
        if self._checks > _MAX_CHECKS:
            raise MaterialError(
                "content_too_costly", "There are too many certificates of one name: store the leaf and its chain."
            )
        return [each for each in named if each != child and child.signature_by(each) != "forged"]
