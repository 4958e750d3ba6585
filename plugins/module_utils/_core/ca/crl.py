# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Certificate revocation lists (RFC 5280, 5): one for every authority that is trusted, in one PEM text."""

from __future__ import annotations

import datetime
import typing as t

try:
    from cryptography import x509
    from cryptography.hazmat.primitives import serialization
except ImportError:  # the module boundary says so
    pass

from ..._errors import RotationError
from ..x509.certificate import Certificate
from ..x509.problems import MaterialError
from ..x509.reading import material_errors
from .issue import BACKDATING, SigningAuthority, authority_key_identifier, signature_hash

_Authority = t.TypeVar("_Authority")
#: Serial number -> when it was revoked.
Revoked = t.Mapping[int, datetime.datetime]


def build_crl(issuer: SigningAuthority, revoked: Revoked, at: datetime.datetime, number: int) -> str:
    """As PEM. number: of this list, higher than that of the one before.

    It needs no next one before the authority itself ends: a list that runs out would cut off every client.
    """
    authority = issuer.certificate
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(authority.x509.subject)
        .last_update(at - BACKDATING)
        .next_update(max(authority.not_after, at + BACKDATING))
        .add_extension(x509.CRLNumber(number), critical=False)
        .add_extension(authority_key_identifier(authority), critical=False)
    )
    for serial, when in sorted(revoked.items()):
        entry = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(when).build()
        builder = builder.add_revoked_certificate(entry)
    return builder.sign(issuer.key, signature_hash(issuer.key)).public_bytes(serialization.Encoding.PEM).decode()


def in_order_of_lists(authorities: t.Iterable[_Authority]) -> list[_Authority]:
    """The lists' order. authorities: as trust.arranged has them.

    The other way round: of several lists of one name OpenSSL takes the first one where the authority has no subject key
    identifier, which is the last one there.
    """
    return list(authorities)[::-1]


class StoredCrl:
    """The lists in a stored text. Raises RotationError when they cannot be read."""

    _END = b"-----END X509 CRL-----"

    def __init__(self, pem: str) -> None:
        blocks = [part + self._END for part in pem.encode().split(self._END)[:-1]]
        try:
            with material_errors():
                self._lists = [x509.load_pem_x509_crl(block) for block in blocks]
                # All of each is read now, so that it cannot fail later.
                self._revoked = [_revoked(crl) for crl in self._lists]
                self._numbers = list(map(_number, self._lists))
        except MaterialError:
            text = "The stored revocation list cannot be read: delete its secret, and revoke again."
            raise RotationError(text) from None

    def of(self, authority: Certificate) -> x509.CertificateRevocationList | None:
        """The list that this authority signed."""
        return next((crl for crl in self._lists if _is_signed(crl, authority.public_key)), None)

    def revoked(self, authority: Certificate) -> dict[int, datetime.datetime]:
        crl = self.of(authority)
        return {} if crl is None else dict(self._revoked[self._lists.index(crl)])

    def number(self) -> int:
        """The highest number of a list."""
        return max(self._numbers, default=0)

    def is_for(self, authorities: t.Sequence[Certificate]) -> bool:
        """Whether it holds a list of each of these authorities, in the order of in_order_of_lists, and no other one."""
        pairs = zip(self._lists, in_order_of_lists(authorities))
        return len(self._lists) == len(authorities) and all(_is_signed(crl, each.public_key) for crl, each in pairs)


def _revoked(crl: x509.CertificateRevocationList) -> dict[int, datetime.datetime]:
    return {entry.serial_number: entry.revocation_date_utc for entry in crl}


def _number(crl: x509.CertificateRevocationList) -> int:
    return crl.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number


def _is_signed(crl: x509.CertificateRevocationList, key: t.Any) -> bool:
    """With a key of another kind, or an algorithm that is not known, it is not."""
    try:
        with material_errors():
            return key is not None and crl.is_signature_valid(key)
    except MaterialError:
        return False
