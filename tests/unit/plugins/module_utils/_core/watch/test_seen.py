# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Facts of a certificate from its bytes, whatever they are."""

from __future__ import annotations

import hashlib
import subprocess
import typing as t

import pytest
from ansible_collections.certops.rotation.plugins.module_utils._core.watch.seen import NOT_X509, seen_certificate
from ansible_collections.certops.rotation.tests.support import pki
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from hypothesis import given
from hypothesis import strategies as st

ROOT = pki.CertificateAuthority("Test Root")
DER = serialization.Encoding.DER


def der_of(issued: pki.IssuedCertificate) -> bytes:
    return issued.certificate.public_bytes(DER)


def test_all_facts() -> None:
    issued = ROOT.issue(["a.example.com", "*.b.example.com", "192.0.2.1"], serial_number=0xABC)
    der = der_of(issued)
    seen = seen_certificate(der)
    assert seen.der == der
    assert seen.fingerprint_sha256 == hashlib.sha256(der).hexdigest() == issued.fingerprint_sha256
    assert (seen.fingerprint_sha1, seen.fingerprint_md5) == (
        hashlib.sha1(der, usedforsecurity=False).hexdigest(),
        hashlib.md5(der, usedforsecurity=False).hexdigest(),
    )
    assert (seen.not_before, seen.not_after) == (
        issued.certificate.not_valid_before_utc,
        issued.certificate.not_valid_after_utc,
    )
    assert (seen.subject, seen.issuer, seen.serial_number) == ("CN=a.example.com", "CN=Test Root", "0abc")
    assert seen.subject_alternative_names == ("a.example.com", "*.b.example.com", "192.0.2.1")
    assert seen.odd is None


@pytest.mark.parametrize(
    ("kind", "shown"),
    [
        ("rsa2048", "rsa 2048"),
        ("ec", "ecdsa P-256"),
        ("ec384", "ecdsa P-384"),
        ("ed25519", "ed25519"),
        ("ed448", "ed448"),
        ("dsa2048", "dsa 2048"),
    ],
)
def test_the_key_and_its_type(kind: t.Any, shown: str) -> None:
    issued = ROOT.issue("a.example.com", key_type=kind)
    key = issued.certificate.public_key().public_bytes(DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    seen = seen_certificate(der_of(issued))
    assert (seen.key_type, seen.key_sha256) == (shown, hashlib.sha256(key).hexdigest())


def test_a_renewal_with_the_same_key_has_the_same_key_fingerprint() -> None:
    key = pki.new_key()
    first, second = (seen_certificate(der_of(ROOT.issue("a.example.com", key=key))) for _turn in range(2))
    assert first.fingerprint_sha256 != second.fingerprint_sha256
    assert first.key_sha256 == second.key_sha256


def test_the_key_fingerprint_is_the_one_that_openssl_makes() -> None:
    issued = ROOT.issue("a.example.com", key_type="rsa2048")
    public = subprocess.run(
        ["openssl", "x509", "-pubkey", "-noout"],
        input=issued.certificate_pem,
        capture_output=True,
        check=True,
        text=True,
    ).stdout
    der = subprocess.run(
        ["openssl", "pkey", "-pubin", "-outform", "DER"], input=public.encode(), capture_output=True, check=True
    ).stdout
    assert seen_certificate(der_of(issued)).key_sha256 == hashlib.sha256(der).hexdigest()


def test_a_key_that_nobody_knows_has_a_fingerprint_all_the_same() -> None:
    """Keys of kinds to come: the object identifier of the kind is another, the rest is as it was."""
    known = der_of(ROOT.issue("a.example.com"))
    id_ec_public_key = bytes.fromhex("06072a8648ce3d0201")
    unknown = known.replace(id_ec_public_key, bytes.fromhex("06072a8648ce3d7f7f"))
    seen = seen_certificate(unknown)
    assert (seen.subject, seen.key_type) == ("CN=a.example.com", None)
    assert seen.key_sha256 not in (None, seen_certificate(known).key_sha256)


def test_what_is_no_certificate_has_its_fingerprints() -> None:
    seen = seen_certificate(b"no certificate")
    assert seen.fingerprint_sha256 == hashlib.sha256(b"no certificate").hexdigest()
    assert (seen.not_after, seen.subject, seen.subject_alternative_names, seen.key_sha256) == (None, None, (), None)
    assert seen.odd == NOT_X509


def test_what_is_odd_is_told_and_the_rest_is_read() -> None:
    network = x509.UnrecognizedExtension(x509.ObjectIdentifier("2.5.29.17"), bytes.fromhex("300a8708c0000200ffffff00"))
    issued = ROOT.issue("a.example.com", alternative_names=False, extra_extensions=[(network, False)])
    seen = seen_certificate(der_of(issued))
    assert "subjectAltName" in (seen.odd or "")
    assert seen.not_after == issued.certificate.not_valid_after_utc


GOOD = der_of(ROOT.issue("a.example.com"))


@given(st.one_of(st.binary(max_size=64), st.builds(lambda cut: GOOD[:cut], st.integers(0, len(GOOD)))))
def test_cut_off_or_any_bytes_are_facts(der: bytes) -> None:
    assert seen_certificate(der).fingerprint_sha256 == hashlib.sha256(der).hexdigest()


@given(st.integers(0, len(GOOD) - 1), st.integers(0, 255))
def test_a_byte_that_is_another_is_a_fact(position: int, byte: int) -> None:
    der = GOOD[:position] + bytes([byte]) + GOOD[position + 1 :]
    seen = seen_certificate(der)
    assert seen.fingerprint_sha256 == hashlib.sha256(der).hexdigest()
