# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import datetime
import typing as t

import pytest
from ansible_collections.certops.rotation.plugins.module_utils._x509.bundle import CertificateBundle
from ansible_collections.certops.rotation.plugins.module_utils._x509.document import CertificateMaterial, parse_secret
from ansible_collections.certops.rotation.plugins.module_utils._x509.pem import encode_pem
from ansible_collections.certops.rotation.plugins.module_utils._x509.problems import (
    PROBLEM_CODES,
    MaterialError,
    Problem,
)
from ansible_collections.certops.rotation.plugins.module_utils._x509.verify import VerificationPolicy, build_bundle
from ansible_collections.certops.rotation.tests.support import pki, secrets_scan
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa, x25519
from hypothesis import given, settings
from hypothesis import strategies as st

NOW = pki.now()
DAY = datetime.timedelta(days=1)
MINUTE = datetime.timedelta(minutes=1)
SECOND = datetime.timedelta(seconds=1)
ROOT = pki.CertificateAuthority("Root")
UPPER = pki.CertificateAuthority("Upper", parent=ROOT)
LOWER = pki.CertificateAuthority("Lower", parent=UPPER)
OTHER_ROOT = pki.CertificateAuthority("Other Root")
ISSUED = LOWER.issue(["a.example.com", "*.b.example.com", "192.0.2.1"])


def verify(
    content: str | bytes | pki.IssuedCertificate, *, at: datetime.datetime = NOW, **policy: t.Any
) -> tuple[CertificateBundle | None, list[Problem]]:
    if isinstance(content, pki.IssuedCertificate):
        content = content.secret_string()
    bundle, problems = build_bundle(parse_secret(content), VerificationPolicy(**policy), at=at)
    for problem in problems:
        assert problem.code in PROBLEM_CODES
        assert problem.message.endswith(".")
        secrets_scan.assert_no_private_key(problem.message)
    assert (bundle is None) == any(problem.severity == "error" for problem in problems)
    return bundle, problems


def found(content: str | bytes | pki.IssuedCertificate, **options: t.Any) -> list[tuple[str, str]]:
    return [(problem.code, problem.severity) for problem in verify(content, **options)[1]]


def accepted(content: str | bytes | pki.IssuedCertificate, **options: t.Any) -> CertificateBundle:
    bundle, problems = verify(content, **options)
    assert bundle is not None, problems
    return bundle


def chain_of(bundle: CertificateBundle) -> list[str]:
    return [certificate.pem.decode() for certificate in bundle.intermediates]


# Good ones


@pytest.mark.parametrize("key_type", ["ec", "ec384", "rsa2048", "rsa3072", "ed25519", "ed448"])
def test_a_good_certificate_has_no_problems(key_type: pki.KeyType) -> None:
    issued = LOWER.issue("a.example.com", key=pki.shared_key(key_type))
    bundle, problems = verify(issued)
    assert problems == []
    assert bundle is not None
    assert bundle.leaf.pem.decode() == issued.certificate_pem
    assert chain_of(bundle) == [LOWER.certificate_pem, UPPER.certificate_pem]
    assert bundle.private_key_pem.decode() == issued.private_key_pem


def test_pkcs12_has_no_order_to_complain_about() -> None:
    bundle, problems = verify(ISSUED.pkcs12())
    assert problems == []
    assert bundle is not None
    assert chain_of(bundle) == [LOWER.certificate_pem, UPPER.certificate_pem]


def test_a_leaf_without_chain_is_fine() -> None:
    assert found(ROOT.issue("a.example.com")) == []


# Key pair


@pytest.mark.parametrize(
    ("mine", "theirs"), [("ec", "ec"), ("rsa2048", "rsa2048"), ("ec", "rsa2048"), ("ed25519", "ec")]
)
def test_another_certificates_key(mine: pki.KeyType, theirs: pki.KeyType) -> None:
    one, other = (ROOT.issue("a.example.com", key_type=key_type) for key_type in (mine, theirs))
    assert found(one.replace(private_key_pem=other.private_key_pem)) == [("private_key_mismatch", "error")]


