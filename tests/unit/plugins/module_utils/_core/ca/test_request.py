# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Requests of hosts: what is read of them, and which names a host may have."""

from __future__ import annotations

import ipaddress

import pytest
from ansible_collections.certops.rotation.plugins.module_utils._core.ca.names import alternative_names
from ansible_collections.certops.rotation.plugins.module_utils._core.ca.request import (
    allowed,
    read_request,
    request_pem,
)
from ansible_collections.certops.rotation.plugins.module_utils._errors import InvalidOption
from ansible_collections.certops.rotation.tests.support import pki
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding

NAMES = alternative_names(["joblet", "127.0.0.1", "::1"])


def asking(*names):
    return read_request(request_pem(pki.shared_key(), alternative_names(names)))


@pytest.mark.parametrize("kind", ["rsa2048", "ec", "ec384", "ed25519"])
def test_what_is_asked_is_read(kind):
    key = pki.shared_key(kind)
    request = read_request("a note\n" + request_pem(key, NAMES))
    assert (request.public_key, request.names) == (key.public_key(), NAMES)


def signed(*names):
    builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([]))
    builder = builder.add_extension(x509.SubjectAlternativeName(names), False) if names else builder
    return builder.sign(pki.shared_key(), hashes.SHA256())


def test_what_is_no_request_is_refused():
    good = request_pem(pki.shared_key(), NAMES)
    der = signed(x509.DNSName("a")).public_bytes(Encoding.DER)
    forged = x509.load_der_x509_csr(der[:-1] + bytes([der[-1] ^ 1])).public_bytes(Encoding.PEM).decode()
    for text, why in (
        ("", "one certificate request"),
        ("nothing", "one certificate request"),
        (good[:100], "one certificate request"),
        (good + good, "one certificate request"),
        ("-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n-----END CERTIFICATE REQUEST-----\n", "one certificate request"),
        (forged, "its own key"),
        (signed().public_bytes(Encoding.PEM).decode(), "no host name"),
        (signed(x509.RFC822Name("a@b.example")).public_bytes(Encoding.PEM).decode(), "neither a host name"),
    ):
        with pytest.raises(InvalidOption, match=why):
            read_request(text)


def test_only_names_that_are_allowed():
    may_have = allowed(NAMES, ["10.0.0.0/8", "fd00::/8", "*.Compute.Internal", " *.b\u00fccher.example "])
    good = ["joblet", "127.0.0.1", "10.1.2.3", "fd00::1", "ip-10-0-0-1.eu.compute.internal", "a.xn--bcher-kva.example"]
    assert may_have.refused(asking(*good)) == []
    bad = ["other", "11.0.0.1", "fe80::1", "compute.internal", "xcompute.internal", "*.compute.internal"]
    assert may_have.refused(asking(*good, *bad)) == bad
    assert allowed(alternative_names(["*.example.com"]), []).refused(asking("*.example.com", "a.example.com")) == [
        "a.example.com"
    ]
    assert allowed(NAMES, ["0.0.0.0/0"]).networks == (ipaddress.ip_network("0.0.0.0/0"),)


@pytest.mark.parametrize(
    "text", ["", "*", "*.", "*.*.example", "example.com", "10.0.0.1/8", "10.0.0.0/33", "a*.example"]
)
def test_what_allows_nothing_is_refused(text):
    with pytest.raises(InvalidOption):
        allowed(NAMES, [text])
