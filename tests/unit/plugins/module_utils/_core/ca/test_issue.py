# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the private authority issues, checked field by field; names; revocation lists."""

from __future__ import annotations

import datetime

import pytest
from ansible_collections.certops.rotation.plugins.module_utils._core.ca.crl import StoredCrl, build_crl
from ansible_collections.certops.rotation.plugins.module_utils._core.ca.issue import (
    SigningAuthority,
    issue_authority,
    issue_client,
    issue_server,
)
from ansible_collections.certops.rotation.plugins.module_utils._core.ca.keys import (
    generate_key,
    key_pem,
    read_key,
    spec_of,
)
from ansible_collections.certops.rotation.plugins.module_utils._core.ca.names import alternative_names
from ansible_collections.certops.rotation.plugins.module_utils._core.ca.profiles import KeySpec, Subject, days
from ansible_collections.certops.rotation.plugins.module_utils._core.x509.certificate import load_certificate
from ansible_collections.certops.rotation.plugins.module_utils._errors import InvalidOption, RotationError
from ansible_collections.certops.rotation.tests.support import pki
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import verification
from cryptography.x509.oid import ExtendedKeyUsageOID

AT = datetime.datetime(2026, 11, 22, 3, 0, tzinfo=datetime.timezone.utc)
DAY = datetime.timedelta(days=1)
HOUR = datetime.timedelta(hours=1)


def authority(key_type="ec", validity=1095 * DAY, at=AT):
    key = pki.shared_key(key_type)
    return SigningAuthority(issue_authority(key, Subject("Joblet-CA", "CA").name(), validity, at), key)


def extension(certificate, kind):
    found = certificate.x509.extensions.get_extension_for_class(kind)
    return found.value, found.critical


def set_bits(certificate):
    usage, critical = extension(certificate, x509.KeyUsage)
    assert critical
    names = (
        "digital_signature",
        "content_commitment",
        "key_encipherment",
        "key_agreement",
        "key_cert_sign",
        "crl_sign",
    )
    return {name for name in names if getattr(usage, name)}


@pytest.mark.parametrize("key_type", ["rsa2048", "ec", "ec384"])
def test_the_authority(key_type):
    certificate = authority(key_type).certificate
    assert certificate.x509.version is x509.Version.v3
    assert certificate.subject == "CN=Joblet-CA,OU=CA,O=Joblet,L=Los Angeles,ST=CA,C=US"
    assert certificate.self_signed
    assert extension(certificate, x509.BasicConstraints) == (x509.BasicConstraints(True, 0), True)
    assert set_bits(certificate) == {"key_cert_sign", "crl_sign"}
    ski, _critical = extension(certificate, x509.SubjectKeyIdentifier)
    aki, _critical = extension(certificate, x509.AuthorityKeyIdentifier)
    assert aki.key_identifier == ski.digest
    assert certificate.not_before == AT - HOUR
    assert certificate.not_after == AT + 1095 * DAY
    assert isinstance(certificate.x509.signature_hash_algorithm, hashes.SHA256)


@pytest.mark.parametrize("key_type", ["rsa2048", "ec"])
def test_leaves(key_type):
    issuer, key = authority(), pki.shared_key(key_type)
    encipherment = {"key_encipherment"} if key_type == "rsa2048" else set()
    client = issue_client(issuer, key.public_key(), Subject("admin-client", "admin").name(), 365 * DAY, AT)
    names = alternative_names(["joblet", "127.0.0.1", "::1"])
    server = issue_server(issuer, key.public_key(), Subject("joblet-server", "Server").name(), 365 * DAY, AT, names)
    for leaf, oid in ((client, ExtendedKeyUsageOID.CLIENT_AUTH), (server, ExtendedKeyUsageOID.SERVER_AUTH)):
        assert leaf.x509.version is x509.Version.v3
        assert leaf.signature_by(issuer.certificate) == "signed"
        assert extension(leaf, x509.BasicConstraints) == (x509.BasicConstraints(False, None), True)
        assert list(extension(leaf, x509.ExtendedKeyUsage)[0]) == [oid]
        ski, _critical = extension(issuer.certificate, x509.SubjectKeyIdentifier)
        assert extension(leaf, x509.AuthorityKeyIdentifier)[0].key_identifier == ski.digest
        assert extension(leaf, x509.SubjectKeyIdentifier)[0].digest
        assert leaf.not_after - leaf.not_before == 365 * DAY + HOUR
    assert set_bits(client) == {"digital_signature"} | encipherment
    assert set_bits(server) == {"digital_signature", "content_commitment"} | encipherment
    assert server.dns_names == ("joblet",)
    assert server.ip_addresses == ("127.0.0.1", "::1")
    assert client.x509.serial_number != server.x509.serial_number


def test_the_chain_is_accepted_by_cryptography():
    issuer, key = authority(), pki.shared_key()
    names = alternative_names(["joblet"])
    server = issue_server(issuer, key.public_key(), Subject("joblet-server", "Server").name(), 365 * DAY, AT, names)
    client = issue_client(issuer, key.public_key(), Subject("admin-client", "admin").name(), 365 * DAY, AT)
    store = verification.Store([issuer.certificate.x509])
    builder = verification.PolicyBuilder().store(store).time(AT)
    builder.build_server_verifier(x509.DNSName("joblet")).verify(server.x509, [])
    assert client.extended_key_usage == (ExtendedKeyUsageOID.CLIENT_AUTH.dotted_string,)


