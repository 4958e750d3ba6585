# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which certificates may follow a leaf, by its file and HAProxy's configuration."""

from __future__ import annotations

import hashlib

from ansible_collections.certops.rotation.plugins.module_utils._core.pipeline.proof_chain import (
    ChainRules,
    wrong_chain,
)
from ansible_collections.certops.rotation.tests.support import pki
from cryptography.hazmat.primitives.serialization import Encoding

ROOT_AUTHORITY = pki.CertificateAuthority("Root")
UPPER_AUTHORITY = pki.CertificateAuthority("Upper", parent=ROOT_AUTHORITY)
AUTHORITY = pki.CertificateAuthority("Lower", parent=UPPER_AUTHORITY)
AGAIN = pki.CertificateAuthority("Lower", key=AUTHORITY.key, parent=UPPER_AUTHORITY)
STRANGER = pki.CertificateAuthority("Stranger", parent=ROOT_AUTHORITY)


def der(authority: pki.CertificateAuthority) -> bytes:
    return authority.certificate.public_bytes(Encoding.DER)


LEAF = AUTHORITY.issue("a.example.com").certificate.public_bytes(Encoding.DER)
ROOT, UPPER, LOWER, RENEWED, OTHER = map(der, (ROOT_AUTHORITY, UPPER_AUTHORITY, AUTHORITY, AGAIN, STRANGER))
PLAIN, BUILT, COMPLETED = ChainRules(False, False), ChainRules(False, True), ChainRules(True, False)


def judged(deployed: list[bytes], served: list[bytes], rules: ChainRules = PLAIN) -> str:
    return wrong_chain(LEAF, deployed, served, rules) or ""


def test_as_in_the_file() -> None:
    for chain in ([], [LOWER], [LOWER, UPPER], [LOWER, UPPER, ROOT], [UPPER, LOWER], [LEAF, LOWER]):
        assert judged(chain, chain) == ""


def test_one_that_was_issued_again_is_another_one() -> None:
    said = judged([RENEWED, UPPER], [LOWER, UPPER])
    assert said == (
        f"it comes without CN=Lower ({hashlib.sha256(RENEWED).hexdigest()[:16]}...) of its file and with CN=Lower"
        f" ({hashlib.sha256(LOWER).hexdigest()[:16]}...), not in its file"
    )
    assert judged([RENEWED, UPPER], [LOWER, UPPER], ChainRules()) == said


def test_missing_extra_and_in_another_order() -> None:
    assert judged([LOWER, UPPER], [LOWER]).startswith("it comes without CN=Upper (")
    assert judged([LOWER, UPPER], []).startswith("it comes without CN=Lower (")
    assert judged([LOWER], [LOWER, UPPER]).startswith("it comes with CN=Upper (")
    assert judged([], [LOWER]).startswith("it comes with CN=Lower (")
    assert judged([LOWER, UPPER], [UPPER, LOWER]) == "its chain comes in another order than in its file"
    assert judged([LOWER, UPPER, ROOT], [LOWER, UPPER]).startswith("it comes without CN=Root (")
    assert judged([LOWER, LOWER], [LOWER]) == "its chain comes in another order than in its file"
    many = [der(pki.CertificateAuthority(f"Level {number}")) for number in range(5)]
    assert judged([], many).endswith(" and 2 more, not in its file")


def test_what_haproxy_builds_without_self_issued_ones() -> None:
    for chain in ([LOWER, UPPER, ROOT], [UPPER, LOWER], [LEAF, LOWER, UPPER], [LOWER, OTHER, UPPER, LOWER]):
        assert judged(chain, [LOWER, UPPER], BUILT) == ""
    # Any of two that have the same name and key will do.
    assert judged([RENEWED, LOWER, UPPER], [LOWER, UPPER], BUILT) == ""
    assert judged([LOWER, UPPER, ROOT], [LOWER], BUILT).startswith("it comes without CN=Upper (")
    assert judged([LOWER, UPPER], [UPPER, LOWER], BUILT) == "its chain comes in another order than in its file"
    assert judged([LOWER, UPPER], [LOWER, UPPER, ROOT], BUILT).startswith("it comes with CN=Root (")
    assert judged([LOWER], [RENEWED], BUILT) != ""


def test_a_leaf_alone_may_be_completed() -> None:
    assert judged([], [LOWER, UPPER], COMPLETED) == ""
    assert judged([], [OTHER], COMPLETED).startswith("it comes with CN=Stranger (")
    assert judged([], [], COMPLETED) == ""
    assert judged([LOWER], [LOWER, UPPER], COMPLETED) != ""


def test_what_is_no_certificate_is_no_part_of_a_path() -> None:
    assert judged([LOWER], [LOWER, b"\x30\x00"], ChainRules()).startswith("it comes with a certificate (")
