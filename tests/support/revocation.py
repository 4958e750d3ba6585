# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Revocation lists and OCSP responses, made by a test's own authority."""

from __future__ import annotations

import datetime

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ed448, ed25519
from cryptography.x509 import ocsp

from . import pki


def crl_pem(
    authority: pki.CertificateAuthority,
    *revoked: pki.IssuedCertificate,
    last_update: datetime.datetime | None = None,
    next_update: datetime.datetime | None = None,
) -> str:
    """A CRL from an hour ago to a week ahead by default."""
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(authority.certificate.subject)
        .last_update(last_update or pki.now() - datetime.timedelta(hours=1))
        .next_update(next_update or pki.now() + datetime.timedelta(days=7))
    )
    for issued in revoked:
        entry = x509.RevokedCertificateBuilder().serial_number(issued.certificate.serial_number)
        builder = builder.add_revoked_certificate(entry.revocation_date(pki.now()).build())
    crl = builder.sign(authority.key, hashes.SHA256())
    return crl.public_bytes(serialization.Encoding.PEM).decode()


def ocsp_response(
    authority: pki.CertificateAuthority,
    issued: pki.IssuedCertificate,
    *,
    this_update: datetime.datetime | None = None,
    next_update: datetime.datetime | None = None,
    algorithm: hashes.HashAlgorithm | None = None,
    status: ocsp.OCSPCertStatus = ocsp.OCSPCertStatus.GOOD,
    signer: pki.CertificateAuthority | pki.IssuedCertificate | None = None,
) -> bytes:
    """A good response (DER) of the authority itself, from an hour ago to a week ahead by default.

    algorithm: of the certificate's id. signer: another one, whose certificate comes along.
    """
    revoked = status is ocsp.OCSPCertStatus.REVOKED
    builder = ocsp.OCSPResponseBuilder().add_response(
        cert=issued.certificate,
        issuer=authority.certificate,
        algorithm=algorithm or hashes.SHA1(),  # an identifier, as RFC 5019 has it
        cert_status=status,
        this_update=this_update or pki.now() - datetime.timedelta(hours=1),
        next_update=next_update or pki.now() + datetime.timedelta(days=7),
        revocation_time=pki.now() if revoked else None,
        revocation_reason=None,
    )
    by = signer or authority
    builder = builder.responder_id(ocsp.OCSPResponderEncoding.HASH, by.certificate)
    if signer:
        builder = builder.certificates([signer.certificate])
    key = by.key if isinstance(by, pki.CertificateAuthority) else by.private_key
    hashed = None if isinstance(key, (ed25519.Ed25519PrivateKey, ed448.Ed448PrivateKey)) else hashes.SHA256()
    return builder.sign(key, hashed).public_bytes(serialization.Encoding.DER)
