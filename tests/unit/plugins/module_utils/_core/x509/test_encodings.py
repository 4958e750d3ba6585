# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import base64
import datetime
import typing as t

import pytest
from ansible_collections.certops.rotation.plugins.module_utils._core.der import element
from ansible_collections.certops.rotation.plugins.module_utils._core.x509.encodings import (
    der_label,
    from_base64,
    read_blocks,
    read_each,
)
from ansible_collections.certops.rotation.plugins.module_utils._core.x509.pem import encode_pem
from ansible_collections.certops.rotation.tests.support import pki
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    pkcs7,
)
from hypothesis import given
from hypothesis import strategies as st

ROOT = pki.CertificateAuthority("Root")
ISSUED = ROOT.issue(["a.example.com"])
CERTIFICATE = ISSUED.certificate.public_bytes(Encoding.DER)
NOW = pki.now()


def key_der(key_type: pki.KeyType, form: PrivateFormat, encryption: t.Any = None) -> bytes:
    key = pki.shared_key(key_type)
    pki.private_key_pem(key)  # registers it
    return bytes(key.private_bytes(Encoding.DER, form, encryption or NoEncryption()))


def request() -> bytes:
    builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([]))
    return builder.sign(pki.shared_key(), hashes.SHA256()).public_bytes(Encoding.DER)


def crl() -> bytes:
    day = datetime.timedelta(days=1)
    builder = x509.CertificateRevocationListBuilder().issuer_name(ROOT.certificate.subject)
    return builder.last_update(NOW).next_update(NOW + day).sign(ROOT.key, hashes.SHA256()).public_bytes(Encoding.DER)


def version_1(serial: int) -> bytes:
    """Of a certificate that has no version, which begins as a list of version 2 does."""
    to_sign = ISSUED.certificate.tbs_certificate_bytes
    start = element(to_sign, 0)[1]
    after_version = element(to_sign, start)[2]
    after_serial = element(to_sign, after_version)[2]
    return sequence(sequence(b"\x02\x01" + bytes([serial]) + to_sign[after_serial:]) + b"\x30\x00\x03\x01\x00")


def sequence(content: bytes) -> bytes:
    return b"\x30\x82" + len(content).to_bytes(2, "big") + content


@pytest.mark.parametrize(
    ("data", "label"),
    [
        (CERTIFICATE, "CERTIFICATE"),
        (key_der("ec", PrivateFormat.PKCS8), "PRIVATE KEY"),
        (key_der("ec", PrivateFormat.TraditionalOpenSSL), "PRIVATE KEY"),
        (key_der("rsa2048", PrivateFormat.PKCS8), "PRIVATE KEY"),
        (key_der("rsa2048", PrivateFormat.TraditionalOpenSSL), "PRIVATE KEY"),
        (key_der("ed25519", PrivateFormat.PKCS8), "PRIVATE KEY"),
        (key_der("ed448", PrivateFormat.PKCS8), "PRIVATE KEY"),
        (key_der("ec", PrivateFormat.PKCS8, BestAvailableEncryption(b"x")), "ENCRYPTED PRIVATE KEY"),
        (ISSUED.pkcs12(), "PKCS12"),
        (pkcs7.serialize_certificates([ISSUED.certificate], Encoding.DER), "PKCS7"),
        (
            pki.shared_key("rsa2048").public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo),
            "PUBLIC KEY",
        ),
        (request(), "CERTIFICATE REQUEST"),
        (crl(), "X509 CRL"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",  # a key is no name of a test
)
def test_kinds_of_der(data: bytes, label: str) -> None:
    assert der_label(data) == label
    assert [block.label for block in read_blocks(data)] == [label]
    assert [block.der for block in read_blocks(base64.b64encode(data).decode())] == [data]


@pytest.mark.parametrize(
    "data", [b"", b"0", b"0\x80", b"0\x03\x02\x01", b"0102", b"0" * 60, b"0x0" + b"a" * 130, b"\xff"]
)
def test_what_is_no_der(data: bytes) -> None:
    assert der_label(data) is None
    assert read_blocks(data) == []


def test_old_certificates_are_no_lists() -> None:
    for serial in (0, 1, 77):
        assert der_label(version_1(serial)) == "CERTIFICATE"


def test_elements_one_after_the_other() -> None:
    key = key_der("ed25519", PrivateFormat.PKCS8)
    for between in (b"", b"\n", b"\0\0"):
        assert [block.der for block in read_blocks(CERTIFICATE + between + key + between)] == [CERTIFICATE, key]
    assert [block.der for block in read_blocks(CERTIFICATE + b"rest")] == [CERTIFICATE]
    assert [block.der for block in read_blocks(CERTIFICATE[:-1])] == [CERTIFICATE[:-1]]


def test_texts_of_a_list() -> None:
    pem = encode_pem("CERTIFICATE", CERTIFICATE).decode()
    encoded = base64.b64encode(CERTIFICATE).decode()
    one = [CERTIFICATE]
    assert [block.der for block in read_each(pem.splitlines())] == one
    assert [block.der for block in read_each([pem, encoded])] == one * 2
    assert [block.der for block in read_each([pem, base64.b64encode(pem.encode()).decode(), "x"])] == one * 2
    assert [block.der for block in read_each(pem.split("\n", 3))] == one


@given(st.binary(max_size=80), st.sampled_from(["", "\n", " \r\n"]))
def test_base64_of_either_alphabet(data: bytes, between: str) -> None:
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        text = encode(data).decode()
        wrapped = between.join([text[:7], text[7:]])
        assert from_base64(wrapped) == from_base64(wrapped.rstrip("=")) == (data or None)
    for other in ("a", "ab\u00e9d", "-----", "{}", "a.b", "a=b="):
        assert from_base64(other) is None


def test_very_many_elements() -> None:
    smallest = b"\x30\x06\x02\x01\x00\x04\x01\x00"
    assert len(read_blocks(smallest * 20_000)) == 20_000
