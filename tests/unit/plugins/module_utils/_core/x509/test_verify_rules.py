# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Dates, names and strength of certificates."""

from __future__ import annotations

import datetime

import pytest
from ansible_collections.certops.rotation.tests.support import pki
from ansible_collections.certops.rotation.tests.support.verification import (
    DAY,
    ISSUED,
    LOWER,
    MINUTE,
    NOW,
    OTHER_ROOT,
    ROOT,
    SECOND,
    found,
    verify,
)
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import x25519

# Dates


def test_dates_of_the_leaf() -> None:
    assert found(ISSUED, at=NOW + 89 * DAY) == []
    end = ISSUED.certificate.not_valid_after_utc
    assert found(ISSUED, at=end) == []
    assert found(ISSUED, at=end + SECOND) == [("expired", "error")]
    assert found(ISSUED, at=end + SECOND, min_remaining=DAY) == [("expired", "error")]


def test_a_leaf_from_the_future() -> None:
    start = ISSUED.certificate.not_valid_before_utc
    assert found(ISSUED, at=start - 5 * MINUTE) == []
    assert found(ISSUED, at=start - 5 * MINUTE - SECOND) == [("not_yet_valid", "error")]
    assert found(ISSUED, at=start - SECOND, clock_skew=datetime.timedelta(0)) == [("not_yet_valid", "error")]


def test_the_minimum_that_must_remain() -> None:
    end = ISSUED.certificate.not_valid_after_utc
    assert found(ISSUED, at=end - 10 * DAY, min_remaining=10 * DAY) == []
    bundle, problems = verify(ISSUED, at=end - 10 * DAY + SECOND, min_remaining=10 * DAY)
    assert bundle is None
    assert [(problem.code, problem.severity) for problem in problems] == [("expires_too_soon", "error")]
    assert "in 1w2d23h59m59s, and at least 1w3d are asked for" in problems[0].message


def test_dates_of_the_intermediates() -> None:
    upper = pki.CertificateAuthority("Short", parent=ROOT, not_before=NOW - DAY, not_after=NOW + DAY)
    issued = upper.issue("a.example.com", not_before=NOW - 2 * DAY)
    assert found(issued) == []
    assert found(issued, at=NOW + DAY) == []
    assert found(issued, at=NOW + DAY + SECOND) == [("intermediate_expired", "error")]
    assert found(issued, at=NOW - DAY - 5 * MINUTE) == []
    assert found(issued, at=NOW - DAY - 6 * MINUTE) == [("intermediate_not_yet_valid", "error")]


def test_an_expired_cross_signature_is_found() -> None:
    cross = pki.CertificateAuthority("Root", key=ROOT.key, parent=OTHER_ROOT, not_after=NOW - DAY)
    content = ISSUED.secret_string(certificate_chain=ISSUED.chain_pem + cross.certificate_pem)
    assert found(content) == [("intermediate_expired", "error")]


# Names


@pytest.mark.parametrize("domain", ["a.example.com", "A.EXAMPLE.com", "x.b.example.com", "192.0.2.1", None, ""])
def test_covered_domains(domain: str | None) -> None:
    assert found(ISSUED.secret_string(domain_name=domain)) == []


@pytest.mark.parametrize(
    "domain", ["c.example.com", "b.example.com", "x.y.b.example.com", "192.0.2.2", "é.example.com"]
)
def test_domains_that_are_not_covered(domain: str) -> None:
    _bundle, problems = verify(ISSUED.secret_string(domain_name=domain))
    assert [(problem.code, problem.severity) for problem in problems] == [("domain_not_covered", "error")]
    assert domain in problems[0].message
    assert "a.example.com, *.b.example.com, 192.0.2.1" in problems[0].message


@pytest.mark.parametrize("domain", ["not a name", "x" * 64, "a/b", "PRIVATE KEY", "\n"])
def test_a_domain_that_is_no_name_is_not_shown(domain: str) -> None:
    """It may be a key that was stored in the wrong field."""
    _bundle, problems = verify(ISSUED.secret_string(domain_name=f"{domain}.b.c"))
    assert [problem.code for problem in problems] == ["domain_not_covered"]
    assert domain not in problems[0].message


