# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Verdicts on what public corpora ask (x509-limbo, NIST PKITS, the tests of OpenSSL and GnuTLS), made here anew."""

from __future__ import annotations

import dataclasses
import datetime
import typing as t

import pytest
from ansible_collections.certops.rotation.plugins.module_utils._core.x509.examine import Examination, examine
from ansible_collections.certops.rotation.tests.support.chains import (
    ANY_USAGE,
    CLIENT,
    DSA,
    EMAIL_USAGE,
    EXAMPLE,
    ISSUER,
    NOT_AFTER,
    NOT_BEFORE,
    NOW,
    OTHER_NAME,
    P192,
    PRIVATE_OID,
    ROOT,
    RSA_1024,
    RSA_2048,
    RSA_2052,
    SERVER,
    Chain,
    another_way,
    authority,
    cross_signed,
    dns,
    expired,
    ip,
    leaf,
    limited,
    malformed,
    name,
    named,
    nested,
    new_key,
    of_issuer,
    of_leaf,
    of_root,
    old_cross_signature,
    subject_key,
    swapped,
    unchecked,
    usages,
)
from ansible_collections.certops.rotation.tests.support.signing import signed_pem
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtendedKeyUsageOID, NameOID

GOOD: dict[str, t.Callable[[], Chain]] = {
    "leaf, issuer, root": of_leaf,
    "no key usage": lambda: of_leaf(usage=None),
    "no extended key usage": lambda: of_leaf(eku=None),
    "client usage beside": lambda: of_leaf(eku=x509.ExtendedKeyUsage([SERVER, CLIENT])),
    "address": lambda: named([ip("127.0.0.1")], "127.0.0.1"),
    "address of 16 bytes": lambda: named([ip("2001:db8::1")], "2001:0DB8:0::1"),
    "wildcard": lambda: named("*.example.com", "foo.example.com"),
    "subject is empty": lambda: of_leaf(subject=name(""), san=(x509.SubjectAlternativeName([EXAMPLE]), True)),
    "permitted name": lambda: limited([EXAMPLE], None, [EXAMPLE], "example.com"),
    "permitted subdomain": lambda: limited([EXAMPLE], None, dns("a.b.example.com"), "a.b.example.com"),
    "permitted, not critical": lambda: limited([EXAMPLE], None, [EXAMPLE], "example.com", critical=False),
    "permitted address": lambda: limited([ip("192.0.2.0/24")], None, [ip("192.0.2.1")], "192.0.2.1"),
    "other kind permitted": lambda: limited([ip("192.0.2.0/24")], None, [EXAMPLE], "example.com"),
    "other kind excluded": lambda: limited(None, [ip("192.0.2.0/24")], [EXAMPLE], "example.com"),
    "unknown kind, not used": lambda: limited([EXAMPLE], [OTHER_NAME], [EXAMPLE], "example.com"),
    "permitted mailbox": lambda: limited(
        [x509.RFC822Name("a@b.test")], None, [x509.RFC822Name("a@b.test")], client=True
    ),
    "permitted mail host": lambda: limited(
        [x509.RFC822Name("b.test")], None, [x509.RFC822Name("a@b.test")], client=True
    ),
    "path length 0": lambda: nested(0),
    "path length grows": lambda: nested(1, 2),
    "root without authority key identifier": lambda: of_root(issuer_id=None),
    "root without subject key identifier": lambda: of_root(own_id=None),
    "issuer trusted, root in the pool": swapped,
    "expired cross-signature beside": old_cross_signature,
    "authorities that sign each other": lambda: cross_signed(connected=True),
    "a path beside a bad one": another_way,
    "10,000 names": lambda: of_leaf(("h9999.test",), san=dns(*(f"h{number}.test" for number in range(10_000)))),
}


@pytest.mark.parametrize("case", GOOD)
def test_what_is_good(case: str) -> None:
    chain = GOOD[case]()
    assert chain.problems() == set()
    assert chain.problems(profile="private") == set()


