# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import sys
import typing as t

import hypothesis
import pytest
from ansible_collections.certops.rotation.plugins.module_utils._core.watch import reading
from ansible_collections.certops.rotation.plugins.module_utils._core.watch.endpoints import WatchedEndpoint
from ansible_collections.certops.rotation.plugins.module_utils._core.watch.reading import (
    WildcardName,
    endpoint_fields,
    read_endpoint,
    read_endpoint_key,
    read_tags,
)
from ansible_collections.certops.rotation.plugins.module_utils._errors import InvalidOption
from hypothesis import strategies as st

PROTOCOLS = ("imap", "smtp")


def read(entry: t.Any, **more: t.Any) -> WatchedEndpoint:
    return read_endpoint(entry, PROTOCOLS, **more)


@pytest.mark.parametrize(
    ("entry", "host", "port"),
    [
        ("www.example.com", "www.example.com", 443),
        (" www.example.com:8443 ", "www.example.com", 8443),
        ("WWW.Example.COM.:443", "www.example.com", 443),
        ("b\u00fccher.example:443", "xn--bcher-kva.example", 443),
        ("stra\u00dfe.example", "xn--strae-oqa.example", 443),  # IDNA 2008, as browsers have it
        ("localhost:1", "localhost", 1),
        ("_dmarc.example.com", "_dmarc.example.com", 443),
        ("192.0.2.1:65535", "192.0.2.1", 65535),
        ("[2001:DB8:0:0::1]:8443", "2001:db8::1", 8443),
        ("[::1]", "::1", 443),
        ("2001:db8::1", "2001:db8::1", 443),
        ("fe80::1%eth0", "fe80::1%eth0", 443),
        ({"host": "[::1]", "port": "993"}, "::1", 993),
        ({"host": "a.example", "port": ""}, "a.example", 443),
        ({"host": "a.example", "port": None}, "a.example", 443),
    ],
)
def test_host_and_port(entry: t.Any, host: str, port: int) -> None:
    endpoint = read(entry)
    assert (endpoint.host, endpoint.port, endpoint.name) == (host, port, host)
    assert endpoint == WatchedEndpoint(host, host, port)


@pytest.mark.parametrize(
    ("entry", "key"),
    [
        ("A.example.:8443", ("a.example", 8443)),
        (["a.example", 443], ("a.example", 443)),
        ("*.Example.com", ("*.example.com", 443)),
        (("*.example.com", "8443"), ("*.example.com", 8443)),
        ("[::1]:443", ("::1", 443)),
    ],
)
def test_host_and_port_alone(entry: t.Any, key: tuple[str, int]) -> None:
    assert read_endpoint_key(entry) == key


@pytest.mark.parametrize("entry", ["w*.example.com", "*", "*.*.example.com", "a b", ["a", "b", "c"], {}, None, ""])
def test_what_is_no_host_and_port(entry: t.Any) -> None:
    with pytest.raises(InvalidOption):
        read_endpoint_key(entry)


def test_everything_as_text_is_the_same_as_typed() -> None:
    typed = read(
        {
            "name": "Shop",
            "host": "shop.example.com",
            "port": 25,
            "server_name": "WWW.example.com",
            "starttls": "smtp",
            "address": "192.0.2.7",
            "proxy_protocol": True,
            "enabled": False,
            "tags": {"team": "web", "env": "prod", "gdpr": True, "tier": 1},
        }
    )
    text = read(
        {
            "name": " Shop ",
            "host": "SHOP.example.com.",
            "port": "25",
            "server_name": "www.example.com",
            "starttls": "SMTP",
            "address": "192.0.2.7",
            "proxy_protocol": "yes",
            "enabled": "0",
            "tags": "env=prod; team=web;gdpr=true;tier=1",
        }
    )
    assert typed == text
    assert typed.tags == (("env", "prod"), ("gdpr", "true"), ("team", "web"), ("tier", "1"))


def test_no_sni_is_not_the_usual_one() -> None:
    assert read({"host": "a.example", "server_name": ""}).server_name == ""
    assert read({"host": "a.example", "server_name": None}).server_name is None
    assert read({"host": "a.example"}).server_name is None


def test_its_own_tags_come_before_those_of_all() -> None:
    endpoint = read({"host": "a.example", "tags": {"env": "test"}}, tags={"env": "prod", "from": "ct"})
    assert endpoint.tags == (("env", "test"), ("from", "ct"))


