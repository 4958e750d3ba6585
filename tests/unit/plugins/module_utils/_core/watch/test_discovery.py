# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import datetime
import typing as t

import pytest
from ansible_collections.certops.rotation.plugins.module_utils._core.haproxy.listeners import (
    CertificateReference,
    TlsBind,
)
from ansible_collections.certops.rotation.plugins.module_utils._core.watch.discovery import (
    DiscoveredEndpoints,
    DiscoverySettings,
    EndpointDiscovery,
    FoundCertificate,
)
from ansible_collections.certops.rotation.plugins.module_utils._core.watch.sightings import SeenCertificate

NOW = datetime.datetime(2027, 1, 31, 12, tzinfo=datetime.timezone.utc)


def certificate(*names: str, sha1: str = "1", ends: datetime.datetime | None = None, **more: t.Any) -> FoundCertificate:
    seen = SeenCertificate("2", sha1, "3", b"x", not_after=ends, subject_alternative_names=names)
    return FoundCertificate(seen, paths=("/certs/x.pem",), **more)


def bind(host: str = "192.0.2.1", port: int = 443, **more: t.Any) -> TlsBind:
    return TlsBind(f"{host}:{port}", host, port, **more)


def listen(
    *certificates: FoundCertificate, of: TlsBind | None = None, filters: t.Sequence[str] = (), **settings: t.Any
) -> DiscoveredEndpoints:
    discovery = EndpointDiscovery(DiscoverySettings(NOW, **settings))
    reference = CertificateReference("/certs/x.pem", tuple(filters), bool(filters))
    discovery.listener(of or bind(), [(reference, each) for each in certificates])
    return discovery.result()


def told(found: DiscoveredEndpoints) -> list[str]:
    return [f"{endpoint}{'' if endpoint.server_name is None else ' without SNI'}" for endpoint in found.endpoints]


def test_names_are_made_the_one_form_and_come_once() -> None:
    found = listen(certificate("B.example.com", "a.example.com."), certificate("a.example.com", sha1="9"))
    assert told(found) == ["a.example.com:443", "b.example.com:443"]
    assert {key: list(map(str, endpoints)) for key, endpoints in found.serving.items()} == {
        "1": ["a.example.com:443", "b.example.com:443"],
        "9": ["a.example.com:443"],
    }


def test_filters_take_the_place_of_names() -> None:
    assert told(listen(certificate("a.example.com"), filters=["b.example.com", "!a.example.com"])) == [
        "b.example.com:443"
    ]


@pytest.mark.parametrize(
    ("of", "settings", "endpoints"),
    [
        (bind(), {}, ["192.0.2.1:443 without SNI"]),
        (bind("2001:db8::1"), {}, ["[2001:db8::1]:443 without SNI"]),
        (bind("lb1.example.com"), {}, ["lb1.example.com:443 without SNI"]),
        (bind("127.0.0.1", everywhere=True), {}, []),
        (bind("127.0.0.1", everywhere=True), {"host": "lb1.example.com"}, ["lb1.example.com:443 without SNI"]),
        (bind("127.0.0.1", everywhere=True), {"address": "192.0.2.9"}, ["192.0.2.9:443 without SNI"]),
        (bind("127.0.0.1"), {"host": "lb1.example.com"}, []),
        (bind("127.0.0.1"), {"address": "127.0.0.1"}, ["127.0.0.1:443 without SNI"]),
        (bind(strict_sni=True), {}, []),
    ],
)
def test_a_listener_without_names(of: TlsBind, settings: dict[str, t.Any], endpoints: list[str]) -> None:
    for names in ((), ("*.example.com",)):
        found = listen(certificate(*names), of=of, **settings)
        assert told(found) == endpoints
        assert bool(endpoints) or found.passed_over


def test_a_listener_of_which_nothing_could_be_read_makes_none() -> None:
    assert listen().endpoints == ()


def test_a_name_that_is_none_is_told_and_the_others_count() -> None:
    found = listen(certificate("a b", "*.example.com", "w*.example.com", "localhost", "127.0.0.1", "ok.example.com"))
    assert told(found) == ["ok.example.com:443"]
    assert len(found.passed_over) == 5
    assert found.passed_over[0] == ("a b of 192.0.2.1:443", "host: 'a b' is no host name: correct it.")


def test_a_wildcard_says_what_it_covers() -> None:
    found = listen(certificate("*.Example.com", "a.example.com", "w*.example.com"))
    assert found.covering == {"1": ("*.example.com:443",)}


@pytest.mark.parametrize(
    ("one", "makes"),
    [
        (certificate("a.example.com"), True),
        (certificate("a.example.com", is_ca=True), False),
        (certificate("a.example.com", for_servers=False), False),
        (certificate("a.example.com", ends=NOW - datetime.timedelta(days=30)), False),
        (certificate("a.example.com", ends=NOW - datetime.timedelta(days=30) + datetime.timedelta(seconds=1)), True),
    ],
)
def test_what_lies_around(one: FoundCertificate, makes: bool) -> None:
    discovery = EndpointDiscovery(DiscoverySettings(NOW, ports=(443, 8443)))
    discovery.certificate(one)
    assert told(discovery.result()) == (["a.example.com:443", "a.example.com:8443"] if makes else [])


def test_a_proxy_header_is_sent_to_the_host_itself_only() -> None:
    behind = bind(proxy_protocol=True)
    assert [each.proxy_protocol for each in listen(certificate("a.example.com"), of=behind).endpoints] == [False]
    found = listen(certificate("a.example.com"), of=behind, address="192.0.2.1")
    assert [(each.proxy_protocol, each.address) for each in found.endpoints] == [(True, "192.0.2.1")]
