# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.certops.rotation.plugins.module_utils._core.acme.urls import TrustedPlaces, UnsafeUrl
from ansible_collections.certops.rotation.plugins.module_utils._errors import InvalidOption

CA = "https://ca.example"


@pytest.mark.parametrize(
    "url", [f"{CA}/directory", "https://CA.example:443/directory", "https://[::1]:14000/dir", "https://10.0.0.1/acme"]
)
def test_a_directory(url: str) -> None:
    assert TrustedPlaces.of_directory(url).checked(url) == url


@pytest.mark.parametrize(
    "url",
    [
        "http://ca.example/directory",
        "ca.example/directory",
        "https://",
        "https:///directory",
        "https://ca.example:99999/",
        "https://ca.example:x/",
        "https://[::1/",
        "https://münchen.example/",
        "https://ca.example/a b",
        "https://ca.example\\@elsewhere.example/",
        "https://ca.example/\x1b[2J",
        "ftp://ca.example/",
        "",
        "https://ca.example/" + "x" * 3000,
    ],
)
def test_what_is_no_directory(url: str) -> None:
    with pytest.raises(InvalidOption, match="has to be an https:// URL") as raised:
        TrustedPlaces.of_directory(url)
    assert raised.value.message.isprintable()


@pytest.mark.parametrize("scheme", ["https", "http"])
def test_a_password_is_not_quoted(scheme: str) -> None:
    with pytest.raises(InvalidOption) as raised:
        TrustedPlaces.of_directory(f"{scheme}://user:hunter2@ca.example/")
    assert "hunter2" not in raised.value.message


@pytest.mark.parametrize("url", [f"{CA}/order/1", "https://CA.example./order/1", "https://ca.example:443/x?y=z"])
def test_the_directorys_own_host(url: str) -> None:
    assert TrustedPlaces.of_directory(f"{CA}/directory").checked(url) == url


@pytest.mark.parametrize(
    "url",
    [
        "http://ca.example/order/1",
        "https://ca.example:8443/order/1",
        "https://elsewhere.example/order/1",
        "https://ca.example.evil.example/order/1",
        "https://ca.example@evil.example/",
        "https://user@ca.example/",
        "//ca.example/order/1",
        "/order/1",
        "gopher://ca.example/",
        5,
        None,
        [f"{CA}/order/1"],
    ],
)
def test_other_places_are_refused(url: t.Any) -> None:
    with pytest.raises(UnsafeUrl):
        TrustedPlaces.of_directory(f"{CA}/directory").checked(url)


def test_a_host_that_the_directory_names() -> None:
    places = TrustedPlaces.of_directory(f"{CA}/directory")
    places = places.with_endpoints([places.endpoint("https://api.ca.example:444/order")])
    assert places.checked("https://api.ca.example:444/order/1")
    assert places.checked(f"{CA}/order/1")
    with pytest.raises(UnsafeUrl):
        places.checked("https://api.ca.example/order/1")


@pytest.mark.parametrize(
    "host",
    [
        "169.254.169.254",
        "127.0.0.1",
        "10.1.2.3",
        "[::1]",
        "[fd00::1]",
        "2130706433",
        "127.1",
        "0x7f000001",
        "0177.0.0.0x1",
    ],
)
def test_a_directory_does_not_lead_to_bare_addresses(host: str) -> None:
    """Such as the metadata service of a cloud."""
    with pytest.raises(UnsafeUrl, match="bare address"):
        TrustedPlaces.of_directory(f"{CA}/directory").endpoint(f"https://{host}/latest/meta-data")


def test_a_directory_at_an_address_leads_to_itself() -> None:
    places = TrustedPlaces.of_directory("https://10.0.0.1:14000/dir")
    assert places.endpoint("https://10.0.0.1:14000/order")
    with pytest.raises(UnsafeUrl):
        places.endpoint("https://10.0.0.2:14000/order")
