# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a push makes of what it finds: proofs of canaries and endpoints, steps back, other runs, and foresight."""

from __future__ import annotations

import dataclasses
import datetime
import functools
import pathlib
import threading
import typing as t

import pytest
from ansible_collections.certops.rotation.plugins.module_utils._core.push.push_report import PushReport
from ansible_collections.certops.rotation.plugins.module_utils._core.push.turns import Turn, TurnRules
from ansible_collections.certops.rotation.plugins.module_utils._flows.push import attempts, pushing
from ansible_collections.certops.rotation.plugins.module_utils._flows.push.endpoints import EndpointProof
from ansible_collections.certops.rotation.plugins.module_utils._ports.tls.endpoint import Endpoint
from ansible_collections.certops.rotation.plugins.module_utils._ports.tls.probe import Observation
from ansible_collections.certops.rotation.tests.support.pusher_machine import (
    PusherMachine,
    broken,
    silent,
    taken,
)

DAY = datetime.timedelta(days=1)


@pytest.fixture
def machine(tmp_path: pathlib.Path) -> PusherMachine:
    machine = PusherMachine(tmp_path)
    machine.issue("example.com", "example.com", "www.example.com")
    return machine


@pytest.fixture
def shows(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """What endpoints show, by host:port, or by host:port and key type: fingerprints."""
    found: dict[str, str] = {}

    def probe(endpoints: t.Sequence[Endpoint], _timeout: float, _at_a_time: int) -> list[Observation]:
        return [_Shown(each, found.get(f"{each} {each.key_type}", found.get(str(each)))) for each in endpoints]

    monkeypatch.setattr(attempts, "EndpointProof", functools.partial(EndpointProof, probe=probe))
    return found


class _Shown(t.NamedTuple):
    endpoint: Endpoint
    fingerprint_sha256: str | None
    error: str = "connection refused"


def later(machine: PusherMachine, passed: datetime.timedelta) -> None:
    machine.now = lambda: datetime.datetime.now(datetime.timezone.utc) + passed


def outcomes(report: PushReport) -> dict[str, str]:
    return {name: target.outcome for name, target in report.targets.items()}


def faults(report: PushReport) -> dict[str, list[str]]:
    return {name: [each.fault for each in target.lineages.values()] for name, target in report.targets.items()}


def evidence(report: PushReport, host: str) -> dict[str, str | None]:
    return {each.lineage: each.evidence for each in report.targets[host].lineages.values()}


def renewed(machine: PusherMachine, name: str = "example.com") -> str:
    """Returns the fingerprint of the new issue."""
    machine.issue(name, "example.com", "www.example.com")
    return machine.fingerprint(name)


def step_back(machine: PusherMachine, name: str = "example.com", number: int = 1) -> None:
    for part in ("cert", "chain", "fullchain", "privkey"):
        machine.certbot.link(name, part, number)


# Several lineages for one name


def test_of_two_lineages_for_one_name_the_service_chooses(machine, shows) -> None:
    """The other one is confirmed by what else there is, and withholds nothing as a canary's."""
    machine.issue("example.com-0001", "example.com", "www.example.com")
    machine.add("canary", canary=True, endpoints=("www.example.com:443",), receipt_timeout=1)
    machine.add("web1")
    shows["www.example.com:443"] = machine.fingerprint("example.com-0001")
    report = machine.push()
    assert not report.failure
    assert evidence(report, "canary") == {"example.com": "receipt", "example.com-0001": "handshake"}
    assert outcomes(report) == {"canary": "confirmed", "web1": "confirmed"}


def test_a_certificate_that_nobody_gets_any_more_is_still_wrong(machine, shows) -> None:
    machine.issue("example.com-0001", "example.com", "www.example.com")
    machine.add("web1", endpoints=("www.example.com:443",))
    shows["www.example.com:443"] = machine.fingerprint("example.com-0001")
    machine.issue("example.com-0001", "example.com", "www.example.com")
    assert faults(machine.push(wait=False)) == {"web1": ["endpoint", "endpoint"]}


def test_an_endpoint_for_a_type_of_key_is_for_lineages_with_such_a_key(machine, shows) -> None:
    rsa = machine.authority.issue(["www.example.com"], key_type="rsa2048")
    machine.certbot.issue("rsa", rsa)
    endpoint = {"host": "www.example.com", "port": 443}
    machine.add("web1", endpoints=({**endpoint, "key_type": "rsa"}, {**endpoint, "key_type": "ecdsa"}))
    shows["www.example.com:443 rsa"] = machine.fingerprint("rsa")
    shows["www.example.com:443 ecdsa"] = machine.fingerprint("example.com")
    report = machine.push()
    assert evidence(report, "web1") == {"example.com": "handshake", "rsa": "handshake"}
    machine.certbot.issue("rsa", machine.authority.issue(["www.example.com"], key_type="rsa2048"))
    assert "web1 (rsa): It was delivered" in machine.push(wait=False).failure


def test_an_endpoint_for_a_type_of_key_that_no_lineage_has_is_told(machine) -> None:
    machine.add("web1", endpoints=({"host": "www.example.com", "key_type": "rsa"},))
    (warning,) = machine.planned().predict().warnings
    assert "has the name www.example.com and a key of type rsa" in warning


# Canaries without a proof


def test_what_a_canary_cannot_prove_it_does_not_withhold(machine, shows) -> None:
    machine.issue("other.example.com")
    machine.add("canary", canary=True, protocol="directory", endpoints=("www.example.com:443",))
    machine.add("web1")
    shows["www.example.com:443"] = machine.fingerprint("example.com")
    report = machine.push()
    assert evidence(report, "canary") == {"example.com": "handshake", "other.example.com": "upload"}
    assert outcomes(report) == {"canary": "confirmed", "web1": "confirmed"}
    (warning,) = report.warnings
    assert "canary comes first, as a canary, and cannot prove other.example.com" in warning
    machine.add("web2")
    report = machine.push()
    assert outcomes(report) == {"canary": "unchanged", "web1": "unchanged", "web2": "confirmed"}
    assert report.warnings == [warning]
    report = machine.push()
    assert not report.warnings
    assert not report.changed


def test_what_was_taken_before_the_host_became_a_canary_is_proven_then(machine, shows) -> None:
    machine.add("canary", protocol="directory", receipt_timeout=0.5)
    machine.push()
    (host,) = machine.targets
    machine.targets = [dataclasses.replace(host, canary=True, endpoints=("www.example.com:443",))]
    machine.add("web1")
    later(machine, datetime.timedelta(minutes=5))
    shows["www.example.com:443"] = "ab" * 32
    assert outcomes(machine.planned().predict()) == {"canary": "owed", "web1": "owed"}
    report = machine.push()
    assert faults(report) == {"canary": ["endpoint"], "web1": ["canary"]}
    assert "canary comes first, as a canary, and has not proven it. See what keeps it from that" in report.failure
    shows["www.example.com:443"] = machine.fingerprint("example.com")
    report = machine.push()
    assert evidence(report, "canary") == {"example.com": "handshake"}
    assert outcomes(report) == {"canary": "confirmed", "web1": "confirmed"}
    assert [visit.asked for visit in machine.hosts.visits if visit.host == "canary"] == [
        (),
        ("example.com",),
        ("example.com",),
    ]
    assert not machine.push().changed


def test_what_a_canary_is_not_to_get_any_more_withholds_nothing(machine) -> None:
    machine.issue("b.example")
    machine.add("canary", canary=True)
    machine.hosts.answers["canary"] = [broken(), taken()]
    machine.push()
    machine.targets = []
    machine.add("canary", canary=True, domains=("b.example",))
    machine.add("web1")
    assert outcomes(machine.push())["web1"] == "confirmed"


# A step back on disk


def test_a_step_back_is_pushed_when_something_else_was_on_its_way(machine) -> None:
    """The host may have taken that, without saying so."""
    machine.add("web1")
    machine.push()
    first = machine.fingerprint("example.com")
    renewed(machine)
    machine.hosts.answers["web1"] = [silent, taken()]
    later(machine, DAY)
    assert machine.push().failure
    step_back(machine)
    later(machine, 2 * DAY)
    report = machine.push()
    assert machine.hosts.has["web1"]["example.com"] == first
    assert outcomes(report) == {"web1": "confirmed"}
    assert (machine.stand("owed"), machine.stand("dead")) == ([], [])
    assert outcomes(machine.push()) == {"web1": "unchanged"}


def test_a_step_back_is_pushed_until_it_arrives(machine) -> None:
    machine.add("web1")
    machine.push()
    renewed(machine)
    machine.hosts.answers["web1"] = [silent, broken(), broken(), taken()]
    later(machine, DAY)
    machine.push()
    step_back(machine)
    for days in (2, 3):
        later(machine, days * DAY)
        assert faults(machine.push()) == {"web1": ["unreachable"]}
    assert outcomes(machine.push()) == {"web1": "confirmed"}


def test_a_step_back_is_pushed_when_something_else_was_given_up(machine) -> None:
    machine.add("web1")
    machine.push()
    renewed(machine)
    machine.hosts.answers["web1"] = [silent, taken()]
    later(machine, DAY)
    assert outcomes(machine.push(drop_on_failure=True)) == {"web1": "dead"}
    step_back(machine)
    later(machine, 2 * DAY)
    assert outcomes(machine.push()) == {"web1": "confirmed"}
    assert (machine.stand("owed"), machine.stand("dead")) == ([], [])


# Another run


def served_by_another_run(machine: PusherMachine, monkeypatch: pytest.MonkeyPatch, host: str) -> None:
    """Between this run's look at the queue and its turn at the host."""
    claim = machine.queue.claim
    others = threading.Event()

    def late(name: str, **more: t.Any) -> t.Any:
        if name == host and not others.is_set():
            others.set()
            assert outcomes(machine.push(hosts=[host])) == {host: "confirmed"}
        return claim(name, **more)

    monkeypatch.setattr(machine.queue, "claim", late)


def test_a_canary_that_another_run_has_served_has_proven_it(machine, monkeypatch) -> None:
    machine.add("canary", canary=True)
    machine.add("web1")
    served_by_another_run(machine, monkeypatch, "canary")
    report = machine.push()
    assert outcomes(report) == {"canary": "confirmed", "web1": "confirmed"}
    assert not report.failure
    assert machine.hosts.visited("canary") == ["canary"]


def test_a_host_that_another_run_has_served_is_no_failure(machine, monkeypatch) -> None:
    machine.add("web1", "web2")
    served_by_another_run(machine, monkeypatch, "web1")
    report = machine.push(rules=TurnRules(lanes=1, max_fail_percentage=0))
    assert outcomes(report) == {"web1": "confirmed", "web2": "confirmed"}


def test_what_another_run_has_brought_may_be_newer(machine, monkeypatch) -> None:
    machine.add("web1")
    enqueue = machine.queue.enqueue

    def renewing(entries: t.Any) -> t.Any:
        added = enqueue(entries)
        monkeypatch.setattr(machine.queue, "enqueue", enqueue)
        renewed(machine)
        return added

    monkeypatch.setattr(machine.queue, "enqueue", renewing)
    served_by_another_run(machine, monkeypatch, "web1")
    report = machine.push()
    assert outcomes(report) == {"web1": "confirmed"}
    assert report.targets["web1"].lineages["example.com"].fingerprint_sha256 == machine.fingerprint("example.com")


def test_another_run_is_waited_for_as_long_as_it_may_take(machine, monkeypatch) -> None:
    """It waits for the receipt first, then for the endpoints."""
    seen: dict[str, float] = {}

    def noting(name: str, *args: t.Any, patience: float, **more: t.Any) -> Turn:
        seen[name] = patience
        return Turn(name, *args, patience=patience, **more)

    monkeypatch.setattr(pushing, "Turn", noting)
    times = {"timeout": 20, "receipt_timeout": 30}
    machine.add("web1", **times)
    machine.add("web2", **times, endpoints=("127.0.0.1:1",))
    monkeypatch.setattr(pushing.Push, "_take", lambda _self, state, _report: state)
    machine.push()
    assert seen["web1"] >= 50
    assert seen["web2"] >= 20 + 2 * 30 + 10


def test_the_interval_is_kept_between_canaries_and_the_others(machine) -> None:
    machine.add("canary", canary=True)
    machine.add("web1", "web2")
    machine.push(rules=TurnRules(lanes=4, interval=0.4))
    starts = [visit.at for visit in machine.hosts.visits]
    assert machine.hosts.visited() == ["canary", "web1", "web2"]
    assert all(second - first >= 0.35 for first, second in zip(starts, starts[1:]))


# Foresight


def as_predicted(machine: PusherMachine, **how: t.Any) -> PushReport:
    """What check mode says of it, when the run that follows does the same."""
    predicted = machine.planned(**how).predict()
    report = machine.push(**how)
    assert predicted.changed == report.changed
    assert predicted.failure == report.failure
    assert bool(predicted.diff()["after"]) == bool(report.diff()["after"])
    return predicted


def test_it_is_foreseen_that_what_has_expired_is_not_pushed(machine) -> None:
    machine.add("web1")
    machine.hosts.answers["web1"] = [broken()]
    machine.push()
    later(machine, 4000 * DAY)
    assert "It has expired before it was pushed" in as_predicted(machine).failure


def test_it_is_foreseen_that_what_was_taken_back_is_left_alone(machine) -> None:
    machine.add("web1")
    machine.hosts.answers["web1"] = [taken("taken_back")]
    machine.push()
    assert "It is tried again at" in as_predicted(machine).failure


def test_it_is_foreseen_that_a_canary_withholds(machine) -> None:
    machine.add("canary", canary=True)
    machine.add("web1")
    assert "has not proven it" in as_predicted(machine, hosts=["web1"]).failure
    assert not as_predicted(machine).failure


def test_what_was_given_up_and_has_expired_is_shown(machine) -> None:
    machine.add("web1")
    machine.hosts.answers["web1"] = [broken()]
    machine.push(drop_on_failure=True)
    later(machine, 4000 * DAY)
    report = as_predicted(machine)
    assert outcomes(report) == {"web1": "dead"}
    (each,) = report.targets["web1"].lineages.values()
    assert (each.fault, each.error) == ("expired", "It has expired since it was given up. Renew it.")
    assert not report.failure
