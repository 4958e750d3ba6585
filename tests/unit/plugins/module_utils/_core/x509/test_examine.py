# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import base64
import datetime
import typing as t

import pytest
from ansible_collections.certops.rotation.plugins.module_utils._core.x509 import paths
from ansible_collections.certops.rotation.plugins.module_utils._core.x509.examine import Examination, examine
from ansible_collections.certops.rotation.plugins.module_utils._core.x509.problems import PROBLEM_CODES
from ansible_collections.certops.rotation.tests.support import pki, secrets_scan
from ansible_collections.certops.rotation.tests.support.signing import signed_pem
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

ROOT = pki.CertificateAuthority("Root")
OTHER = pki.CertificateAuthority("Other Root")
ISSUER = pki.CertificateAuthority("Issuer", parent=ROOT)
NAMES = ("a.example.com", "*.b.example.com", "192.0.2.1", "xn--mnchen-3ya.example.com")
LEAF = ISSUER.issue(NAMES)
DAY = datetime.timedelta(days=1)
SECOND = datetime.timedelta(seconds=1)
CLIENT_USAGE = (ExtendedKeyUsageOID.CLIENT_AUTH,)


def found(leaf: pki.IssuedCertificate, **options: t.Any) -> list[str]:
    """The codes of the errors; warnings with a "~" before them."""
    asked = {"certificate_chain": leaf.chain_pem, "trust_anchors": ROOT.certificate_pem, "at": pki.now(), **options}
    problems = examine(Examination(certificate=leaf.certificate_pem, **asked))
    for problem in problems:
        assert problem.code in PROBLEM_CODES
        assert problem.message.endswith(".")
        secrets_scan.assert_no_private_key(problem.message)
    return [("~" if problem.severity == "warning" else "") + problem.code for problem in problems]


def test_a_good_certificate_has_no_problem() -> None:
    assert found(LEAF) == []
    assert found(LEAF, private_key=LEAF.private_key_pem, server_names=("a.example.com",)) == []
    assert found(ROOT.issue("root-issued.example.com")) == []


# The path


def test_the_chain_is_a_pool() -> None:
    stranger = pki.CertificateAuthority("Stranger", parent=OTHER)
    pool = [stranger.certificate_pem, ROOT.certificate_pem, LEAF.certificate_pem, ISSUER.certificate_pem]
    assert found(LEAF, certificate_chain="\n between \n".join(pool)) == []


def test_the_chain_may_follow_the_leaf() -> None:
    combined = LEAF.replace(certificate_pem=LEAF.certificate_pem + LEAF.chain_pem, chain_pem="")
    assert found(combined) == []


