# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Signatures on certificates, also such that cryptography no longer makes."""

from __future__ import annotations

import base64
import typing as t

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, padding, rsa


def sign(builder: x509.CertificateBuilder, key: t.Any, signature_hash: hashes.HashAlgorithm | None) -> x509.Certificate:
    """signature_hash: SHA-256 unless given; SHA-1 and MD5 work, too."""
    if isinstance(key, (ed25519.Ed25519PrivateKey, ed448.Ed448PrivateKey)):
        return builder.sign(key, None)
    if isinstance(signature_hash, (hashes.SHA1, hashes.MD5)):
        return _sign_weakly(builder, key, signature_hash)
    algorithm: t.Any = signature_hash or hashes.SHA256()
    return builder.sign(key, algorithm)


# AlgorithmIdentifier values, DER (RFC 3279, RFC 4055, RFC 5758)
_SHA256_IDENTIFIERS = {
    "rsa": bytes.fromhex("300d06092a864886f70d01010b0500"),
    "ec": bytes.fromhex("300a06082a8648ce3d040302"),
}
_WEAK_IDENTIFIERS = {
    ("rsa", "sha1"): bytes.fromhex("300d06092a864886f70d0101050500"),
    ("rsa", "md5"): bytes.fromhex("300d06092a864886f70d0101040500"),
    ("ec", "sha1"): bytes.fromhex("300906072a8648ce3d0401"),
}


def _sign_weakly(
    builder: x509.CertificateBuilder, key: t.Any, signature_hash: hashes.SHA1 | hashes.MD5
) -> x509.Certificate:
    """cryptography no longer signs with these hashes: put the identifiers and the signature in place by hand."""
    kind = "rsa" if isinstance(key, rsa.RSAPrivateKey) else "ec"
    identifier = _WEAK_IDENTIFIERS[kind, signature_hash.name]
    signed_well = builder.sign(key, hashes.SHA256()).tbs_certificate_bytes
    content = signed_well[2 + (signed_well[1] & 0x7F if signed_well[1] & 0x80 else 0) :]
    signed_part = der(0x30, content.replace(_SHA256_IDENTIFIERS[kind], identifier, 1))
    if kind == "rsa":
        signature = key.sign(signed_part, padding.PKCS1v15(), signature_hash)
    else:
        signature = key.sign(signed_part, ec.ECDSA(signature_hash))
    return x509.load_der_x509_certificate(der(0x30, signed_part + identifier + der(0x03, b"\0" + signature)))


def signed_pem(tbs_certificate: bytes, key: ec.EllipticCurvePrivateKey) -> str:
    """A certificate of any content, also such that cryptography would not make (ECDSA with SHA-256)."""
    signature = key.sign(tbs_certificate, ec.ECDSA(hashes.SHA256()))
    whole = der(0x30, tbs_certificate + _SHA256_IDENTIFIERS["ec"] + der(0x03, b"\0" + signature))
    return certificate_pem_of(whole)


def certificate_pem_of(content: bytes) -> str:
    """Any bytes in the form of a certificate."""
    encoded = base64.encodebytes(content).decode()
    return f"-----BEGIN CERTIFICATE-----\n{encoded}-----END CERTIFICATE-----\n"


def der(tag: int, *parts: bytes) -> bytes:
    """One value: its tag, the length of all parts, and they (X.690)."""
    content = b"".join(parts)
    size = len(content)
    if size < 0x80:
        return bytes([tag, size]) + content
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes([tag, 0x80 | len(length)]) + length + content
