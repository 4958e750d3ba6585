# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Does a certificate expire, asked of whatever a playbook holds."""

from __future__ import annotations

import datetime

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.certops.rotation.plugins.test.expired import expired
from ansible_collections.certops.rotation.plugins.test.expiring_within import expiring_within
from ansible_collections.certops.rotation.tests.support import pki

AT = "2027-01-01T00:00:00Z"
END = "2027-01-31T00:00:00Z"


@pytest.mark.parametrize(
    "certificate",
    [END, {"not_after": END}, datetime.datetime(2027, 1, 31, tzinfo=datetime.timezone.utc), {"certificate": END}],
    ids=str,
)
def test_instants(certificate):
    assert not expiring_within(certificate, "30d", at=AT)
    assert expiring_within(certificate, "30d1s", at=AT)
    assert expiring_within(certificate, "0", at="2027-02-01T00:00:00Z"), "expired is within any duration"
    assert not expired(certificate, at="2027-01-30T23:59:59Z")
    assert expired(certificate, at=END)


def test_pem():
    instant = datetime.datetime(2027, 1, 31, tzinfo=datetime.timezone.utc)
    certificate = pki.self_signed("a.example.com", not_after=instant)
    for value in (certificate.certificate_pem, certificate.combined_pem, certificate.secret_document()):
        assert expiring_within(value, "31d", at=AT)
        assert not expiring_within(value, "30d", at=AT)


def test_now():
    fresh = pki.self_signed("a.example.com", not_after=pki.now() + datetime.timedelta(days=10)).certificate_pem
    assert [expired(fresh), expiring_within(fresh, "9d"), expiring_within(fresh, "11d")] == [False, False, True]


@pytest.mark.parametrize("wrong", [None, {}, [], 7, "soon", "2027-01-31", "-----BEGIN CERTIFICATE-----"])
def test_what_has_no_end(wrong):
    with pytest.raises(AnsibleFilterError):
        expired(wrong)
    with pytest.raises(AnsibleFilterError):
        expiring_within(wrong, "7d")


def test_what_is_no_duration():
    with pytest.raises(AnsibleFilterError, match="Add a unit"):
        expiring_within(END, "7")


def test_a_key_is_not_quoted():
    key = pki.self_signed("a.example.com").private_key_pem
    for value in (key, "".join(key.splitlines()[1:-1])):
        with pytest.raises(AnsibleFilterError) as caught:
            expired(value)
        assert key.splitlines()[1] not in str(caught.value)
