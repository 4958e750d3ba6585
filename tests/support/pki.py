# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Certificates for tests, good ones and every kind of bad one. All keys made here are known to secrets_scan."""

from __future__ import annotations

import dataclasses
import datetime
import functools
import ipaddress
import json
import subprocess
import typing as t

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, ed25519, rsa
from cryptography.hazmat.primitives.serialization import pkcs12
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from . import secrets_scan
from .signing import sign

KeyType = t.Literal["ec", "ec384", "ec224", "rsa1024", "rsa2048", "rsa3072", "dsa2048", "ed25519", "ed448"]
KeyFormat = t.Literal["pkcs8", "traditional"]
ExtraExtension = tuple[x509.ExtensionType, bool]  # the extension and whether it is critical

_MAKERS: dict[str, t.Callable[[], t.Any]] = {
    "ec": lambda: ec.generate_private_key(ec.SECP256R1()),
    "ec384": lambda: ec.generate_private_key(ec.SECP384R1()),
    "ec224": lambda: ec.generate_private_key(ec.SECP224R1()),
    "rsa1024": lambda: rsa.generate_private_key(65537, 1024),
    "rsa2048": lambda: rsa.generate_private_key(65537, 2048),
    "rsa3072": lambda: rsa.generate_private_key(65537, 3072),
    "dsa2048": lambda: dsa.generate_private_key(2048),
    "ed25519": ed25519.Ed25519PrivateKey.generate,
    "ed448": ed448.Ed448PrivateKey.generate,
}
_FORMATS = {
    "pkcs8": serialization.PrivateFormat.PKCS8,
    "traditional": serialization.PrivateFormat.TraditionalOpenSSL,
}


def new_key(key_type: KeyType = "ec") -> t.Any:
    """A fresh private key. EC takes microseconds, RSA tens of milliseconds: see shared_key."""
    return _MAKERS[key_type]()


@functools.cache
def shared_key(key_type: KeyType = "ec") -> t.Any:
    """One key per type and process, for tests that need many certificates and do not care whose key it is."""
    return new_key(key_type)


def private_key_pem(key: t.Any, *, key_format: KeyFormat = "pkcs8", passphrase: bytes | None = None) -> str:
    """key as PEM, registered with secrets_scan."""
    encryption: t.Any = serialization.NoEncryption()
    if passphrase is not None:
        encryption = serialization.BestAvailableEncryption(passphrase)
    pem: bytes = key.private_bytes(serialization.Encoding.PEM, _FORMATS[key_format], encryption)
    for known_format in _FORMATS.values():
        try:
            secrets_scan.register_private_key(
                key.private_bytes(serialization.Encoding.PEM, known_format, serialization.NoEncryption())
            )
        except ValueError:
            pass  # Ed25519 and Ed448 have no traditional form
    return pem.decode()


def certificate_pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(serialization.Encoding.PEM).decode()


def now() -> datetime.datetime:
    """The real time as certificates hold it: aware, whole seconds."""
    return datetime.datetime.now(datetime.timezone.utc).replace(microsecond=0)


@dataclasses.dataclass(frozen=True)
class IssuedCertificate:
    """chain_pem: the intermediates, nearest issuer first, without the root ("" when the root itself issued)."""

    certificate_pem: str
    private_key_pem: str = dataclasses.field(repr=False)
    chain_pem: str
    names: tuple[str, ...]

    @property
    def certificate(self) -> x509.Certificate:
        return x509.load_pem_x509_certificate(self.certificate_pem.encode())

    @property
    def private_key(self) -> t.Any:
        return serialization.load_pem_private_key(self.private_key_pem.encode(), None)

    @property
    def fingerprint_sha256(self) -> str:
        return self.certificate.fingerprint(hashes.SHA256()).hex()

    @property
    def combined_pem(self) -> str:
        """What HAProxy loads: leaf, intermediates, key."""
        return self.certificate_pem + self.chain_pem + self.private_key_pem

    def secret_document(self, **overrides: t.Any) -> dict[str, t.Any]:
        """The JSON document that a secret holds. A field set to None is left out."""
        document = {
            "certificate": self.certificate_pem,
            "private_key": self.private_key_pem,
            "certificate_chain": self.chain_pem,
            "domain_name": self.names[0] if self.names else "",
            "description": "made by a test",
            **overrides,
        }
        return {name: value for name, value in document.items() if value is not None}

    def secret_string(self, **overrides: t.Any) -> str:
        return json.dumps(self.secret_document(**overrides))

    def pkcs12(self, passphrase: bytes | None = None) -> bytes:
        chain = x509.load_pem_x509_certificates(self.chain_pem.encode()) if self.chain_pem else None
        encryption: t.Any = serialization.NoEncryption()
        if passphrase is not None:
            encryption = serialization.BestAvailableEncryption(passphrase)
        return pkcs12.serialize_key_and_certificates(b"test", self.private_key, self.certificate, chain, encryption)

    def replace(self, **fields: t.Any) -> IssuedCertificate:
        """A copy with other fields, for instance another's private_key_pem."""
        return dataclasses.replace(self, **fields)


