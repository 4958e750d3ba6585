# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Endpoints as users write them."""

from __future__ import annotations

import pytest
from ansible_collections.certops.rotation.plugins.module_utils._errors import ProbeError
from ansible_collections.certops.rotation.plugins.module_utils._ports.tls.endpoint import Endpoint, parse_endpoint
from ansible_collections.certops.rotation.plugins.module_utils._ports.tls.probe import probe


@pytest.mark.parametrize(
    ("entry", "host", "port", "sni"),
    [
        ("www.example.com:443", "www.example.com", 443, "www.example.com"),
        ("192.0.2.1:8443", "192.0.2.1", 8443, None),
        ("[::1]:443", "::1", 443, None),
        ("bücher.example:443", "bücher.example", 443, "xn--bcher-kva.example"),
        ("straße.example:443", "straße.example", 443, "xn--strae-oqa.example"),
        ("example.com.:443", "example.com.", 443, "example.com"),
        ({"host": "www.example.com", "port": "8443"}, "www.example.com", 8443, "www.example.com"),
        ({"host": "www.example.com"}, "www.example.com", 443, "www.example.com"),
        ({"host": "www.example.com", "server_name": ""}, "www.example.com", 443, None),
        ({"host": "www.example.com", "server_name": None}, "www.example.com", 443, None),
        ({"host": "[::1]", "server_name": "a.example.com"}, "::1", 443, "a.example.com"),
        ({"host": "_sip.example.com"}, "_sip.example.com", 443, "_sip.example.com"),
    ],
)
def test_parses(entry: object, host: str, port: int, sni: str | None) -> None:
    endpoint = parse_endpoint(entry, 0)
    assert (endpoint.host, endpoint.port, endpoint.sni) == (host, port, sni)


@pytest.mark.parametrize(
    ("entry", "complaint"),
    [
        ("www.example.com", "is not host:port"),
        ("::1:443", "needs brackets"),
        ("www.example.com:https", "is not host:port"),
        ("www.example.com:70000", "between 1 and 65535"),
        ("www.example.com:0", "between 1 and 65535"),
        ("https://www.example.com:443", "is not"),
        ({"port": 443}, "host is missing"),
        ({"host": "a.example.com", "port": "https"}, "is not a number"),
        ({"host": "a.example.com", "sni": "b"}, "unknown field sni"),
        ({"host": "a.example.com", "starttls": "gopher"}, "starttls 'gopher' is not one of"),
        ({"host": "a.example.com", "key_type": "dsa"}, "key_type 'dsa' is not one of"),
        ({"host": "a.example.com", "address": "b.example.com"}, "is not an IP address"),
        ({"host": "a.example.com", "source_address": "eth0"}, "source_address 'eth0' is not an IP address"),
        ({"host": "a.example.com", "proxy_protocol": "v3"}, "proxy_protocol 'v3' is not one of true, false, v1, v2"),
        (443, "neither a text nor a dictionary"),
    ],
)
def test_names_the_bad_entry(entry: object, complaint: str) -> None:
    with pytest.raises(ProbeError, match=r"^endpoints\[3\]") as caught:
        parse_endpoint(entry, 3)
    assert complaint in caught.value.message
    assert repr(entry) in caught.value.message


def test_an_explicit_address_is_where_to_connect() -> None:
    endpoint = Endpoint("www.example.com", 443, "www.example.com", address="192.0.2.7")
    assert endpoint.connect_host == "192.0.2.7"
    assert str(Endpoint("::1", 443)) == "[::1]:443"


@pytest.mark.parametrize(
    "name",
    ["a..example.com", "a b.example.com", "w*.example.com", f"{'a' * 64}.example.com", "a\0b", "\u00fc" * 100_000],
)
def test_an_odd_name_is_found_by_who_asks(name: str) -> None:
    for entry in ({"host": name}, {"host": "www.example.com", "server_name": name}):
        endpoint = parse_endpoint(entry, 0)
        assert "is not a host name" in (endpoint.odd_name or "")
        assert "is not a host name" in (probe(endpoint, 1).error or "")
    assert parse_endpoint("www.example.com:443", 0).odd_name is None


@pytest.mark.parametrize(
    ("value", "meant"),
    [
        (True, True), (False, False), (None, False), ("true", True), ("False", False), ("no", False), ("", False),
        (1, True), (0, False), ("v1", "v1"), ("V2", "v2"),
    ],
)  # fmt: skip
def test_proxy_protocol_may_come_as_a_text(value: object, meant: object) -> None:
    endpoint = parse_endpoint({"host": "a.example.com", "proxy_protocol": value}, 0)
    assert endpoint.proxy_protocol is meant