# What both profiles refuse.
BAD: dict[str, tuple[t.Callable[[], Chain], str]] = {
    # The path
    "anchor is another": (lambda: dataclasses.replace(of_leaf(), anchor=authority(cn="Other")), "untrusted"),
    "issuer is missing": (lambda: dataclasses.replace(of_leaf(), pool=()), "untrusted"),
    "issuer is no authority": (lambda: of_issuer(constraints=x509.BasicConstraints(False, None)), "untrusted"),
    "issuer does not say that it is one": (lambda: of_issuer(constraints=None), "untrusted"),
    "root is no authority": (lambda: of_root(constraints=None), "untrusted"),
    "issuer may not sign": (lambda: of_issuer(usage=usages("crl_sign")), "untrusted"),
    "root may not sign": (lambda: of_root(usage=usages()), "untrusted"),
    "path length 0, then another": (lambda: nested(0, 0), "untrusted"),
    "path length 1, 0, then another": (lambda: nested(1, 0, 0), "untrusted"),
    "circle without a root": (lambda: cross_signed(connected=False), "chain_too_complex"),
    "root expired": (lambda: expired("root"), "untrusted"),
    "issuer expired": (lambda: expired("issuer"), "intermediate_expired"),
    "leaf expired": (lambda: expired("leaf"), "expired"),
    "issuer is empty": (lambda: of_leaf(issuer=name("")), "untrusted"),
    # Extensions
    "unknown and critical in the leaf": (
        lambda: of_leaf(extra=[(x509.UnrecognizedExtension(PRIVATE_OID, b""), True)]),
        "untrusted",
    ),
    "unknown and critical in the issuer": (
        lambda: of_issuer(extra=[(x509.UnrecognizedExtension(PRIVATE_OID, b""), True)]),
        "untrusted",
    ),
    "unknown and critical in the root": (
        lambda: of_root(extra=[(x509.UnrecognizedExtension(PRIVATE_OID, b""), True)]),
        "untrusted",
    ),
    "critical policy constraints": (lambda: of_issuer(extra=[(x509.PolicyConstraints(0, None), True)]), "untrusted"),
    "malformed names": (
        lambda: of_leaf(san=None, extra=[malformed(x509.SubjectAlternativeName.oid, b"example.com")]),
        "certificate_invalid",
    ),
    "malformed access information": (
        lambda: of_leaf(extra=[malformed(x509.AuthorityInformationAccess.oid, b"malformed")]),
        "certificate_invalid",
    ),
    "TLS feature that nobody knows": (
        lambda: of_leaf(extra=[malformed(x509.TLSFeature.oid, bytes.fromhex("3003020163"))]),
        "certificate_invalid",
    ),
    # Purposes
    "client's": (lambda: of_leaf(eku=x509.ExtendedKeyUsage([CLIENT])), "purpose_not_allowed"),
    "server's for a client": (lambda: of_leaf((), {"purpose": "client"}), "purpose_not_allowed"),
    "issuer for mail only": (lambda: of_issuer(eku=x509.ExtendedKeyUsage([EMAIL_USAGE])), "untrusted"),
    "issuer for clients only": (lambda: of_issuer(eku=x509.ExtendedKeyUsage([CLIENT])), "untrusted"),
    "no key usage at all": (lambda: of_leaf(usage=usages()), "purpose_not_allowed"),
    # Keys, signatures and numbers
    "leaf with RSA 1024": (lambda: of_leaf(key=RSA_1024), "weak_key"),
    "leaf with RSA 2052": (lambda: of_leaf(key=RSA_2052), "weak_key"),
    "leaf with P-192": (lambda: of_leaf(key=P192), "weak_key"),
    "leaf with DSA": (lambda: of_leaf(key=DSA), "weak_key"),
    "issuer with RSA 1024": (lambda: of_issuer(key=RSA_1024), "untrusted"),
    "issuer with RSA 2052": (lambda: of_issuer(key=RSA_2052), "weak_key"),
    "root with RSA 2052": (lambda: of_root(key=RSA_2052), "weak_key"),
    "root with DSA": (lambda: of_root(key=DSA), "untrusted"),
    # Names
    "other domain": (lambda: named("example.com", "example2.com"), "domain_not_covered"),
    "domain above": (lambda: named("abc.example.com", "example.com"), "domain_not_covered"),
    "domain below": (lambda: named("example.com", "abc.example.com"), "domain_not_covered"),
    "wildcard over two labels": (lambda: named("*.example.com", "foo.bar.example.com"), "domain_not_covered"),
    "wildcard in a label": (lambda: named("ba*.example.com", "baz.example.com"), "domain_not_covered"),
    "wildcard in an A-label": (
        lambda: named("xn--*-1b3c148a.example.com", "xn--bliss-1b3c148a.example.com"),
        "domain_not_covered",
    ),
    "wildcard not left-most": (lambda: named("foo.*.example.com", "foo.bar.example.com"), "domain_not_covered"),
    "wildcard alone": (lambda: named("*", "com"), "domain_not_covered"),
    "wildcard for a top-level domain": (lambda: named("*.com", "example.com"), "domain_not_covered"),
    "address as a DNS name": (lambda: named("127.0.0.1", "127.0.0.1"), "domain_not_covered"),
    "name with NUL": (lambda: named("example.com\0.test", "example.com"), "certificate_invalid"),
    "only a common name": (lambda: of_leaf(san=None), "san_missing"),
    # Name constraints
    "not permitted": (lambda: limited([EXAMPLE], None, dns("not-example.com"), "not-example.com"), "untrusted"),
    "excluded": (lambda: limited(None, [EXAMPLE], [EXAMPLE], "example.com"), "untrusted"),
    "excluded, not critical": (lambda: limited(None, [EXAMPLE], [EXAMPLE], critical=False), "untrusted"),
    "permitted and excluded": (lambda: limited([EXAMPLE], [EXAMPLE], [EXAMPLE], "example.com"), "untrusted"),
    "second name excluded": (
        lambda: limited(None, dns("b.example.com"), [EXAMPLE, *dns("b.example.com")], "example.com"),
        "untrusted",
    ),
    "wildcard over an excluded name": (
        lambda: limited([EXAMPLE], dns("bar.example.com"), dns("*.example.com"), "foo.example.com"),
        "untrusted",
    ),
    "wildcard wider than permitted": (
        lambda: limited(dns("foo.example.com"), None, dns("*.example.com"), "foo.example.com"),
        "untrusted",
    ),
    "address not permitted": (
        lambda: limited([ip("192.0.2.0/24")], None, [ip("192.0.3.1")], "192.0.3.1"),
        "untrusted",
    ),
    "address excluded": (lambda: limited(None, [ip("::1/128")], [ip("::1")], "::1"), "untrusted"),
    "network as an address": (
        lambda: limited([ip("192.0.2.0/24")], None, [ip("192.0.2.0/24"), ip("192.0.2.1")], "192.0.2.1"),
        "certificate_invalid",
    ),
    "malformed name": (lambda: limited([EXAMPLE], None, [EXAMPLE, *dns(".example.com")], "example.com"), "untrusted"),
    "unknown kind in use": (
        lambda: limited([EXAMPLE], [OTHER_NAME], [EXAMPLE, OTHER_NAME], "example.com"),
        "untrusted",
    ),
    "mailbox not permitted": (
        lambda: limited([x509.RFC822Name("b.test")], None, [EXAMPLE, x509.RFC822Name("a@c.test")], "example.com"),
        "untrusted",
    ),
    "neither permitted nor excluded": (
        lambda: of_issuer(limits=unchecked(x509.NameConstraints([EXAMPLE], None), permitted_subtrees=None)),
        "untrusted",
    ),
    "wildcard as a constraint": (
        lambda: of_issuer(
            limits=unchecked(
                x509.NameConstraints([EXAMPLE], None), permitted_subtrees=dns("*.example.com", "example.com")
            )
        ),
        "untrusted",
    ),
}

