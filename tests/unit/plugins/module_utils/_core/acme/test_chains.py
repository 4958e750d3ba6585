# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import base64

import pytest
from ansible_collections.certops.rotation.plugins.module_utils._core.acme.answers import UnreadableAnswer
from ansible_collections.certops.rotation.plugins.module_utils._core.acme.chains import (
    certificate_id,
    chain_text,
    leads_to,
    parse_chain,
)
from ansible_collections.certops.rotation.plugins.module_utils._core.x509.certificate import load_certificate
from ansible_collections.certops.rotation.plugins.module_utils._core.x509.pem import parse_pem
from ansible_collections.certops.rotation.tests.support import pki
from cryptography import x509
from cryptography.hazmat.primitives import hashes

# RFC 9773, Appendix A.
EXAMPLE = """-----BEGIN CERTIFICATE-----
MIIBQzCB66ADAgECAgUAh2VDITAKBggqhkjOPQQDAjAVMRMwEQYDVQQDEwpFeGFt
cGxlIENBMCIYDzAwMDEwMTAxMDAwMDAwWhgPMDAwMTAxMDEwMDAwMDBaMBYxFDAS
BgNVBAMTC2V4YW1wbGUuY29tMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEeBZu
7cbpAYNXZLbbh8rNIzuOoqOOtmxA1v7cRm//AwyMwWxyHz4zfwmBhcSrf47NUAFf
qzLQ2PPQxdTXREYEnKMjMCEwHwYDVR0jBBgwFoAUaYhba4dGQEHhs3uEe6CuLN4B
yNQwCgYIKoZIzj0EAwIDRwAwRAIge09+S5TZAlw5tgtiVvuERV6cT4mfutXIlwTb
+FYN/8oCIClDsqBklhB9KAelFiYt9+6FDj3z4KGVelYM5MdsO3pK
-----END CERTIFICATE-----
"""


def test_the_id_of_the_rfcs_example() -> None:
    leaf = load_certificate(parse_pem(EXAMPLE)[0].der)
    assert certificate_id(leaf) == "aYhba4dGQEHhs3uEe6CuLN4ByNQ.AIdlQyE"


@pytest.mark.parametrize(
    ("serial", "encoded"),
    [
        (1, "01"),
        (0x7F, "7f"),
        (0x80, "0080"),
        (0xFF, "00ff"),
        (0x7FFF, "7fff"),
        (0x8000, "008000"),
        (2**159 - 1, "7f" + "ff" * 19),
    ],
)
def test_the_serial_number_is_the_integers_bytes(serial: int, encoded: str) -> None:
    issued = pki.CertificateAuthority().issue("a.example", serial_number=serial)
    found = certificate_id(load_certificate(parse_pem(issued.certificate_pem)[0].der))
    assert found is not None
    text = found.partition(".")[2]
    assert "=" not in found
    assert base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)).hex() == encoded


def test_there_is_no_id_without_the_issuers_key_identifier() -> None:
    key = pki.new_key()
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "a.example")])
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    bare = builder.serial_number(5).not_valid_before(pki.now()).not_valid_after(pki.now()).sign(key, hashes.SHA256())
    assert certificate_id(load_certificate(parse_pem(pki.certificate_pem(bare))[0].der)) is None


@pytest.fixture(scope="module")
def issued() -> pki.IssuedCertificate:
    root = pki.CertificateAuthority("Old Root")
    return pki.CertificateAuthority("Middle", parent=root).issue("a.example")


def test_a_chain_in_its_order_and_canonical(issued: pki.IssuedCertificate) -> None:
    text = issued.certificate_pem + issued.chain_pem
    odd = "\ufeff# comment\r\n" + text.replace("\n", "\r\n")
    chain = parse_chain(odd.encode())
    assert chain_text(chain) == text
    assert [certificate.name for certificate in chain] == ["a.example", "CN=Middle"]


@pytest.mark.parametrize("name", ["Old Root", "old root", " Old Root "])
def test_which_chain_leads_to_a_root(issued: pki.IssuedCertificate, name: str) -> None:
    chain = parse_chain((issued.certificate_pem + issued.chain_pem).encode())
    assert leads_to(chain, name)
    assert not leads_to(chain, "Middle")
    assert not leads_to(chain, "Old")


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{}",
        b"\xff\xfe",
        b"<html>",
        b"-----BEGIN CERTIFICATE-----\nAAAA",
        EXAMPLE.replace("MIIB", "AAAA", 1).encode(),
    ],
)
def test_what_is_no_chain_is_told(content: bytes) -> None:
    with pytest.raises(UnreadableAnswer):
        parse_chain(content)


def test_a_chain_with_anything_else_in_it_is_none(issued: pki.IssuedCertificate) -> None:
    with pytest.raises(UnreadableAnswer):
        parse_chain((issued.certificate_pem + issued.private_key_pem).encode())
    with pytest.raises(UnreadableAnswer):
        parse_chain((issued.certificate_pem * 21).encode())