def test_der_in_base64_is_read() -> None:
    encode = serialization.Encoding.DER
    key = LEAF.private_key.private_bytes(encode, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    leaf, issuer, root = (each.certificate.public_bytes(encode) for each in (LEAF, ISSUER, ROOT))
    in_base64 = [base64.b64encode(each).decode() for each in (leaf, key, issuer, root)]
    encoded = LEAF.replace(certificate_pem=in_base64[0], chain_pem=in_base64[2])
    assert found(encoded, private_key=in_base64[1], trust_anchors=in_base64[3]) == []
    assert found(encoded, private_key=in_base64[1], certificate_chain="") == ["untrusted"]


def test_a_root_in_the_chain_is_not_trusted() -> None:
    foreign = OTHER.issue("a.example.com")
    assert found(foreign, certificate_chain=OTHER.certificate_pem) == ["untrusted"]


@pytest.mark.parametrize("chain", ["", OTHER.certificate_pem])
def test_without_its_issuer_there_is_no_path(chain: str) -> None:
    assert found(LEAF, certificate_chain=chain) == ["untrusted"]


def test_a_forged_signature() -> None:
    forged = ISSUER.issue("a.example.com", signing_key=pki.new_key())
    assert found(forged) == ["untrusted", "chain_signature_invalid"]


def test_the_leaf_itself_and_its_issuer_may_be_trusted() -> None:
    alone = pki.self_signed("alone.example.com")
    assert found(alone, trust_anchors=alone.certificate_pem) == []
    assert found(alone) == ["~self_signed", "untrusted"]
    assert found(LEAF, certificate_chain="", trust_anchors=ISSUER.certificate_pem) == []


def test_an_authority_is_no_leaf() -> None:
    assert "untrusted" in found(ISSUER.issue("a.example.com", is_ca=True))


def test_a_leaf_issues_nothing() -> None:
    fake = pki.CertificateAuthority("a.example.com", parent=ISSUER)
    real = ISSUER.issue("a.example.com", key=fake.key)
    assert "untrusted" in found(fake.issue("evil.example.com"), certificate_chain=real.certificate_pem + LEAF.chain_pem)


def test_path_lengths() -> None:
    short = pki.CertificateAuthority("Short", parent=ROOT, path_length=0)
    below = pki.CertificateAuthority("Below", parent=short)
    assert found(short.issue("a.example.com")) == []
    assert found(below.issue("a.example.com")) == ["untrusted"]


def name_constraints(*, critical: bool = True, **subtrees: t.Any) -> list[tuple[x509.ExtensionType, bool]]:
    both = {"permitted_subtrees": None, "excluded_subtrees": None, **subtrees}
    return [(x509.NameConstraints(**both), critical)]


def test_constraints_on_dns_names() -> None:
    extra = name_constraints(permitted_subtrees=[x509.DNSName("example.com")])
    limited = pki.CertificateAuthority("Limited", parent=ROOT, extra_extensions=extra)
    assert found(limited.issue("a.example.com")) == []
    assert found(limited.issue(["a.example.com", "a.example.org"])) == ["untrusted"]


def test_constraints_on_subjects() -> None:
    wanted = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "A.example.com")])
    for kind, good, bad in (("permitted", "a.example.com", "b"), ("excluded", "b", "a.EXAMPLE.com")):
        # Newer versions of cryptography refuse all paths with critical ones.
        extra = name_constraints(critical=False, **{f"{kind}_subtrees": [x509.DirectoryName(wanted)]})
        limited = pki.CertificateAuthority(f"Limited {kind}", parent=ROOT, extra_extensions=extra)
        assert found(limited.issue("a.example.com", common_name=good)) == []
        # The Web PKI asks for the very spelling of the alternative name, too.
        violating = limited.issue("a.example.com", common_name=bad)
        assert found(violating, profile="private") == ["name_constraint_violated"]
        assert found(limited.issue("a.example.com", common_name="")) == []


def test_unknown_critical_extensions() -> None:
    unknown = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), b"\x05\x00")
    assert found(ISSUER.issue("a.example.com", extra_extensions=[(unknown, False)])) == []
    assert found(ISSUER.issue("a.example.com", extra_extensions=[(unknown, True)])) == ["untrusted"]


def without_key_identifiers(leaf: pki.IssuedCertificate) -> pki.IssuedCertificate:
    old = leaf.certificate
    builder = x509.CertificateBuilder(old.issuer, old.subject, old.public_key(), old.serial_number)
    builder = builder.not_valid_before(old.not_valid_before_utc).not_valid_after(old.not_valid_after_utc)
    for extension in old.extensions:
        if not isinstance(extension.value, (x509.AuthorityKeyIdentifier, x509.SubjectKeyIdentifier)):
            builder = builder.add_extension(extension.value, extension.critical)
    return leaf.replace(certificate_pem=pki.certificate_pem(builder.sign(ISSUER.key, hashes.SHA256())))


def test_what_private_authorities_leave_out() -> None:
    bare = without_key_identifiers(LEAF)
    assert found(bare) == ["untrusted"]
    assert found(bare, profile="private") == []


@pytest.mark.parametrize("profile", ["web", "private"])
@pytest.mark.parametrize("shared", [True, False])
def test_hostile_chains_end_soon(profile: str, shared: bool) -> None:
    """Authorities of one name that all sign each other: the number of paths grows with the power of the depth."""
    keys = [pki.new_key() for dummy in range(1 if shared else 6)]
    loop = [pki.CertificateAuthority("Loop", key=key) for key in keys]
    members = [pki.CertificateAuthority("Loop", key=key, parent=parent) for key in keys * 6 for parent in loop]
    evil = loop[0].issue("evil.example.com", extra_extensions=[])
    chain = "".join(member.certificate_pem for member in members)
    assert found(evil, certificate_chain=chain, profile=profile) == ["chain_too_complex"]


def test_the_search_is_bounded_by_this_collection_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paths, "MAX_CANDIDATES", 1)
    assert found(LEAF) == ["chain_too_complex"]
    assert found(ROOT.issue("a.example.com")) == []