# What the Web PKI asks beyond that, and private authorities often leave out.
BAD_FOR_THE_WEB: dict[str, tuple[t.Callable[[], Chain], str]] = {
    "root's constraints are not critical": (
        lambda: of_root(constraints=(x509.BasicConstraints(True, None), False)),
        "untrusted",
    ),
    "leaf without authority key identifier": (lambda: of_leaf(issuer_id=None), "untrusted"),
    "issuer without authority key identifier": (lambda: of_issuer(issuer_id=None), "untrusted"),
    "issuer without subject key identifier": (lambda: of_issuer(own_id=None), "untrusted"),
    "authority key identifier without one": (
        lambda: of_root(issuer_id=x509.AuthorityKeyIdentifier(None, None, None)),
        "untrusted",
    ),
    "critical key identifiers": (lambda: of_root(own_id=(subject_key(RSA_2048), True)), "untrusted"),
    "critical access information": (
        lambda: of_leaf(
            extra=[
                (
                    x509.AuthorityInformationAccess(
                        [x509.AccessDescription(AuthorityInformationAccessOID.CA_ISSUERS, EXAMPLE)]
                    ),
                    True,
                )
            ]
        ),
        "untrusted",
    ),
    "policy constraints that are not critical": (
        lambda: of_issuer(extra=[(x509.PolicyConstraints(3, None), False)]),
        "untrusted",
    ),
    "critical names beside a subject": (
        lambda: of_leaf(san=(x509.SubjectAlternativeName([EXAMPLE]), True)),
        "untrusted",
    ),
    "names not critical without a subject": (lambda: of_leaf(subject=name("")), "untrusted"),
    "constraints in a leaf": (lambda: of_leaf(limits=(x509.NameConstraints([EXAMPLE], None), True)), "untrusted"),
    "leaf is an authority": (lambda: of_leaf(constraints=x509.BasicConstraints(True, None)), "untrusted"),
    "critical extended key usage": (lambda: of_leaf(eku=(x509.ExtendedKeyUsage([SERVER]), True)), "untrusted"),
    **{
        f"server's and {other._name}": (
            lambda other=other: of_leaf(eku=x509.ExtendedKeyUsage([SERVER, other])),
            "purpose_not_allowed",
        )
        for other in (
            ANY_USAGE,
            EMAIL_USAGE,
            ExtendedKeyUsageOID.CODE_SIGNING,
            ExtendedKeyUsageOID.TIME_STAMPING,
            ExtendedKeyUsageOID.OCSP_SIGNING,
            x509.ObjectIdentifier("1.3.6.1.4.1.11129.2.4.4"),
        )
    },
}


