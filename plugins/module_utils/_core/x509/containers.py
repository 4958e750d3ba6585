# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The certificates in a file of any usual kind: PEM, DER, PKCS#7 (RFC 2315) and PKCS#12 (RFC 7292). Pure."""

from __future__ import annotations

import typing as t

try:
    from cryptography.hazmat.primitives.serialization import Encoding, pkcs7
except ImportError:  # the module boundary says so
    pass

from ..der import element
from .certificate import load_certificate
from .effort import require_bounded_effort
from .encodings import PKCS7, PKCS12, der_label
from .opener import Opener
from .pem import CERTIFICATE, TRUSTED_CERTIFICATE, as_utf8, parse_pem
from .problems import MaterialError
from .reading import material_errors

_BEGIN: t.Final = (b"-----BEGIN CERTIFICATE", b"-----BEGIN X509 CERT", b"-----BEGIN TRUSTED CERT", b"-----BEGIN PKCS7")
_SEQUENCE: t.Final = 0x30
_KEYSTORES: t.Final = (b"\xfe\xed\xfe\xed", b"\xce\xce\xce\xce")  # of Java, JKS and JCEKS


class Contained(t.NamedTuple):
    """certificates: DER of each that can be read, in the order of their container; of PKCS#12 the one that belongs to
    the key is the first. problem: what could not be read, None for nothing."""

    certificates: t.Sequence[bytes] = ()
    problem: str | None = None


def certificates_in(data: bytes, opener: Opener) -> Contained:
    """Nothing where the content is something else. Keys are neither returned nor looked at.

    opener: opens PKCS#12 with the passphrase that it has, or without one. Raises OSError where nobody can open it.
    """
    try:
        return _contained(data, opener)
    except MaterialError as error:
        return Contained(problem=error.message)


@material_errors()
def _contained(data: bytes, opener: Opener) -> Contained:
    if data[:1] == bytes([_SEQUENCE]):
        return Contained(_of_der(data, opener))
    if data[:4] in _KEYSTORES:
        return Contained(problem="It is a Java keystore: convert a copy with 'keytool -importkeystore'.")
    text = as_utf8(data)
    if not any(begin in text for begin in _BEGIN):
        return Contained()
    found: list[bytes] = []
    problem = None
    for block in parse_pem(text):
        try:
            if block.label in (CERTIFICATE, TRUSTED_CERTIFICATE):
                found.append(load_certificate(first_element(block.der)).der)
            elif block.label == "PKCS7":
                found += certificates_of_pkcs7(block.der)
        except MaterialError as error:
            problem = error.message
    return Contained(found, problem)


def _of_der(data: bytes, opener: Opener) -> list[bytes]:
    label = der_label(data)
    if label == PKCS12:
        return _of_pkcs12(data, opener)
    if label == PKCS7:
        return certificates_of_pkcs7(data)
    if label != CERTIFICATE:
        return []
    try:
        return [load_certificate(first_element(data)).der]
    except MaterialError:
        return []  # of another kind that begins so


def _of_pkcs12(data: bytes, opener: Opener) -> list[bytes]:
    try:
        require_bounded_effort(data)
        opened = opener.open("pkcs12", data)
    except ValueError:
        opened = []
    if not opened:
        raise MaterialError("pkcs12_invalid", "It is PKCS#12 with a passphrase, or damaged.")
    return [der for der in opened[1:] if der]


def certificates_of_pkcs7(data: bytes) -> list[bytes]:
    """DER of each. Raises MaterialError."""
    try:
        found = pkcs7.load_der_pkcs7_certificates(data)
    except ValueError:
        raise MaterialError("pem_invalid", "It is PKCS#7 that holds no certificates, or is damaged.") from None
    return [certificate.public_bytes(Encoding.DER) for certificate in found]


def first_element(data: bytes) -> bytes:
    """Without what follows: what OpenSSL trusts a certificate for, or the zeros that fill a file."""
    try:
        return data[: element(data, 0)[2]]
    except ValueError:
        return data
