# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The rules of ACM for imported certificates, which emulators do not enforce."""

from __future__ import annotations

import dataclasses
import datetime
import typing as t

import pytest
from ansible_collections.certops.rotation.plugins.module_utils._core.acme import acm_rules
from ansible_collections.certops.rotation.plugins.module_utils._core.acme.acm_rules import AcmEntry
from ansible_collections.certops.rotation.plugins.module_utils._core.acme.wanted import KEY_TYPES, WantedCertificate
from ansible_collections.certops.rotation.plugins.module_utils._core.x509.bundle import CertificateBundle
from ansible_collections.certops.rotation.plugins.module_utils._core.x509.document import parse_secret
from ansible_collections.certops.rotation.plugins.module_utils._core.x509.verify import VerificationPolicy, build_bundle
from ansible_collections.certops.rotation.plugins.module_utils._ports.openssl.opener import ProcessOpener
from ansible_collections.certops.rotation.tests.support.pki import (
    CertificateAuthority,
    IssuedCertificate,
    now,
    shared_key,
)
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

REGION = "eu-central-1"
ARN = f"arn:aws:acm:{REGION}:123456789012:certificate/11111111-2222-3333-4444-555555555555"
OTHER_ARN = ARN.replace("1111", "2222", 1)
NAMES = ("www.example.com", "*.example.com")
TAG = f"certops:acm-arn:{REGION}"
ENCIPHERMENT = frozenset({"DIGITAL_SIGNATURE", "KEY_ENCIPHERMENT"})
SIGNATURE = frozenset({"DIGITAL_SIGNATURE"})
SERVER = frozenset({"TLS_WEB_SERVER_AUTHENTICATION"})


@pytest.fixture(scope="module")
def intermediate() -> CertificateAuthority:
    return CertificateAuthority("Test Intermediate", parent=CertificateAuthority("Test Root"))


def bundle_of(issued: IssuedCertificate) -> CertificateBundle:
    material = parse_secret(issued.secret_string(), ProcessOpener(None))
    bundle, problems = build_bundle(material, VerificationPolicy(), at=now(), why_not_loaded=None)
    assert bundle, problems
    return bundle


def usage(*, encipherment: bool) -> tuple[x509.ExtensionType, bool]:
    rest = dict.fromkeys(
        (
            "content_commitment",
            "data_encipherment",
            "key_agreement",
            "key_cert_sign",
            "crl_sign",
            "encipher_only",
            "decipher_only",
        ),
        False,
    )
    return x509.KeyUsage(digital_signature=True, key_encipherment=encipherment, **rest), True


def wanted(name: str = "web", **fields: t.Any) -> WantedCertificate:
    return WantedCertificate(name, NAMES, **fields)


def entry(**fields: t.Any) -> AcmEntry:
    return dataclasses.replace(AcmEntry(ARN, frozenset(NAMES), True, "EC_prime256v1"), **fields)


# What ACM tells


def test_an_entry_of_a_listing() -> None:
    told = {
        "CertificateArn": ARN,
        "DomainName": "www.example.com",
        "SubjectAlternativeNameSummaries": ["WWW.Example.com", "*.example.com"],
        "HasAdditionalSubjectAlternativeNames": False,
        "Type": "IMPORTED",
        "KeyAlgorithm": "RSA-2048",
        "KeyUsages": ["DIGITAL_SIGNATURE", "KEY_ENCIPHERMENT"],
        "ExtendedKeyUsages": [],
        "NotBefore": now(),
        "NotAfter": now(),
    }
    found = acm_rules.entry_of(told)
    assert found.names == frozenset(NAMES)
    assert (found.imported, found.key_algorithm, found.is_whole) == (True, "RSA_2048", True)
    assert (found.key_usages, found.extended_key_usages) == (ENCIPHERMENT, None)
    assert not acm_rules.entry_of({**told, "HasAdditionalSubjectAlternativeNames": True}).is_whole
    del told["SubjectAlternativeNameSummaries"]
    assert acm_rules.entry_of(told).names == frozenset(["www.example.com"])
    assert not acm_rules.entry_of(told).is_whole
    assert not acm_rules.entry_of({**told, "Type": "AMAZON_ISSUED"}).imported


