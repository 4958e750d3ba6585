# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.certops.rotation.plugins.module_utils._core.push.assembly import archive_number, assemble
from ansible_collections.certops.rotation.plugins.module_utils._errors import LineageError
from ansible_collections.certops.rotation.tests.support.pki import CertificateAuthority, IssuedCertificate

ROOT = CertificateAuthority()
INTERMEDIATE = CertificateAuthority("Test Intermediate", parent=ROOT)


def parts_of(issued: IssuedCertificate) -> dict[str, bytes]:
    texts = {
        "cert": issued.certificate_pem,
        "chain": issued.chain_pem,
        "fullchain": issued.certificate_pem + issued.chain_pem,
        "privkey": issued.private_key_pem,
    }
    return {part: text.encode() for part, text in texts.items()}


@pytest.mark.parametrize(
    ("part", "link", "number"),
    [
        ("cert", "../../archive/example.com/cert1.pem", 1),
        ("privkey", "/etc/letsencrypt/archive/x/privkey0012.pem", 12),
        ("chain", "chain3.pem", 3),
        ("chain", "../../archive/x/fullchain3.pem", None),
        ("cert", "cert-1700000000.pem", None),
        ("cert", "cert.pem", None),
        ("cert", "", None),
        ("cert", "cert1.pem.bak", None),
    ],
)
def test_the_number_of_an_issue_is_in_its_links(part: str, link: str, number: int | None) -> None:
    assert archive_number(part, link) == number


def test_four_files_make_a_lineage() -> None:
    issued = INTERMEDIATE.issue(["Example.com", "*.example.com", "192.0.2.1", "2001:DB8::1"])
    found = assemble("example.com", 7, parts_of(issued))
    assert found.domains == ("example.com", "*.example.com", "192.0.2.1", "2001:db8::1")
    assert found.fingerprint_sha256 == issued.fingerprint_sha256
    assert (found.name, found.number, found.parts) == ("example.com", 7, parts_of(issued))
    assert found.not_after.endswith("Z")
    assert "PRIVATE" not in repr(found)


@pytest.mark.parametrize(("key_type", "known"), [("rsa2048", "rsa"), ("ec384", "ecdsa"), ("ed25519", "")])
def test_the_type_of_its_key_is_as_endpoints_are_asked(key_type: t.Any, known: str) -> None:
    assert assemble("a.org", 1, parts_of(INTERMEDIATE.issue("a.org", key_type=key_type))).key_type == known


def test_a_root_that_issues_leaves_no_chain() -> None:
    assert assemble("a.org", None, parts_of(ROOT.issue("a.org"))).domains == ("a.org",)


@pytest.mark.parametrize("name", ["", ".hidden", "..", "a/b", "my lineage", "-x", "a@b", "a" * 191, "a\n"])
def test_a_name_that_no_receiver_takes_is_refused(name: str) -> None:
    with pytest.raises(LineageError, match="no name of a lineage"):
        assemble(name, None, parts_of(ROOT.issue("a.org")))


@pytest.mark.parametrize("name", ["example.com-0001", "_dmarc", "a+b", "0", "EXAMPLE", "a" * 190, "example.com."])
def test_odd_names_are_taken(name: str) -> None:
    assert assemble(name, None, parts_of(ROOT.issue("a.org"))).name == name


@pytest.mark.parametrize(
    ("part", "content", "message"),
    [
        ("cert", b"", "cert.pem holds no certificate"),
        ("fullchain", b"", "fullchain.pem holds no certificate"),
        ("fullchain", b"garbage", "fullchain.pem holds no certificate"),
        ("cert", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "cert.pem: A PEM block says"),
        ("privkey", b"", "privkey.pem: There is no private key"),
        ("chain", b"", "fullchain.pem is not what"),
        ("fullchain", INTERMEDIATE.certificate_pem.encode(), "fullchain.pem is not what"),
    ],
)
def test_files_that_make_no_lineage_are_named(part: str, content: bytes, message: str) -> None:
    parts = {**parts_of(INTERMEDIATE.issue("a.org")), part: content}
    with pytest.raises(LineageError, match=f"a.org: {message}"):
        assemble("a.org", 1, parts)


def test_the_key_of_another_certificate_is_refused_by_name() -> None:
    other = INTERMEDIATE.issue("b.org", key_type="ec384")
    parts = {**parts_of(INTERMEDIATE.issue("a.org")), "privkey": other.private_key_pem.encode()}
    with pytest.raises(
        LineageError, match=r"a\.org: privkey\.pem: The private key does not belong to 'a\.org'"
    ) as told:
        assemble("a.org", 1, parts)
    assert "PRIVATE KEY" not in str(told.value)


def test_an_encrypted_key_is_refused() -> None:
    issued = INTERMEDIATE.issue("a.org", passphrase=b"secret")
    with pytest.raises(LineageError, match=r"a\.org: privkey\.pem: The private key is encrypted"):
        assemble("a.org", 1, parts_of(issued))
