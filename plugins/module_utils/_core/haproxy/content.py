# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A combined PEM (leaf, intermediates, key) as HAProxy loads it, and how to recognise it in HAProxy's memory."""

from __future__ import annotations

import functools
import hashlib
import typing as t
from dataclasses import dataclass

from ..instants import isoformat_utc
from ..x509.certificate import Certificate, load_certificate
from ..x509.loadable import WhyNotLoaded, require_loadable
from ..x509.pem import CERTIFICATE, TRUSTED_CERTIFICATE, PemBlock, encode_pem, parse_pem
from ..x509.problems import MaterialError
from ..x509.reading import material_errors
from .parsing import StoredCertificate

try:
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives import serialization
    from cryptography.x509 import Name
except ImportError:  # the module boundary says so
    pass

DH_PARAMETERS = "DH PARAMETERS"  # RFC 7468's label by custom, of PKCS #3
# Short names of OpenSSL (crypto/objects/objects.txt) for the attributes that certificate authorities use.
_SHORT_NAMES = {
    "2.5.4.3": "CN",
    "2.5.4.4": "SN",
    "2.5.4.5": "serialNumber",
    "2.5.4.6": "C",
    "2.5.4.7": "L",
    "2.5.4.8": "ST",
    "2.5.4.9": "street",
    "2.5.4.10": "O",
    "2.5.4.11": "OU",
    "2.5.4.12": "title",
    "2.5.4.13": "description",
    "2.5.4.15": "businessCategory",
    "2.5.4.17": "postalCode",
    "2.5.4.42": "GN",
    "2.5.4.43": "initials",
    "2.5.4.46": "dnQualifier",
    "2.5.4.97": "organizationIdentifier",
    "0.9.2342.19200300.100.1.1": "UID",
    "0.9.2342.19200300.100.1.25": "DC",
    "1.2.840.113549.1.9.1": "emailAddress",
    "1.3.6.1.4.1.311.60.2.1.2": "jurisdictionST",
    "1.3.6.1.4.1.311.60.2.1.3": "jurisdictionC",
}


@dataclass(frozen=True, repr=False)
class CertificateContent:
    """payload: certificates, key and DH parameters in their order, made anew from their DER: what is sent to HAProxy.

    chain: subject and issuer of each certificate after the leaf, as HAProxy prints them; None where
    that form is not known. issuer: the leaf's, when it is among them. issuer_beside: PEM of it, when it is not, and
    known all the same: HAProxy needs it for OCSP.
    """

    payload: str
    leaf: Certificate
    fingerprint_sha1: str
    chain: tuple[tuple[str | None, str | None], ...]
    issuer: Certificate | None = None
    issuer_beside: str = ""

    @property
    def has_key(self) -> bool:
        return "PRIVATE KEY-----" in self.payload

    @functools.cached_property
    def untold(self) -> str | None:
        """Digest of what HAProxy does not tell of it, its intermediates (but for their names) and DH parameters; None
        without any."""
        blocks = parse_pem(self.payload)
        parts = [block.der for block in blocks if block.label == CERTIFICATE][1:]
        parts += [block.der for block in blocks if block.label == DH_PARAMETERS]
        return hashlib.sha256(b"".join(parts)).hexdigest() if parts else None

    @functools.cached_property
    def not_before(self) -> str:
        return isoformat_utc(self.leaf.not_before)

    @functools.cached_property
    def not_after(self) -> str:
        return isoformat_utc(self.leaf.not_after)

    def is_leaf_of(self, stored: StoredCertificate) -> bool:
        """Does HAProxy hold this leaf? Of Ed25519 and Ed448 ones it reports no fingerprint, only serial and dates."""
        if stored.fingerprint_sha1 is not None and stored.fingerprint_sha1 != self.fingerprint_sha1:
            return False
        ours = (self.leaf.serial_number, self.not_before, self.not_after)
        return ours == (stored.serial_number, stored.not_before, stored.not_after)

    def matches(self, stored: StoredCertificate) -> bool:
        """Does HAProxy hold this leaf with a chain of these names? What else there is to a chain it does not tell."""
        if not self.is_leaf_of(stored):
            return False
        if stored.fingerprint_sha1 is None or (stored.chain_from_directory and not self.chain):
            return True  # the chain is not reported, or is not the certificate's own
        return len(stored.chain) == len(self.chain) and all(
            ours in (None, theirs) for own, held in zip(self.chain, stored.chain) for ours, theirs in zip(own, held)
        )


