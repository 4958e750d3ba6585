# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Files as a host has them; those that programs write are in tests/integration/test_endpoint_discovery_files.py."""

from __future__ import annotations

import typing as t

import hypothesis
import pytest
from ansible_collections.certops.rotation.plugins.module_utils._core.x509.containers import Contained, certificates_in
from ansible_collections.certops.rotation.tests.support import pki
from cryptography.hazmat.primitives import serialization
from hypothesis import strategies as st

CA = pki.CertificateAuthority("Containers")
LEAF = CA.issue(["containers.example.com"])
DER = LEAF.certificate.public_bytes(serialization.Encoding.DER)
PKCS12 = LEAF.pkcs12()


class Opener:
    """asked: whether it was; opens nothing."""

    has_passphrase = False

    def __init__(self) -> None:
        self.asked = 0

    def open(self, _kind: t.Literal["key", "pkcs12"], _data: bytes) -> list[bytes]:
        self.asked += 1
        return []


def test_only_pkcs12_is_opened() -> None:
    """That takes a process of its own, and there are thousands of files."""
    opener = Opener()
    key = LEAF.private_key.private_bytes(
        serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    for data in (DER, key, LEAF.combined_pem.encode(), b"", b"\x30", b"\x30\x80", b"text", b"\xff\xfe"):
        certificates_in(data, opener)
    assert opener.asked == 0
    assert certificates_in(PKCS12, opener) == Contained(problem="It is PKCS#12 with a passphrase, or damaged.")
    assert opener.asked == 1


def test_what_follows_a_certificate_is_left_out() -> None:
    assert certificates_in(DER + bytes(100), Opener()) == Contained([DER])


def test_a_bundle_keeps_its_order_and_loses_what_is_broken() -> None:
    text = f"{LEAF.certificate_pem}-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n{CA.certificate_pem}"
    found = certificates_in(text.encode(), Opener())
    authority = CA.certificate.public_bytes(serialization.Encoding.DER)
    assert list(found.certificates) == [DER, authority]
    assert found.problem is not None
    assert found.problem.startswith("A PEM block says that it is a certificate")


@pytest.mark.parametrize("magic", [b"\xfe\xed\xfe\xed", b"\xce\xce\xce\xce"])
def test_keystores_of_java_are_told(magic: bytes) -> None:
    assert "Java keystore" in str(certificates_in(magic + bytes(10), Opener()).problem)


@hypothesis.given(
    st.binary(max_size=300)
    | st.tuples(
        st.sampled_from([DER, PKCS12, LEAF.combined_pem.encode()]), st.integers(0, 900), st.binary(max_size=4)
    ).map(lambda parts: parts[0][: parts[1]] + parts[2] + parts[0][parts[1] + len(parts[2]) :])
    | st.tuples(st.sampled_from([DER, PKCS12]), st.integers(0, 900)).map(lambda parts: parts[0][: parts[1]])
)
def test_no_content_makes_it_fail(data: bytes) -> None:
    found = certificates_in(data, Opener())
    lines = LEAF.private_key_pem.splitlines()[1:-1]
    assert not any(line in (found.problem or "") for line in lines)