@pytest.mark.parametrize("case", BAD)
def test_what_is_bad(case: str) -> None:
    made, code = BAD[case]
    chain = made()
    assert code in chain.problems()
    assert chain.problems(profile="private")


@pytest.mark.parametrize("case", BAD_FOR_THE_WEB)
def test_what_is_bad_for_the_web_only(case: str) -> None:
    made, code = BAD_FOR_THE_WEB[case]
    chain = made()
    assert code in chain.problems()
    assert chain.problems(profile="private") == set()


# What the verifier leaves to this collection


@pytest.mark.parametrize("profile", ["web", "private"])
@pytest.mark.parametrize(
    ("kind", "text", "good"),
    [
        (NameOID.EMAIL_ADDRESS, "a@good.test", True),
        (NameOID.EMAIL_ADDRESS, "a@GOOD.test", True),
        (NameOID.EMAIL_ADDRESS, "box@one.test", True),
        (NameOID.EMAIL_ADDRESS, "a@x.sub.test", True),
        (NameOID.EMAIL_ADDRESS, "a@x.good.test", False),
        (NameOID.EMAIL_ADDRESS, "other@one.test", False),
        (NameOID.EMAIL_ADDRESS, "a@sub.test", False),
        (NameOID.EMAIL_ADDRESS, "bad", False),
        (NameOID.COMMON_NAME, "host.good.test", True),
        (NameOID.COMMON_NAME, "Good.Test", True),
        (NameOID.COMMON_NAME, "a person", True),
        (NameOID.COMMON_NAME, "not..a.host", True),
        (NameOID.COMMON_NAME, "notgood.test", False),
        (NameOID.COMMON_NAME, "host.bad.test", False),
    ],
)
def test_names_in_a_subject_are_constrained(kind: t.Any, text: str, good: bool, profile: str) -> None:
    permitted = [*map(x509.RFC822Name, ("good.test", "box@one.test", ".sub.test")), *dns("good.test")]
    subject = x509.Name([x509.NameAttribute(kind, text)])
    chain = limited(permitted, None, [ip("192.0.2.1")], subject=subject)
    assert chain.problems(profile=profile) == (set() if good else {"name_constraint_violated"})
    excluding = limited(None, permitted, [ip("192.0.2.1")], subject=subject)
    outside = not good or text in ("a person", "not..a.host")
    assert excluding.problems(profile=profile) == (set() if outside else {"name_constraint_violated"})


def test_a_common_name_beside_dns_names_is_not_constrained() -> None:
    assert limited(dns("good.test"), None, dns("good.test"), subject=name("bad.test")).problems() == set()


@pytest.mark.parametrize(("number", "code"), [(b"\x00", "serial_number_invalid"), (b"\x81", "untrusted")])
def test_the_serial_number_of_an_intermediate(number: bytes, code: str) -> None:
    issuer = authority(ROOT, serial=0x7A)
    content = issuer.certificate.tbs_certificate_bytes.replace(b"\x02\x01\x7a", b"\x02\x01" + number, 1)
    found = examine(Examination(leaf(issuer).pem, ROOT.pem, NOW, certificate_chain=signed_pem(content, ROOT.key)))
    assert code in {problem.code for problem in found}


