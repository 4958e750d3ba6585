# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.certops.rotation.plugins.module_utils._core.x509.names import (
    ascii_labels,
    covers,
    unicode_labels,
)
from ansible_collections.certops.rotation.plugins.module_utils._core.x509.problems import MaterialError


@pytest.mark.parametrize(
    ("names", "domain"),
    [
        (["a.example.com"], "a.example.com"),
        (["A.Example.COM"], "a.eXample.com"),
        (["a.example.com"], "a.example.com."),
        (["b.example.com", "a.example.com"], " a.example.com "),
        (["*.example.com"], "a.example.com"),
        (["*.EXAMPLE.com"], "A.example.COM"),
        (["*.example.com"], "*.example.com"),
        (["xn--mnchen-3ya.example"], "münchen.example"),
        (["*.xn--mnchen-3ya.example"], "www.MÜNCHEN.example"),
        (["*.example.com"], "xn--mnchen-3ya.example.com"),
        (["localhost"], "localhost"),
        (["a_b.example.com"], "a_b.example.com"),
        # IDNA 2003, which Python's own codec speaks, makes strasse.example of it, which is another name.
        (["xn--strae-oqa.example"], "straße.example"),
        (["xn--strae-oqa.example"], "STRASSE.example".replace("SS", "\u1e9e")),
        (["*.xn--strae-oqa.example"], "www.straße.example"),
        (["*.xn--strae-oqa.example"], "*.straße.example"),
        (["xn--3xa4a.example".replace("xn--3xa4a", "xn--nxasmm1c")], "βόλος.example"),
        (["_dmarc.xn--mnchen-3ya.example"], "_dmarc.münchen.example"),
        (["xn--mnchen-3ya.example"], "mu\u0308nchen\u3002example"),
        (["xn--mnchen-3ya.example"], "münchen.example."),
    ],
)
def test_covered(names: list[str], domain: str) -> None:
    assert covers(names, [], domain)


@pytest.mark.parametrize(
    ("names", "domain"),
    [
        ([], "a.example.com"),
        (["a.example.com"], "b.example.com"),
        (["a.example.com"], "example.com"),
        (["example.com"], "a.example.com"),
        (["*.example.com"], "example.com"),
        (["*.example.com"], "a.b.example.com"),
        (["*.example.com"], ".example.com"),
        (["a*.example.com"], "ab.example.com"),
        (["*a.example.com"], "ba.example.com"),
        (["www.*.com"], "www.example.com"),
        (["*.*.com"], "a.example.com"),
        (["*"], "localhost"),
        (["*"], "example.com"),
        (["a.example.com"], "*.example.com"),
        (["*.a.example.com"], "*.example.com"),
        (["192.0.2.1"], "192.0.2.1"),
        (["*.0.2.1"], "192.0.2.1"),
        (["*."], "a"),
        ([""], ""),
        (["a.example.com"], "ü" * 64 + ".example.com"),
        (["a.example.com"], ".."),
        (["strasse.example"], "straße.example"),
        (["xn--n3h.example"], "\u2603.example"),  # a snowman, which IDNA 2008 does not have
        (["a.example.com"], "\ufdfa" * 200),
    ],
)
def test_not_covered(names: list[str], domain: str) -> None:
    assert not covers(names, [], domain)


def test_addresses_are_compared_as_addresses() -> None:
    assert covers([], ["192.0.2.1"], "192.0.2.1")
    assert covers([], ["2001:db8::1"], "2001:0DB8:0:0::1")
    assert covers([], ["2001:db8::1"], "[2001:0DB8::1]")
    assert not covers(["[2001:db8::1]"], ["2001:db8::2"], "[2001:db8::1")
    assert not covers([], ["192.0.2.1"], "192.0.2.2")
    assert not covers([], ["192.0.2.1"], "a.example.com")


def test_the_library_is_needed_for_names_that_are_not_ascii_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "idna", None)
    assert covers(["xn--mnchen-3ya.example"], [], "xn--mnchen-3ya.example")
    with pytest.raises(MaterialError, match="install the Python library idna") as raised:
        covers(["xn--mnchen-3ya.example"], [], "münchen.example")
    assert raised.value.problem.code == "name_not_ascii"
    assert unicode_labels("xn--mnchen-3ya.example") == "xn--mnchen-3ya.example"


def test_labels_there_and_back() -> None:
    assert ascii_labels("Www.straße.example") == "www.xn--strae-oqa.example"
    assert ascii_labels("WWW.example") == "WWW.example"
    assert unicode_labels("www.XN--strae-oqa.example") == "www.straße.example"
    assert unicode_labels("www.xn--\u0661.example") == "www.xn--\u0661.example"