class CertificateAuthority:
    """A root, or an intermediate when it has a parent. Valid from one year ago to ten years ahead by default."""

    def __init__(
        self,
        name: str = "Test Root",
        *,
        key_type: KeyType = "ec",
        key: t.Any = None,
        parent: CertificateAuthority | None = None,
        not_before: datetime.datetime | None = None,
        not_after: datetime.datetime | None = None,
        path_length: int | None = None,
        key_usage: x509.KeyUsage | None = None,
        key_identifier: bytes | None = None,
        signature_hash: hashes.HashAlgorithm | None = None,
        extra_extensions: t.Sequence[ExtraExtension] = (),
    ) -> None:
        self.parent = parent
        self.key = key or new_key(key_type)
        private_key_pem(self.key)  # registers it
        subject = _subject(name)
        issuer = parent or self
        builder = _builder(
            subject,
            parent.certificate.subject if parent else subject,
            self.key,
            not_before or now() - datetime.timedelta(days=365),
            not_after or now() + datetime.timedelta(days=3650),
            None,
            key_identifier,
        )
        builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=path_length), critical=True)
        builder = builder.add_extension(key_usage or _key_usage(ca=True), critical=True)
        builder = builder.add_extension(_authority_key_identifier(issuer.key), critical=False)
        for extension, critical in extra_extensions:
            builder = builder.add_extension(extension, critical)
        self.certificate: x509.Certificate = sign(builder, issuer.key, signature_hash)

    @property
    def certificate_pem(self) -> str:
        return certificate_pem(self.certificate)

    @property
    def root_pem(self) -> str:
        """The certificate of the root above this authority: the trust anchor for all that it issues."""
        return self.parent.root_pem if self.parent else self.certificate_pem

    @property
    def chain_pem(self) -> str:
        """This authority and those above it, without the root."""
        return self.certificate_pem + self.parent.chain_pem if self.parent else ""

    def issue(
        self,
        names: str | t.Sequence[str],
        *,
        key_type: KeyType = "ec",
        key: t.Any = None,
        key_format: KeyFormat = "pkcs8",
        passphrase: bytes | None = None,
        not_before: datetime.datetime | None = None,
        not_after: datetime.datetime | None = None,
        common_name: str | None = None,
        signature_hash: hashes.HashAlgorithm | None = None,
        serial_number: int | None = None,
        alternative_names: bool = True,
        is_ca: bool = False,
        usages: t.Sequence[x509.ObjectIdentifier] = (ExtendedKeyUsageOID.SERVER_AUTH,),
        key_identifier: x509.AuthorityKeyIdentifier | None = None,
        extra_extensions: t.Sequence[ExtraExtension] = (),
        signing_key: t.Any = None,
    ) -> IssuedCertificate:
        """Issue a leaf, valid from one day ago to 90 days ahead by default.

        names: DNS names and IP addresses of the SAN. common_name: names[0] when it fits, "" for an empty subject.
        alternative_names=False: no SAN at all. is_ca: a leaf that says it is a CA. signing_key: sign with a key
        that is not this authority's (a chain that looks right and is not).
        """
        names = (names,) if isinstance(names, str) else tuple(names)
        return _issue(
            names,
            key or new_key(key_type),
            issuer_name=self.certificate.subject,
            issuer_key=self.key,
            signing_key=signing_key or self.key,
            chain_pem=self.chain_pem,
            key_format=key_format,
            passphrase=passphrase,
            not_before=not_before,
            not_after=not_after,
            common_name=common_name,
            signature_hash=signature_hash,
            serial_number=serial_number,
            alternative_names=alternative_names,
            is_ca=is_ca,
            usages=usages,
            key_identifier=key_identifier,
            extra_extensions=extra_extensions,
        )


