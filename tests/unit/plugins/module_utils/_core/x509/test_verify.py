# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Key pair, leaf, chain and trust of certificates, and malformed ones."""

from __future__ import annotations

import pytest
from ansible_collections.certops.rotation.plugins.module_utils._core.x509.document import (
    CertificateMaterial,
)
from ansible_collections.certops.rotation.plugins.module_utils._core.x509.pem import encode_pem
from ansible_collections.certops.rotation.plugins.module_utils._core.x509.problems import (
    MaterialError,
)
from ansible_collections.certops.rotation.tests.support import pki
from ansible_collections.certops.rotation.tests.support.content import judged, parsed
from ansible_collections.certops.rotation.tests.support.verification import (
    DAY,
    ISSUED,
    LOWER,
    MINUTE,
    NOW,
    OTHER_ROOT,
    ROOT,
    SECOND,
    UPPER,
    accepted,
    chain_of,
    found,
    verify,
)
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from hypothesis import given, settings
from hypothesis import strategies as st

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
    issued = LOWER.issue("a.example.com", is_ca=True)
    anchors = {"trust_anchors": (ROOT.certificate,)}
    for content in (issued.secret_string(), issued.combined_pem, issued.certificate_pem + issued.private_key_pem):
        assert found(content) == []
        assert accepted(content).leaf.pem.decode() == issued.certificate_pem
    for content in (issued.secret_string(), issued.pkcs12()):
        assert found(content, **anchors) == []


def test_neither_field_nor_key_alone_makes_an_authority_the_leaf() -> None:
    issued = LOWER.issue("a.example.com", is_ca=True)
    for content in (
        issued.secret_string(certificate=LOWER.certificate_pem, certificate_chain=issued.certificate_pem),
        issued.replace(private_key_pem=ISSUED.private_key_pem).secret_string(),
        LOWER.certificate_pem + issued.combined_pem,
        pki.private_key_pem(LOWER.key) + LOWER.certificate_pem + UPPER.certificate_pem,
    ):
        assert found(content) == [("leaf_is_ca", "error")]


def test_an_authority_that_says_it_is_the_leaf_beside_another_leaf() -> None:
    issued = LOWER.issue("a.example.com", is_ca=True)
    content = issued.secret_string(certificate_chain=ISSUED.certificate_pem + ISSUED.chain_pem)
    assert found(content) == [("multiple_leaves", "error")]


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
    assert found(content) == [("chain_certificate_unneeded", "warning")]
    assert chain_of(accepted(content)) == [LOWER.certificate_pem, UPPER.certificate_pem]


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
            material = parsed(content)
        except MaterialError:
            continue
        policy = {"trust_anchors": (ROOT.certificate,)}
        bundle, problems = judged(material, at=NOW, **policy)
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
    assert found(ISSUED, at=end + SECOND, trust_anchors=(OTHER_ROOT.certificate,)) == [("expired", "error")]


def test_clock_skew_holds_for_the_path_too() -> None:
    start = ISSUED.certificate.not_valid_before_utc
    assert found(ISSUED, at=start - MINUTE, trust_anchors=(ROOT.certificate,)) == []


def test_a_self_signed_leaf_among_the_anchors() -> None:
    issued = pki.self_signed("a.example.com")
    assert found(issued, trust_anchors=(issued.certificate,)) == [("self_signed", "warning")]
    assert ("untrusted", "error") in found(issued, trust_anchors=(ROOT.certificate,))


def test_material_with_nothing_declared_is_enough() -> None:
    material = parsed(ISSUED.combined_pem)
    bare = CertificateMaterial(material.certificates, material.private_key, material.private_key_pem)
    bundle, problems = judged(bare, at=NOW)
    assert bundle is not None
    assert problems == []