def test_an_entry_that_is_described() -> None:
    told = {
        "CertificateArn": ARN,
        "DomainName": "www.example.com",
        "SubjectAlternativeNames": list(NAMES),
        "Type": "IMPORTED",
        "KeyAlgorithm": "EC_prime256v1",
        "KeyUsages": [{"Name": "DIGITAL_SIGNATURE"}],
        "ExtendedKeyUsages": [{"Name": "TLS_WEB_SERVER_AUTHENTICATION", "OID": "1.3.6.1.5.5.7.3.1"}],
        "Serial": "0A:bc:01",
    }
    found = acm_rules.entry_of(told)
    assert (found.key_usages, found.extended_key_usages, found.serial) == (SIGNATURE, SERVER, "0abc01")
    assert found.is_whole


def test_a_listing_asks_for_all_kinds_of_keys() -> None:
    assert set(acm_rules.KEY_ALGORITHM_OF) == set(KEY_TYPES)
    assert set(acm_rules.KEY_ALGORITHM_OF.values()) <= set(acm_rules.KEY_ALGORITHMS)


@pytest.mark.parametrize("serial", ["{:x}", "{:X}", "00{:x}", "{}"])
def test_the_serial_number_decides_where_it_is_told(serial: str, intermediate: CertificateAuthority) -> None:
    bundle = bundle_of(intermediate.issue(NAMES, serial_number=0xABC123))
    told = {"CertificateArn": ARN, "DomainName": "x", "Type": "IMPORTED", "Serial": serial.format(0xABC123)}
    assert acm_rules.holds(acm_rules.entry_of(told), bundle)
    assert not acm_rules.holds(acm_rules.entry_of({**told, "Serial": "ab"}), bundle)


def test_otherwise_dates_key_and_names_decide(intermediate: CertificateAuthority) -> None:
    bundle = bundle_of(intermediate.issue(NAMES))
    same = entry(not_before=bundle.not_before, not_after=bundle.not_after)
    assert acm_rules.holds(same, bundle)
    second = datetime.timedelta(seconds=1)
    for other in (
        entry(),
        dataclasses.replace(same, not_before=bundle.not_before + second),
        dataclasses.replace(same, not_after=bundle.not_after - second),
        dataclasses.replace(same, key_algorithm="EC_secp384r1"),
        dataclasses.replace(same, names=frozenset(NAMES[:1])),
    ):
        assert not acm_rules.holds(other, bundle)


def test_regions_of_arns() -> None:
    assert acm_rules.region_of(ARN) == REGION
    assert acm_rules.region_of(ARN.replace("arn:aws:", "arn:aws-cn:")) == REGION
    for text in ("", "new", "certificate/1", ARN.replace(":acm:", ":iam:"), "arn:aws:acm"):
        assert acm_rules.region_of(text) is None


# Which entry is a certificate's


def test_candidates_are_imported_and_for_exactly_these_names() -> None:
    entries = [
        entry(),
        entry(arn=OTHER_ARN),
        entry(arn="issued", imported=False),
        entry(arn="fewer", names=frozenset(NAMES[:1])),
        entry(arn="more", names=frozenset([*NAMES, "example.com"])),
        entry(arn="perhaps", names=frozenset(NAMES[:1]), is_whole=False),
        entry(arn="no", names=frozenset(["example.org"]), is_whole=False),
        entry(arn="another key", key_algorithm="RSA_2048"),
    ]
    found = acm_rules.candidates(wanted(), entries, {OTHER_ARN})
    assert [each.arn for each in found] == [ARN, "perhaps", "another key"]
    upper = WantedCertificate("web", ("*.example.com", "www.example.com"))
    assert acm_rules.candidates(upper, entries[:1], ()) == entries[:1]


def choose(*found: tuple[AcmEntry, str | None]) -> AcmEntry | str | None:
    return acm_rules.choose(wanted(), found, "web", REGION)


def test_the_entry_that_says_so_is_chosen() -> None:
    ours, free, theirs = entry(), entry(arn=OTHER_ARN), entry(arn="theirs")
    assert choose((free, None), (ours, "web"), (theirs, "other")) is ours
    assert choose((free, None), (theirs, "other")) is free
    assert choose((theirs, "other")) is None
    assert choose() is None