P256_SPELLED_OUT = bytes.fromhex(
    "3081f7020101302c06072a8648ce3d0101022100ffffffff00000001000000000000000000000000ffffffffffffffffffffffff305b04"
    "20ffffffff00000001000000000000000000000000fffffffffffffffffffffffc04205ac635d8aa3a93e7b3ebbd55769886bc651d06b0"
    "cc53b0f63bce3c3e27d2604b031500c49d360886e704936a6678e1139d26b7819f7e900441046b17d1f2e12c4247f8bce6e563a440f277"
    "037d812deb33a0f4a13945d898c2964fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5022100ffffffff00"
    "000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551020101"
)


@pytest.mark.parametrize("profile", ["web", "private"])
def test_a_curve_that_is_spelled_out_instead_of_named(profile: t.Any) -> None:
    def sequence(content: bytes) -> bytes:
        return b"\x30\x82" + len(content).to_bytes(2, "big") + content

    good = leaf(ISSUER)
    point = good.key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    named_curve = good.key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    algorithm = sequence(bytes.fromhex("06072a8648ce3d0201") + P256_SPELLED_OUT)
    spelled_out = sequence(algorithm + b"\x03\x42\x00" + point)
    content = good.certificate.tbs_certificate_bytes[4:].replace(named_curve, spelled_out)
    pem = signed_pem(sequence(content), ISSUER.key)
    found = examine(Examination(pem, ROOT.pem, NOW, ISSUER.pem, profile=profile))
    assert [problem.code for problem in found] == ["weak_key"]


def test_the_last_second_belongs_to_the_validity() -> None:
    assert of_leaf().problems(at=NOT_AFTER.replace(microsecond=999_999)) == set()
    assert "expired" in of_leaf().problems(at=NOT_AFTER + datetime.timedelta(seconds=1))
    assert of_leaf().problems(at=NOT_BEFORE) == set()
    assert "not_yet_valid" in of_leaf().problems(at=NOT_BEFORE - datetime.timedelta(microseconds=1))


def test_trust_settings_of_openssl_are_not_ignored() -> None:
    chain = of_leaf()
    distrusted = chain.anchor.pem.replace("CERTIFICATE", "TRUSTED CERTIFICATE")
    found = examine(Examination(chain.leaf.pem, chain.anchor.pem + distrusted, NOW, ISSUER.pem))
    assert [problem.code for problem in found] == ["trust_anchors_invalid"]


def test_very_many_names_under_very_many_constraints() -> None:
    hosts = [*dns("test"), *(x509.DNSName(f"h{number}.test") for number in range(700))]
    assert limited(hosts, None, hosts[:500]).problems() == set()
    assert limited(hosts, None, [*hosts, *hosts]).problems() == {"name_constraint_violated"}
    subject = x509.Name([x509.NameAttribute(NameOID.EMAIL_ADDRESS, "a@good.test")] * 2000)
    mails = [x509.RFC822Name(f"h{number}.test") for number in range(2000)]
    assert limited(mails, None, [EXAMPLE], subject=subject).problems() == {"name_constraint_violated"}


def test_a_malformed_extension_of_an_authority() -> None:
    issuer = authority(ROOT, extra=[malformed(x509.TLSFeature.oid, bytes.fromhex("3003020163"))])
    chain = Chain(leaf(issuer), ROOT, (issuer,))
    assert chain.problems() == chain.problems(profile="private") == {"certificate_invalid"}


def test_very_long_server_names() -> None:
    for endless in ("a" * 10_000_000, "\u00e9" * 1_000_000, "\u00e9." * 500_000):
        assert of_leaf((endless,)).problems() == {"domain_not_covered"}


@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize("odd", ["subject", "policies"])
def test_another_path_where_something_else_is_wrong_with_the_first(odd: str, turned: bool) -> None:
    """What the verifier itself does not look at."""
    subject = x509.NameConstraints(None, [x509.DirectoryName(name("example.com"))])
    bad = {"limits": (subject, False)} if odd == "subject" else {"extra": [(x509.PolicyConstraints(0, None), False)]}
    key = new_key()
    forms = (authority(ROOT, cn="Twin", key=key, **bad), authority(ROOT, cn="Twin", key=key))
    made = leaf(forms[0])
    assert Chain(made, ROOT, forms[::-1] if turned else forms).problems() == set()
    assert Chain(made, ROOT, forms[:1]).problems() in ({"name_constraint_violated"}, {"untrusted"})
