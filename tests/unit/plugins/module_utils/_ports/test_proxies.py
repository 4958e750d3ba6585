# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which proxy the environment names."""

from __future__ import annotations

import os

import pytest
from ansible_collections.certops.rotation.plugins.module_utils._errors import InvalidOption
from ansible_collections.certops.rotation.plugins.module_utils._ports.proxies import HttpProxy, proxy_for


@pytest.fixture(autouse=True)
def nothing_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)


def test_none_is_named() -> None:
    assert proxy_for("https://hooks.example.com/a") is None


@pytest.mark.parametrize(
    ("value", "proxy"),
    [
        ("http://proxy.example.com:3128", HttpProxy("proxy.example.com", 3128)),
        ("proxy.example.com:3128", HttpProxy("proxy.example.com", 3128)),
        ("http://proxy.example.com", HttpProxy("proxy.example.com", 80)),
        ("http://[2001:db8::1]:3128/", HttpProxy("2001:db8::1", 3128)),
        ("http://u:p%40ss@proxy:3128", HttpProxy("proxy", 3128, "Basic dTpwQHNz")),
    ],
)
@pytest.mark.parametrize("variable", ["https_proxy", "HTTPS_PROXY"])
def test_one_is_named(monkeypatch: pytest.MonkeyPatch, variable: str, value: str, proxy: HttpProxy) -> None:
    monkeypatch.setenv(variable, value)
    assert proxy_for("https://hooks.example.com/a") == proxy
    assert proxy_for("http://hooks.example.com/a") is None, "that is for https alone"


@pytest.mark.parametrize("exempt", ["*", "hooks.example.com", ".example.com", "a.example.net, example.com"])
def test_no_proxy(monkeypatch: pytest.MonkeyPatch, exempt: str) -> None:
    monkeypatch.setenv("https_proxy", "http://proxy:3128")
    monkeypatch.setenv("no_proxy", exempt)
    assert proxy_for("https://hooks.example.com:8443/a") is None


@pytest.mark.parametrize("value", ["socks5://u:hidden@proxy:1080", "https://u:hidden@proxy", "http://u:hidden@p:x"])
def test_one_that_cannot_be_used(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("https_proxy", value)
    with pytest.raises(InvalidOption, match="https_proxy is no HTTP proxy") as caught:
        proxy_for("https://hooks.example.com/a")
    assert "hidden" not in caught.value.message