def test_one_with_another_key_is_chosen_when_there_is_no_better_one() -> None:
    """So that it is told, instead of a second entry that nothing uses while the first one expires."""
    rsa = entry(arn=OTHER_ARN, key_algorithm="RSA_2048")
    assert choose((rsa, None), (entry(), None)) == entry()
    assert choose((rsa, None)) is rsa
    why = acm_rules.why_not_renewed(rsa, wanted(), None, None)
    assert why
    assert f"{OTHER_ARN} with a key of the kind RSA_2048, and that of an entry cannot change to EC_prime256v1" in why
    assert f"set the tag {TAG} of its secret to new" in why


def test_of_two_the_user_has_to_say_which_one() -> None:
    text = choose((entry(), None), (entry(arn=OTHER_ARN), None))
    assert isinstance(text, str)
    assert ARN in text
    assert OTHER_ARN in text
    assert f"set the tag {TAG} of secret web to its ARN, or to new" in text
    assert isinstance(choose((entry(), "web"), (entry(arn=OTHER_ARN), "web")), str)


def test_long_names_of_secrets_fit_into_a_tag() -> None:
    assert acm_rules.owner_of("web") == "web"
    long = "a" * 400
    assert len(acm_rules.owner_of(long)) <= 256
    assert acm_rules.owner_of(long) != acm_rules.owner_of(long + "b")


# Before anything is ordered


@pytest.mark.parametrize("key_type", KEY_TYPES)
@pytest.mark.parametrize("algorithm", sorted(acm_rules.KEY_ALGORITHM_OF.values()))
def test_type_and_size_of_the_key_stay(key_type: t.Any, algorithm: str) -> None:
    why = acm_rules.why_not_renewed(entry(key_algorithm=algorithm), wanted(key_type=key_type), None, None)
    assert (why is None) == (acm_rules.KEY_ALGORITHM_OF[key_type] == algorithm)


@pytest.mark.parametrize(
    ("key_type", "usages", "profile", "possible"),
    [
        ("rsa2048", ENCIPHERMENT, "tlsserver", False),
        ("rsa4096", ENCIPHERMENT, "shortlived", False),
        ("rsa2048", ENCIPHERMENT, "classic", True),
        ("rsa2048", ENCIPHERMENT, None, True),
        ("rsa2048", SIGNATURE, "tlsserver", True),
        ("rsa2048", None, "tlsserver", True),
        ("ec256", ENCIPHERMENT, "tlsserver", True),
    ],
)
def test_key_encipherment_cannot_vanish_from_rsa(
    key_type: t.Any, usages: frozenset[str] | None, profile: str | None, possible: bool
) -> None:
    present = entry(key_algorithm=acm_rules.KEY_ALGORITHM_OF[key_type], key_usages=usages)
    why = acm_rules.why_not_renewed(present, wanted(key_type=key_type), profile, None)
    assert (why is None) == possible
    if why:
        assert f"certificates of profile {profile} do not have it. Keep the profile" in why


def test_usages_are_taken_from_the_certificate_where_acm_does_not_tell_them(intermediate: CertificateAuthority) -> None:
    def held(encipherment: bool) -> CertificateBundle:
        return bundle_of(
            intermediate.issue(NAMES, key=shared_key("rsa2048"), extra_extensions=[usage(encipherment=encipherment)])
        )

    present = entry(key_algorithm="RSA_2048")
    rsa = wanted(key_type="rsa2048")
    assert acm_rules.why_not_renewed(present, rsa, "tlsserver", held(True))
    assert acm_rules.why_not_renewed(present, rsa, "tlsserver", held(False)) is None


def test_an_entry_for_other_names_is_not_taken_over() -> None:
    why = acm_rules.why_not_renewed(entry(names=frozenset(["example.org"])), wanted(), None, None)
    assert why
    assert f"for other names (example.org). Correct or remove the tag {TAG}" in why
    assert acm_rules.why_not_renewed(entry(names=frozenset(["example.org", NAMES[0]])), wanted(), None, None) is None


# Before it is imported


def test_what_may_be_imported(intermediate: CertificateAuthority) -> None:
    bundle = bundle_of(intermediate.issue(NAMES))
    assert acm_rules.why_not_imported(bundle, None, now()) is None
    assert acm_rules.why_not_imported(bundle, entry(), now()) is None


