# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Issues X.509 v3 certificates by RFC 5280: the authority's own, clients' and servers'."""

from __future__ import annotations

import datetime
import typing as t
from dataclasses import dataclass, field

try:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ed448, ed25519, rsa
    from cryptography.x509.oid import ExtendedKeyUsageOID
except ImportError:  # the module boundary says so
    pass

from ..._errors import InvalidOption, RotationError
from ..instants import isoformat_utc
from ..x509.certificate import Certificate, load_certificate
from ..x509.name_constraints import forbidden_names

#: Certificates and revocation lists begin that much earlier: clocks differ, and TLS libraries tolerate nothing.
BACKDATING: t.Final = datetime.timedelta(hours=1)
#: Stands for no end at all (RFC 5280, 4.1.2.5); X.509 has no later date.
_NO_END: t.Final = datetime.datetime(9999, 12, 31, 23, 59, 59, tzinfo=datetime.timezone.utc)


@dataclass(frozen=True)
class SigningAuthority:
    """An authority that can sign: its certificate and the key that belongs to it.

    above: the authorities that lead from it up to its root, which is the last; () for a root.
    """

    certificate: Certificate
    key: t.Any = field(repr=False)
    above: tuple[Certificate, ...] = ()

    @property
    def path(self) -> tuple[Certificate, ...]:
        return (self.certificate, *self.above)


def issue_authority(key: t.Any, subject: x509.Name, validity: datetime.timedelta, at: datetime.datetime) -> Certificate:
    """A self-signed root that issues leaves only (path length 0). key: its private key.

    Raises InvalidOption without a subject: an issuer has to have a name (RFC 5280, 4.1.2.6).
    """
    if not list(subject):
        raise InvalidOption("subject: all its parts are empty, and an authority has to have a name. Give common_name.")
    builder = _builder(subject, subject, key.public_key(), at - BACKDATING, _end(at, validity))
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    builder = builder.add_extension(_key_usage(key_cert_sign=True, crl_sign=True), critical=True)
    builder = builder.add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key()), False)
    return _signed(builder, key)


def issue_client(
    issuer: SigningAuthority, public_key: t.Any, subject: x509.Name, validity: datetime.timedelta, at: datetime.datetime
) -> Certificate:
    """For TLS clients only.

    Raises RotationError when the authority is not valid at that instant, or may not issue for the subject.
    """
    builder = _leaf_builder(issuer, public_key, subject, validity, at)
    usage = _key_usage(digital_signature=True, key_encipherment=isinstance(public_key, rsa.RSAPublicKey))
    builder = builder.add_extension(usage, critical=True)
    builder = builder.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False)
    return _within_limits(_signed(builder, issuer.key), issuer)


def issue_server(
    issuer: SigningAuthority,
    public_key: t.Any,
    subject: x509.Name,
    validity: datetime.timedelta,
    at: datetime.datetime,
    names: t.Sequence[x509.GeneralName],
) -> Certificate:
    """For TLS servers only. names: see alternative_names.

    Raises RotationError when the authority is not valid at that instant, or may not issue for one of the names.
    """
    builder = _leaf_builder(issuer, public_key, subject, validity, at)
    usage = _key_usage(
        digital_signature=True,
        content_commitment=True,
        key_encipherment=isinstance(public_key, rsa.RSAPublicKey),
    )
    builder = builder.add_extension(usage, critical=True)
    builder = builder.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
    # Without a subject they are all that there is (RFC 5280, 4.2.1.6).
    builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=not list(subject))
    return _within_limits(_signed(builder, issuer.key), issuer)


def leaf_end(path: t.Iterable[Certificate], validity: datetime.timedelta, at: datetime.datetime) -> datetime.datetime:
    """When a certificate ends that is issued now: what outlives an authority above it would only look valid.

    path: these authorities.
    """
    return min([_end(at, validity), *(authority.not_after for authority in path)])


def _end(at: datetime.datetime, validity: datetime.timedelta) -> datetime.datetime:
    return _NO_END if validity > _NO_END - at else at + validity


def _leaf_builder(
    issuer: SigningAuthority, public_key: t.Any, subject: x509.Name, validity: datetime.timedelta, at: datetime.datetime
) -> x509.CertificateBuilder:
    authority = issuer.certificate
    first_to_end = min(issuer.path, key=lambda each: each.not_after)
    if first_to_end.not_after <= at:
        raise RotationError(
            f"The authority {first_to_end.subject} expired on {isoformat_utc(first_to_end.not_after)} and can issue"
            " nothing: replace it first."
        )
    last_to_begin = max(issuer.path, key=lambda each: each.not_before)
    if last_to_begin.not_before > at:
        raise RotationError(
            f"The authority {last_to_begin.subject} is valid from {isoformat_utc(last_to_begin.not_before)} on, and can"
            " issue nothing before: check this host's clock."
        )
    if authority.subject_name is None:
        raise RotationError("The authority's subject is malformed: replace the authority.")
    # As with its end: what begins before its authority would only look valid.
    not_before = max(at - BACKDATING, authority.not_before)
    not_after = leaf_end(issuer.path, validity, at)
    builder = _builder(subject, authority.subject_name, public_key, not_before, not_after)
    builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
    return builder.add_extension(authority_key_identifier(authority), critical=False)


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    public_key: t.Any,
    not_before: datetime.datetime,
    not_after: datetime.datetime,
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(not_before)
        .not_valid_after(not_after)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)
    )


def authority_key_identifier(authority: Certificate) -> x509.AuthorityKeyIdentifier:
    """From its subject key identifier, where an imported authority has one of its own making (RFC 5280, 4.2.1.1)."""
    try:
        extension = authority.x509.extensions.get_extension_for_class(x509.SubjectKeyIdentifier)
    except x509.ExtensionNotFound:
        return x509.AuthorityKeyIdentifier.from_issuer_public_key(authority.public_key)
    return x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(extension.value)


def _key_usage(**set_bits: bool) -> x509.KeyUsage:
    names = (
        "digital_signature",
        "content_commitment",
        "key_encipherment",
        "data_encipherment",
        "key_agreement",
        "key_cert_sign",
        "crl_sign",
        "encipher_only",
        "decipher_only",
    )
    return x509.KeyUsage(**{name: set_bits.get(name, False) for name in names})


def signature_hash(key: t.Any) -> hashes.SHA256 | None:
    """For signatures by this private key. Edwards curves hash by themselves (RFC 8410)."""
    return None if isinstance(key, (ed25519.Ed25519PrivateKey, ed448.Ed448PrivateKey)) else hashes.SHA256()


def _within_limits(leaf: Certificate, issuer: SigningAuthority) -> Certificate:
    """Raises RotationError for names that name constraints forbid: every peer would refuse it."""
    forbidden = forbidden_names(leaf.x509, [authority.x509 for authority in issuer.path])
    if forbidden:
        names = ", ".join(f"'{name}'" for name in forbidden)
        raise RotationError(
            f"The authority '{issuer.certificate.name}' may not issue for {names} (name constraints), and peers would"
            " refuse the certificate: leave out or correct these names, or use another authority."
        )
    return leaf


def _signed(builder: x509.CertificateBuilder, key: t.Any) -> Certificate:
    signed = builder.sign(key, signature_hash(key))
    return load_certificate(signed.public_bytes(serialization.Encoding.DER))
