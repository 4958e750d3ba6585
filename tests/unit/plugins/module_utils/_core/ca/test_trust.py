# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The order of a bundle, and the names of authorities that follow each other."""

from __future__ import annotations

import datetime
import itertools

import pytest
from ansible_collections.certops.rotation.plugins.module_utils._core.ca.trust import (
    PeerTrust,
    arranged,
    successor_subject,
)
from ansible_collections.certops.rotation.plugins.module_utils._ports.openssl.peers import why_not_believed
from ansible_collections.certops.rotation.tests.support import pki
from ansible_collections.certops.rotation.tests.support.odd_authorities import name, odd_authority, odd_leaf
from cryptography import x509

AT = datetime.datetime(2026, 11, 22, 3, 0, tzinfo=datetime.timezone.utc)
DAY = datetime.timedelta(days=1)
YOUNG, OLD = odd_authority(at=AT, age=DAY), odd_authority(at=AT, age=2 * DAY)
MUTE = odd_authority(at=AT, age=3 * DAY, key_identifier=None)


def test_one_order_whatever_the_order_is():
    certificates = [each.certificate for each in (OLD, YOUNG, MUTE)]
    for given in itertools.permutations([*certificates, *certificates[:1]]):
        assert arranged(given) == tuple(certificates)


@pytest.mark.parametrize("issuer", [OLD, YOUNG, MUTE])
@pytest.mark.parametrize("purpose", ["server", "client"])
def test_all_that_name_a_key_find_their_issuer_in_that_order(issuer, purpose):
    trust = PeerTrust(arranged(each.certificate for each in (MUTE, YOUNG, OLD)))
    leaf, key = odd_leaf(issuer, purpose, at=AT, identifying="key")
    shown = leaf.pem + pki.private_key_pem(key).encode()
    assert why_not_believed(trust.question(purpose, shown, AT)) is None
    if issuer is not MUTE:
        worse = PeerTrust((MUTE.certificate, OLD.certificate, YOUNG.certificate))
        assert why_not_believed(worse.question(purpose, shown, AT)) == "certificate signature failure"


def test_one_that_is_out_of_date_is_passed_over_for_one_of_its_name_as_openssl_does():
    ended = odd_authority(at=AT - 2000 * DAY, key_identifier=None)
    leaf, key = odd_leaf(YOUNG, "server", at=AT)
    trust = PeerTrust((ended.certificate, YOUNG.certificate))
    assert why_not_believed(trust.question("server", leaf.pem + pki.private_key_pem(key).encode(), AT)) is None


def test_a_successor_gets_a_name_of_its_own_where_it_could_not_be_told_apart():
    key = pki.new_key().public_key()
    qualifier = x509.SubjectKeyIdentifier.from_public_key(key).digest.hex()[:8]
    assert successor_subject(name(), key, None) == name()
    assert successor_subject(name(), key, OLD.certificate) == name()
    assert successor_subject(name("Other"), key, MUTE.certificate) == name("Other")
    for wanted in (name(), name("JOBLET-CA"), name("Joblet-CA ")):
        own = successor_subject(wanted, key, MUTE.certificate)
        assert own.rfc4514_string().casefold() == f"2.5.4.46={qualifier},{wanted.rfc4514_string()}".casefold()