def test_keys_that_acm_does_not_take(intermediate: CertificateAuthority) -> None:
    why = acm_rules.why_not_imported(bundle_of(intermediate.issue(NAMES, key_type="ed25519")), None, now())
    assert why == "ACM does not take keys of the kind Ed25519."
    bundle = bundle_of(intermediate.issue(NAMES))
    long = dataclasses.replace(bundle, private_key_pem=b"x" * 5121)
    assert "5121 bytes, and ACM takes 5120" in str(acm_rules.why_not_imported(long, None, now()))
    assert acm_rules.why_not_imported(dataclasses.replace(bundle, private_key_pem=b"x" * 5120), None, now()) is None


def test_what_is_not_valid_yet_waits(intermediate: CertificateAuthority) -> None:
    soon = now() + datetime.timedelta(minutes=2)
    bundle = bundle_of(intermediate.issue(NAMES, not_before=soon))
    why = acm_rules.why_not_imported(bundle, None, now())
    assert why
    assert f"valid from {soon:%Y-%m-%dT%H:%M:%S}Z on, and ACM takes none before" in why
    assert acm_rules.why_not_imported(bundle, None, soon) is None


@pytest.mark.parametrize(
    ("before", "after", "key_type", "lost"),
    [
        (True, False, "rsa2048", "KEY_ENCIPHERMENT"),
        (True, False, "ec", None),
        (False, True, "rsa2048", None),
        (True, True, "rsa2048", None),
    ],
)
def test_key_usages_may_be_added_and_not_taken_away(
    before: bool, after: bool, key_type: t.Any, lost: str | None, intermediate: CertificateAuthority
) -> None:
    bundle = bundle_of(
        intermediate.issue(NAMES, key=shared_key(key_type), extra_extensions=[usage(encipherment=after)])
    )
    algorithm = {"ec": "EC_prime256v1", "rsa2048": "RSA_2048"}[key_type]
    present = entry(key_algorithm=algorithm, key_usages=ENCIPHERMENT if before else SIGNATURE)
    why = acm_rules.why_not_imported(bundle, present, now())
    assert (why is None) == (lost is None)
    if lost:
        assert f"has the key usages {lost}, which cannot vanish" in str(why)


def test_client_authentication_may_vanish_and_other_extended_usages_not(intermediate: CertificateAuthority) -> None:
    bundle = bundle_of(intermediate.issue(NAMES, usages=[ExtendedKeyUsageOID.SERVER_AUTH]))
    client = entry(extended_key_usages=SERVER | {"TLS_WEB_CLIENT_AUTHENTICATION"})
    assert acm_rules.why_not_imported(bundle, client, now()) is None
    mail = entry(extended_key_usages=SERVER | {"EMAIL_PROTECTION"})
    assert "EMAIL_PROTECTION" in str(acm_rules.why_not_imported(bundle, mail, now()))


def test_key_and_names_of_an_entry_are_looked_at_again(intermediate: CertificateAuthority) -> None:
    bundle = bundle_of(intermediate.issue(NAMES))
    assert "cannot change" in str(acm_rules.why_not_imported(bundle, entry(key_algorithm="RSA_2048"), now()))
    other = entry(names=frozenset(["example.org"]))
    assert "an entry must keep one" in str(acm_rules.why_not_imported(bundle, other, now()))


def test_a_renewal_takes_no_tags_and_a_new_entry_does(intermediate: CertificateAuthority) -> None:
    issued = intermediate.issue(NAMES)
    bundle, tags = bundle_of(issued), {"b": "2", "a": "1"}
    new = acm_rules.import_request(bundle, None, tags)
    assert new == {
        "Certificate": issued.certificate_pem.encode(),
        "CertificateChain": intermediate.certificate_pem.encode(),
        "PrivateKey": bundle.private_key_pem,
        "Tags": [{"Key": "a", "Value": "1"}, {"Key": "b", "Value": "2"}],
    }
    renewal = acm_rules.import_request(bundle, ARN, tags)
    assert renewal == {**{key: value for key, value in new.items() if key != "Tags"}, "CertificateArn": ARN}


def test_without_intermediates_there_is_no_chain() -> None:
    root = CertificateAuthority("Alone")
    bundle = bundle_of(root.issue(NAMES))
    assert "CertificateChain" not in acm_rules.import_request(bundle, None, {})
