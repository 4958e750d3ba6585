# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A private certificate authority for the occasion, and certificates as Secrets Manager stores them."""

from __future__ import annotations

import datetime
import json
import typing as t

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID


class Issued(t.NamedTuple):
    """fingerprint: SHA-256 of the leaf in lower-case hexadecimal."""

    certificate_pem: str
    private_key_pem: str
    fingerprint: str


class Authority:
    """A root that nobody trusts but the clients of this demonstration."""

    def __init__(self, name: str = "Quickstart CA") -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = _name(name)
        builder = _builder(self._name, self._name, self._key, days=3650, age=2000).add_extension(
            x509.BasicConstraints(ca=True, path_length=0), critical=True
        )
        self._certificate = builder.sign(self._key, hashes.SHA256())

    @property
    def certificate_pem(self) -> str:
        return self._certificate.public_bytes(serialization.Encoding.PEM).decode()

    def issue(self, domain: str, *, days: int = 90, age: int = 0) -> Issued:
        """age: days since its lifetime of so many days began."""
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = (
            _builder(_name(domain), self._name, key, days=days, age=age)
            .add_extension(x509.SubjectAlternativeName([x509.DNSName(domain)]), critical=False)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), critical=False)
            .sign(self._key, hashes.SHA256())
        )
        key_pem = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        return Issued(
            certificate.public_bytes(serialization.Encoding.PEM).decode(),
            key_pem.decode(),
            certificate.fingerprint(hashes.SHA256()).hex(),
        )


def secret_document(domain: str, issued: Issued) -> str:
    """The JSON that a certificate secret holds. A chain of intermediates would be in certificate_chain."""
    return json.dumps(
        {"certificate": issued.certificate_pem, "private_key": issued.private_key_pem, "domain_name": domain}
    )


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, *, days: int, age: int = 0
) -> x509.CertificateBuilder:
    now = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(days=age)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(days=days))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )
