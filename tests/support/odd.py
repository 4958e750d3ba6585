# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Certificates that no builder makes: each is odd in one way, under a good signature, and with its own key."""

from __future__ import annotations

import functools
import json
import typing as t

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from . import pki
from .signing import certificate_pem_of, der, signed_pem

NAME = "odd.example.com"
SEQUENCE, SET, OID, OCTETS, BITS, INTEGER, UTF8 = 0x30, 0x31, 0x06, 0x04, 0x03, 0x02, 0x0C
UTC_TIME, GENERALIZED_TIME = 0x17, 0x18
_ECDSA_SHA256 = bytes.fromhex("300a06082a8648ce3d040302")
_COMMON_NAME, _ALTERNATIVE_NAME = bytes.fromhex("550403"), bytes.fromhex("551d11")
_TRUE = b"\x01\x01\xff"


def name(value: str = NAME, *, tag: int = UTF8, content: bytes | None = None) -> bytes:
    text = value.encode() if content is None else content
    return der(SEQUENCE, der(SET, der(SEQUENCE, der(OID, _COMMON_NAME), der(tag, text))))


def extension(oid: bytes, content: bytes, *, critical: bool = False) -> bytes:
    return der(SEQUENCE, der(OID, oid), _TRUE if critical else b"", der(OCTETS, content))


def san(*names: bytes) -> bytes:
    return extension(_ALTERNATIVE_NAME, der(SEQUENCE, *names))


def dns(text: bytes) -> bytes:
    return der(0x82, text)


@functools.cache
def issuer() -> pki.CertificateAuthority:
    return pki.CertificateAuthority("Odd Authority")


@functools.cache
def spki(key_type: pki.KeyType = "ec") -> bytes:
    return public_bytes(pki.shared_key(key_type).public_key())


def public_bytes(key: t.Any) -> bytes:
    encoded: bytes = key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return encoded


def tbs(
    *,
    version: bytes = b"\xa0\x03\x02\x01\x02",
    serial: bytes = b"\x02\x02\x12\x34",
    algorithm: bytes = _ECDSA_SHA256,
    issuer_name: bytes | None = None,
    validity: tuple[bytes, bytes] = (der(UTC_TIME, b"250101000000Z"), der(UTC_TIME, b"491231235959Z")),
    subject: bytes | None = None,
    key: bytes | None = None,
    extensions: t.Sequence[bytes] | None = None,
) -> bytes:
    """What is signed, RFC 5280, 4.1. Each part as DER; those that are not given are good."""
    given = [san(dns(NAME.encode()))] if extensions is None else extensions
    return der(
        SEQUENCE,
        version,
        serial,
        algorithm,
        issuer().certificate.subject.public_bytes() if issuer_name is None else issuer_name,
        der(SEQUENCE, *validity),
        name() if subject is None else subject,
        spki() if key is None else key,
        der(0xA3, der(SEQUENCE, *given)) if given else b"",
    )


def certificate(**parts: t.Any) -> str:
    """As PEM, signed by issuer()."""
    return signed_pem(tbs(**parts), issuer().key)


def utf16(text: str) -> bytes:
    return text.encode("utf-16-be")


def _times(first: bytes, last: bytes, tag: int = GENERALIZED_TIME) -> tuple[bytes, bytes]:
    return der(tag, first), der(tag, last)


def _rsa(exponent: int, modulus_bits: int = 2048) -> bytes:
    return public_bytes(rsa.RSAPublicNumbers(exponent, (1 << (modulus_bits - 1)) | 0x10001).public_key())


def _ec_point(point: bytes, curve: bytes = bytes.fromhex("06082a8648ce3d030107")) -> bytes:
    return der(SEQUENCE, der(SEQUENCE, bytes.fromhex("06072a8648ce3d0201"), curve), der(BITS, b"\0", point))


def _nested(depth: int) -> bytes:
    content = b"\x05\x00"
    for _level in range(depth):
        content = der(SEQUENCE, content)
    return content


def _whole(change: t.Callable[[bytes], bytes]) -> str:
    return certificate_pem_of(change(_good_der()))


def _good_der() -> bytes:
    return x509.load_pem_x509_certificate(certificate().encode()).public_bytes(serialization.Encoding.DER)


