# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""CA files and CRL files for HAProxy: read and checked before they are sent, and recognised in its memory."""

from __future__ import annotations

import datetime
import hashlib
import typing as t
from dataclasses import dataclass

from ..instants import isoformat_utc
from ..x509.certificate import Certificate, load_certificate
from ..x509.pem import CERTIFICATE, PemBlock, parse_pem
from ..x509.problems import MaterialError
from ..x509.reading import material_errors
from .content import openssl_one_line
from .parsing import StoredAuthority, StoredRevocations, hexadecimal

try:
    from cryptography import x509
except ImportError:  # the module boundary says so
    pass

StoredTrust = t.Union[StoredAuthority, StoredRevocations]

_CRL = "X509 CRL"


@dataclass(frozen=True, repr=False)
class TrustContent:
    """members: as HAProxy will show them; payloads: the PEM of each, made anew from its DER: nothing else is sent.

    warnings: what a person should know; the content is used all the same.
    """

    members: tuple[StoredTrust, ...]
    payloads: tuple[str, ...]
    warnings: tuple[str, ...] = ()

    def is_held(self, stored: t.Sequence[StoredTrust]) -> bool:
        """Does HAProxy hold just these? Order counts among those of one name, of which OpenSSL takes the first."""
        missing = list(enumerate(self.members))
        places: dict[int, int] = {}
        # Those that HAProxy shows completely choose first.
        for place, held in sorted(enumerate(stored), key=lambda member: None in member[1]):
            match = next((ours for ours in missing if _same(ours[1], held)), None)
            if match is None:
                return False
            missing.remove(match)
            places[match[0]] = place
        return not missing and self._is_in_order(places)

    def _is_in_order(self, places: t.Mapping[int, int]) -> bool:
        """places: of each member, where HAProxy has it."""
        last: dict[str | None, int] = {}
        for number, member in enumerate(self.members):
            name = member.subject if isinstance(member, StoredAuthority) else member.issuer
            if name is not None and places[number] < last.get(name, -1):
                return False
            last[name] = places[number]
        return True


@material_errors()
def parse_authority_file(pem: str | bytes, at: datetime.datetime) -> TrustContent:
    """The certificates that clients or servers are verified against. Raises MaterialError."""
    blocks = parse_pem(pem)
    certificates = list(dict.fromkeys(load_certificate(block.der) for block in blocks if block.label == CERTIFICATE))
    if not certificates:
        raise MaterialError("certificate_missing", "The content holds no PEM certificate: give those of the CAs.")
    warnings = []
    if any(block.label.endswith("PRIVATE KEY") for block in blocks):
        warnings.append("The content holds a private key, which has no place in a CA file. It was not sent to HAProxy.")
    for certificate in certificates:
        if not certificate.is_ca:
            warnings.append(f"'{certificate.name}' is not marked as a CA: what it has signed may be refused.")
        elif certificate.not_after < at:
            warnings.append(f"'{certificate.name}' has expired: what it has signed is refused.")
    return TrustContent(
        members=tuple(map(_authority, certificates)),
        payloads=tuple(_payload(PemBlock(CERTIFICATE, certificate.der)) for certificate in certificates),
        warnings=tuple(warnings),
    )


@material_errors()
def parse_crl_file(pem: str | bytes, at: datetime.datetime) -> TrustContent:
    """Revocation lists that are in force at that instant. Raises MaterialError.

    Their signatures are checked by HAProxy at each handshake. With a list that is not in force, it would refuse every
    client of that CA.
    """
    blocks = list(dict.fromkeys(block.der for block in parse_pem(pem) if block.label == _CRL))
    if not blocks:
        raise MaterialError("crl_missing", "The content holds no CRL as PEM ('BEGIN X509 CRL').")
    return TrustContent(
        members=tuple(_load_crl(der, at) for der in blocks),
        payloads=tuple(_payload(PemBlock(_CRL, der)) for der in blocks),
    )


def facts(member: StoredTrust) -> dict[str, t.Any]:
    """What is reported of a member. revoked: the number of certificates."""
    if isinstance(member, StoredAuthority):
        return {
            "subject": member.subject,
            "serial_number": hexadecimal(member.serial_number),
            "not_after": member.not_after,
            "fingerprint_sha1": member.fingerprint_sha1,
        }
    return {
        "issuer": member.issuer,
        "last_update": member.last_update,
        "next_update": member.next_update,
        "revoked": len(member.revoked),
    }


def _authority(certificate: Certificate) -> StoredAuthority:
    return StoredAuthority(
        serial_number=certificate.x509.serial_number,
        not_before=isoformat_utc(certificate.not_before),
        not_after=isoformat_utc(certificate.not_after),
        fingerprint_sha1=hashlib.sha1(certificate.der, usedforsecurity=False).hexdigest(),
        subject=openssl_one_line(certificate.subject_name),
    )


def _load_crl(der: bytes, at: datetime.datetime) -> StoredRevocations:
    try:
        crl = x509.load_der_x509_crl(der)
        issuer = openssl_one_line(crl.issuer)
        named = issuer or crl.issuer.rfc4514_string()
        last, following = crl.last_update_utc, crl.next_update_utc
        revoked = frozenset((entry.serial_number, isoformat_utc(entry.revocation_date_utc)) for entry in crl)
    except (ValueError, TypeError, KeyError, OverflowError):
        raise MaterialError("crl_invalid", "A CRL cannot be read. It was damaged or cut off: fetch it again.") from None
    if following is not None and following <= at:
        raise MaterialError(
            "crl_expired",
            f"The CRL of '{named}' should have been replaced by {isoformat_utc(following)}. With it HAProxy would"
            " refuse every client of this CA: fetch the current one.",
        )
    if last > at:
        raise MaterialError(
            "crl_not_yet_valid",
            f"The CRL of '{named}' is valid from {isoformat_utc(last)} on only. With it HAProxy would refuse every"
            " client of this CA: check the clocks of the CA and of this host.",
        )
    return StoredRevocations(issuer, isoformat_utc(last), isoformat_utc(following) if following else None, revoked)


def _same(ours: StoredTrust, held: StoredTrust) -> bool:
    """Names and fingerprints that are not known are no difference; nothing else may differ."""
    if isinstance(ours, StoredAuthority) and isinstance(held, StoredAuthority):
        return ours[:3] == held[:3] and held.fingerprint_sha1 in (None, ours.fingerprint_sha1)
    if isinstance(ours, StoredRevocations) and isinstance(held, StoredRevocations):
        return ours[1:] == held[1:] and ours.issuer in (None, held.issuer)
    return False


def _payload(block: PemBlock) -> str:
    return block.encode().decode("ascii").rstrip("\n")
