# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Authorities that others have made: which one it is, the way to its root, what speaks against it."""

from __future__ import annotations

import datetime
import itertools

import pytest
from ansible_collections.certops.rotation.plugins.module_utils._core.ca.imported import (
    import_problems,
    path_to_root,
    refuse_lists,
    signing_authority,
    stored_problems,
)
from ansible_collections.certops.rotation.plugins.module_utils._core.ca.issue import SigningAuthority
from ansible_collections.certops.rotation.plugins.module_utils._core.x509.certificate import load_certificate
from ansible_collections.certops.rotation.plugins.module_utils._core.x509.problems import MaterialError
from ansible_collections.certops.rotation.plugins.module_utils._errors import RotationError
from ansible_collections.certops.rotation.tests.support import pki
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID

DAY = datetime.timedelta(days=1)
ROOT = pki.CertificateAuthority("Root")
MIDDLE = pki.CertificateAuthority("Middle", parent=ROOT)
LAST = pki.CertificateAuthority("Last", parent=MIDDLE)
OTHER = pki.CertificateAuthority("Other")


def facts(authority):
    return load_certificate(authority.certificate.public_bytes(Encoding.DER))


def signing(authority, *above):
    return SigningAuthority(facts(authority), authority.key, tuple(map(facts, above)))


def limited(*, usages=None, usage=None, **options):
    """An authority with another extended key usage, or another key usage."""
    extensions = [(x509.ExtendedKeyUsage(usages), False)] if usages else []
    authority = pki.CertificateAuthority("Limited", extra_extensions=extensions, **options)
    if usage is None:
        return authority
    made = authority.certificate
    builder = x509.CertificateBuilder(
        made.issuer, made.subject, authority.key.public_key(), 1, made.not_valid_before_utc, made.not_valid_after_utc
    )
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    authority.certificate = builder.add_extension(usage, critical=True).sign(authority.key, hashes.SHA256())
    return authority


def key_usage(*, lists):
    bits = [False, False, False, False, False, True, lists, False, False]
    return x509.KeyUsage(*bits)


@pytest.mark.parametrize("order", list(itertools.permutations([0, 1, 2])))
def test_the_way_to_the_root_in_any_order(order):
    given = [facts([LAST, MIDDLE, ROOT][position]) for position in order]
    found = signing_authority(given, LAST.key)
    assert found.path == (facts(LAST), facts(MIDDLE), facts(ROOT))
    assert signing_authority([facts(ROOT)], ROOT.key) == SigningAuthority(facts(ROOT), ROOT.key)


def test_the_key_tells_which_one_it_is():
    found = signing_authority([facts(ROOT), facts(MIDDLE)], MIDDLE.key)
    assert found.path == (facts(MIDDLE), facts(ROOT))


def test_other_forms_of_the_same_authorities_are_left_out():
    """A cross-signed root beside the root itself; the authority's own certificate of last year."""
    cross = pki.CertificateAuthority("Root", key=ROOT.key, parent=OTHER)
    before = pki.CertificateAuthority("Last", key=LAST.key, parent=MIDDLE, not_after=pki.now() + DAY)
    every = [facts(each) for each in (before, cross, LAST, ROOT, MIDDLE)]
    for given in itertools.permutations(every):
        assert signing_authority(list(given), LAST.key).path == (facts(LAST), facts(MIDDLE), facts(ROOT))


def test_authorities_that_have_signed_each_other_lead_nowhere():
    one, two = pki.CertificateAuthority("One"), pki.CertificateAuthority("Two")
    crossed = [
        pki.CertificateAuthority("One", key=one.key, parent=two),
        pki.CertificateAuthority("Two", key=two.key, parent=one),
    ]
    with pytest.raises(MaterialError, match="only up to its root"):
        path_to_root(facts(crossed[0]), [facts(crossed[1])])


def test_a_way_that_leads_on_is_chosen():
    """The middle is certified for longer by a root that is not there; an old root has certified the root."""
    elsewhere = pki.CertificateAuthority("Middle", key=MIDDLE.key, parent=OTHER, not_after=pki.now() + 9000 * DAY)
    cross = pki.CertificateAuthority("Root", key=ROOT.key, parent=OTHER)
    every = [facts(each) for each in (elsewhere, MIDDLE, LAST, ROOT)]
    assert signing_authority(every, LAST.key).path == (facts(LAST), facts(MIDDLE), facts(ROOT))
    assert signing_authority([facts(ROOT), facts(elsewhere), facts(MIDDLE)], MIDDLE.key).path[0] == facts(MIDDLE)
    way = signing_authority([facts(LAST), facts(MIDDLE), facts(cross), facts(OTHER)], LAST.key).path
    assert way == (facts(LAST), facts(MIDDLE), facts(cross), facts(OTHER))


