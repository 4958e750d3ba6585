# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a stapled OCSP response says, of whom, signed by whom, until when."""

from __future__ import annotations

import datetime
import typing as t

import pytest
from ansible_collections.certops.rotation.plugins.module_utils._core.watch.seen import seen_certificate
from ansible_collections.certops.rotation.plugins.module_utils._core.watch.sightings import SeenCertificate
from ansible_collections.certops.rotation.plugins.module_utils._core.watch.staple import staple_state
from ansible_collections.certops.rotation.tests.support import pki
from ansible_collections.certops.rotation.tests.support.revocation import ocsp_response
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.x509 import ocsp
from cryptography.x509.oid import ExtendedKeyUsageOID
from hypothesis import given
from hypothesis import strategies as st

DAY = datetime.timedelta(days=1)
NOW = pki.now()
ROOT = pki.CertificateAuthority("Root")
ISSUER = pki.CertificateAuthority("Issuer", parent=ROOT)
LEAF, OTHER = ISSUER.issue("a.example.com"), ISSUER.issue("b.example.com")
STRANGER = pki.CertificateAuthority("Issuer", parent=ROOT)  # of the same name, with another key


def delegate(
    by: pki.CertificateAuthority = ISSUER, *, usage: t.Any = ExtendedKeyUsageOID.OCSP_SIGNING, **dates: t.Any
) -> pki.IssuedCertificate:
    return by.issue("ocsp.example.com", usages=[usage], **dates)


def chain(*, issuer: bool = True) -> list[SeenCertificate]:
    sent = [LEAF.certificate, *([ISSUER.certificate] if issuer else [])]
    return [seen_certificate(each.public_bytes(serialization.Encoding.DER)) for each in sent]


def state(issued: pki.IssuedCertificate = LEAF, *, at: datetime.datetime = NOW, **made: t.Any) -> str:
    authority = made.pop("authority", ISSUER)
    return staple_state(ocsp_response(authority, issued, **made), chain(), at)


def test_each_status() -> None:
    assert state() == "good"
    assert state(status=ocsp.OCSPCertStatus.REVOKED) == "revoked"
    assert state(status=ocsp.OCSPCertStatus.UNKNOWN) == "unknown"
    assert state(algorithm=hashes.SHA256()) == "good"
    assert staple_state(b"", chain(), NOW) == "none"


def test_its_time() -> None:
    assert state(next_update=NOW + DAY, at=NOW + DAY) == "good"
    assert state(next_update=NOW + DAY, at=NOW + DAY + datetime.timedelta(seconds=1)) == "stale"
    assert state(this_update=NOW + datetime.timedelta(minutes=4)) == "good"  # clocks differ
    assert state(this_update=NOW + DAY, next_update=NOW + 2 * DAY) == "invalid"


def test_revoked_and_over_is_over() -> None:
    old = {"this_update": NOW - 9 * DAY, "next_update": NOW - DAY}
    assert state(status=ocsp.OCSPCertStatus.REVOKED, **old) == "stale"


def test_for_another_certificate() -> None:
    assert state(OTHER) == "invalid"
    same_number = ROOT.issue("c.example.com", serial_number=LEAF.certificate.serial_number)
    assert state(same_number, authority=ROOT, signer=ISSUER) == "invalid"


def test_who_signed_it() -> None:
    assert state(signer=delegate()) == "good"
    assert state(signer=delegate(usage=ExtendedKeyUsageOID.SERVER_AUTH)) == "invalid"
    assert state(signer=delegate(ROOT)) == "invalid"
    assert state(signer=delegate(STRANGER)) == "invalid"
    assert state(signer=delegate(not_before=NOW - 9 * DAY, not_after=NOW - DAY)) == "invalid"
    assert state(signer=STRANGER) == "invalid"


@pytest.mark.parametrize("key_type", ["rsa2048", "ec384", "ed25519"])
def test_signatures_of_all_kinds(key_type: t.Any) -> None:
    issuer = pki.CertificateAuthority("Other Issuer", parent=ROOT, key_type=key_type)
    leaf = issuer.issue("a.example.com")
    sent = [
        seen_certificate(each.public_bytes(serialization.Encoding.DER))
        for each in (leaf.certificate, issuer.certificate)
    ]
    assert staple_state(ocsp_response(issuer, leaf), sent, NOW) == "good"


def test_without_the_issuer_the_signature_cannot_be_checked() -> None:
    assert staple_state(ocsp_response(ISSUER, LEAF), chain(issuer=False), NOW) == "good"
    assert staple_state(ocsp_response(ISSUER, OTHER), chain(issuer=False), NOW) == "invalid"


def test_a_responder_that_had_none() -> None:
    later = ocsp.OCSPResponseBuilder.build_unsuccessful(ocsp.OCSPResponseStatus.TRY_LATER)
    assert staple_state(later.public_bytes(serialization.Encoding.DER), chain(), NOW) == "invalid"


GOOD = ocsp_response(ISSUER, LEAF)


@given(st.one_of(st.binary(min_size=1), st.builds(lambda cut: GOOD[:cut], st.integers(1, len(GOOD) - 1))))
def test_what_is_no_response(response: bytes) -> None:
    assert staple_state(response, chain(), NOW) == "invalid"


@given(st.integers(0, len(GOOD) - 1), st.integers(1, 255))
def test_a_changed_bit_is_never_taken_for_good_without_a_signature(position: int, change: int) -> None:
    """But where it stands outside of all that is signed: the name of the signature's algorithm, for instance."""
    changed = GOOD[:position] + bytes([GOOD[position] ^ change]) + GOOD[position + 1 :]
    found = staple_state(changed, chain(), NOW)
    if found != "invalid":
        same = ocsp.load_der_ocsp_response(changed).tbs_response_bytes
        assert same == ocsp.load_der_ocsp_response(GOOD).tbs_response_bytes


@pytest.mark.parametrize("leaf", [b"no certificate", b""])
def test_a_leaf_that_is_none(leaf: bytes) -> None:
    assert staple_state(GOOD, [seen_certificate(leaf)], NOW) == "invalid"