@pytest.mark.parametrize("part", ["p", "q", "d", "dmp1", "dmq1", "iqmp", "swapped", "trivial"])
def test_a_damaged_rsa_key_with_the_right_modulus(part: str) -> None:
    key = pki.shared_key("rsa2048")
    issued = ROOT.issue("a.example.com", key=key)
    numbers = key.private_numbers()
    parts = {name: getattr(numbers, name) for name in ("p", "q", "d", "dmp1", "dmq1", "iqmp")}
    if part == "swapped":
        parts["p"], parts["q"] = parts["q"], parts["p"]
    elif part == "trivial":
        parts["p"], parts["q"] = numbers.public_numbers.n, 1
    else:
        parts[part] += 2
    assert refusal(issued.replace(private_key_pem=_rsa_pem(numbers.public_numbers, **parts))) == "private_key_invalid"


def test_an_ec_key_whose_halves_differ() -> None:
    one, other = ROOT.issue("a.example.com"), ROOT.issue("a.example.com")
    private_key = one.private_key.private_bytes(
        serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    halves = [
        issued.private_key.public_key().public_bytes(
            serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint
        )
        for issued in (one, other)
    ]
    damaged = encode_pem("PRIVATE KEY", private_key.replace(*halves)).decode()
    assert refusal(other.replace(private_key_pem=damaged)) == "private_key_invalid"


def refusal(issued: pki.IssuedCertificate) -> str:
    """The one code of a refusal, be it on reading (newer versions of cryptography) or on verifying."""
    try:
        ((code, severity),) = found(issued)
    except MaterialError as exc:
        return exc.problem.code
    assert severity == "error"
    return code


def _rsa_pem(public: rsa.RSAPublicNumbers, *, p: int, q: int, d: int, dmp1: int, dmq1: int, iqmp: int) -> str:
    """PKCS#1 by hand: no library writes a key that contradicts itself."""
    body = b"".join(_integer(number) for number in (0, public.n, public.e, d, p, q, dmp1, dmq1, iqmp))
    return encode_pem("RSA PRIVATE KEY", b"\x30\x82" + len(body).to_bytes(2, "big") + body).decode()


def _integer(number: int) -> bytes:
    content = number.to_bytes(number.bit_length() // 8 + 1, "big")
    size = len(content)
    return b"\x02" + (bytes([size]) if size < 128 else b"\x82" + size.to_bytes(2, "big")) + content


# Which one is the leaf


def test_two_leaves() -> None:
    other = LOWER.issue("c.example.com")
    bundle, problems = verify(ISSUED.combined_pem + other.certificate_pem)
    assert bundle is None
    assert [(problem.code, problem.severity) for problem in problems] == [("multiple_leaves", "error")]
    assert "'a.example.com', 'c.example.com'" in problems[0].message


def test_an_old_leaf_in_the_chain_field() -> None:
    old = LOWER.issue("a.example.com", key=ISSUED.private_key)
    assert found(ISSUED.secret_string(certificate_chain=old.certificate_pem)) == [("multiple_leaves", "error")]


def test_the_leaf_is_missing() -> None:
    for content in (
        ISSUED.chain_pem + ISSUED.private_key_pem,
        LOWER.certificate_pem + ISSUED.private_key_pem,
        ROOT.certificate_pem + UPPER.certificate_pem + ISSUED.private_key_pem,
    ):
        assert found(content) == [("leaf_is_ca", "error")]


def test_a_leaf_that_says_it_is_an_authority() -> None:
    assert found(LOWER.issue("a.example.com", is_ca=True)) == [("leaf_is_ca", "error")]


@pytest.mark.parametrize("is_ca", [False, True])
def test_a_self_signed_leaf_is_a_warning(is_ca: bool) -> None:
    issued = pki.self_signed("a.example.com", is_ca=is_ca)
    assert found(issued) == [("self_signed", "warning")]
    assert accepted(issued).intermediates == ()


# The chain


def test_duplicates_are_removed() -> None:
    bundle, problems = verify(ISSUED.secret_string(certificate_chain=ISSUED.certificate_pem + ISSUED.chain_pem * 2))
    assert problems == []
    assert bundle is not None
    assert chain_of(bundle) == [LOWER.certificate_pem, UPPER.certificate_pem]


@pytest.mark.parametrize(
    "content",
    [
        ISSUED.secret_string(certificate_chain=UPPER.certificate_pem + LOWER.certificate_pem),
        ISSUED.secret_string(certificate=LOWER.certificate_pem, certificate_chain=ISSUED.certificate_pem),
        ISSUED.chain_pem + ISSUED.combined_pem,
    ],
)
def test_the_order_is_repaired(content: str) -> None:
    assert found(content) == [("chain_reordered", "warning")]
    bundle = accepted(content)
    assert bundle.leaf.pem.decode() == ISSUED.certificate_pem
    assert chain_of(bundle)[0] == LOWER.certificate_pem


@pytest.mark.parametrize("chain", [ISSUED.chain_pem + ROOT.certificate_pem, ROOT.certificate_pem + ISSUED.chain_pem])
def test_the_root_is_dropped(chain: str) -> None:
    content = ISSUED.secret_string(certificate_chain=chain)
    assert found(content) == [("root_dropped", "warning")]
    assert chain_of(accepted(content)) == [LOWER.certificate_pem, UPPER.certificate_pem]


def test_a_dropped_root_may_be_weak_and_expired() -> None:
    root = pki.CertificateAuthority("Old", key_type="rsa1024", not_after=NOW - DAY, signature_hash=hashes.SHA1())
    issued = root.issue("a.example.com")
    content = issued.secret_string(certificate_chain=root.certificate_pem)
    assert found(content) == [("root_dropped", "warning")]


def test_a_cross_signed_root_is_kept_and_its_self_signed_twin_dropped() -> None:
    cross = pki.CertificateAuthority("Root", key=ROOT.key, parent=OTHER_ROOT)
    for twins in (ROOT.certificate_pem + cross.certificate_pem, cross.certificate_pem + ROOT.certificate_pem):
        content = ISSUED.secret_string(certificate_chain=ISSUED.chain_pem + twins)
        assert found(content) == [("root_dropped", "warning")]
        assert chain_of(accepted(content))[2:] == [cross.certificate_pem]


def test_an_unrelated_certificate() -> None:
    for stranger in (OTHER_ROOT, pki.CertificateAuthority("Stranger", parent=OTHER_ROOT)):
        bundle, problems = verify(ISSUED.secret_string(certificate_chain=ISSUED.chain_pem + stranger.certificate_pem))
        assert bundle is None
        assert [(problem.code, problem.severity) for problem in problems] == [("chain_broken", "error")]
        assert stranger.certificate.subject.rfc4514_string() in problems[0].message


def test_a_gap_in_the_chain() -> None:
    _bundle, problems = verify(ISSUED.secret_string(certificate_chain=UPPER.certificate_pem))
    assert [(problem.code, problem.severity) for problem in problems] == [("chain_broken", "error")]
    assert "'a.example.com' was issued by 'CN=Lower'" in problems[0].message


def test_an_issuer_of_the_right_name_and_the_wrong_key() -> None:
    impostor = pki.CertificateAuthority("Lower", parent=UPPER)
    content = ISSUED.secret_string(certificate_chain=impostor.certificate_pem + UPPER.certificate_pem)
    assert found(content) == [("chain_signature_invalid", "error")]


def test_the_right_issuer_is_chosen_among_those_of_the_same_name() -> None:
    renewed = pki.CertificateAuthority("Lower", parent=UPPER)
    content = ISSUED.secret_string(certificate_chain=renewed.certificate_pem + ISSUED.chain_pem)
    assert found(content) == [("chain_broken", "error")]


def test_a_forged_link_higher_up() -> None:
    forged = pki.CertificateAuthority("Upper", key=UPPER.key, parent=pki.CertificateAuthority("Root"))
    content = ISSUED.secret_string(
        certificate_chain=LOWER.certificate_pem + forged.certificate_pem + ROOT.certificate_pem
    )
    assert found(content) == [("chain_signature_invalid", "error"), ("root_dropped", "warning")]


def test_a_forged_leaf() -> None:
    forged = LOWER.issue("a.example.com", signing_key=OTHER_ROOT.key)
    assert found(forged) == [("chain_signature_invalid", "error")]


def test_a_leaf_that_issued_a_certificate() -> None:
    sub = pki.CertificateAuthority("a.example.com", key=ISSUED.private_key)
    leaf = sub.issue("deep.example.com")
    content = leaf.secret_string(certificate_chain=ISSUED.certificate_pem + ISSUED.chain_pem)
    assert found(content) == [("intermediate_not_ca", "error")]


def test_a_circle_ends() -> None:
    one = pki.CertificateAuthority("One")
    two = pki.CertificateAuthority("Two", parent=one)
    back = pki.CertificateAuthority("One", key=one.key, parent=two)
    content = two.issue("a.example.com").secret_string(certificate_chain=two.certificate_pem + back.certificate_pem)
    assert found(content) == []


# Dates


def test_dates_of_the_leaf() -> None:
    assert found(ISSUED, at=NOW + 89 * DAY) == []
    end = ISSUED.certificate.not_valid_after_utc
    assert found(ISSUED, at=end - SECOND) == []
    assert found(ISSUED, at=end) == [("expired", "error")]
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
    assert found(issued, at=NOW + DAY) == [("intermediate_expired", "error")]
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


# Malformed ones


def test_a_malformed_extension() -> None:
    names = x509.UnrecognizedExtension(x509.ObjectIdentifier("2.5.29.17"), b"\x30\x05\x01")
    issued = LOWER.issue("a.example.com", alternative_names=False, extra_extensions=[(names, False)])
    assert found(issued) == [("certificate_invalid", "error")]


def test_an_extension_that_comes_twice() -> None:
    der = ISSUED.certificate.public_bytes(serialization.Encoding.DER)
    twice = der.replace(bytes.fromhex("0603551d0e"), bytes.fromhex("0603551d11"))  # key identifier -> names
    assert twice != der
    assert found(ISSUED.secret_string(certificate=encode_pem("CERTIFICATE", twice).decode())) == [
        ("certificate_invalid", "error")
    ]


def mutate(der: bytes, position: int, replacement: bytes) -> bytes:
    return der[:position] + replacement + der[position + len(replacement) :]


@pytest.mark.filterwarnings("ignore")
@settings(max_examples=400, deadline=None)
@given(st.sampled_from([ISSUED.certificate, LOWER.certificate]), st.integers(0, 700), st.binary(min_size=1, max_size=3))
def test_no_certificate_is_too_strange(certificate: x509.Certificate, position: int, replacement: bytes) -> None:
    strange = mutate(certificate.public_bytes(serialization.Encoding.DER), position, replacement)
    pem = encode_pem("CERTIFICATE", strange).decode()
    for content in (
        pem + ISSUED.private_key_pem,
        ISSUED.combined_pem + pem,
        ISSUED.secret_string(certificate_chain=pem),
    ):
        try:
            material = parse_secret(content)
        except MaterialError:
            continue
        policy = VerificationPolicy(trust_anchors=(ROOT.certificate,))
        bundle, problems = build_bundle(material, policy, at=NOW)
        assert bundle is not None or problems
        if bundle is not None:
            bundle.render("haproxy")
            bundle.summary()


# Trust


def test_trust_is_asked_only_with_anchors() -> None:
    assert found(ISSUED) == []
    assert found(ISSUED, trust_anchors=(ROOT.certificate,)) == []
    assert found(ISSUED, trust_anchors=(OTHER_ROOT.certificate, ROOT.certificate)) == []
    assert found(ISSUED, trust_anchors=(OTHER_ROOT.certificate,)) == [("untrusted", "error")]
    assert found(ISSUED, trust_anchors=()) == [("untrusted", "error")]


def test_an_incomplete_chain_is_untrusted() -> None:
    content = ISSUED.secret_string(certificate_chain=LOWER.certificate_pem)
    assert found(content) == []
    assert found(content, trust_anchors=(ROOT.certificate,)) == [("untrusted", "error")]
    assert found(content, trust_anchors=(UPPER.certificate,)) == []


def test_trust_is_not_asked_when_the_answer_is_known() -> None:
    end = ISSUED.certificate.not_valid_after_utc
    assert found(ISSUED, at=end, trust_anchors=(OTHER_ROOT.certificate,)) == [("expired", "error")]


def test_clock_skew_holds_for_the_path_too() -> None:
    start = ISSUED.certificate.not_valid_before_utc
    assert found(ISSUED, at=start - MINUTE, trust_anchors=(ROOT.certificate,)) == []


def test_a_self_signed_leaf_among_the_anchors() -> None:
    issued = pki.self_signed("a.example.com")
    assert found(issued, trust_anchors=(issued.certificate,)) == [("self_signed", "warning")]
    assert ("untrusted", "error") in found(issued, trust_anchors=(ROOT.certificate,))


def test_material_with_nothing_declared_is_enough() -> None:
    material = parse_secret(ISSUED.combined_pem)
    bare = CertificateMaterial(material.certificates, material.private_key, material.private_key_pem)
    bundle, problems = build_bundle(bare, VerificationPolicy(), at=NOW)
    assert bundle is not None
    assert problems == []
