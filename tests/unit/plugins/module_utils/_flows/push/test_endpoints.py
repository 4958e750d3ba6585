# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import datetime
import hashlib
import typing as t

import pytest
from ansible_collections.certops.rotation.plugins.module_utils._core.push.lineage import Lineage
from ansible_collections.certops.rotation.plugins.module_utils._core.push.targets import PushTarget
from ansible_collections.certops.rotation.plugins.module_utils._flows.issue.run_time import RunEnds, RunTime
from ansible_collections.certops.rotation.plugins.module_utils._flows.push.endpoints import (
    EndpointProof,
    can_prove,
    longest_proof,
)
from ansible_collections.certops.rotation.plugins.module_utils._ports.tls.endpoint import Endpoint
from ansible_collections.certops.rotation.plugins.module_utils._ports.tls.probe import Observation

NEW, OLD, OTHER = b"new", b"old", b"other"


def lineage(name: str, *domains: str, leaf: bytes = NEW, key_type: str = "ecdsa") -> Lineage:
    fingerprint = hashlib.sha256(leaf).hexdigest()
    return Lineage(name, 1, {}, fingerprint, domains or (name,), "2027-01-01T00:00:00Z", key_type)


def target(*endpoints: t.Any) -> PushTarget:
    return PushTarget("web1", "web1", ("*",), (), endpoints=endpoints)


class World:
    """shows: "host:port" -> what it shows in turn, the last one for ever; None: it cannot be asked."""

    def __init__(self, **shows: t.Sequence[bytes | None]) -> None:
        self.shows = {name.replace("_", "."): list(leaves) for name, leaves in shows.items()}
        self.asked: list[str] = []
        self.now = 0.0
        self.time = RunTime(datetime.timedelta(seconds=100), monotonic=lambda: self.now, sleep=self._pass)

    def _pass(self, seconds: float) -> None:
        self.now += seconds

    def probe(self, endpoints: t.Sequence[Endpoint], timeout: float, _at_a_time: int) -> list[Observation]:
        assert timeout <= 10
        found = []
        for endpoint in endpoints:
            self.asked.append(str(endpoint))
            script = self.shows[endpoint.host]
            leaf = script.pop(0) if len(script) > 1 else script[0]
            found.append(
                Observation(endpoint, chain=(leaf,)) if leaf else Observation(endpoint, error="connection refused")
            )
        return found

    def ask(
        self,
        *endpoints: t.Any,
        lineages: t.Sequence[Lineage],
        patience: float = 0,
        several: bool = False,
        beside: t.Sequence[Lineage] = (),
    ) -> t.Any:
        proof = EndpointProof(target(*endpoints), several=several, run_time=self.time, probe=self.probe)
        return proof.ask(lineages, patience, beside)


def test_all_endpoints_that_a_lineage_concerns_have_to_show_it() -> None:
    world = World(a_example=[NEW], b_example=[OLD])
    one = lineage("a.example", "a.example", "b.example")
    assert world.ask("a.example:443", lineages=[one]) == {"a.example": ""}
    wrong = world.ask("a.example:443", "b.example:443", lineages=[one])["a.example"]
    assert "b.example:443 shows another certificate" in wrong
    assert "a.example:443" not in wrong


def test_an_endpoint_concerns_the_lineages_that_cover_its_name() -> None:
    world = World(www_a_example=[NEW], b_example=[OTHER])
    lineages = [lineage("a.example", "*.a.example"), lineage("b.example", leaf=OTHER), lineage("c.example")]
    shown = world.ask("www.a.example:443", "b.example:443", lineages=lineages, several=True)
    assert shown == {"a.example": "", "b.example": ""}


def test_a_server_name_beside_the_address_decides() -> None:
    world = World(**{"127_0_0_1": [NEW]})
    entry = {"host": "127.0.0.1", "port": 8443, "server_name": "a.example"}
    assert world.ask(entry, lineages=[lineage("a.example"), lineage("b.example")], several=True) == {"a.example": ""}


def test_an_endpoint_may_show_another_lineage_that_covers_its_name() -> None:
    world = World(www_a_example=[OTHER], a_example=[NEW])
    one, beside = lineage("a.example", "*.a.example", "a.example"), lineage("www.a.example", leaf=OTHER)
    assert world.ask("www.a.example:443", lineages=[one], beside=[beside], several=True, patience=9) == {}
    assert world.now == 0
    shown = world.ask("www.a.example:443", "a.example:443", lineages=[one], beside=[beside], several=True)
    assert shown == {"a.example": ""}
    assert world.ask("www.a.example:443", lineages=[one], beside=[lineage("b.example", leaf=OTHER)])["a.example"]


def test_an_endpoint_for_a_type_of_key_concerns_lineages_with_such_a_key() -> None:
    rsa, ecdsa = (lineage(kind, "a.example", key_type=kind) for kind in ("rsa", "ecdsa"))
    world = World(a_example=[OLD])
    entry = {"host": "a.example", "key_type": "rsa"}
    assert list(world.ask(entry, lineages=[rsa, ecdsa], several=True)) == ["rsa"]
    assert can_prove(target(entry), rsa, [rsa])
    assert not can_prove(target(entry), ecdsa, [ecdsa])


def test_what_an_endpoint_can_prove_is_what_nothing_else_may_be_shown_for() -> None:
    one, other = lineage("a.example", "a.example", "b.example"), lineage("b.example")
    assert can_prove(target("a.example:443"), one, [one, other])
    assert not can_prove(target("b.example:443"), one, [one, other])
    assert not can_prove(target("a.example:443"), other, [one, other])


def test_a_proof_has_its_time() -> None:
    assert longest_proof(target()) == 0
    assert longest_proof(target("a.example:443")) == 60 + 10
    assert longest_proof(target(*[f"a.example:{port}" for port in range(1, 18)])) == 60 + 30


def test_one_without_a_name_is_for_hosts_with_one_lineage() -> None:
    world = World(**{"127_0_0_1": [NEW]})
    assert world.ask("127.0.0.1:443", lineages=[lineage("a.example")]) == {"a.example": ""}
    assert (
        "has no server_name" in world.ask("127.0.0.1:443", lineages=[lineage("a.example")], several=True)["a.example"]
    )


def test_it_is_asked_again_as_long_as_there_is_patience() -> None:
    world = World(a_example=[OLD, None, NEW])
    assert world.ask("a.example:443", lineages=[lineage("a.example")], patience=5) == {"a.example": ""}
    assert world.now == pytest.approx(2)


def test_without_patience_it_is_asked_once() -> None:
    world = World(a_example=[OLD, NEW])
    assert world.ask("a.example:443", lineages=[lineage("a.example")])["a.example"]
    assert world.asked == ["a.example:443"]


def test_what_cannot_be_asked_says_why() -> None:
    world = World(a_example=[None])
    assert (
        "cannot be asked: connection refused"
        in world.ask("a.example:443", lineages=[lineage("a.example")])["a.example"]
    )


def test_what_is_shown_is_not_asked_again() -> None:
    world = World(a_example=[NEW], b_example=[OLD, OTHER])
    lineages = [lineage("a.example"), lineage("b.example", leaf=OTHER)]
    world.ask("a.example:443", "b.example:443", lineages=lineages, patience=3, several=True)
    assert world.asked == ["a.example:443", "b.example:443", "b.example:443"]


def test_the_end_of_the_run_ends_the_patience() -> None:
    world = World(a_example=[OLD])
    with pytest.raises(RunEnds):
        world.ask("a.example:443", lineages=[lineage("a.example")], patience=1000)
    assert world.now <= 101
