# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A certificate as bytes from a server, made facts. Pure."""

from __future__ import annotations

import functools
import hashlib
import typing as t

from ..der import element
from ..x509.certificate import Certificate, load_certificate
from ..x509.problems import MaterialError
from .sightings import SeenCertificate

NOT_X509: t.Final = "it is not valid X.509"
_KEY_FAMILIES: t.Final = {"EC": "ecdsa"}
_SEQUENCE: t.Final = 0x30
_EXPLICIT_VERSION: t.Final = 0xA0


@functools.lru_cache(maxsize=256)
def seen_certificate(der: bytes) -> SeenCertificate:
    """Whatever can be read of a certificate. Never raises for its content.

    The last few stay read, because thousands of endpoints share a handful of intermediates.
    """
    try:
        certificate = load_certificate(der)
    except MaterialError:
        return SeenCertificate(*_fingerprints(der), der, key_sha256=_key_sha256(der), odd=NOT_X509)
    return SeenCertificate(
        *_fingerprints(der),
        der,
        key_sha256=_key_sha256(der),
        not_before=certificate.not_before,
        not_after=certificate.not_after,
        subject=certificate.subject,
        issuer=certificate.issuer,
        serial_number=certificate.serial_number,
        subject_alternative_names=certificate.subject_alternative_names,
        key_type=_key_type(certificate),
        odd=certificate.malformed,
    )


def _fingerprints(der: bytes) -> tuple[str, str, str]:
    """SHA-256, and what older records know: SHA-1 and MD5, which compare here and protect nothing."""
    return (
        hashlib.sha256(der).hexdigest(),
        hashlib.sha1(der, usedforsecurity=False).hexdigest(),
        hashlib.md5(der, usedforsecurity=False).hexdigest(),
    )


def _key_type(certificate: Certificate) -> str | None:
    """Such as "rsa 2048", "ecdsa P-256", "ed25519"; None for a kind that is not known here."""
    if certificate.public_key is None:
        return None
    family, space, size = certificate.key.partition(" ")
    return None if family == "unknown" else _KEY_FAMILIES.get(family, family.lower()) + space + size


def _key_sha256(der: bytes) -> str | None:
    """Of the SubjectPublicKeyInfo's bytes as they are (RFC 7469, 2.4), also of keys that no library here knows."""
    try:
        _tag, start, _end = element(der, 0)  # Certificate
        _tag, position, _end = element(der, start)  # TBSCertificate (RFC 5280, 4.1)
        if der[position] == _EXPLICIT_VERSION:
            position = element(der, position)[2]
        for _field in ("serial number", "signature", "issuer", "validity", "subject"):
            position = element(der, position)[2]
        tag, _start, end = element(der, position)
    except ValueError:
        return None
    return hashlib.sha256(der[position:end]).hexdigest() if tag == _SEQUENCE else None