@pytest.mark.parametrize("profile", ["web", "private"])
def test_many_names_are_one_search(monkeypatch: pytest.MonkeyPatch, profile: str) -> None:
    tried: list[t.Any] = []
    monkeypatch.setattr(paths, "_allows_signing", lambda *asked: tried.append(asked))
    monkeypatch.setattr(paths, "_names_own_key", lambda *asked: tried.append(asked))
    paths._policy.cache_clear()
    many = tuple(f"n{number}.b.example.com" for number in range(20))
    counts = []
    for names in ((), many[:1], many):
        tried.clear()
        assert found(LEAF, server_names=names, profile=profile) == []
        counts.append(len(tried))
    paths._policy.cache_clear()
    assert counts == [counts[0]] * 3
    assert counts[0]
    assert found(LEAF, server_names=(*many[:5], "b.example.com"), profile=profile) == ["domain_not_covered"]


# Dates


@pytest.mark.parametrize(
    ("at", "codes"),
    [
        (LEAF.certificate.not_valid_before_utc - SECOND, ["not_yet_valid", "untrusted"]),
        (LEAF.certificate.not_valid_before_utc, []),
        (LEAF.certificate.not_valid_after_utc, []),
        (LEAF.certificate.not_valid_after_utc + SECOND, ["expired", "untrusted"]),
    ],
)
def test_the_validity_of_the_leaf(at: datetime.datetime, codes: list[str]) -> None:
    assert found(LEAF, at=at) == codes


def test_the_validity_of_an_intermediate() -> None:
    old = pki.CertificateAuthority("Old", parent=ROOT, not_after=pki.now() - DAY)
    assert found(old.issue("a.example.com")) == ["untrusted", "intermediate_expired"]
    young = pki.CertificateAuthority("Young", parent=ROOT, not_before=pki.now() + DAY)
    assert found(young.issue("a.example.com")) == ["untrusted", "intermediate_not_yet_valid"]


@pytest.mark.parametrize("year", [1, 1949, 2050, 9999])
def test_any_year(year: int) -> None:
    assert "untrusted" in found(LEAF, at=datetime.datetime(year, 1, 1, tzinfo=datetime.timezone.utc))


# Names


@pytest.mark.parametrize(
    "name",
    [
        "a.example.com",
        "A.EXAMPLE.com",
        "a.example.com.",
        "x.b.example.com",
        "*.b.example.com",
        "192.0.2.1",
        "münchen.example.com",
        "xn--mnchen-3ya.example.com",
    ],
)
def test_names_that_are_covered(name: str) -> None:
    assert found(LEAF, server_names=(name,)) == []
    assert found(LEAF, server_names=(name,), profile="private") == []


@pytest.mark.parametrize(
    "name",
    [
        "b.example.com",
        "y.x.b.example.com",
        "example.com",
        "192.0.2.2",
        "2001:db8::1",
        "",
        "a b",
        "*.example.com",
        "Issuer",
        ".b.example.com",
        "\0.b.example.com",
    ],
)
def test_names_that_are_not(name: str) -> None:
    assert found(LEAF, server_names=("a.example.com", name)) == ["domain_not_covered"]


@pytest.mark.parametrize(
    ("in_certificate", "asked"),
    [
        ("*.com", "example.com"),
        ("a.example.com.", "a.example.com"),
        ("a*.example.com", "ab.example.com"),
        ("*.*.example.com", "a.b.example.com"),
        ("192.0.2.1.example.com", "192.0.2.1"),
    ],
)
def test_names_that_do_not_count(in_certificate: str, asked: str) -> None:
    issued = ISSUER.issue(["fine.example.com", in_certificate])
    assert found(issued, server_names=("fine.example.com",)) == []
    assert found(issued, server_names=(asked,)) == ["domain_not_covered"]


def test_the_common_name_does_not_count() -> None:
    nameless = ISSUER.issue("a.example.com", alternative_names=False)
    assert found(nameless) == ["san_missing"]
    assert found(nameless, server_names=("a.example.com",)) == ["san_missing"]


# Purpose and strength


def test_purposes() -> None:
    client = ISSUER.issue([], common_name="client", usages=CLIENT_USAGE)
    assert found(client, purpose="client") == []
    assert found(client, purpose="client", profile="private") == []
    assert found(client, purpose="client", server_names=("client",)) == ["san_missing"]
    assert found(LEAF, purpose="client") == ["purpose_not_allowed", "untrusted"]
    assert found(ISSUER.issue("c.example.com", usages=CLIENT_USAGE)) == ["purpose_not_allowed", "untrusted"]
    both = ISSUER.issue("c.example.com", usages=(*CLIENT_USAGE, ExtendedKeyUsageOID.SERVER_AUTH))
    assert found(both) == found(both, purpose="client") == found(both, purpose="client", server_names=both.names) == []
    assert found(both, purpose="client", server_names=("d.example.com",)) == ["domain_not_covered"]
    assert found(ISSUER.issue("any.example.com", usages=())) == []


