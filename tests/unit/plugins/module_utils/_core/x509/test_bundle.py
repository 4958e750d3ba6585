# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import datetime
import json
import ssl
import typing as t

import pytest
from ansible_collections.certops.rotation.plugins.module_utils._core.x509.bundle import (
    CertificateBundle,
    describe_pem,
)
from ansible_collections.certops.rotation.plugins.module_utils._core.x509.layouts import LAYOUTS, Layout
from ansible_collections.certops.rotation.plugins.module_utils._core.x509.problems import MaterialError
from ansible_collections.certops.rotation.tests.support import pki, secrets_scan
from ansible_collections.certops.rotation.tests.support.content import judged, parsed
from hypothesis import given
from hypothesis import strategies as st

UTC = datetime.timezone.utc
ROOT = pki.CertificateAuthority("Root")
INTERMEDIATE = pki.CertificateAuthority("Intermediate", parent=ROOT)
ISSUED = INTERMEDIATE.issue(["a.example.com", "*.b.example.com", "192.0.2.1", "2001:db8::1"], serial_number=0x0ABC)
LEAF, CHAIN, KEY = (text.encode() for text in (ISSUED.certificate_pem, ISSUED.chain_pem, ISSUED.private_key_pem))


def bundle_of(content: str | bytes) -> CertificateBundle:
    bundle, problems = judged(parsed(content), at=pki.now())
    assert bundle is not None, problems
    return bundle


BUNDLE = bundle_of(ISSUED.secret_string())


def test_layouts() -> None:
    assert BUNDLE.render("haproxy") == {"pem": LEAF + CHAIN + KEY}
    assert BUNDLE.render("lineage") == {"cert": LEAF, "chain": CHAIN, "fullchain": LEAF + CHAIN, "privkey": KEY}
    assert BUNDLE.render("split") == {"pem": LEAF + CHAIN, "key": KEY}


@pytest.mark.parametrize("layout", list(LAYOUTS))
def test_the_parts_of_each_layout_are_documented(layout: Layout) -> None:
    assert tuple(BUNDLE.render(layout)) == tuple(LAYOUTS[layout])


def test_openssl_takes_the_combined_file(tmp_path: t.Any) -> None:
    path = tmp_path / "a.pem"
    path.write_bytes(BUNDLE.render("haproxy")["pem"])
    ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(path)


@pytest.mark.parametrize(
    "content",
    [
        ISSUED.combined_pem,
        ISSUED.private_key_pem + ISSUED.chain_pem + ISSUED.certificate_pem,
        ISSUED.combined_pem.replace("\n", "\r\n"),
        ISSUED.combined_pem.rstrip(),
        "\ufeff" + ISSUED.combined_pem,
        ISSUED.combined_pem + ISSUED.chain_pem,
        ISSUED.combined_pem + ROOT.certificate_pem,
        ISSUED.pkcs12(),
        ISSUED.secret_string(description="another", domain_name=None),
        BUNDLE.render("haproxy")["pem"],
    ],
)
def test_the_bytes_depend_on_the_certificate_alone(content: str | bytes) -> None:
    assert bundle_of(content).render("haproxy") == BUNDLE.render("haproxy")


@given(
    st.permutations([ISSUED.certificate_pem, ISSUED.chain_pem, ISSUED.private_key_pem, ROOT.certificate_pem]),
    st.sampled_from(["\n", "\r\n", "\n\n", " \n\t"]),
    st.booleans(),
)
def test_rendering_is_deterministic_and_reads_back(parts: list[str], newline: str, in_json: bool) -> None:
    text = "".join(parts).replace("\n", newline)
    if in_json:
        text = json.dumps({"certificate": text, "private_key": ISSUED.private_key_pem})
    bundle = bundle_of(text)
    rendered = bundle.render("haproxy")
    assert rendered == BUNDLE.render("haproxy")
    again = bundle_of(rendered["pem"])
    assert again == bundle
    assert again.summary() == bundle.summary()


def test_facts() -> None:
    certificate = ISSUED.certificate
    assert BUNDLE.fingerprint_sha256 == ISSUED.fingerprint_sha256
    assert BUNDLE.not_before == certificate.not_valid_before_utc
    assert BUNDLE.not_after == certificate.not_valid_after_utc
    assert BUNDLE.not_after.tzinfo is not None
    assert BUNDLE.subject_alternative_names == ISSUED.names
    assert BUNDLE.issuer == "CN=Intermediate"
    assert BUNDLE.serial_number == "0abc"
    assert BUNDLE.key == "EC P-256"


def test_the_summary_is_json_without_secrets() -> None:
    issued = INTERMEDIATE.issue(
        "a.example.com",
        not_before=datetime.datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
        not_after=datetime.datetime(2100, 1, 2, 3, 4, 5, tzinfo=UTC),
        serial_number=0x1F,
        key=pki.shared_key("rsa2048"),
    )
    assert bundle_of(issued.combined_pem).summary() == {
        "fingerprint_sha256": issued.fingerprint_sha256,
        "not_before": "2026-01-02T03:04:05Z",
        "not_after": "2100-01-02T03:04:05Z",
        "subject_alternative_names": ["a.example.com"],
        "issuer": "CN=Intermediate",
        "serial_number": "1f",
        "key": "RSA 2048",
        "extended_key_usage": ["1.3.6.1.5.5.7.3.1"],
    }


def test_no_key_in_the_representation() -> None:
    secrets_scan.assert_no_private_key(repr(BUNDLE))
    assert "private_key" not in repr(BUNDLE)
    assert "a.example.com" in repr(BUNDLE)


def test_a_deployed_file_is_described_without_its_key() -> None:
    assert describe_pem(BUNDLE.render("haproxy")["pem"]) == BUNDLE.summary()
    assert describe_pem(BUNDLE.render("split")["pem"]) == BUNDLE.summary()
    assert describe_pem(KEY + LEAF) == BUNDLE.summary()


@pytest.mark.parametrize(
    ("content", "code"), [(b"", "certificate_missing"), (KEY, "certificate_missing"), (LEAF[:99], "pem_invalid")]
)
def test_a_file_that_cannot_be_described(content: bytes, code: str) -> None:
    with pytest.raises(MaterialError) as raised:
        describe_pem(content)
    assert raised.value.problem.code == code
