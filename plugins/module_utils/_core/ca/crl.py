# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Certificate revocation lists (RFC 5280, 5): one for every authority that is trusted, in one PEM text.

Servers ask for a list of each authority that is in force now, or refuse all of its clients.
"""

from __future__ import annotations

import datetime
import typing as t

try:
    from cryptography import x509
    from cryptography.hazmat.primitives import serialization
except ImportError:  # the module boundary says so
    pass

from ..instants import format_duration, isoformat_utc
from ..renewal import renewal_due
from ..x509.certificate import Certificate
from ..x509.pem import encode_pem, parse_pem
from ..x509.problems import MaterialError, Problem, error, warning
from ..x509.reading import material_errors
from .issue import BACKDATING, SigningAuthority, authority_key_identifier, signature_hash

_LABEL: t.Final = "X509 CRL"
_SHOWN: t.Final = 12  # characters of a fingerprint

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
    return _pem(builder.sign(issuer.key, signature_hash(issuer.key)))


def in_order_of_lists(authorities: t.Iterable[_Authority]) -> list[_Authority]:
    """The lists' order. authorities: as trust.arranged has them.

    The other way round: of several lists of one name OpenSSL takes the first one where the authority has no subject key
    identifier, which is the last one there.
    """
    return list(authorities)[::-1]


class StoredCrl:
    """The lists in a stored text, whatever else it holds.

    Raises MaterialError (pem_invalid, crl_missing, crl_invalid) where it holds none, or one that cannot be read.
    """

    def __init__(self, text: str) -> None:
        ders = list(dict.fromkeys(block.der for block in parse_pem(text) if block.label == _LABEL))
        if not ders:
            raise MaterialError("crl_missing", "It holds no revocation list as PEM ('BEGIN X509 CRL').")
        try:
            with material_errors():
                self._lists = [x509.load_der_x509_crl(der) for der in ders]
                # All of each is read now, so that it cannot fail later.
                self._revoked = [_revoked(crl) for crl in self._lists]
                self._numbers = list(map(_number, self._lists))
        except MaterialError:
            raise MaterialError("crl_invalid", "It holds a revocation list that cannot be read.") from None
        if any(extension.critical for crl in self._lists for extension in crl.extensions):
            text = "It holds a list of some certificates only (it has a critical extension): servers refuse it."
            raise MaterialError("crl_invalid", text)

    @property
    def pem(self) -> str:
        """The lists and nothing else."""
        return "".join(map(_pem, self._lists))

    def of(self, authority: Certificate) -> x509.CertificateRevocationList | None:
        """The latest list that this authority signed."""
        own = [crl for crl in self._lists if _is_signed(crl, authority)]
        return max(own, key=lambda crl: crl.last_update_utc, default=None)

    def revoked(self, authority: Certificate) -> dict[int, datetime.datetime]:
        crl = self.of(authority)
        return {} if crl is None else dict(self._revoked[self._lists.index(crl)])

    def pem_of(self, authority: Certificate) -> str:
        """The list of this authority, "" where there is none."""
        crl = self.of(authority)
        return "" if crl is None else _pem(crl)

    def number(self) -> int:
        """The highest number of a list."""
        return max(self._numbers, default=0)

    def is_for(self, authorities: t.Sequence[Certificate]) -> bool:
        """Whether it holds a list of each of these authorities, in the order of in_order_of_lists, and no other one."""
        pairs = zip(self._lists, in_order_of_lists(authorities))
        return len(self._lists) == len(authorities) and all(_is_signed(crl, each) for crl, each in pairs)

    def is_due(self, authority: Certificate, at: datetime.datetime) -> bool:
        """Whether another list of this authority would help: this one is to come yet, or ends too soon."""
        crl = self.of(authority)
        if crl is None or crl.last_update_utc > at:
            return True
        end = crl.next_update_utc
        return end is not None and end < authority.not_after and renewal_due(crl.last_update_utc, end, at)


def crl_problems(
    text: str, authorities: t.Iterable[Certificate], at: datetime.datetime, warn_before: datetime.timedelta
) -> list[Problem]:
    """Why a server that has these lists would refuse all clients of one of these authorities, or soon will."""
    try:
        stored = StoredCrl(text)
    except MaterialError as unreadable:
        return [unreadable.problem]
    # What has expired has no clients any more.
    living = [authority for authority in authorities if authority.not_after >= at]
    found = (_problem(stored.of(authority), authority, at, warn_before) for authority in living)
    return [problem for problem in found if problem]


def _problem(
    crl: x509.CertificateRevocationList | None,
    authority: Certificate,
    at: datetime.datetime,
    warn_before: datetime.timedelta,
) -> Problem | None:
    whose = f"revocation list of '{authority.name}' ({authority.fingerprint_sha256[:_SHOWN]})"
    refused = "servers would refuse all of its clients"
    if crl is None:
        return error("crl_missing", f"There is no {whose}: {refused}.")
    start, end = crl.last_update_utc, crl.next_update_utc
    if start > at:
        return error(
            "crl_not_yet_valid",
            f"The {whose} is valid from {isoformat_utc(start)} on, and before {refused}: check this host's clock.",
        )
    if end is None:
        return None
    if end <= at:
        return error("crl_expired", f"The {whose} expired on {isoformat_utc(end)}: {refused}.")
    if end < authority.not_after and end - at < min(warn_before, (end - start) / 2):
        text = f"The {whose} expires on {isoformat_utc(end)}, in {format_duration(end - at)}; then {refused}."
        return warning("crl_expires_soon", text)
    return None


def _pem(crl: x509.CertificateRevocationList) -> str:
    return encode_pem(_LABEL, crl.public_bytes(serialization.Encoding.DER)).decode()


def _revoked(crl: x509.CertificateRevocationList) -> dict[int, datetime.datetime]:
    return {entry.serial_number: entry.revocation_date_utc for entry in crl}


def _number(crl: x509.CertificateRevocationList) -> int:
    """0 where it has none, as lists of the first version (RFC 5280, 5.1.2.1)."""
    found = [each.value for each in crl.extensions if isinstance(each.value, x509.CRLNumber)]
    return found[0].crl_number if found else 0


def _is_signed(crl: x509.CertificateRevocationList, authority: Certificate) -> bool:
    """By name and by signature. With a key of another kind, or an algorithm that is not known, it is not."""
    key: t.Any = authority.public_key
    try:
        with material_errors():
            return key is not None and crl.issuer == authority.subject_name and crl.is_signature_valid(key)
    except MaterialError:
        return False
