# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Services told one after the other, with made-up services and endpoints."""

from __future__ import annotations

import hashlib
import typing as t
from datetime import datetime, timezone

import pytest
from ansible_collections.certops.rotation.plugins.module_utils._core.services.definitions import (
    Activation,
    LiveLineage,
    ServiceDefinition,
    ServiceOutcome,
)
from ansible_collections.certops.rotation.plugins.module_utils._core.services.pending import (
    PendingLineage,
    still_pending,
)
from ansible_collections.certops.rotation.plugins.module_utils._errors import ServiceError
from ansible_collections.certops.rotation.plugins.module_utils._flows.deploy import prove_services, services
from ansible_collections.certops.rotation.plugins.module_utils._ports.tls.endpoint import Endpoint
from ansible_collections.certops.rotation.plugins.module_utils._ports.tls.probe import Observation

NOW = datetime(2026, 11, 26, 12, tzinfo=timezone.utc)
WWW = "www.example.com"
NEW, OLD = b"new", b"old"  # leaves
FINGERPRINT = hashlib.sha256(NEW).hexdigest()
LIVE = [LiveLineage(WWW, FINGERPRINT, (WWW,), "/nowhere")]
PENDING = (PendingLineage(WWW, FINGERPRINT, NOW),)


class World:
    """shown: by port, what an endpoint shows, None for one that does not answer; failing: services that cannot be told,
    and the log of that; told: those that have been, in turns; ends: service -> port of the one that it ends."""

    def __init__(self) -> None:
        self.shown: dict[int, bytes | None] = {}
        self.loads: dict[str, int] = {}
        self.failing: dict[str, str] = {}
        self.ends: dict[str, int] = {}
        self.told: list[str] = []

    def make_service(self, definition: ServiceDefinition, *_more: object) -> World.Service:
        return World.Service(self, definition.name)

    class Service:
        def __init__(self, world: World, name: str) -> None:
            self._world = world
            self._name = name

        def activate(self) -> Activation:
            world, name = self._world, self._name
            world.told.append(name)
            if name in world.ends:
                world.shown[world.ends[name]] = None
            if name in world.failing:
                raise ServiceError(f"{name} failed.", log=world.failing[name])
            if name in world.loads:
                world.shown[world.loads[name]] = NEW
            return Activation("it printed this")

    def probe(self, endpoints: t.Sequence[Endpoint], *_more: object) -> list[Observation]:
        return [
            Observation(each, chain=(shown,)) if shown else Observation(each, error="connection refused")
            for each, shown in ((each, self.shown[each.port]) for each in endpoints)
        ]


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    made = World()
    monkeypatch.setattr(services, "make_service", made.make_service)
    monkeypatch.setattr(prove_services, "probe_many", made.probe)
    return made


def service(name: str, *ports: int) -> ServiceDefinition:
    endpoints = [{"host": "127.0.0.1", "port": port, "server_name": WWW} for port in ports]
    return ServiceDefinition("systemd", name, endpoints=tuple(endpoints), prove_within=0.01)


def test_who_could_not_be_told_and_shows_the_old_one_takes_nothing_back(world: World) -> None:
    """A unit with a mistake in its name is no ground against a certificate that another service serves."""
    world.shown, world.loads, world.failing = {443: OLD, 25: OLD}, {"nginx": 443}, {"postfix": ""}
    both = [service("nginx", 443), service("postfix", 25)]
    nginx, postfix = services.run_services(both, PENDING, LIVE)
    assert (nginx.outcome, nginx.proven) == ("ran", (WWW,))
    assert (postfix.outcome, postfix.wrong, postfix.unasked) == ("failed", (), (WWW,))
    (left,) = still_pending(both, PENDING, [nginx, postfix])
    assert left.told == {both[0].key}
    # Corrected, it is told of the new one.
    world.failing, world.loads = {}, {"postfix": 25}
    outcomes = services.run_services(both, [left], LIVE)
    assert [(one.outcome, one.proven) for one in outcomes] == [("unchanged", ()), ("ran", (WWW,))]


def test_who_could_not_be_told_and_is_dead_since_is_wrong(world: World) -> None:
    world.shown, world.failing, world.ends = {443: OLD}, {"nginx": ""}, {"nginx": 443}
    (outcome,) = services.run_services([service("nginx", 443)], PENDING, LIVE)
    assert outcome.wrong == (WWW,)


def test_who_was_told_and_shows_the_old_one_is_wrong(world: World) -> None:
    world.shown = {443: OLD}
    (outcome,) = services.run_services([service("nginx", 443)], PENDING, LIVE)
    assert outcome.wrong == (WWW,)


def test_a_killed_run_leaves_who_has_been_told(world: World) -> None:
    """Whoever kept what is remembered goes on where the run was ended."""
    world.shown, world.loads = {443: OLD, 25: OLD}, {"proven": 443}
    several = [service("plain"), service("proven", 443), service("wrong", 25), service("slow"), service("never")]
    kept: list[tuple[PendingLineage, ...]] = []

    def remember(pending: tuple[PendingLineage, ...]) -> None:
        kept.append(pending)
        if world.told and world.told[-1] == "slow":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        services.run_services(several, PENDING, LIVE, remember=remember)
    assert kept[0] == (PendingLineage(WWW, FINGERPRINT, NOW, answering=kept[0][0].answering),)
    assert len(kept[0][0].answering) == 2
    assert {each.answering for (each,) in kept} == {kept[0][0].answering}
    world.told.clear()
    outcomes = services.run_services(several, kept[-1], LIVE)
    # What did not show it is asked once more, for nobody has gone back yet.
    assert world.told == ["wrong", "never"]
    assert outcomes[2].wrong == (WWW,)


def test_what_only_root_may_read_is_not_for_everybody(world: World) -> None:
    world.shown, world.failing = {443: OLD}, {"nginx": "a line of its journal"}
    failed, good = services.run_services([service("nginx", 443), service("postfix")], PENDING, LIVE)
    assert "a line of its journal" in failed.message
    assert failed.complaint.startswith("nginx failed.\n127.0.0.1:443")
    assert "journal" not in failed.complaint
    assert (good.message, good.complaint) == ("it printed this", "")
    assert "complaint" not in ServiceOutcome("x", "ran", complaint="y").as_result()


def test_who_shows_it_now_and_then_is_wrong(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process of before was left behind at the same port."""
    shown = iter([OLD, NEW, NEW, NEW, OLD])

    def probe(endpoints: t.Sequence[Endpoint], *_more: object) -> list[Observation]:
        return [Observation(each, chain=(next(shown, NEW),)) for each in endpoints]

    monkeypatch.setattr(prove_services, "probe_many", probe)
    (outcome,) = services.run_services([service("nginx", 443)], PENDING, LIVE)
    assert outcome.wrong == (WWW,)


def test_who_turns_us_away_when_it_is_asked_once_more_has_shown_it(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown = iter([OLD, NEW])

    def probe(endpoints: t.Sequence[Endpoint], *_more: object) -> list[Observation]:
        leaves = [next(shown, None) for _each in endpoints]
        return [
            Observation(each, chain=(leaf,)) if leaf else Observation(each, error="connection refused")
            for each, leaf in zip(endpoints, leaves)
        ]

    monkeypatch.setattr(prove_services, "probe_many", probe)
    (outcome,) = services.run_services([service("nginx", 443)], PENDING, LIVE)
    assert (outcome.proven, outcome.wrong) == ((WWW,), ())
