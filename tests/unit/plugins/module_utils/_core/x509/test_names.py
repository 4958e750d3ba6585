# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.certops.rotation.plugins.module_utils._core.x509.names import covers


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
    ],
)
def test_not_covered(names: list[str], domain: str) -> None:
    assert not covers(names, [], domain)


def test_addresses_are_compared_as_addresses() -> None:
    assert covers([], ["192.0.2.1"], "192.0.2.1")
    assert covers([], ["2001:db8::1"], "2001:0DB8:0:0::1")
    assert not covers([], ["192.0.2.1"], "192.0.2.2")
    assert not covers([], ["192.0.2.1"], "a.example.com")
