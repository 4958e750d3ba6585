# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Trials of authorities by handshakes in memory, held against what the program openssl says."""

from __future__ import annotations

import dataclasses
import datetime
import ipaddress
import subprocess

import pytest
from ansible_collections.certops.rotation.plugins.module_utils._core.ca.crl import build_crl
from ansible_collections.certops.rotation.plugins.module_utils._core.ca.issue import (
    SigningAuthority,
    issue_authority,
    issue_client,
    issue_server,
)
from ansible_collections.certops.rotation.plugins.module_utils._core.ca.keys import key_pem, read_key
from ansible_collections.certops.rotation.plugins.module_utils._core.ca.names import alternative_names
from ansible_collections.certops.rotation.plugins.module_utils._core.ca.profiles import Subject
from ansible_collections.certops.rotation.plugins.module_utils._core.ca.trial import PeerQuestion, require_belief
from ansible_collections.certops.rotation.plugins.module_utils._core.x509.certificate import load_certificate
from ansible_collections.certops.rotation.plugins.module_utils._core.x509.name_constraints import allowed_name
from ansible_collections.certops.rotation.plugins.module_utils._errors import RotationError
from ansible_collections.certops.rotation.plugins.module_utils._ports.openssl import loadable
from ansible_collections.certops.rotation.plugins.module_utils._ports.openssl.peers import why_not_believed
from ansible_collections.certops.rotation.tests.support import pki
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from hypothesis import given, settings
from hypothesis import strategies as st

DAY = datetime.timedelta(days=1)
CLIENT = Subject("admin-client", "admin").name()


def signing(authority):
    """With all that are above it."""
    path, each = [], authority
    while each:
        path.append(load_certificate(each.certificate.public_bytes(Encoding.DER)))
        each = each.parent
    return SigningAuthority(path[0], authority.key, tuple(path[1:]))


def try_out(issuer, client=CLIENT):
    require_belief(issuer, {"admin": client}, Subject("Joblet-CA").name(), pki.now(), why_not_believed)


def constrained(permitted=None, excluded=None, **options):
    constraints = x509.NameConstraints(permitted, excluded)
    return pki.CertificateAuthority("Narrow", extra_extensions=[(constraints, True)], **options)


@pytest.mark.parametrize("kind", ["ec", "ec384", "ec521", "brainpool", "rsa2048", "ed25519", "ed448"])
def test_authorities_of_every_good_kind_of_key(kind):
    others = {"ec521": ec.SECP521R1, "brainpool": ec.BrainpoolP256R1}
    key = ec.generate_private_key(others[kind]()) if kind in others else pki.new_key(kind)
    root = pki.CertificateAuthority("Root", key=key)
    try_out(signing(root))
    try_out(signing(pki.CertificateAuthority("Last", key=key, parent=root, path_length=0)))


@pytest.mark.parametrize(
    ("authority", "why"),
    [
        (lambda: pki.CertificateAuthority("Weak", key_type="rsa1024"), "key too small"),
        (
            lambda: pki.CertificateAuthority("Below", parent=pki.CertificateAuthority("Zero", path_length=0)),
            "path length constraint exceeded",
        ),
        (
            lambda: pki.CertificateAuthority(
                "Usage", extra_extensions=[(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), False)]
            ),
            "peers refuse the client admin that it issues",
        ),
        (
            lambda: pki.CertificateAuthority(
                "Usage", extra_extensions=[(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), False)]
            ),
            "peers refuse a server that it issues",
        ),
        (
            lambda: pki.CertificateAuthority(
                "Odd", extra_extensions=[(x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3"), b"\x05\0"), True)]
            ),
            "unhandled critical extension",
        ),
        (lambda: constrained([x509.DirectoryName(Subject("x", organization="Other").name())]), "O=Joblet"),
    ],
)
def test_authorities_that_peers_refuse(authority, why):
    with pytest.raises(RotationError) as raised:
        try_out(signing(authority()))
    assert why in raised.value.message


def test_an_authority_without_its_root_is_not_believed():
    last = pki.CertificateAuthority("Last", parent=pki.CertificateAuthority("Root"))
    with pytest.raises(RotationError, match="unable to get issuer certificate"):
        try_out(SigningAuthority(signing(last).certificate, last.key))


def test_a_key_for_rsassa_pss_alone_is_refused():
    """cryptography signs with it as with any other one; no peer believes that."""
    made = pki.rsassa_pss("pss.example.com")
    certificate = x509.load_pem_x509_certificate(made[made.index("-----BEGIN CERT") :].encode())
    key = read_key(made[: made.index("-----BEGIN CERT")])
    with pytest.raises(RotationError, match="peers refuse"):
        try_out(SigningAuthority(load_certificate(certificate.public_bytes(Encoding.DER)), key))


def test_the_clock_of_the_host_does_not_matter():
    """Dates are judged by the core, at its instant."""
    old = pki.CertificateAuthority("Old", not_after=pki.now() - 100 * DAY, not_before=pki.now() - 200 * DAY)
    subject = Subject("Joblet-CA").name()
    require_belief(signing(old), {"admin": CLIENT}, subject, pki.now() - 150 * DAY, why_not_believed)