GOOD = dns(NAME.encode())
_LONG = b"a" * 60
_UNKNOWN = der(SEQUENCE, der(OID, b"\x2a\x03"))
#: What is odd -> the certificate. All but those of SERVABLE are refused.
ODD: dict[str, t.Callable[[], str]] = {
    "address of 8 bytes": lambda: certificate(extensions=[san(GOOD, der(0x87, b"\x0a\0\0\0\xff\0\0\0"))]),
    "address with a mask": lambda: certificate(extensions=[san(GOOD, der(0x87, b"\x0a\0\0\x01\xff\0\0\0"))]),
    "two addresses in one": lambda: certificate(extensions=[san(der(0x87, b"\x0a\0\0\x01\x0a\0\0\x02"))]),
    "address of 0 bytes": lambda: certificate(extensions=[san(GOOD, der(0x87))]),
    "address of 17 bytes": lambda: certificate(extensions=[san(der(0x87, b"\1" * 17))]),
    "address of 32 bytes": lambda: certificate(extensions=[san(der(0x87, b"\xff" * 32))]),
    "NUL in a name": lambda: certificate(extensions=[san(dns(b"odd.example.com\0.evil.test"))]),
    "escape in a name": lambda: certificate(extensions=[san(dns(b"odd\x1b[2J.example.com"))]),
    "name that is no IA5String": lambda: certificate(extensions=[san(dns("ödd.example.com".encode()))]),
    "name of Latin-1": lambda: certificate(extensions=[san(dns(b"\xf6dd.example.com"))]),
    "empty name": lambda: certificate(extensions=[san(dns(b""))]),
    "empty name beside another": lambda: certificate(extensions=[san(dns(b""), dns(NAME.encode()))]),
    "name of 300 characters": lambda: certificate(extensions=[san(dns(b".".join([_LONG] * 5)))]),
    "name of 20,000 characters": lambda: certificate(extensions=[san(dns(b".".join([_LONG] * 330)))]),
    "no name at all": lambda: certificate(extensions=[san()]),
    "other name": lambda: certificate(extensions=[san(der(0xA0, der(OID, b"\x2a\x03"), der(0xA0, der(UTF8, b"x"))))]),
    "X.400 address": lambda: certificate(extensions=[san(der(0xA3, b""), dns(NAME.encode()))]),
    "EDI party name": lambda: certificate(extensions=[san(der(0xA5, b""), dns(NAME.encode()))]),
    "kind of name that does not exist": lambda: certificate(extensions=[san(der(0x8A, b"x"), dns(NAME.encode()))]),
    "2,000 names": lambda: certificate(extensions=[san(*(dns(b"n%d.example.com" % n) for n in range(2000)))]),
    "negative serial number": lambda: certificate(serial=b"\x02\x01\xff"),
    "serial number zero": lambda: certificate(serial=b"\x02\x01\x00"),
    "serial number of 3,000 bytes": lambda: certificate(serial=der(INTEGER, b"\x7f" * 3000)),
    "serial number of no bytes": lambda: certificate(serial=b"\x02\x00"),
    "version 4": lambda: certificate(version=b"\xa0\x03\x02\x01\x03"),
    "version 1 with extensions": lambda: certificate(version=b""),
    "before 1970": lambda: certificate(validity=(der(UTC_TIME, b"500101000000Z"), der(UTC_TIME, b"491231235959Z"))),
    "before 1950": lambda: certificate(validity=_times(b"00010101000000Z", b"20491231235959Z")),
    "year 0": lambda: certificate(validity=_times(b"00000101000000Z", b"20491231235959Z")),
    "end of time": lambda: certificate(validity=_times(b"20500101000000Z", b"99991231235959Z")),
    "beyond the end of time": lambda: certificate(
        validity=(der(UTC_TIME, b"250101000000Z"), der(0x18, b"100000101000000Z"))
    ),
    "fractions of a second": lambda: certificate(validity=_times(b"20250101000000.5Z", b"20491231235959.5Z")),
    "no seconds": lambda: certificate(validity=_times(b"2501010000Z", b"4912312359Z", UTC_TIME)),
    "offsets": lambda: certificate(validity=_times(b"250101000000+0100", b"491231235959+0100", UTC_TIME)),
    "long times with offsets": lambda: certificate(validity=_times(b"20250101000000+0100", b"20491231235959+0100")),
    "30th of February": lambda: certificate(validity=_times(b"250230000000Z", b"491231235959Z", UTC_TIME)),
    "leap second": lambda: certificate(validity=_times(b"250101000060Z", b"491231235959Z", UTC_TIME)),
    "end before the start": lambda: certificate(validity=_times(b"491231235959Z", b"250101000000Z", UTC_TIME)),
    "extension twice": lambda: certificate(extensions=[san(GOOD)] * 2),
    "unknown critical extension": lambda: certificate(
        extensions=[san(GOOD), extension(b"\x2a\x03\x04", b"\x05\x00", critical=True)]
    ),
    "extension of garbage": lambda: certificate(extensions=[extension(_ALTERNATIVE_NAME, b"\xff\xff\xff")]),
    "unknown TLS feature": lambda: certificate(
        extensions=[san(GOOD), extension(bytes.fromhex("2b06010505070118"), bytes.fromhex("3003020163"))]
    ),
    "empty subject and issuer": lambda: certificate(subject=der(SEQUENCE), issuer_name=der(SEQUENCE)),
    "BMPString": lambda: certificate(subject=name(tag=0x1E, content=utf16(NAME))),
    "BMPString of odd length": lambda: certificate(subject=name(tag=0x1E, content=b"\0a\0")),
    "surrogates": lambda: certificate(subject=name(tag=0x1E, content=b"\xd8\x00\xd8\x00")),
    "T61String": lambda: certificate(subject=name(tag=0x14, content=b"\xf6dd")),
    "UniversalString": lambda: certificate(subject=name(tag=0x1C, content=b"\0\0\0a")),
    "UniversalString beyond Unicode": lambda: certificate(subject=name(tag=0x1C, content=b"\xff\xff\xff\xff")),
    "invalid UTF-8": lambda: certificate(subject=name(content=b"\xff\xfe")),
    "NUL in the subject": lambda: certificate(subject=name("odd\0example")),
    "escape in the subject": lambda: certificate(subject=name("odd\x1b[31m")),
    "integer as a name": lambda: certificate(subject=name(tag=INTEGER, content=b"\1")),
    "time as a name": lambda: certificate(subject=name(tag=UTC_TIME, content=b"a@example.com")),
    "bits as a name": lambda: certificate(subject=name(tag=BITS, content=b"\0R")),
    "subject of 100,000 bytes": lambda: certificate(subject=name("x" * 100_000)),
    "RSA exponent 1": lambda: certificate(key=_rsa(3).replace(b"\x02\x01\x03", b"\x02\x01\x01")),
    "RSA exponent 3": lambda: certificate(key=_rsa(3)),
    "RSA exponent 4": lambda: certificate(key=_rsa(3).replace(b"\x02\x01\x03", b"\x02\x01\x04")),
    "RSA of 16,385 bits": lambda: certificate(key=_rsa(65537, 16385)),
    "RSA of 200,000 bits": lambda: certificate(key=_rsa(65537, 200_000)),
    "DSA": lambda: certificate(key=spki("dsa2048")),
    "Ed448": lambda: certificate(key=spki("ed448")),
    "X25519": lambda: certificate(key=bytes.fromhex("302a300506032b656e032100") + b"\x09" + bytes(31)),
    "SM2": lambda: certificate(key=_ec_point(b"\x04" + b"\1" * 64, bytes.fromhex("06082a811ccf5501822d"))),
    "compressed point": lambda: certificate(key=_ec_point(_compressed())),
    "point that is not on the curve": lambda: certificate(key=_ec_point(b"\x04" + b"\1" * 64)),
    "point at infinity": lambda: certificate(key=_ec_point(b"\0")),
    "explicit curve": lambda: certificate(key=_ec_point(b"\x04" + b"\1" * 64, der(SEQUENCE, b"\2\1\1"))),
    "key of an unknown kind": lambda: certificate(key=der(SEQUENCE, _UNKNOWN, der(BITS, b"\0x"))),
    "two signature algorithms": lambda: certificate(algorithm=bytes.fromhex("300a06082a8648ce3d040303")),
    "unknown signature algorithm": lambda: certificate(algorithm=_UNKNOWN),
    "bytes after the end": lambda: _whole(lambda content: content + b"\0\0"),
    "twice in one block": lambda: _whole(lambda content: content * 2),
    "indefinite length": lambda: _whole(lambda content: b"\x30\x80" + content[4:] + b"\0\0"),
    "cut off": lambda: _whole(lambda content: content[:-5]),
    "nested 10,000 deep": lambda: certificate(subject=_nested(10_000)),
    "nothing but nesting": lambda: certificate_pem_of(_nested(50_000)),
    "extension of a megabyte": lambda: certificate(
        extensions=[san(GOOD), extension(b"\x2a\x03\x04", bytes(1_000_000))]
    ),
}
#: Odd, and yet they mean what they say, and OpenSSL and HAProxy load them.
SERVABLE = frozenset(
    {
        "name that is no IA5String",
        "empty name beside another",
        "name of 300 characters",
        "2,000 names",
        "negative serial number",
        "serial number zero",
        "serial number of 3,000 bytes",
        "version 1 with extensions",
        "before 1970",
        "before 1950",
        "unknown critical extension",
        "empty subject and issuer",
        "BMPString",
        "UniversalString",
        "NUL in the subject",
        "escape in the subject",
        "Ed448",
        "compressed point",
        "two signature algorithms",
        "unknown signature algorithm",
        "extension of a megabyte",
    }
)


def _compressed() -> bytes:
    form = serialization.PublicFormat.CompressedPoint
    encoded: bytes = pki.shared_key("ec").public_key().public_bytes(serialization.Encoding.X962, form)
    return encoded


def private_key(what: str) -> str:
    """The key that belongs to an odd certificate, where there can be one."""
    return pki.private_key_pem(pki.shared_key({"DSA": "dsa2048", "Ed448": "ed448"}.get(what, "ec")))  # type: ignore[arg-type]


def secret(what: str) -> str:
    """As people store it."""
    return json.dumps({"certificate": ODD[what](), "private_key": private_key(what)})
