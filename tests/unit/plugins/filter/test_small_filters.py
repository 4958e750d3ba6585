# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The small filters: file names, durations, PEM."""

from __future__ import annotations

import datetime
import json

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.certops.rotation.plugins.filter.certificate_file_name import certificate_file_name
from ansible_collections.certops.rotation.plugins.filter.duration import duration
from ansible_collections.certops.rotation.plugins.filter.pem_bundle import pem_bundle
from ansible_collections.certops.rotation.tests.support import pki


@pytest.fixture(scope="module")
def certificate():
    root = pki.CertificateAuthority("Root")
    return pki.CertificateAuthority("Intermediate", parent=root).issue("www.example.com")


def test_file_names():
    assert certificate_file_name("web/*.example.com") == "web_wildcard.example.com.pem"
    assert certificate_file_name("a:b", extension="key") == "a_b.key"
    assert certificate_file_name("a", extension="") == "a"
    for wrong in ("", None, 7, ["a"]):
        with pytest.raises(AnsibleFilterError, match="name of a secret"):
            certificate_file_name(wrong)


def test_durations():
    assert duration("1h30m") == 5400
    assert duration("0.5s") == 0.5
    assert duration("0") == 0
    assert duration(5400) == "1h30m"
    assert duration(datetime.timedelta(days=8)) == "1w1d"
    assert duration(duration("1w2d3h4m5s")) == "1w2d3h4m5s"


@pytest.mark.parametrize("wrong", ["soon", "7", None, True, [], float("nan"), float("inf"), 1e300])
def test_no_durations(wrong):
    with pytest.raises(AnsibleFilterError):
        duration(wrong)


def test_pem_of_a_dictionary(certificate):
    assert pem_bundle(certificate.secret_document()) == certificate.combined_pem
    assert pem_bundle(certificate.secret_document(certificate_chain=None)) == (
        certificate.certificate_pem + certificate.private_key_pem
    )


def test_pem_of_a_dictionary_of_others(certificate):
    leaf, key = certificate.certificate_pem, certificate.private_key_pem
    vault = {"certificate": leaf, "private_key": key, "ca_chain": [certificate.chain_pem], "expiration": 1}
    for value in (vault, {"data": vault}, {"tls.crt": leaf, "tls.key": key, "ca.crt": certificate.chain_pem}):
        assert pem_bundle(value) == certificate.combined_pem
        assert pem_bundle(value, private_key=False) == leaf + certificate.chain_pem
        text = json.dumps({**value, "trust": pki.CertificateAuthority("Other").certificate_pem})
        assert pem_bundle(text) == certificate.combined_pem
        assert pem_bundle(text, private_key=False) == leaf + certificate.chain_pem
    for private_key in (True, False):
        with pytest.raises(AnsibleFilterError, match="'zwischen' holds a certificate of the chain"):
            pem_bundle({**vault, "ca_chain": [], "zwischen": certificate.chain_pem}, private_key=private_key)


def test_pem_of_a_text_is_put_in_order(certificate):
    shuffled = certificate.private_key_pem + certificate.chain_pem + certificate.certificate_pem
    assert pem_bundle(shuffled.replace("\n", "\r\n")) == certificate.combined_pem


def test_pem_without_the_key(certificate):
    public = certificate.certificate_pem + certificate.chain_pem
    assert pem_bundle(certificate.secret_document(), private_key=False) == public
    assert pem_bundle(certificate.combined_pem, private_key=False) == public
    assert pem_bundle({"certificate": public}, private_key=False) == public


def test_pem_that_is_none(certificate):
    stranger = pki.self_signed("other.example.com")
    key = certificate.private_key_pem
    for wrong in (
        None,
        "",
        {},
        {"certificate": certificate.certificate_pem},
        {"certificate": key, "private_key": key},
        certificate.combined_pem[:-40],
        certificate.combined_pem + stranger.certificate_pem,
        certificate.chain_pem + key,
    ):
        with pytest.raises(AnsibleFilterError) as caught:
            pem_bundle(wrong)
        assert key.splitlines()[1] not in str(caught.value)
    with pytest.raises(AnsibleFilterError, match="no certificate"):
        pem_bundle("nothing", private_key=False)