def test_what_is_issued_here_is_believed_by_those_who_are_strict():
    key = pki.shared_key()
    own = SigningAuthority(issue_authority(key, Subject("Joblet-CA", "CA").name(), DAY, pki.now()), key)

    def strictly(question):
        return why_not_believed(dataclasses.replace(question, strict=True))

    require_belief(own, {"admin": CLIENT}, Subject("Joblet-CA", "CA").name(), pki.now(), strictly)
    leaf = issue_server(own, key.public_key(), x509.Name([]), DAY, pki.now(), alternative_names(["joblet"]))
    shown = leaf.pem + key_pem(key).encode()
    assert strictly(PeerQuestion("server", own.certificate.pem.decode(), shown)) is None


def test_another_authority_and_another_purpose():
    one, other = (signing(pki.CertificateAuthority(name)) for name in ("One", "Other"))
    leaf = issue_client(one, pki.shared_key().public_key(), CLIENT, DAY, pki.now())
    shown = leaf.pem + key_pem(pki.shared_key()).encode()
    trusted = [each.certificate.pem.decode() for each in (one, other)]
    assert why_not_believed(PeerQuestion("client", trusted[0], shown)) is None
    assert why_not_believed(PeerQuestion("client", "".join(reversed(trusted)), shown)) is None
    assert why_not_believed(PeerQuestion("client", trusted[1], shown)) == "unable to get local issuer certificate"
    assert "purpose" in str(why_not_believed(PeerQuestion("server", trusted[0], shown)))
    revoked = build_crl(one, {leaf.x509.serial_number: pki.now()}, pki.now(), 1)
    assert why_not_believed(PeerQuestion("client", trusted[0] + revoked, shown, "all")) == "certificate revoked"
    assert "CRL" in str(why_not_believed(PeerQuestion("client", trusted[0], shown, "all")))


def test_without_memory_files_nothing_stays(monkeypatch, tmp_path):
    monkeypatch.setattr(loadable.tempfile, "tempdir", str(tmp_path))
    monkeypatch.delattr(loadable.os, "memfd_create")
    try_out(signing(pki.CertificateAuthority("Root")))
    assert list(tmp_path.iterdir()) == []


# Any authority


_NAMES = st.lists(
    st.sampled_from(
        [
            *[x509.DNSName(name) for name in ("example.com", ".example.com", "", "invalid")],
            *[x509.IPAddress(ipaddress.ip_network(net)) for net in ("192.0.2.0/24", "0.0.0.0/0", "::/0")],
            x509.DirectoryName(Subject("x", "", locality="", state="", organization="").name()),
            x509.DirectoryName(x509.Name([x509.NameAttribute(NameOID.COUNTRY_NAME, "US")])),
            x509.DirectoryName(x509.Name([])),
        ]
    ),
    max_size=3,
)
_USAGES = st.sampled_from(
    [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE]
)


@st.composite
def authorities(draw, depth=2):
    extensions = []
    permitted, excluded = draw(_NAMES), draw(_NAMES)
    if draw(st.booleans()) and permitted + excluded:
        extensions.append((x509.NameConstraints(permitted or None, excluded or None), draw(st.booleans())))
    usages = draw(st.lists(_USAGES, max_size=2, unique=True))
    if usages:
        extensions.append((x509.ExtendedKeyUsage(usages), draw(st.booleans())))
    return pki.CertificateAuthority(
        draw(st.sampled_from(["Root", "Other", "www.example.com"])),
        key=pki.shared_key(draw(st.sampled_from(["ec", "ec384", "ed25519", "ed448", "rsa2048", "rsa1024"]))),
        parent=draw(authorities(depth - 1)) if depth and draw(st.booleans()) else None,
        path_length=draw(st.sampled_from([None, None, 0, 1])),
        extra_extensions=extensions,
    )


@settings(max_examples=30, deadline=None)
@given(authority=authorities())
def test_the_program_openssl_agrees(authority, tmp_path_factory):
    """What is refused is refused for a reason that is told; what is not, it verifies as a client and as a server."""
    issuer, at = signing(authority), pki.now()
    try:
        try_out(issuer)
    except RotationError:
        return
    key = pki.shared_key().public_key()
    own = allowed_name([each.x509 for each in issuer.path])
    leaves = {
        "sslclient": issue_client(issuer, key, CLIENT, DAY, at),
        "sslserver": issue_server(issuer, key, Subject("joblet-server").name(), DAY, at, [own]),
    }
    folder = tmp_path_factory.mktemp("authority")
    trusted, leaf_file = folder / "ca.pem", folder / "leaf.pem"
    trusted.write_bytes(b"".join(each.pem for each in issuer.path) + build_crl(issuer, {}, at, 1).encode())
    for purpose, leaf in leaves.items():
        leaf_file.write_bytes(leaf.pem)
        lists = "-crl_check" if issuer.above else "-crl_check_all"
        command = ["openssl", "verify", "-CAfile", trusted, lists, "-purpose", purpose, "-auth_level", "2", leaf_file]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
