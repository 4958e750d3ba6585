# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import ipaddress
import typing as t

import pytest
from ansible_collections.certops.rotation.plugins.module_utils._core.acme.csr import (
    compact_key,
    csr_der,
    expand_key,
    key_spec,
    key_type_of,
)
from ansible_collections.certops.rotation.plugins.module_utils._core.acme.wanted import KEY_TYPES, WantedCertificate
from ansible_collections.certops.rotation.plugins.module_utils._core.ca.keys import generate_key, key_pem
from ansible_collections.certops.rotation.plugins.module_utils._errors import RotationError
from ansible_collections.certops.rotation.tests.support import issuance, pki
from cryptography import x509

LONG = "a." + "b" * 60 + ".example.com"


def request(*identifiers: str, profile: str | None = None) -> x509.CertificateSigningRequest:
    wanted = WantedCertificate("name", identifiers)
    return x509.load_der_x509_csr(csr_der(pki.shared_key(), wanted, profile))


def common_names(csr: x509.CertificateSigningRequest) -> list[t.Any]:
    return [attribute.value for attribute in csr.subject]


def test_all_names_are_asked_for_in_order() -> None:
    csr = request("*.example.com", "example.com", "192.0.2.1", "2001:db8::1")
    names = csr.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert [name.value for name in names] == [
        "*.example.com",
        "example.com",
        ipaddress.ip_address("192.0.2.1"),
        ipaddress.ip_address("2001:db8::1"),
    ]
    assert csr.is_signature_valid
    assert csr.public_key() == pki.shared_key().public_key()


@pytest.mark.parametrize(
    ("identifiers", "profile", "common_name"),
    [
        (("b.example.com", "a.example.com"), None, ["b.example.com"]),
        (("b.example.com",), "classic", ["b.example.com"]),
        (("b.example.com",), "tlsserver", []),
        (("b.example.com",), "shortlived", []),
        ((LONG, "b.example.com"), None, ["b.example.com"]),
        ((LONG,), None, []),
        (("192.0.2.1",), None, []),
        (("192.0.2.1", "b.example.com"), None, ["b.example.com"]),
    ],
)
def test_the_common_name(identifiers: tuple[str, ...], profile: str | None, common_name: list[str]) -> None:
    assert common_names(request(*identifiers, profile=profile)) == common_name


@pytest.mark.parametrize("key_type", ["ec256", "ec384", "rsa2048"])
def test_keys_are_of_the_type_and_come_back_from_their_compact_form(key_type: t.Any) -> None:
    key = generate_key(key_spec(key_type))
    pki.private_key_pem(key)  # for the guard of all tests
    text = compact_key(key)
    assert key_pem(expand_key(text)) == key_pem(key)
    assert "\n" not in text
    issued = issuance.bundle(key=key)
    assert key_type_of(issued.key) == key_type


def test_every_key_type_has_its_specification() -> None:
    assert [(key_spec(each).kind, key_spec(each).size) for each in KEY_TYPES] == [
        ("ec", 256),
        ("ec", 384),
        ("rsa", 2048),
        ("rsa", 3072),
        ("rsa", 4096),
    ]
    assert key_type_of("RSA 1024") is None
    assert key_type_of("Ed25519") is None


def test_a_damaged_key_is_not_quoted() -> None:
    text = compact_key(pki.shared_key())
    for damaged in (text[:-8], "!" + text, "", text[4:], "AAAA"):
        with pytest.raises(RotationError) as caught:
            expand_key(damaged)
        assert text[8:40] not in str(caught.value)