def test_a_long_host_has_a_short_name() -> None:
    host = ".".join(["a" * 60] * 4)
    assert len(read(host).name) == 64
    assert read({"host": host, "name": "x" * 64}).name == "x" * 64


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ("", "host is missing: write a host name or an IP address."),
        ({"name": "x"}, "host is missing: write a host name or an IP address."),
        ({"host": None}, "host is missing: write a host name or an IP address."),
        (7, "7 is neither a text such as www.example.com:443 nor a dictionary."),
        (["a"], "a list is neither a text such as www.example.com:443 nor a dictionary."),
        ("a.example:", "'a.example:' is no host:port; an IPv6 address needs brackets, such as [::1]:443."),
        ("[::1]x", "'[::1]x' is no host:port; an IPv6 address needs brackets, such as [::1]:443."),
        ("[::1]:", "'[::1]:' is no host:port; an IPv6 address needs brackets, such as [::1]:443."),
        ("https://a.example:443", "'https://a.example:443' is no host:port; an IPv6 address needs brackets, such as"),
        ("a.example:0", "port: '0' is no whole number from 1 to 65535."),
        ("a.example:99999", "port: '99999' is no whole number from 1 to 65535."),
        ({"host": "a.example", "port": True}, "port: True is no whole number from 1 to 65535."),
        ({"host": "a.example", "port": 443.0}, "port: 443.0 is no whole number from 1 to 65535."),
        ({"host": "a.example", "port": "\u0664\u0664\u0663"}, "port: "),
        ("a b", "host: 'a b' is no host name: correct it."),
        ("a..b", "host: 'a..b' is no host name: correct it."),
        ("-a.example", "host: '-a.example' is no host name: correct it."),
        ("256.1.1.1", "host: '256.1.1.1' looks like an IP address and is none: correct it."),
        ("010.1.1.1.1", "host: '010.1.1.1.1' looks like an IP address and is none: correct it."),
        ({"host": f"fe80::1%{'a' * 93}"}, "host: a text of 101 characters looks like an IP address and is none"),
        ({"host": "a.example", "address": f"fe80::1%{'a' * 93}"}, "address: a text of 101 characters is no IP"),
        ("0.0.0.0", "host: '0.0.0.0' is no address of a host."),
        ("[::]:443", "host: '::' is no address of a host."),
        ("a" * 64, "host: "),
        ("a." * 127 + "a", "host: a text of 255 characters has more than 253 characters."),
        ("\u00fc" * 300, "host: a text of 300 characters has more than 253 characters."),
        ({"host": "a.example\n"}, None),
        ({"host": "a\x00b"}, "host has control characters or a line's end in it: correct it."),
        ({"host": "a.example", "name": "x" * 65}, f"name: '{'x' * 65}' has more than 64 characters: shorten it."),
        ({"host": "a.example", "name": "a\x1b[2Jb"}, "name has control characters or a line's end in it: correct it."),
        ({"host": "a.example", "name": ["x"]}, "name must be text, not a list."),
        ({"host": "a.example", "starttls": "gopher"}, "starttls: 'gopher' is not one of imap, smtp."),
        (
            {"host": "a.example", "address": "b.example"},
            "address: 'b.example' is no IP address. A name goes into host.",
        ),
        ({"host": "a.example", "enabled": "perhaps"}, "enabled: 'perhaps' is neither true nor false."),
        ({"host": "a.example", "enabled": 2}, "enabled: '2' is neither true nor false."),
        ({"host": "a.example", "hots": "b"}, f"'hots' is no field of an endpoint: {', '.join(reading.FIELDS)}."),
        ({"host": "a.example", "tags": ["a"]}, "tags is a dictionary such as {env: prod}, or a text such as env=prod"),
        ({"host": "a.example", "tags": {"": "x"}}, "tags: '' has no name, or an equals sign or semicolon in it."),
        ({"host": "a.example", "tags": {"a;b": "x"}}, "tags: 'a;b' has no name, or an equals sign or semicolon in it."),
        ({"host": "a.example", "tags": {"a": "x\ny"}}, "tags: a key or value has control characters, or more than"),
        ({"host": "a.example", "tags": {"a": ["x"]}}, "tags: 'a' must be text, not a list."),
    ],
)
def test_what_is_wrong_is_said(entry: t.Any, message: str | None) -> None:
    if message is None:
        read(entry)  # a line's end at the end is nothing
        return
    with pytest.raises(InvalidOption) as caught:
        read(entry)
    assert caught.value.message.startswith(message)


@pytest.mark.parametrize("host", ["*.example.com", "w*.example.com", "*"])
def test_a_wildcard_is_told_apart(host: str) -> None:
    with pytest.raises(WildcardName, match="stands for many hosts: write those that there are"):
        read(host)


def test_nothing_long_is_quoted() -> None:
    """It may be a key, in the wrong field."""
    key = f"-----BEGIN PRIVATE KEY-----{'A' * 200}"
    for field in ("name", "host", "port", "server_name", "starttls", "address", "enabled"):
        with pytest.raises(InvalidOption) as caught:
            read({"host": "a.example", field: key})
        assert "AAAA" not in caught.value.message
    for entry in (key, {"host": "a.example", key: 1}):
        with pytest.raises(InvalidOption) as caught:
            read(entry)
        assert "AAAA" not in caught.value.message


def test_without_idna_it_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "idna", None)
    assert read("A.example").host == "a.example"
    with pytest.raises(InvalidOption, match="install the Python package idna"):
        read("b\u00fccher.example")


def test_fields_of_others_are_passed_over_when_told() -> None:
    assert read({"host": "a.example", "last_seen": "x"}, beside={"last_seen"}).host == "a.example"


words = st.text(st.characters(codec="utf-8", exclude_categories=("C", "Z"), exclude_characters=";="), max_size=20)
endpoints = st.builds(
    WatchedEndpoint,
    name=st.text(st.characters(codec="utf-8", exclude_categories=("C", "Z")), min_size=1, max_size=64),
    host=st.from_regex(r"[a-z][a-z0-9]{0,9}(\.[a-z][a-z0-9]{0,9}){0,3}", fullmatch=True)
    | st.ip_addresses(v=4).filter(lambda ip: not (ip.is_unspecified or ip.is_multicast)).map(str)
    | st.ip_addresses(v=6).filter(lambda ip: not (ip.is_unspecified or ip.is_multicast)).map(str),
    port=st.integers(1, 65535),
    server_name=st.sampled_from([None, "", "www.example.com"]),
    starttls=st.sampled_from([None, *PROTOCOLS]),
    address=st.none() | st.ip_addresses().map(str),
    proxy_protocol=st.booleans(),
    enabled=st.booleans(),
    tags=st.dictionaries(words.filter(bool), words, max_size=3).map(lambda tags: tuple(sorted(tags.items()))),
)


@hypothesis.given(endpoints)
def test_what_is_written_is_read_back(endpoint: WatchedEndpoint) -> None:
    assert read(endpoint_fields(endpoint)) == endpoint
    assert read_tags(";".join(f"{key}={value}" for key, value in endpoint.tags)) == dict(endpoint.tags)