def self_signed(
    names: str | t.Sequence[str],
    *,
    key_type: KeyType = "ec",
    key: t.Any = None,
    not_before: datetime.datetime | None = None,
    not_after: datetime.datetime | None = None,
    is_ca: bool = False,
) -> IssuedCertificate:
    """A leaf that is its own issuer."""
    names = (names,) if isinstance(names, str) else tuple(names)
    key = key or new_key(key_type)
    return _issue(
        names,
        key,
        issuer_name=_subject(names[0]),
        issuer_key=key,
        signing_key=key,
        chain_pem="",
        not_before=not_before,
        not_after=not_after,
        is_ca=is_ca,
    )


def rsassa_pss(name: str) -> str:
    """A self-signed certificate and its key, which is for RSASSA-PSS alone, as PEM. cryptography makes no such keys."""
    command = ["openssl", "req", "-x509", "-newkey", "rsa-pss", "-pkeyopt", "rsa_keygen_bits:2048", "-nodes"]
    command += ["-keyout", "-", "-subj", f"/CN={name}", "-addext", f"subjectAltName=DNS:{name}", "-days", "9"]
    pem = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    private_key_pem(serialization.load_pem_private_key(pem.encode(), None))
    return pem


def _issue(
    names: tuple[str, ...],
    key: t.Any,
    *,
    issuer_name: x509.Name,
    issuer_key: t.Any,
    signing_key: t.Any,
    chain_pem: str,
    key_format: KeyFormat = "pkcs8",
    passphrase: bytes | None = None,
    not_before: datetime.datetime | None = None,
    not_after: datetime.datetime | None = None,
    common_name: str | None = None,
    signature_hash: hashes.HashAlgorithm | None = None,
    serial_number: int | None = None,
    alternative_names: bool = True,
    is_ca: bool = False,
    usages: t.Sequence[x509.ObjectIdentifier] = (ExtendedKeyUsageOID.SERVER_AUTH,),
    key_identifier: x509.AuthorityKeyIdentifier | None = None,
    extra_extensions: t.Sequence[ExtraExtension] = (),
) -> IssuedCertificate:
    if common_name is None:
        common_name = names[0] if names and len(names[0]) <= 64 else ""
    not_after = not_after or now() + datetime.timedelta(days=90)
    # A day before its end at the latest, for one that has ended: the clock goes on between two calls.
    not_before = not_before or min(now(), not_after) - datetime.timedelta(days=1)
    builder = _builder(_subject(common_name), issuer_name, key, not_before, not_after, serial_number)
    builder = builder.add_extension(x509.BasicConstraints(ca=is_ca, path_length=None), critical=True)
    if not any(isinstance(extension, x509.KeyUsage) for extension, _critical in extra_extensions):
        builder = builder.add_extension(_key_usage(ca=is_ca), critical=True)
    builder = builder.add_extension(key_identifier or _authority_key_identifier(issuer_key), critical=False)
    if usages:
        builder = builder.add_extension(x509.ExtendedKeyUsage(list(usages)), critical=False)
    if alternative_names and names:
        san = x509.SubjectAlternativeName([_general_name(name) for name in names])
        builder = builder.add_extension(san, critical=not common_name)
    for extension, critical in extra_extensions:
        builder = builder.add_extension(extension, critical)
    return IssuedCertificate(
        certificate_pem=certificate_pem(sign(builder, signing_key, signature_hash)),
        private_key_pem=private_key_pem(key, key_format=key_format, passphrase=passphrase),
        chain_pem=chain_pem,
        names=names,
    )


def _subject(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)] if common_name else [])


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    key: t.Any,
    not_before: datetime.datetime,
    not_after: datetime.datetime,
    serial_number: int | None,
    key_identifier: bytes | None = None,
) -> x509.CertificateBuilder:
    own_id = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(serial_number or x509.random_serial_number())
        .not_valid_before(not_before)
        .not_valid_after(not_after)
        .add_extension(x509.SubjectKeyIdentifier(key_identifier) if key_identifier else own_id, critical=False)
    )


def _authority_key_identifier(issuer_key: t.Any) -> x509.AuthorityKeyIdentifier:
    return x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key())


def _key_usage(*, ca: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        key_encipherment=not ca,
        key_cert_sign=ca,
        crl_sign=ca,
        content_commitment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )
