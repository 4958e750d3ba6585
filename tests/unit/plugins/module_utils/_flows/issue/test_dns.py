# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import threading
import typing as t

import pytest
from ansible_collections.certops.rotation.plugins.module_utils._core.acme.dns import TxtRecord, Zone
from ansible_collections.certops.rotation.plugins.module_utils._errors import DnsError
from ansible_collections.certops.rotation.plugins.module_utils._flows.issue import dns
from ansible_collections.certops.rotation.plugins.module_utils._flows.issue.dns import DnsPublisher
from ansible_collections.certops.rotation.plugins.module_utils._ports.dns.propagation import Propagation

Zones = t.Mapping[str, t.Sequence[TxtRecord]]


class Provider:
    """In memory. fails: operation -> what it raises."""

    def __init__(self, *zones: str) -> None:
        self.given = [Zone(name, f"id-of-{name}") for name in zones]
        self.held: dict[str, set[str]] = {}
        self.calls: list[str] = []
        self.fails: dict[str, Exception] = {}

    def _called(self, operation: str) -> None:
        self.calls.append(operation)
        if operation in self.fails:
            raise self.fails[operation]

    def zones(self) -> list[Zone]:
        self._called("zones")
        return self.given

    def add(self, zone: Zone, records: t.Sequence[TxtRecord]) -> list[str]:
        self._called(f"add {zone.name}")
        for record in records:
            self.held.setdefault(record.name, set()).update(record.values)
        return [f"change of {zone.name}"]

    def wait(self, changes: t.Sequence[str], timeout: float) -> None:
        self._called(f"wait {' '.join(sorted(changes))}")

    def remove(self, zone: Zone, records: t.Sequence[TxtRecord]) -> None:
        self._called(f"remove {zone.name}")
        for record in records:
            self.held[record.name] -= set(record.values)


class Finder(Provider):
    def find_zones(self, names: t.Sequence[str]) -> list[Zone]:
        self._called(f"find {' '.join(names)}")
        return [Zone("found.test", "found.test")] if any(name.endswith(".found.test") for name in names) else []


class Resolver:
    """aliases: name -> where it leads, or what is wrong."""

    def __init__(self, **aliases: str | DnsError) -> None:
        self.aliases: dict[str, str | DnsError] = dict(aliases)

    def targets(self, names: t.Iterable[str]) -> dict[str, str | DnsError]:
        return {name: self.aliases.get(name, name) for name in names}


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> dict[str, t.Any]:
    """What is asked of the servers, and their answer."""
    facts: dict[str, t.Any] = {"answer": Propagation({}), "zones": None}

    def wait_until_published(_resolver: Resolver, zones: Zones, timeout: float) -> Propagation:
        facts["zones"], facts["timeout"] = dict(zones), timeout
        return t.cast("Propagation", facts["answer"])

    monkeypatch.setattr(dns, "wait_until_published", wait_until_published)
    return facts


def made(*providers: Provider, resolver: Resolver | None = None, warn: t.Any = print) -> DnsPublisher:
    return DnsPublisher(providers, t.cast("t.Any", resolver or Resolver()), warn)


A, B, C = (TxtRecord(f"_acme-challenge.{name}", ("value",)) for name in ("a.test", "b.test", "x.a.test"))


def test_each_record_goes_to_its_zone_and_is_waited_for_once(seen: dict[str, t.Any]) -> None:
    first, second = Provider("a.test"), Provider("b.test", "a.test")
    publisher = made(first, second)
    placed = publisher.place([A, B, C])
    assert publisher.wait(placed, 100) == {}
    assert first.calls == ["zones", "add a.test", "wait change of a.test"]
    assert second.calls == ["zones", "add b.test", "wait change of b.test"]
    assert seen["zones"] == {"a.test": [A, C], "b.test": [B]}
    assert publisher.withdraw([A, B, C]) == {}
    assert first.held == {A.name: set(), C.name: set()}


def test_a_name_that_leads_elsewhere_is_located_there() -> None:
    resolver = Resolver()
    resolver.aliases = {
        A.name: "target.b.test",
        B.name: DnsError("a circle", [B.name]),
        "_acme-challenge.x.org": "y.org",
    }
    located = made(Provider("a.test", "b.test"), resolver=resolver).locate([*resolver.aliases, C.name])
    assert located.records == {A.name: "target.b.test", C.name: C.name}
    assert located.failures[B.name].message == "a circle"
    assert "a CNAME record leads to y.org" in located.failures["_acme-challenge.x.org"].message


def test_zones_that_cannot_be_listed_are_found_by_name_once(seen: dict[str, t.Any]) -> None:
    finder = Finder()
    name = "_acme-challenge.www.found.test"
    publisher = made(finder)
    assert publisher.locate([name]).records == {name: name}
    assert publisher.locate([name]).records == {name: name}
    assert publisher.place([TxtRecord(name, ("v",))]).failures == {}
    assert finder.calls == ["zones", f"find {name}", "add found.test"]
    assert publisher.zones() == ((Zone("found.test", "found.test"),),)


def test_a_provider_that_fails_leaves_the_others_alone(seen: dict[str, t.Any]) -> None:
    first, second = Provider("a.test"), Provider("b.test")
    first.fails["add a.test"] = DnsError("denied")
    publisher = made(first, second)
    placed = publisher.place([A, B, C])
    assert set(placed.failures) == {A.name, C.name}
    assert {name: error.message for name, error in publisher.wait(placed, 100).items()} == {
        A.name: "denied",
        C.name: "denied",
    }
    assert seen["zones"] == {"b.test": [B]}


def test_names_that_a_provider_blames_are_out_and_the_others_are_waited_for(seen: dict[str, t.Any]) -> None:
    provider = Provider("a.test")
    provider.fails["add a.test"] = DnsError("one is bad", [A.name])
    publisher = made(provider)
    placed = publisher.place([A, C])
    assert set(placed.failures) == {A.name}
    assert set(publisher.wait(placed, 100)) == {A.name}
    assert seen["zones"] == {"a.test": [C]}


def test_one_that_is_never_done_and_servers_that_do_not_show_it(seen: dict[str, t.Any]) -> None:
    first, second = Provider("a.test"), Provider("b.test")
    first.fails["wait change of a.test"] = DnsError("never in sync")
    told: list[str] = []
    seen["answer"] = Propagation({B.name: "not shown"}, ("ns9.b.test is silent",))
    publisher = made(first, second, warn=told.append)
    failures = publisher.wait(publisher.place([A, B]), 100)
    assert {name: error.message for name, error in failures.items()} == {A.name: "never in sync", B.name: "not shown"}
    assert len(told) == 1
    assert "ns9.b.test is silent" in told[0]


def test_what_cannot_be_withdrawn_is_told_and_the_rest_is_gone() -> None:
    first, second = Provider("a.test"), Provider("b.test")
    publisher = made(first, second)
    publisher.place([A, B])
    first.fails["remove a.test"] = DnsError("denied")
    nowhere = TxtRecord("_acme-challenge.c.test", ("value",))
    failures = publisher.withdraw([A, B, nowhere])
    assert set(failures) == {A.name, nowhere.name}
    assert second.held == {B.name: set()}


def test_zones_that_cannot_be_told_are_an_error_for_all() -> None:
    provider = Provider()
    provider.fails["zones"] = DnsError("denied")
    with pytest.raises(DnsError, match="denied"):
        made(Provider("a.test"), provider).locate([A.name])


def test_what_is_unexpected_is_no_dns_error(seen: dict[str, t.Any]) -> None:
    provider = Provider("a.test")
    provider.fails["wait change of a.test"] = ZeroDivisionError()
    publisher = made(provider)
    with pytest.raises(ZeroDivisionError):
        publisher.wait(publisher.place([A]), 100)


def test_zones_are_written_at_the_same_time(seen: dict[str, t.Any]) -> None:
    together = threading.Barrier(2, timeout=30)

    class Meeting(Provider):
        def add(self, zone: Zone, records: t.Sequence[TxtRecord]) -> list[str]:
            together.wait()
            return []

    assert made(Meeting("a.test", "b.test")).place([A, B]).failures == {}


def test_nothing_to_do_asks_nobody(seen: dict[str, t.Any]) -> None:
    provider = Provider("a.test")
    publisher = made(provider)
    assert publisher.wait(publisher.place([]), 100) == {}
    assert publisher.withdraw([]) == {}
    assert provider.calls == ["zones"]