def test_a_leaf_ends_with_its_authority():
    issuer = authority(validity=10 * DAY)
    leaf = issue_client(issuer, pki.shared_key().public_key(), Subject("a").name(), 365 * DAY, AT)
    assert leaf.not_after == issuer.certificate.not_after
    with pytest.raises(RotationError, match="expired on 2026-12-02"):
        issue_client(issuer, pki.shared_key().public_key(), Subject("a").name(), DAY, AT + 10 * DAY)


def test_the_identifier_of_an_imported_authority_is_used():
    key, name = pki.new_key(), Subject("Old").name()
    builder = x509.CertificateBuilder(name, name, key.public_key(), 1, AT, AT + DAY)
    builder = builder.add_extension(x509.BasicConstraints(True, None), True)
    builder = builder.add_extension(x509.SubjectKeyIdentifier(b"chosen"), False)
    issuer = SigningAuthority(load_certificate(builder.sign(key, hashes.SHA256()).public_bytes(Encoding.DER)), key)
    leaf = issue_client(issuer, pki.shared_key().public_key(), Subject("a").name(), DAY, AT)
    assert extension(leaf, x509.AuthorityKeyIdentifier)[0].key_identifier == b"chosen"


# Names


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (["joblet", " localhost ", "joblet", ""], ["joblet", "localhost"]),
        (["127.0.0.1", "0.0.0.0", "::"], ["127.0.0.1"]),
        (["::1", "[2001:db8::1]", "2001:DB8:0::1"], ["::1", "2001:db8::1"]),
        (
            ["Node.Example.COM.", "*.example.com", "bücher.example"],
            ["node.example.com", "*.example.com", "xn--bcher-kva.example"],
        ),
    ],
)
def test_names(given, expected):
    assert [str(name.value) for name in alternative_names(given)] == expected


@pytest.mark.parametrize(
    ("bad", "why"),
    [
        ("999.1.1.1", "looks like an IP address and is none"),
        ("10.0.0", "looks like an IP address and is none"),
        ("::g", "looks like an IP address and is none"),
        ("node:9443", "looks like an IP address and is none"),
        ("fe80::1%eth0", "has a zone"),
        ("a b", "neither a host name nor an IP address"),
        ("*", "neither a host name nor an IP address"),
        ("-a.example", "neither a host name nor an IP address"),
        ("a" * 64, "neither a host name nor an IP address"),
    ],
)
def test_bad_names(bad, why):
    with pytest.raises(InvalidOption, match=why):
        alternative_names(["joblet", bad])


def test_no_name_is_none_too_many():
    with pytest.raises(InvalidOption, match="at least one"):
        alternative_names(["0.0.0.0", " "])


# Keys and profiles


@pytest.mark.parametrize(
    "spec",
    [
        *[KeySpec("rsa", 2048), KeySpec("ec", 256), KeySpec("ec", 384), KeySpec("ec", 521)],
        *[KeySpec("ed25519", 256), KeySpec("ed448", 448)],
    ],
)
def test_keys(spec):
    key = generate_key(spec)
    assert read_key(key_pem(key)).public_key() == key.public_key()
    assert spec_of(key.public_key()) == spec


@pytest.mark.parametrize(("kind", "size"), [("rsa", 1024), ("rsa", 256), ("ec", 224), ("ec", 2048)])
def test_key_sizes_that_are_refused(kind, size):
    with pytest.raises(InvalidOption, match=f"not {size}"):
        KeySpec(kind, size)


def test_keys_that_are_not_made_here():
    with pytest.raises(RotationError, match="key_type"):
        spec_of(pki.shared_key("ec224").public_key())


@pytest.mark.parametrize("count", [0, -1, 40000])
def test_lifetimes_that_are_none(count):
    with pytest.raises(InvalidOption, match="validity_days"):
        days(count)


def test_a_subject_that_does_not_fit():
    with pytest.raises(InvalidOption, match="subject"):
        Subject("x", country="Germany").name()
    assert Subject("x", organization="", locality="", state="", country="").name().rfc4514_string() == "CN=x"


# Revocation lists


def test_revocation_lists():
    first, second = (
        authority(),
        SigningAuthority(issue_authority(pki.new_key(), Subject("Joblet-CA", "CA").name(), DAY, AT), pki.new_key()),
    )
    second = SigningAuthority(issue_authority(second.key, Subject("Joblet-CA", "CA").name(), DAY, AT), second.key)
    text = build_crl(first, {5: AT, 7: AT}, AT, 3) + build_crl(second, {}, AT, 4)
    stored = StoredCrl(text)
    assert stored.revoked(first.certificate) == {5: AT, 7: AT}
    assert stored.revoked(second.certificate) == {}
    assert stored.number() == 4
    assert stored.is_for([second.certificate, first.certificate])
    assert not stored.is_for([first.certificate])
    crl = stored.of(first.certificate)
    assert crl.next_update_utc == first.certificate.not_after
    assert crl.issuer == first.certificate.x509.subject


def test_a_list_that_cannot_be_read():
    with pytest.raises(RotationError, match="cannot be read"):
        StoredCrl("-----BEGIN X509 CRL-----\nAAAA\n-----END X509 CRL-----\n")