def test_the_common_name_is_no_name() -> None:
    issued = LOWER.issue(["a.example.com"], common_name="cn.example.com")
    assert found(issued.secret_string(domain_name="cn.example.com")) == [("domain_not_covered", "error")]


@pytest.mark.parametrize("domain", [None, "a.example.com"])
def test_a_leaf_without_names(domain: str | None) -> None:
    issued = LOWER.issue(["a.example.com"], alternative_names=False)
    assert found(issued.secret_string(domain_name=domain)) == [("san_missing", "error")]


def test_a_leaf_with_names_that_are_not_a_servers() -> None:
    mail = x509.SubjectAlternativeName([x509.RFC822Name("a@example.com"), x509.UniformResourceIdentifier("urn:a")])
    issued = LOWER.issue(["a.example.com"], alternative_names=False, extra_extensions=[(mail, False)])
    assert found(issued) == [("san_missing", "error")]


def test_an_address_written_as_a_dns_name() -> None:
    names = x509.SubjectAlternativeName([x509.DNSName("192.0.2.9")])
    issued = LOWER.issue(["192.0.2.9"], alternative_names=False, extra_extensions=[(names, False)])
    assert found(issued) == [("domain_not_covered", "error")]


# Strength


@pytest.mark.parametrize("key_type", ["rsa1024", "ec224", "dsa2048"])
def test_weak_keys_of_leaves(key_type: pki.KeyType) -> None:
    assert found(LOWER.issue("a.example.com", key=pki.shared_key(key_type))) == [("weak_key", "error")]


def test_the_minimum_for_rsa_is_a_choice() -> None:
    issued = LOWER.issue("a.example.com", key=pki.shared_key("rsa2048"))
    assert found(issued, min_rsa_bits=3072) == [("weak_key", "error")]


@pytest.mark.parametrize("key_type", ["rsa1024", "ec224"])
def test_weak_keys_of_intermediates(key_type: pki.KeyType) -> None:
    weak = pki.CertificateAuthority("Weak", parent=ROOT, key=pki.shared_key(key_type))
    assert found(weak.issue("a.example.com")) == [("weak_key", "error")]


def test_a_key_that_cannot_sign() -> None:
    key = x25519.X25519PrivateKey.generate()
    builder = x509.CertificateBuilder().subject_name(x509.Name([])).issuer_name(ROOT.certificate.subject)
    builder = builder.public_key(key.public_key()).serial_number(1).not_valid_before(NOW).not_valid_after(NOW + DAY)
    builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName("a.example.com")]), critical=True)
    pem = builder.sign(ROOT.key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode()
    issued = pki.IssuedCertificate(pem, pki.private_key_pem(key), "", ("a.example.com",))
    assert found(issued) == [("weak_key", "error")]


@pytest.mark.parametrize(
    ("key_type", "algorithm", "name"),
    [("rsa2048", hashes.SHA1(), "SHA-1"), ("rsa2048", hashes.MD5(), "MD5"), ("ec", hashes.SHA1(), "SHA-1")],
)
def test_weak_signatures(key_type: pki.KeyType, algorithm: hashes.HashAlgorithm, name: str) -> None:
    authority = pki.CertificateAuthority("CA", parent=ROOT, key=pki.shared_key(key_type))
    leaf = authority.issue("a.example.com", signature_hash=algorithm)
    bundle, problems = verify(leaf)
    assert bundle is None
    assert [(problem.code, problem.severity) for problem in problems] == [("weak_signature", "error")]
    assert name in problems[0].message

    root = pki.CertificateAuthority("R", key=pki.shared_key(key_type))
    intermediate = pki.CertificateAuthority("CA", parent=root, signature_hash=algorithm)
    content = intermediate.issue("a.example.com").secret_string(
        certificate_chain=intermediate.certificate_pem + root.certificate_pem
    )
    assert sorted(found(content)) == [("root_dropped", "warning"), ("weak_signature", "error")]


def test_all_problems_are_reported_together() -> None:
    bad = LOWER.issue("a.example.com", key=pki.shared_key("rsa1024"), not_after=NOW - SECOND)
    content = bad.secret_string(private_key=ISSUED.private_key_pem, domain_name="z.example.com")
    assert {code for code, _severity in found(content)} == {
        "private_key_mismatch",
        "expired",
        "domain_not_covered",
        "weak_key",
    }
