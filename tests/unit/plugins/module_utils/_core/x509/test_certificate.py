# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.certops.rotation.plugins.module_utils._core.x509.certificate import (
    Certificate,
    load_certificate,
)
from ansible_collections.certops.rotation.plugins.module_utils._core.x509.problems import MaterialError
from ansible_collections.certops.rotation.tests.support import pki
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization

ROOT = pki.CertificateAuthority("Root")


def loaded(certificate: x509.Certificate) -> Certificate:
    return load_certificate(certificate.public_bytes(serialization.Encoding.DER))


def leaf(names: list[str], **options: object) -> Certificate:
    return loaded(ROOT.issue(names, **options).certificate)  # type: ignore[arg-type]


def test_the_same_der_is_parsed_once() -> None:
    assert loaded(ROOT.certificate) is loaded(ROOT.certificate)


def test_certificates_are_equal_by_content() -> None:
    first = loaded(ROOT.certificate)
    load_certificate.cache_clear()
    second = loaded(ROOT.certificate)
    assert first is not second
    assert first == second
    assert len({first, second}) == 1
    assert first != leaf(["a.example.com"])
    assert first != first.der


def test_names_for_messages() -> None:
    assert leaf(["b.example.com", "a.example.com"], common_name="cn").name == "b.example.com"
    assert leaf(["a.example.com"], alternative_names=False).name == "CN=a.example.com"
    nameless = leaf(["a.example.com"], alternative_names=False, common_name="")
    assert nameless.name == nameless.fingerprint_sha256
    assert nameless.subject == ""
    assert loaded(ROOT.certificate).name == "CN=Root"


def test_names_keep_their_order_and_other_kinds_are_left_out() -> None:
    names = x509.SubjectAlternativeName(
        [x509.RFC822Name("a@example.com"), *(x509.DNSName(name) for name in ("z.example", "*.A.example"))]
    )
    certificate = leaf(["x"], alternative_names=False, extra_extensions=[(names, False)])
    assert certificate.subject_alternative_names == certificate.dns_names == ("z.example", "*.A.example")
    assert certificate.ip_addresses == ()
    assert leaf(["192.0.2.1", "a", "::1"]).ip_addresses == ("192.0.2.1", "::1")


@pytest.mark.parametrize(
    ("key_type", "text"),
    [
        ("ec", "EC P-256"),
        ("ec384", "EC P-384"),
        ("ec224", "EC secp224r1"),
        ("rsa2048", "RSA 2048"),
        ("dsa2048", "DSA 2048"),
        ("ed25519", "Ed25519"),
        ("ed448", "Ed448"),
    ],
)
def test_keys_are_described(key_type: pki.KeyType, text: str) -> None:
    assert leaf(["a"], key=pki.shared_key(key_type)).key == text


@pytest.mark.parametrize(("number", "text"), [(1, "01"), (0xABC, "0abc"), (0xABCD, "abcd"), (2**158, "40" + "00" * 19)])
def test_serial_numbers(number: int, text: str) -> None:
    assert leaf(["a"], serial_number=number).serial_number == text


def test_authorities_and_self_signatures() -> None:
    root, other = loaded(ROOT.certificate), leaf(["a"])
    assert (root.is_ca, root.self_issued, root.self_signed) == (True, True, True)
    assert (other.is_ca, other.self_issued, other.self_signed) == (False, False, False)
    rollover = loaded(pki.CertificateAuthority("Root", parent=ROOT).certificate)
    assert (rollover.self_issued, rollover.self_signed) == (True, False)


def test_signatures() -> None:
    root, other = loaded(ROOT.certificate), loaded(pki.CertificateAuthority("Root").certificate)
    certificate, authority = leaf(["a"]), loaded(pki.CertificateAuthority("I", parent=ROOT).certificate)
    for child in (certificate, authority):
        assert child.signature_by(root) == "signed"
        assert child.signature_by(other) == "forged"
        assert child.signature_by(child) == "unknown"


def test_weak_signatures_have_a_name() -> None:
    assert leaf(["a"]).weak_signature_algorithm is None
    assert loaded(pki.self_signed("a", key_type="ed25519").certificate).weak_signature_algorithm is None
    assert leaf(["a"], signature_hash=hashes.SHA1()).weak_signature_algorithm == "SHA-1"


def test_an_unknown_signature_algorithm_is_weak() -> None:
    der = ROOT.issue("a").certificate.public_bytes(serialization.Encoding.DER)
    strange = der.replace(bytes.fromhex("2a8648ce3d040302"), bytes.fromhex("2a8648ce3d04037f"))
    assert "1.2.840.10045.4.3.127" in str(load_certificate(strange).weak_signature_algorithm)


@pytest.mark.parametrize("der", [b"", b"\x00", b"\x30\x00", b"x" * 500])
def test_what_is_no_certificate_is_refused(der: bytes) -> None:
    with pytest.raises(MaterialError) as raised:
        load_certificate(der)
    assert raised.value.problem.code == "certificate_invalid"


@pytest.mark.parametrize("key_type", ["rsa2048", "ed25519", "ed448", "ec384"])
def test_an_authority_that_is_called_as_its_issuer_is_no_root(key_type: pki.KeyType) -> None:
    """Also where a key of its kind could not have made its signature."""
    root = pki.CertificateAuthority("Same", key_type="ec")
    below = pki.CertificateAuthority("Same", parent=root, key_type=key_type)
    same, above = (
        load_certificate(each.certificate.public_bytes(serialization.Encoding.DER)) for each in (below, root)
    )
    assert same.self_issued
    assert not same.self_signed
    assert same.signature_by(above) == "signed"