def test_a_way_that_is_incomplete_or_has_strangers():
    with pytest.raises(MaterialError, match="issued by 'CN=Root', whose certificate is not there"):
        signing_authority([facts(LAST), facts(MIDDLE)], LAST.key)
    with pytest.raises(MaterialError, match=r"'CN=Other' \([0-9a-f]{12}\): not on the way"):
        signing_authority([facts(LAST), facts(MIDDLE), facts(ROOT), facts(OTHER)], LAST.key)


def test_without_the_key_the_first_one_is_judged():
    found = signing_authority([facts(ROOT)], OTHER.key)
    problems = import_problems(found, pki.now(), has_clients=True)
    assert [problem.code for problem in problems] == ["private_key_mismatch"]


def test_what_is_no_authority_is_judged_as_such():
    leaf = MIDDLE.issue("www.example.com")
    found = signing_authority([load_certificate(leaf.certificate.public_bytes(Encoding.DER))], leaf.private_key)
    problems = import_problems(found, pki.now(), has_clients=True)
    assert "intermediate_not_ca" in [problem.code for problem in problems]


@pytest.mark.parametrize(
    ("authority", "code", "words"),
    [
        (lambda: pki.CertificateAuthority("Weak", key_type="rsa1024"), "weak_key", "RSA 1024"),
        (lambda: pki.CertificateAuthority("Old", not_after=pki.now() - DAY), "expired", "expired on"),
        (lambda: pki.CertificateAuthority("New", not_before=pki.now() + DAY), "not_yet_valid", "clock"),
        (lambda: limited(usages=[ExtendedKeyUsageOID.SERVER_AUTH]), "purpose_not_allowed", "TLS clients"),
        (lambda: limited(usages=[ExtendedKeyUsageOID.CLIENT_AUTH]), "purpose_not_allowed", "TLS servers"),
        (lambda: limited(usage=key_usage(lists=False)), "purpose_not_allowed", "cRLSign"),
    ],
)
def test_what_speaks_against_an_authority(authority, code, words):
    (problem,) = import_problems(signing(authority()), pki.now(), has_clients=True)
    assert problem.code == code
    assert words in problem.message


def test_nothing_speaks_against_these():
    both = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
    good = [limited(usages=both), limited(usages=[ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE])]
    good += [limited(usage=key_usage(lists=True)), pki.CertificateAuthority("A", signature_hash=hashes.SHA1())]
    good += [pki.CertificateAuthority("A", key_type=kind) for kind in ("ed25519", "ed448", "rsa2048", "ec384")]
    for authority in good:
        assert import_problems(signing(authority), pki.now(), has_clients=True) == []
    for usage in ({"usages": [ExtendedKeyUsageOID.SERVER_AUTH]}, {"usage": key_usage(lists=False)}):
        assert import_problems(signing(limited(**usage)), pki.now(), has_clients=False) == [], (
            "no clients are asked of it"
        )


def test_what_is_above_is_judged_as_well():
    old = pki.CertificateAuthority("Old root", not_after=pki.now() - DAY)
    middle = pki.CertificateAuthority("Middle", parent=old)
    assert [each.code for each in import_problems(signing(middle, old), pki.now(), has_clients=True)] == ["expired"]
    weak = pki.CertificateAuthority("Middle", parent=ROOT, signature_hash=hashes.SHA1())
    problems = import_problems(signing(weak, ROOT), pki.now(), has_clients=True)
    assert [each.code for each in problems] == ["weak_signature"]


def test_a_stored_one_without_its_root_is_told():
    (problem,) = stored_problems([facts(MIDDLE)], pki.now(), DAY)
    assert (problem.code, problem.severity) == ("chain_broken", "warning")
    assert stored_problems([facts(MIDDLE), facts(ROOT)], pki.now(), DAY) == []
    assert stored_problems([facts(ROOT)], pki.now(), DAY) == []
    old = pki.CertificateAuthority("Old root", not_after=pki.now() - DAY)
    middle = pki.CertificateAuthority("Middle", parent=old)
    assert [each.code for each in stored_problems([facts(middle), facts(old)], pki.now(), DAY)] == ["expired"]


def test_lists_that_would_lock_out_everybody():
    refuse_lists([signing(ROOT)])
    with pytest.raises(RotationError, match="every authority up to 'CN=Root'"):
        refuse_lists([signing(OTHER), signing(LAST, MIDDLE, ROOT)])
    with pytest.raises(RotationError, match="cRLSign"):
        refuse_lists([signing(limited(usage=key_usage(lists=False)))])