def test_any_usage_is_for_private_authorities() -> None:
    leaf = ISSUER.issue("a.example.com", usages=(ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE,))
    assert "purpose_not_allowed" in found(leaf)
    assert found(leaf, profile="private") == []


def test_weak_keys_and_signatures() -> None:
    for key_type in ("rsa1024", "ec224", "dsa2048"):
        assert "weak_key" in found(ISSUER.issue("a.example.com", key_type=key_type))
    weak = pki.CertificateAuthority("Weak", key_type="rsa2048", signature_hash=hashes.SHA1())
    assert "weak_signature" in found(
        weak.issue("a.example.com", signature_hash=hashes.SHA1()), trust_anchors=weak.certificate_pem
    )
    poor = pki.CertificateAuthority("Poor", parent=ROOT, key_type="rsa1024")
    assert found(poor.issue("a.example.com")) == ["untrusted", "weak_key"]


# Content of any kind


@pytest.mark.parametrize(
    ("private_key", "code"),
    [
        ("", "private_key_missing"),
        ("nonsense", "private_key_missing"),
        (OTHER.issue("a.example.com").private_key_pem, "private_key_mismatch"),
        (pki.private_key_pem(pki.new_key("ed448")), "private_key_mismatch"),
        (pki.private_key_pem(pki.new_key(), passphrase=b"secret"), "private_key_encrypted"),
        ("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", "private_key_invalid"),
        ("-----BEGIN PRIVATE KEY-----\nAAAA", "pem_invalid"),
        (LEAF.private_key_pem + OTHER.issue("x").private_key_pem, "multiple_private_keys"),
    ],
)
def test_private_keys(private_key: str, code: str) -> None:
    assert found(LEAF, private_key=private_key) == [code]


def test_unreadable_content() -> None:
    damaged = "-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n"
    assert found(LEAF.replace(certificate_pem="")) == ["certificate_missing"]
    assert found(LEAF.replace(certificate_pem=damaged)) == ["certificate_invalid"]
    assert found(LEAF.replace(certificate_pem=LEAF.certificate_pem[:200])) == ["pem_invalid"]
    assert found(LEAF, certificate_chain=damaged + LEAF.chain_pem) == ["~chain_certificate_unreadable"]
    assert found(LEAF, certificate_chain=LEAF.chain_pem[:200]) == ["pem_invalid"]
    assert found(LEAF, trust_anchors=damaged + ROOT.certificate_pem) == []
    for unusable in ("", "nonsense", damaged, ROOT.certificate_pem[:200]):
        assert found(LEAF, trust_anchors=unusable) == ["trust_anchors_invalid"]


def test_ten_thousand_names() -> None:
    names = [f"n{number}.example.com" for number in range(10_000)]
    extra = name_constraints(permitted_subtrees=[x509.DNSName("example.com")])
    limited = pki.CertificateAuthority("Limited", parent=ROOT, extra_extensions=extra)
    assert found(limited.issue(names), server_names=tuple(names)) == []
    assert found(limited.issue(names), server_names=(*names, "no.example.org")) == ["domain_not_covered"]


def with_serial_number(number: bytes) -> pki.IssuedCertificate:
    """cryptography makes no such certificates: the bytes of the number are exchanged, and it is signed again."""
    placeholder = 0x7F << (8 * (len(number) - 1)) | 1
    issued = ISSUER.issue("a.example.com", serial_number=placeholder)
    content = issued.certificate.tbs_certificate_bytes.replace(placeholder.to_bytes(len(number), "big"), number, 1)
    return issued.replace(certificate_pem=signed_pem(content, ISSUER.key))


@pytest.mark.parametrize("number", [b"\x00", b"\xff", b"\x80\x01"])
def test_serial_numbers(number: bytes) -> None:
    codes = found(with_serial_number(number))
    assert codes[0] in ("serial_number_invalid", "certificate_invalid")  # the latter when cryptography refuses it


def test_a_serial_number_of_twenty_bytes() -> None:
    assert found(with_serial_number(b"\x01" * 20)) == []


def test_names_are_those_of_idna_2008() -> None:
    """By IDNA 2003 both names would be strasse.example."""
    leaf = ISSUER.issue(["xn--strae-oqa.example", "*.xn--strae-oqa.example"])
    assert found(leaf, server_names=("straße.example", "www.straße.example", "STRAßE.example.")) == []
    assert found(ISSUER.issue("strasse.example"), server_names=("straße.example",)) == ["domain_not_covered"]
