# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The judgement on what is stored, and when a server's certificate is issued anew."""

from __future__ import annotations

import datetime

import pytest
from ansible_collections.certops.rotation.plugins.module_utils._core.ca.issue import (
    SigningAuthority,
    issue_authority,
    issue_client,
    issue_server,
)
from ansible_collections.certops.rotation.plugins.module_utils._core.ca.judge import (
    authority_problems,
    is_ending,
    leaf_problems,
    server_renewal_reason,
)
from ansible_collections.certops.rotation.plugins.module_utils._core.ca.names import alternative_names
from ansible_collections.certops.rotation.plugins.module_utils._core.ca.profiles import Subject
from ansible_collections.certops.rotation.plugins.module_utils._core.ca.trust import PeerTrust
from ansible_collections.certops.rotation.plugins.module_utils._ports.openssl.peers import why_not_believed
from ansible_collections.certops.rotation.tests.support import pki

AT = datetime.datetime(2026, 11, 22, 3, 0, tzinfo=datetime.timezone.utc)
DAY = datetime.timedelta(days=1)
WARN = 30 * DAY
NAMES = ("joblet", "localhost", "127.0.0.1", "::1")


def new_authority(validity=1095 * DAY):
    key = pki.new_key()
    return SigningAuthority(issue_authority(key, Subject("Joblet-CA", "CA").name(), validity, AT), key)


@pytest.fixture(scope="module")
def issuer():
    return new_authority()


def codes(problems):
    return [problem.code for problem in problems]


def client(issuer, validity=365 * DAY):
    key = pki.shared_key()
    return issue_client(issuer, key.public_key(), Subject("admin-client", "admin").name(), validity, AT), key


def server(issuer, names=NAMES, validity=365 * DAY, at=AT):
    key, subject = pki.shared_key(), Subject("joblet-server", "Server").name()
    return issue_server(issuer, key.public_key(), subject, validity, at, alternative_names(names)), key


def test_an_authority(issuer):
    def judged(at, certificate=issuer.certificate, key=issuer.key):
        return codes(authority_problems(certificate, key, at, WARN))

    assert judged(AT) == []
    assert judged(AT + 1066 * DAY) == ["expires_too_soon"]
    assert judged(AT + 1096 * DAY) == ["expired"]
    assert judged(AT - DAY) == ["not_yet_valid"]
    assert judged(AT, key=pki.new_key()) == ["private_key_mismatch"]
    leaf, key = client(issuer)
    assert judged(AT, leaf, key) == ["intermediate_not_ca"]


def test_a_client(issuer):
    leaf, key = client(issuer)

    def judged(at=AT, certificate=leaf, private_key=key, authorities=(issuer.certificate,)):
        trust = PeerTrust(tuple(authorities))
        return codes(leaf_problems(certificate, private_key, "client", trust, at, WARN, why_not_believed))

    assert judged() == []
    assert judged(AT + 336 * DAY) == ["expires_too_soon"]
    assert judged(AT + 366 * DAY) == ["expired"]
    assert judged(private_key=pki.new_key()) == ["private_key_mismatch"]
    # Another authority of the same name does not do.
    assert judged(authorities=[new_authority().certificate]) == ["chain_signature_invalid"]
    assert judged(authorities=[new_authority().certificate, issuer.certificate]) == []
    assert judged(authorities=[issuer.certificate, new_authority().certificate]) == []
    assert judged(certificate=server(issuer)[0]) == ["purpose_not_allowed"]


def test_when_a_server_gets_another_certificate(issuer):
    leaf, key = server(issuer)

    def reason(at=AT, certificate=leaf, private_key=key, authority=issuer.certificate, names=NAMES, **options):
        asked = {"is_refused": lambda: False, **options}
        return server_renewal_reason(certificate, private_key, authority, names, at, 365 * DAY, **asked)

    assert reason() is None
    assert reason(names=["LOCALHOST", "joblet", "::1", "127.0.0.1"]) is None
    assert reason(certificate=None) == "missing"
    assert reason(private_key=None) == "missing"
    assert reason(private_key=pki.new_key()) == "key_broken"
    assert reason(authority=new_authority().certificate) == "ca_changed"
    assert reason(names=[*NAMES, "10.0.0.1"]) == "names_changed"
    assert reason(names=NAMES[:-1]) == "names_changed"
    assert reason(is_refused=lambda: True) == "refused"
    assert reason(AT + 336 * DAY) == "expiring"
    assert reason(AT + 334 * DAY) is None
    assert reason(AT + 334 * DAY, renew_before=60 * DAY) == "expiring"
    assert reason(AT + 336 * DAY, renew_before=10 * DAY) is None
    assert reason(certificate=client(issuer)[0], names=[]) == "purpose"


@pytest.mark.parametrize("renew_before", [None, 30 * DAY, 364 * DAY])
@pytest.mark.parametrize("left", [DAY, 9 * DAY, 29 * DAY, 100 * DAY, 400 * DAY])
def test_a_certificate_is_due_only_while_another_one_would_end_later(renew_before, left):
    """Each run would make another one with the same end, as nothing outlives the authority."""
    issuer = new_authority(left)
    leaf, _key = server(issuer)
    now, made = AT, 0
    while now < issuer.certificate.not_after:
        if is_ending(leaf, issuer.certificate, now, 365 * DAY, renew_before):
            before, made = leaf.not_after, made + 1
            leaf, _key = server(issuer, at=now)
            assert leaf.not_after > before
            assert not is_ending(leaf, issuer.certificate, now, 365 * DAY, renew_before)
        assert leaf.not_after >= now
        now += left / 20
    assert leaf.not_after == issuer.certificate.not_after
    assert (made > 0) == (left > 365 * DAY)


def test_a_lifetime_that_was_made_shorter_makes_nobody_end_earlier(issuer):
    leaf, _key = server(issuer)
    assert not is_ending(leaf, issuer.certificate, AT + 340 * DAY, 10 * DAY)
    assert is_ending(leaf, issuer.certificate, AT + 356 * DAY, 10 * DAY)
    assert is_ending(leaf, issuer.certificate, AT + 366 * DAY, 10 * DAY)
