# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A stored authority as results and diffs show it: judged, and without a key that nobody masks."""

from __future__ import annotations

import datetime
import json

import pytest
from ansible_collections.certops.rotation.plugins.module_utils._core.ca.crl import build_crl
from ansible_collections.certops.rotation.plugins.module_utils._core.ca.issue import issue_authority, issue_client
from ansible_collections.certops.rotation.plugins.module_utils._core.ca.keys import key_pem, quick_key
from ansible_collections.certops.rotation.plugins.module_utils._core.ca.profiles import KeySpec, Subject
from ansible_collections.certops.rotation.plugins.module_utils._core.secrets.shared import SecretText
from ansible_collections.certops.rotation.plugins.module_utils._core.shared_ca.facts import facts, outcome_items, shown
from ansible_collections.certops.rotation.plugins.module_utils._core.shared_ca.state import Client, Names, Pair, State
from ansible_collections.certops.rotation.plugins.module_utils._core.x509.problems import error
from ansible_collections.certops.rotation.plugins.module_utils._ports.openssl.peers import why_not_believed

AT = datetime.datetime(2026, 11, 22, 3, 0, tzinfo=datetime.timezone.utc)
DAY = datetime.timedelta(days=1)


def authority(name):
    key = quick_key(KeySpec("ec", 256))
    return Pair(f"{name}-id", issue_authority(key, Subject(name, "CA").name(), 1000 * DAY, AT), key, "key-id")


def client(name, issuer, days=365):
    key = quick_key(KeySpec("ec", 256))
    certificate = issue_client(issuer.issuer, key.public_key(), Subject(name).name(), days * DAY, AT)
    return Client(name, Pair(f"{name}-id", certificate, key, "key-id"), None, (certificate,))


def state(current, *clients, successor=None, crl=None):
    return State(
        names=Names("joblet"),
        current=current,
        successor=successor,
        retiring=None,
        labels={},
        keys=None,
        clients={each.name: each for each in clients},
        crl=SecretText("crl-id", frozenset(), crl) if crl else None,
    )


@pytest.fixture(scope="module")
def current():
    return authority("one")


def test_no_key_is_told_where_nobody_masks(current):
    ours = state(current, client("admin", current), successor=authority("two"))
    for told in (facts(ours, AT, DAY, why_not_believed), shown(ours)):
        assert "PRIVATE" not in json.dumps(told)
        assert "private_key" not in json.dumps(told)


def test_each_key_is_masked_before_it_is_returned(current):
    masked = []
    admin, lost = client("admin", current), client("lost", current)
    lost = Client("lost", Pair("lost-id", lost.pair.certificate, None, None), None, ())
    told = facts(state(current, admin, lost), AT, DAY, why_not_believed, masked.append)
    assert masked == [key_pem(current.key), key_pem(admin.pair.key)]
    assert [each["private_key"] for each in told["certificates"]] == [*masked, None]


def test_certificates_are_judged_by_their_role(current):
    successor, other = authority("two"), authority("three")
    foreign, short = client("foreign", other), client("short", current, days=10)
    torn = Client("torn", Pair("torn-id", None, None, None, (error("private_key_missing", "Gone."),)), None, ())
    told = facts(
        state(current, foreign, short, torn, Client("none", None, None, ()), successor=successor),
        AT,
        30 * DAY,
        why_not_believed,
    )
    seen = [(each["name"], each["secret"], each["role"], each["valid"]) for each in told["certificates"]]
    assert seen == [
        ("ca", "joblet/ca-cert", "current", True),
        ("ca", "joblet/ca-cert", "successor", True),
        ("foreign", "joblet/client-cert-foreign", "client", False),
        ("short", "joblet/client-cert-short", "client", True),
        ("torn", "joblet/client-cert-torn", "client", False),
    ]
    assert [(problem["name"], problem["code"]) for problem in told["problems"]] == [
        ("foreign", "chain_signature_invalid"),
        ("short", "expires_too_soon"),
        ("torn", "private_key_missing"),
    ]
    assert told["stage"] == "published"
    fingerprints = [pair.certificate.fingerprint_sha256 for pair in (current, successor)]
    assert told["fingerprint_sha256"] == fingerprints[0]
    assert told["trusted_fingerprints"] == sorted(fingerprints), "as old as each other"


def test_nothing_is_stored():
    nothing = state(None)
    told = facts(nothing, AT, DAY, why_not_believed)
    assert (told["stage"], told["ca_certificate"], told["trust_bundle"], told["crl"]) == ("absent", None, "", None)
    assert (told["certificates"], told["problems"]) == ([], [])
    assert shown(nothing) == {"stage": "absent", "certificates": {}}


def test_who_is_revoked_is_not_valid_and_a_diff_says_so(current):
    gone, stays = client("gone", current), client("stays", current)
    crl = build_crl(current.issuer, {gone.pair.certificate.x509.serial_number: AT}, AT, 1)
    ours = state(current, gone, stays, crl=crl)
    told = {
        each["name"]: (each["revoked"], each["valid"])
        for each in facts(ours, AT, DAY, why_not_believed)["certificates"]
    }
    assert told == {"ca": (False, True), "gone": (True, False), "stays": (False, True)}
    assert shown(ours) == {
        "stage": "settled",
        "certificates": {
            f"joblet/{secret}": {
                "fingerprint_sha256": pair.certificate.fingerprint_sha256,
                "not_after": until,
                "revoked": revoked,
            }
            for secret, pair, until, revoked in (
                ("ca-cert (current)", current, "2029-08-18T03:00:00Z", False),
                ("client-cert-gone (client)", gone.pair, "2027-11-22T03:00:00Z", True),
                ("client-cert-stays (client)", stays.pair, "2027-11-22T03:00:00Z", False),
            )
        },
    }


def test_a_certificate_that_cannot_be_read_has_no_dates(current):
    broken = Client("admin", Pair("id", None, None, None, (error("certificate_invalid", "No."),)), None, ())
    assert shown(state(current, broken))["certificates"]["joblet/client-cert (client)"] == {
        "fingerprint_sha256": None,
        "not_after": None,
        "revoked": False,
    }


def test_what_a_run_has_not_written_is_retrieved(current):
    ours = state(current, client("admin", current), Client("ci", None, None, ()), crl="a list")
    assert outcome_items(ours, {"joblet/client-key-old": "renewed", "joblet/crl": "generated"}) == {
        "ca-cert": "retrieved",
        "ca-key": "retrieved",
        "client-cert": "retrieved",
        "client-key": "retrieved",
        "client-key-old": "renewed",
        "crl": "generated",
    }
