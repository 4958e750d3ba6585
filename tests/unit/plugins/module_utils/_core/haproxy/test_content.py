# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Combined PEM against what HAProxy reports."""

from __future__ import annotations

import dataclasses

import pytest
from ansible_collections.certops.rotation.plugins.module_utils._core.haproxy.content import check_key, parse_content
from ansible_collections.certops.rotation.plugins.module_utils._core.haproxy.parsing import StoredCertificate
from ansible_collections.certops.rotation.plugins.module_utils._core.instants import isoformat_utc
from ansible_collections.certops.rotation.plugins.module_utils._core.x509.problems import MaterialError
from ansible_collections.certops.rotation.plugins.module_utils._ports.openssl.loadable import why_not_loaded
from ansible_collections.certops.rotation.tests.support import pki
from cryptography import x509
from cryptography.x509.oid import NameOID

ROOT = pki.CertificateAuthority("Root")
ISSUING = pki.CertificateAuthority("Issuing", parent=ROOT)
LEAF = ISSUING.issue("a.example.com")


def stored_like(content_pem: str) -> StoredCertificate:
    content = parse_content(content_pem)
    chain = tuple((subject or "", issuer or "") for subject, issuer in content.chain)
    return StoredCertificate(
        name="/a.pem",
        status="Used",
        serial_number=content.leaf.serial_number,
        fingerprint_sha1=content.fingerprint_sha1,
        not_before=isoformat_utc(content.leaf.not_before),
        not_after=content.not_after,
        chain=chain,
    )


def test_matches_leaf_and_chain() -> None:
    content = parse_content(LEAF.combined_pem)
    stored = stored_like(LEAF.combined_pem)
    assert content.matches(stored)
    assert not content.matches(stored_like(ISSUING.issue("a.example.com").combined_pem))
    assert not content.matches(dataclasses.replace(stored, chain=()))
    assert not content.matches(dataclasses.replace(stored, chain=stored.chain * 2))
    assert not content.matches(dataclasses.replace(stored, chain=(("/CN=other", "/CN=other"),)))
    alone = parse_content(LEAF.certificate_pem + LEAF.private_key_pem)
    assert not alone.matches(stored)
    assert alone.matches(dataclasses.replace(stored, chain_from_directory=True))


def test_ed25519_is_recognised_without_fingerprint() -> None:
    leaf = ISSUING.issue("a.example.com", key_type="ed25519")
    stored = dataclasses.replace(stored_like(leaf.combined_pem), fingerprint_sha1=None, chain=())
    assert parse_content(leaf.combined_pem).matches(stored)
    assert not parse_content(LEAF.combined_pem).matches(stored)


@pytest.mark.parametrize("value", ["Ä GmbH", "a/b=c, d"])
def test_names_in_openssl_form(value: str) -> None:
    name = x509.Name(
        [x509.NameAttribute(NameOID.COUNTRY_NAME, "DE"), x509.NameAttribute(NameOID.ORGANIZATION_NAME, value)]
    )
    member = ISSUING.certificate
    builder = (
        x509.CertificateBuilder(name, name)
        .public_key(ISSUING.key.public_key())
        .serial_number(1)
        .not_valid_before(member.not_valid_before_utc)
        .not_valid_after(member.not_valid_after_utc)
    )
    pem = pki.certificate_pem(builder.sign(ISSUING.key, member.signature_hash_algorithm))
    assert parse_content(LEAF.certificate_pem + pem).chain == ((f"/C=DE/O={value}", f"/C=DE/O={value}"),)


def test_unknown_name_forms_do_not_cause_endless_updates() -> None:
    content = dataclasses.replace(parse_content(LEAF.combined_pem), chain=((None, None),))
    assert content.matches(dataclasses.replace(stored_like(LEAF.combined_pem), chain=(("/x", "/y"),)))


def test_payload_is_pem_alone() -> None:
    decorated = "text\r\n\r\n" + LEAF.combined_pem.replace("\n", "\r\n").replace("-----BEGIN", "\r\n -----BEGIN")
    payload = parse_content(decorated).payload
    assert payload == LEAF.combined_pem.rstrip("\n")
    assert "\n\n" not in payload


@pytest.mark.parametrize("key_type", ["ec", "ed25519", "rsa2048"])
def test_key_of_the_leaf(key_type: pki.KeyType) -> None:
    leaf = ISSUING.issue("a.example.com", key=pki.shared_key(key_type))
    check_key(parse_content(leaf.combined_pem), why_not_loaded)
    for wrong, code in (
        (leaf.replace(private_key_pem=LEAF.private_key_pem), "private_key_mismatch"),
        (leaf.replace(private_key_pem=""), "private_key_missing"),
        (leaf.replace(private_key_pem=leaf.private_key_pem * 2), "multiple_private_keys"),
        (
            leaf.replace(private_key_pem=pki.private_key_pem(pki.shared_key("ec"), passphrase=b"x")),
            "private_key_encrypted",
        ),
    ):
        with pytest.raises(MaterialError) as caught:
            check_key(parse_content(wrong.combined_pem), why_not_loaded)
        assert caught.value.problem.code == code
