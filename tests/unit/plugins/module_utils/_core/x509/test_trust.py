# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import base64
import datetime

import pytest
from ansible_collections.certops.rotation.plugins.module_utils._core.x509.certificate import (
    Certificate,
    load_certificate,
)
from ansible_collections.certops.rotation.plugins.module_utils._core.x509.paths import PathProfile
from ansible_collections.certops.rotation.plugins.module_utils._core.x509.problems import Problem
from ansible_collections.certops.rotation.plugins.module_utils._core.x509.trust import load_trust_anchors, trust_problem
from ansible_collections.certops.rotation.plugins.module_utils._errors import InvalidOption
from ansible_collections.certops.rotation.tests.support import chains, pki
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.x509 import verification
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

NOW = pki.now()
ROOT = pki.CertificateAuthority("Root")
OTHER = pki.CertificateAuthority("Other")
NONSENSE = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"


def loaded(certificate: x509.Certificate) -> Certificate:
    return load_certificate(certificate.public_bytes(serialization.Encoding.DER))


def problem_of(
    issued: pki.IssuedCertificate, *authorities: pki.CertificateAuthority, at: datetime.datetime = NOW
) -> Problem | None:
    intermediates = [loaded(authority.certificate) for authority in authorities]
    return trust_problem(loaded(issued.certificate), intermediates, (ROOT.certificate,), at)


@pytest.mark.parametrize(
    "names", [["a.example.com"], ["*.example.com"], ["192.0.2.1"], ["::1"], ["a_b.example.com", "a.example.com"]]
)
def test_any_kind_of_name_will_do(names: list[str]) -> None:
    assert problem_of(ROOT.issue(names)) is None


def test_a_path_over_intermediates_in_any_order() -> None:
    upper = pki.CertificateAuthority("Upper", parent=ROOT)
    lower = pki.CertificateAuthority("Lower", parent=upper)
    issued = lower.issue("a.example.com")
    assert problem_of(issued, lower, upper) is None
    assert problem_of(issued, upper, lower) is None
    assert problem_of(issued, lower) is not None


def test_the_message_names_certificate_and_issuer() -> None:
    problem = problem_of(OTHER.issue("a.example.com"))
    assert problem is not None
    assert (problem.code, problem.severity) == ("untrusted", "error")
    assert "'a.example.com', issued by 'CN=Other'" in problem.message
    assert "any of the 1 trust anchors" in problem.message


def test_names_that_nobody_can_ask_for() -> None:
    problem = problem_of(ROOT.issue(["a_b.example.com"]))
    assert problem is not None
    assert "no name that clients could ask for" in problem.message


def test_the_path_is_asked_for_an_instant() -> None:
    issued = ROOT.issue("a.example.com")
    assert problem_of(issued, at=NOW + datetime.timedelta(days=89)) is None
    assert problem_of(issued, at=NOW + datetime.timedelta(days=91)) is not None
    tokyo = datetime.timezone(datetime.timedelta(hours=9))
    assert problem_of(issued, at=NOW.astimezone(tokyo)) is None


def test_name_constraints_hold() -> None:
    constraints = x509.NameConstraints([x509.DNSName("example.com")], None)
    narrow = pki.CertificateAuthority("Narrow", parent=ROOT, extra_extensions=[(constraints, True)])
    assert problem_of(narrow.issue("a.example.com"), narrow) is None
    assert problem_of(narrow.issue("a.example.org"), narrow) is not None


def test_path_lengths_hold() -> None:
    last = pki.CertificateAuthority("Last", parent=ROOT, path_length=0)
    beyond = pki.CertificateAuthority("Beyond", parent=last)
    assert problem_of(last.issue("a.example.com"), last) is None
    assert problem_of(beyond.issue("a.example.com"), beyond, last) is not None


def test_a_client_certificate_is_not_a_servers() -> None:
    assert problem_of(ROOT.issue("a.example.com", usages=[ExtendedKeyUsageOID.CLIENT_AUTH])) is not None
    anything = problem_of(ROOT.issue("a.example.com", usages=[ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE]))
    assert (anything is None) == hasattr(verification, "ExtensionPolicy")  # cryptography < 45 is stricter
    assert problem_of(ROOT.issue("a.example.com", usages=[])) is None


def test_anchors_are_loaded_once_each() -> None:
    pem = "# my roots\r\n" + ROOT.certificate_pem + OTHER.certificate_pem + ROOT.certificate_pem
    assert load_trust_anchors(pem) == (ROOT.certificate, OTHER.certificate)
    assert load_trust_anchors(pem.encode()) == (ROOT.certificate, OTHER.certificate)


@pytest.mark.parametrize(
    "pem", ["", "nothing", ROOT.certificate_pem[:90], ROOT.certificate_pem + NONSENSE, pki.private_key_pem(ROOT.key)]
)
def test_anchors_that_cannot_be_used(pem: str) -> None:
    with pytest.raises(InvalidOption, match="trust anchor"):
        load_trust_anchors(pem)


def test_odd_anchors_of_a_system_are_skipped() -> None:
    assert load_trust_anchors(NONSENSE + ROOT.certificate_pem, skip_unreadable=True) == (ROOT.certificate,)
    with pytest.raises(InvalidOption, match="no certificate"):
        load_trust_anchors(NONSENSE, skip_unreadable=True)


def test_constraints_on_subjects_and_usages_of_authorities() -> None:
    subtree = x509.DirectoryName(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "a.example.com")]))
    extra = [(x509.NameConstraints(None, [subtree]), False)]
    excluding = pki.CertificateAuthority("Excluding", parent=ROOT, extra_extensions=extra)
    assert problem_of(excluding.issue("b.example.com"), excluding) is None
    problem = problem_of(excluding.issue("a.example.com"), excluding)
    assert problem is not None
    assert problem.code == "name_constraint_violated"
    usage = [(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION]), False)]
    mail = pki.CertificateAuthority("Mail", parent=ROOT, extra_extensions=usage)
    problem = problem_of(mail.issue("a.example.com"), mail)
    assert problem is not None
    assert problem.code == "untrusted"


def test_trust_settings_of_openssl_are_not_ignored() -> None:
    settings = ROOT.certificate_pem.replace("CERTIFICATE", "TRUSTED CERTIFICATE")
    with pytest.raises(InvalidOption, match="TRUSTED CERTIFICATE"):
        load_trust_anchors(ROOT.certificate_pem + settings, skip_unreadable=True)


@pytest.mark.parametrize("profile", ["web", "private"])
@pytest.mark.parametrize("missing", ["issuer_id", "own_id", "usage"])
def test_an_anchor_need_not_be_a_root(profile: PathProfile, missing: str) -> None:
    """What is trusted is so because somebody says it: it lacks what the Web PKI asks of intermediates."""
    anchor = chains.authority(chains.ROOT, **{missing: None})
    below = chains.authority(anchor)
    for chain in (
        chains.Chain(chains.leaf(anchor), anchor),
        chains.Chain(chains.leaf(below), anchor, (below,)),
        chains.Chain(chains.leaf(below), anchor, (below, anchor)),
    ):
        assert chain.problems(profile=profile) == set()
    intermediate = chains.Chain(chains.leaf(anchor), chains.ROOT, (anchor,))
    assert intermediate.problems(profile=profile) == ({"untrusted"} if profile == "web" else set())


def test_anchors_in_der_and_base64() -> None:
    der = ROOT.certificate.public_bytes(serialization.Encoding.DER)
    for content in (der, base64.b64encode(der), base64.b64encode(ROOT.certificate_pem.encode()).decode()):
        assert load_trust_anchors(content) == (ROOT.certificate,)
