# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Common names in the Web PKI, and in private ones (Baseline Requirements for TLS, 7.1.4.3)."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.certops.rotation.plugins.module_utils._core.x509.common_name import is_misspelt
from ansible_collections.certops.rotation.plugins.module_utils._core.x509.examine import Examination, examine
from ansible_collections.certops.rotation.tests.support.chains import (
    EXAMPLE,
    ISSUER,
    NOW,
    ROOT,
    dns,
    ip,
    leaf,
    name,
    of_leaf,
)
from cryptography import x509
from cryptography.x509.oid import NameOID
from hypothesis import given
from hypothesis import strategies as st

DNS = ["example.com", "*.b.example.com", "xn--bcher-kva.example", "A.Mixed.Example"]
ADDRESSES = ["192.0.2.1", "2001:db8::1", "2001:db8::1:0:0:1", "::ffff:192.0.2.9"]


@pytest.mark.parametrize(
    "common_name",
    [
        "Example.com",
        "example.com.",
        " example.com",
        "*.B.example.com",
        "bücher.example",
        "BÜCHER.example",
        "a.mixed.example",
        "XN--bcher-kva.example",
        "unrelated.bücher.test",
        "test-測試.com",
        "☃.example",
        "例え。テスト",
        "192.000.002.001",
        "0xC0000201",
        "0xc0.0.2.1",
        "192.0.513",
        "3221225985",
        "0300.0.02.01",
        "2001:DB8::1",
        "2001:0db8:0000:0000:0000:0000:0000:0001",
        "2001:db8:0:0:1:0:0:1",
        "[2001:db8::1]",
        "::FFFF:192.0.2.9",
        "::ffff:c000:0209",
        " 192.0.2.1 ",
    ],
)
def test_an_alternative_name_in_another_spelling(common_name: str) -> None:
    assert is_misspelt(common_name, DNS, ADDRESSES)


@pytest.mark.parametrize(
    "common_name",
    [
        *DNS,
        "192.0.2.1",
        "2001:db8::1",
        "::ffff:192.0.2.9",
        "::ffff:c000:209",
        "",
        "*.",
        "other.example.com",
        "c.b.example.com",
        "xn--nxasmq6b.com",
        "Example Ltd",
        "Müller GmbH",
        "Ø",
        "Société Anonyme.",
        "株式会社。",
        "192.0.2.2",
        "0xC0000202",
        "2001:DB8::2",
        "999.0.2.1",
        "0x1ffffffff",
        "1.2.3.4.5",
        "20260101",
    ],
)
def test_an_alternative_name_itself_or_none_of_them(common_name: str) -> None:
    assert not is_misspelt(common_name, DNS, ADDRESSES)


@given(st.text(max_size=40) | st.from_regex(r"\A[0-9a-fx:.\[\]*%/]{1,40}\Z"))
def test_no_common_name_is_too_strange(common_name: str) -> None:
    is_misspelt(common_name, DNS, ADDRESSES)


@pytest.mark.parametrize(
    ("common_name", "names", "asked"),
    [
        ("EXAMPLE.com", [EXAMPLE], "example.com"),
        ("bücher.example", dns("xn--bcher-kva.example"), "xn--bcher-kva.example"),
        ("2001:DB8::1", [ip("2001:db8::1")], "2001:db8::1"),
    ],
)
def test_only_the_web_pki_asks_how_it_is_spelled(common_name: str, names: list[t.Any], asked: str) -> None:
    chain = of_leaf((asked,), subject=name(common_name), san=names)
    assert chain.problems() == {"common_name_misspelt"}
    assert chain.problems(profile="private") == set()
    assert chain.problems(purpose="client", server_names=(), profile="private") == {"purpose_not_allowed", "untrusted"}


def test_another_common_name_is_common() -> None:
    assert of_leaf(subject=name("Our first server")).problems() == set()
    assert of_leaf(subject=name("other.example.org")).problems() == set()


def test_each_of_several_is_looked_at() -> None:
    both = [x509.NameAttribute(NameOID.COMMON_NAME, text) for text in ("example.com", "EXAMPLE.COM")]
    made = leaf(ISSUER, subject=x509.Name(both))
    examination = Examination(made.pem, trust_anchors=ROOT.pem, at=NOW, certificate_chain=ISSUER.pem)
    (problem,) = (each for each in examine(examination) if each.severity == "error")
    assert problem.code == "common_name_misspelt"
    assert "'EXAMPLE.COM' is spelled otherwise" in problem.message


def test_without_the_library_for_names_in_unicode(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is not asked for because of the name of a company, and a host name is told by its form."""
    monkeypatch.setitem(__import__("sys").modules, "idna", None)
    assert not is_misspelt("Müller GmbH", DNS, ADDRESSES)
    assert not is_misspelt("münchen", DNS, ADDRESSES)
    assert is_misspelt("bücher.example", DNS, ADDRESSES)