@material_errors()
def parse_content(pem: str | bytes) -> CertificateContent:
    """Read a combined PEM, leaf first as HAProxy does. Raises MaterialError, whose text never quotes the content."""
    blocks = [block for block in parse_pem(pem) if _is_loaded(block)]
    certificates = [load_certificate(block.der) for block in blocks if block.label == CERTIFICATE]
    if not certificates:
        raise MaterialError(
            "certificate_missing", "The content holds no PEM certificate. Give leaf, intermediates and key."
        )
    leaf = certificates[0]
    return CertificateContent(
        payload=b"".join(encode_pem(block.label, block.der) for block in blocks).decode("ascii").rstrip("\n"),
        leaf=leaf,
        fingerprint_sha1=hashlib.sha1(leaf.der, usedforsecurity=False).hexdigest(),
        chain=tuple(
            (openssl_one_line(member.subject_name), openssl_one_line(member.issuer_name)) for member in certificates[1:]
        ),
        issuer=next((member for member in certificates[1:] if member.subject_name == leaf.issuer_name), None),
    )


def _is_loaded(block: PemBlock) -> bool:
    """Does HAProxy load it from a certificate's file? Raises MaterialError for what it would not load."""
    if block.label == TRUSTED_CERTIFICATE:
        raise MaterialError(
            "pem_invalid",
            "The content holds a TRUSTED CERTIFICATE, with trust settings of OpenSSL: convert it with 'openssl x509 -in"
            " FILE'.",
        )
    is_loaded = block.label in (CERTIFICATE, DH_PARAMETERS) or block.label.endswith("PRIVATE KEY")
    if not is_loaded or not block.headers:
        return is_loaded
    if block.label.endswith("PRIVATE KEY") and any("ENCRYPTED" in header for header in block.headers):
        raise MaterialError("private_key_encrypted", "The private key is encrypted. Store it without a passphrase.")
    raise MaterialError(
        "pem_invalid",
        "A PEM block of the content has header lines between BEGIN and the data, with which HAProxy does not load its"
        " file. Remove them, or export the certificate or the key again.",
    )


@material_errors()
def check_key(content: CertificateContent, why_not_loaded: WhyNotLoaded) -> None:
    """The content has exactly one private key, in clear, and it is the leaf's, and OpenSSL loads all of it.

    HAProxy finds that out only at the commit; then it has the wrong key in its memory already. Raises MaterialError;
    OSError as why_not_loaded.
    """
    keys = [block for block in parse_pem(content.payload) if block.label.endswith("PRIVATE KEY")]
    if not keys:
        raise MaterialError(
            "private_key_missing", "The content holds no private key. Give leaf, intermediates and key."
        )
    if len(keys) > 1:
        raise MaterialError("multiple_private_keys", "The content holds several private keys. Give only the leaf's.")
    if _public_bytes(_load_key(keys[0]).public_key()) != _public_bytes(content.leaf.public_key):
        raise MaterialError(
            "private_key_mismatch",
            "The private key does not belong to the certificate, so nothing was sent to HAProxy. Give the key that"
            " the certificate was issued for.",
        )
    require_loadable(content.payload.encode(), content.leaf, why_not_loaded)


def _load_key(block: PemBlock) -> t.Any:
    if block.label.startswith("ENCRYPTED"):
        raise MaterialError("private_key_encrypted", "The private key is encrypted. Store it without a passphrase.")
    try:
        return serialization.load_pem_private_key(block.encode(), None, unsafe_skip_rsa_key_validation=True)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise MaterialError("private_key_invalid", "The private key cannot be read. Export it again as PEM.") from None


def openssl_one_line(name: Name | None) -> str | None:
    """A name as HAProxy prints it; None where its form depends on the version of OpenSSL."""
    if name is None:
        return None
    parts = []
    for attribute in name:
        short = _SHORT_NAMES.get(attribute.oid.dotted_string)
        if short is None or not isinstance(attribute.value, str) or not attribute.value.isprintable():
            return None
        parts.append(f"/{short}={attribute.value}")
    return "".join(parts)


def _public_bytes(key: t.Any) -> bytes | None:
    if key is None:
        return None
    data: bytes = key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return data
