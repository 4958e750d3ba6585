# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.certops.rotation.plugins.module_utils._core.watch.endpoints import WatchedEndpoint
from ansible_collections.certops.rotation.plugins.module_utils._core.watch.events import WatchEvent
from ansible_collections.certops.rotation.plugins.module_utils._core.watch.policy import WatchPolicy
from ansible_collections.certops.rotation.plugins.module_utils._core.watch.registry import EndpointSelection
from ansible_collections.certops.rotation.plugins.module_utils._core.watch.selecting import is_selected
from ansible_collections.certops.rotation.plugins.module_utils._core.watch.sightings import Sighting
from ansible_collections.certops.rotation.plugins.module_utils._errors import InvalidOption, RegistryError
from ansible_collections.certops.rotation.plugins.module_utils._flows.watch.scan import (
    EndpointScan,
    registered_endpoints,
)
from ansible_collections.certops.rotation.tests.support.watching import ADDRESS, START, WWW, Life, seen

A, B = seen("a", -10, 80), seen("b", -10, 80)
OTHER = WatchedEndpoint("other", "other.example.com")


class Sightings:
    def __init__(self, *sightings: Sighting, unfinished: t.Sequence[WatchedEndpoint] = ()) -> None:
        self._sightings = sightings
        self._iterated = False
        self._unfinished = list(unfinished)

    def __iter__(self) -> t.Iterator[Sighting]:
        yield from self._sightings
        self._iterated = True

    @property
    def unfinished(self) -> list[WatchedEndpoint]:
        assert self._iterated
        return self._unfinished


class Registry:
    """Remembers what it is given; fails_after: sightings."""

    place = "sqlite:///endpoints.db"

    def __init__(self, *endpoints: WatchedEndpoint, fails_after: int | None = None) -> None:
        self._endpoints = endpoints
        self._life = Life()
        self._fails_after = fails_after
        self.recorded: list[Sighting] = []

    def endpoints(self, selection: EndpointSelection) -> list[WatchedEndpoint]:
        return [endpoint for endpoint in self._endpoints if is_selected(endpoint, selection)]

    def record(
        self, sightings: t.Iterable[Sighting], policy: t.Any, now: t.Any, *, check: bool = False, judged: t.Any = None
    ) -> list[WatchEvent]:
        events: list[WatchEvent] = []
        for sighting in sightings:
            if self._fails_after == len(self.recorded):
                raise RegistryError("The disk is full.")
            self.recorded.append(sighting)
            judgement = self._life.judge(sighting)
            judged(sighting, judgement)
            events += judgement.events
        return events


def sighting(*chain: t.Any, endpoint: WatchedEndpoint = WWW, address: str = ADDRESS, **fields: t.Any) -> Sighting:
    return Sighting(endpoint.key, address, START, chain, trusted=True if chain else None, **fields)


def scan_of(looks: t.Mapping[str, Sightings], registry: Registry | None, **more: t.Any) -> EndpointScan:
    asked: list[tuple[str, list[WatchedEndpoint]]] = more.pop("asked", [])

    def look(endpoints: t.Sequence[WatchedEndpoint], key_type: str) -> Sightings:
        asked.append((key_type, list(endpoints)))
        return looks[key_type]

    return EndpointScan([WWW, OTHER], look, WatchPolicy(), registry=registry, now=START, **more)


def test_everything_that_is_seen_is_recorded_and_counted() -> None:
    registry = Registry(WWW)
    looks = {"any": Sightings(sighting(A), sighting(endpoint=OTHER, error="x"), unfinished=[OTHER])}
    result = scan_of(looks, registry).run().as_result()
    assert len(registry.recorded) == 2
    assert (result["events"], result["states"]["good"], result["states"]["unreachable"]) == ({"new": 1}, 1, 1)
    assert result["unfinished"] == ["other.example.com:443"]


def test_without_a_registry_nothing_has_changed() -> None:
    summary = scan_of({"any": Sightings(sighting(A))}, None).run()
    assert (summary.changed, summary.as_result()["events"]) == (False, {})


def test_what_was_seen_is_told_when_the_registry_fails() -> None:
    scan = scan_of({"any": Sightings(sighting(A), sighting(endpoint=OTHER))}, Registry(fails_after=1))
    with pytest.raises(RegistryError):
        scan.run()
    assert scan.summary.as_result()["addresses"] == 2


def test_key_types_besides_are_asked_where_something_is_served() -> None:
    asked: list[t.Any] = []
    registry = Registry(WWW, OTHER)
    looks = {
        "any": Sightings(sighting(A), sighting(B, address="192.0.2.2"), sighting(endpoint=OTHER, error="x")),
        "rsa": Sightings(
            sighting(B),
            sighting(error="TLS alert handshake_failure", address="192.0.2.2"),
            sighting(B, address="192.0.2.3"),  # who was not asked before has no place yet
            unfinished=[WWW],
        ),
        "ecdsa": Sightings(sighting(A), sighting(seen("c", 0, 9), address="192.0.2.2", key_type_ignored=True)),
    }
    scan = scan_of(looks, registry, key_types=["rsa", "any", "ecdsa", "rsa"], asked=asked)
    summary = scan.run()
    assert [(key_type, len(endpoints)) for key_type, endpoints in asked] == [("any", 2), ("rsa", 1), ("ecdsa", 1)]
    further = [(each.key_type, each.address) for each in registry.recorded if each.key_type != "any"]
    assert further == [("rsa", ADDRESS)]
    assert summary.unfinished == [WWW]


def test_revoked_by_its_own_staple_is_not_trusted() -> None:
    registry = Registry(WWW)
    looks = {
        "any": Sightings(sighting(A, staple="revoked")),
        "rsa": Sightings(sighting(B, staple="revoked")),
    }
    result = scan_of(looks, registry, key_types=["rsa"]).run().as_result()
    assert result["states"]["untrusted"] == 2
    assert {each.trust_error for each in registry.recorded} == {"its OCSP response says that it has been revoked"}


def test_registered_ones_that_are_enabled() -> None:
    registry = Registry(WWW, WatchedEndpoint("off", "off.example.com", enabled=False))
    assert registered_endpoints(registry, EndpointSelection()) == [WWW]
    assert registered_endpoints(registry, EndpointSelection(names=("off",))) == []


@pytest.mark.parametrize(
    ("selection", "message"),
    [
        (EndpointSelection(names=("www", "wwww")), "sqlite:///endpoints.db has no endpoint wwww."),
        (EndpointSelection(hosts=("a.example",)), "has no endpoint a.example."),
        (EndpointSelection(names=("www",), tags=(("team", "x"),)), "has no endpoint www with these tags."),
        (EndpointSelection(names=tuple(f"n{number}" for number in range(12))), "n9 and 2 more."),
    ],
)
def test_one_that_is_not_there_is_an_error(selection: EndpointSelection, message: str) -> None:
    with pytest.raises(InvalidOption) as caught:
        registered_endpoints(Registry(WWW), selection)
    assert message in caught.value.message
