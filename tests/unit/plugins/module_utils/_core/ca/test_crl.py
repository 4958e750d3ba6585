# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Stored revocation lists: what is read of them, and why servers would refuse clients with them."""

from __future__ import annotations

import datetime

import pytest
from ansible_collections.certops.rotation.plugins.module_utils._core.ca.crl import StoredCrl, build_crl, crl_problems
from ansible_collections.certops.rotation.plugins.module_utils._core.ca.issue import SigningAuthority, issue_authority
from ansible_collections.certops.rotation.plugins.module_utils._core.ca.profiles import Subject
from ansible_collections.certops.rotation.plugins.module_utils._core.x509.problems import MaterialError
from ansible_collections.certops.rotation.tests.support import pki
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.serialization import Encoding

AT = datetime.datetime(2026, 11, 22, 3, 0, tzinfo=datetime.timezone.utc)
DAY = datetime.timedelta(days=1)
HOUR = datetime.timedelta(hours=1)
SECOND = datetime.timedelta(seconds=1)
WARN = 30 * DAY


def new_authority(name="Joblet-CA", at=AT):
    key = pki.new_key()
    return SigningAuthority(issue_authority(key, Subject(name, "CA").name(), 1095 * DAY, at), key)


@pytest.fixture(scope="module")
def issuer():
    return new_authority()


def of(issuer, start=AT - HOUR, end=AT + 60 * DAY, *extensions, number=True):
    """A list as others make them, as PEM."""
    builder = x509.CertificateRevocationListBuilder(issuer.certificate.x509.subject, start, end)
    for extension, critical in [*extensions, *([(x509.CRLNumber(1), False)] if number else [])]:
        builder = builder.add_extension(extension, critical)
    return builder.sign(issuer.key, hashes.SHA256()).public_bytes(Encoding.PEM).decode()


def found(text, issuer, at=AT):
    return [(each.code, each.severity) for each in crl_problems(text, [issuer.certificate], at, WARN)]


def test_dates_are_looked_at_as_tls_libraries_do(issuer):
    text = of(issuer)
    assert found(text, issuer) == []
    assert found(text, issuer, AT - HOUR) == []
    assert found(text, issuer, AT - HOUR - SECOND) == [("crl_not_yet_valid", "error")]
    assert found(text, issuer, AT + 60 * DAY - SECOND) == [("crl_expires_soon", "warning")]
    assert found(text, issuer, AT + 60 * DAY) == [("crl_expired", "error")]
    # Of short ones only the second half is worth a warning.
    assert found(of(issuer, AT, AT + 7 * DAY), issuer, AT + 3 * DAY) == []
    assert found(of(issuer, AT, AT + 7 * DAY), issuer, AT + 4 * DAY) == [("crl_expires_soon", "warning")]


def test_one_made_here_holds_from_an_hour_before_to_the_end_of_its_authority(issuer):
    text = build_crl(issuer, {}, AT, 1)
    assert found(text, issuer, AT - HOUR) == []
    assert found(text, issuer, issuer.certificate.not_after - SECOND) == []
    assert found(text, issuer, issuer.certificate.not_after + SECOND) == []  # it has no clients any more


def test_whose_list_it_is(issuer):
    same_name, other_name = new_authority(), new_authority("Other")
    assert found(of(same_name), issuer) == [("crl_missing", "error")]
    assert found(of(other_name), issuer) == [("crl_missing", "error")]
    assert found(of(same_name) + of(issuer), issuer) == []
    impostor = SigningAuthority(other_name.certificate, issuer.key)
    assert found(of(impostor), issuer) == [("crl_missing", "error")]
    (problem,) = crl_problems(of(same_name), [issuer.certificate], AT, WARN)
    assert issuer.certificate.fingerprint_sha256[:12] in problem.message


@pytest.mark.parametrize("order", [1, -1])
def test_of_two_lists_the_later_one_counts(issuer, order):
    before, after = build_crl(issuer, {5: AT}, AT - DAY, 1), build_crl(issuer, {5: AT, 7: AT}, AT, 2)
    stored = StoredCrl("".join([before, after][::order]))
    assert set(stored.revoked(issuer.certificate)) == {5, 7}
    assert stored.number() == 2


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", "crl_missing"),
        ("nothing", "crl_missing"),
        ("{}", "crl_missing"),
        ("-----BEGIN X509 CRL-----\nAAAA\n-----END X509 CRL-----\n", "crl_invalid"),
        ("-----BEGIN X509 CRL-----\nAAAA\n", "pem_invalid"),
        ("-----BEGIN X509 CRL-----\n\u00e4\n-----END X509 CRL-----\n", "pem_invalid"),
    ],
)
def test_what_holds_no_list(issuer, text, code):
    with pytest.raises(MaterialError) as raised:
        StoredCrl(text)
    assert raised.value.problem.code == code
    assert found(text, issuer) == [(code, "error")]


def test_a_list_of_some_certificates_only_is_none(issuer):
    scope = x509.IssuingDistributionPoint(None, None, True, False, None, False, False)
    for extension in (scope, x509.DeltaCRLIndicator(1)):
        assert found(of(issuer, AT - HOUR, AT + DAY, (extension, True)), issuer) == [("crl_invalid", "error")]


def test_lists_of_the_first_version_have_no_number(issuer):
    text = of(issuer, number=False)
    assert (found(text, issuer), StoredCrl(text).number()) == ([], 0)


def test_nothing_else_is_passed_on(issuer):
    key = pki.shared_key().private_bytes(Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    text = build_crl(issuer, {}, AT, 1)
    assert StoredCrl(f"a note\n{key.decode()}{text}").pem == text


def test_when_another_list_helps(issuer):
    def is_due(text, at=AT):
        return StoredCrl(text).is_due(issuer.certificate, at)

    own = build_crl(issuer, {}, AT, 1)
    assert not is_due(own)
    assert not is_due(own, issuer.certificate.not_after)  # another one would have the same end
    assert is_due(own, AT - HOUR - SECOND)
    assert is_due(of(new_authority()))
    assert not is_due(of(issuer, AT, AT + 60 * DAY), AT + 39 * DAY)
    assert is_due(of(issuer, AT, AT + 60 * DAY), AT + 41 * DAY)
    assert is_due(of(issuer, AT - 2 * DAY, AT - DAY))
