# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A push from end to end with a real queue and real lineages; the hosts are told what to answer."""

from __future__ import annotations

import contextlib
import datetime
import pathlib
import threading
import time
import typing as t

import pytest
from ansible_collections.certops.rotation.plugins.module_utils._core.push.push_report import PushReport
from ansible_collections.certops.rotation.plugins.module_utils._core.push.turns import TurnRules
from ansible_collections.certops.rotation.plugins.module_utils._errors import PushError, StoreError
from ansible_collections.certops.rotation.plugins.module_utils._flows.issue.run_time import RunTime
from ansible_collections.certops.rotation.plugins.module_utils._ports.queue.claim import QueueClaim
from ansible_collections.certops.rotation.tests.support.pusher_machine import (
    Answer,
    PusherMachine,
    broken,
    silent,
    slow,
    taken,
)

SERIAL = TurnRules(lanes=1)
DAY = datetime.timedelta(days=1)


@pytest.fixture
def machine(tmp_path: pathlib.Path) -> PusherMachine:
    machine = PusherMachine(tmp_path)
    machine.issue("example.com", "example.com", "www.example.com")
    return machine


def outcomes(report: PushReport) -> dict[str, str]:
    return {name: target.outcome for name, target in report.targets.items()}


def faults(report: PushReport) -> dict[str, list[str]]:
    return {name: [each.fault for each in target.lineages.values()] for name, target in report.targets.items()}


def asking(run_time: RunTime, then: Answer, *, after: float = 0) -> Answer:
    """A host during whose answer, or so many seconds later, somebody asks the run to end."""

    def answer(lineage: t.Any) -> t.Any:
        if after:
            threading.Timer(after, run_time.ask_to_end, ["SIGTERM"]).start()
        else:
            run_time.ask_to_end("SIGTERM")
        return then(lineage)

    return answer


def seen_busy(machine: PusherMachine, monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """Set when a run finds that another one is at a host."""
    claim, event = machine.queue.claim, threading.Event()

    @contextlib.contextmanager
    def watched(host: str, **more: t.Any) -> t.Iterator[t.Any]:
        with claim(host, **more) as found:
            if found is None:
                event.set()
            yield found

    monkeypatch.setattr(machine.queue, "claim", watched)
    return event


def wait_until(condition: t.Callable[[], bool], seconds: float = 30) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


# What is owed


def test_what_is_owed_is_computed_and_nobody_has_to_queue_it(machine) -> None:
    """certbot #8528, #5935, #9978: a deploy hook that failed, or was not run at all, loses nothing."""
    machine.add("web1", "web2")
    report = machine.push()
    assert outcomes(report) == {"web1": "confirmed", "web2": "confirmed"}
    assert not report.failure
    assert report.changed
    assert machine.stand("owed") == []
    assert machine.stand("confirmed") == [("web1", "example.com"), ("web2", "example.com")]


def test_a_second_run_connects_to_nobody(machine) -> None:
    machine.add("web1")
    machine.push()
    report = machine.push()
    assert outcomes(report) == {"web1": "unchanged"}
    assert not report.changed
    assert machine.hosts.visited() == ["web1"]


def test_a_renewal_is_owed_again_and_what_counts_is_what_is_live_then(machine) -> None:
    """acme.sh #1547: the hook ran before the files were installed, and pushed the old certificate for months."""
    machine.add("web1")
    machine.push()
    machine.issue("example.com", "example.com")
    report = machine.push()
    assert outcomes(report) == {"web1": "confirmed"}
    assert machine.hosts.has["web1"]["example.com"] == machine.fingerprint("example.com")


def test_a_lineage_that_is_renewed_while_it_is_queued_is_pushed_as_it_is_now(machine) -> None:
    machine.add("web1")
    machine.hosts.answers["web1"] = [broken()]
    machine.push()
    machine.issue("example.com", "example.com")
    machine.hosts.answers["web1"] = [taken()]
    assert outcomes(machine.push()) == {"web1": "confirmed"}
    assert machine.hosts.has["web1"]["example.com"] == machine.fingerprint("example.com")
    assert machine.stand("owed") == []


def test_a_lineage_that_is_renewed_while_the_run_begins_is_one_debt(machine, monkeypatch) -> None:
    """What was delivered is what is asked about, whatever was owed when it was queued."""
    machine.add("web1")
    machine.hosts.answers["web1"] = [taken("pending")]
    enqueue = machine.queue.enqueue

    def renewed(entries: t.Any) -> t.Any:
        added = enqueue(entries)
        machine.issue("example.com", "example.com")
        return added

    with monkeypatch.context() as patched:
        patched.setattr(machine.queue, "enqueue", renewed)
        machine.push()
    machine.push()
    assert [visit.asked for visit in machine.hosts.visits] == [(), ("example.com",)]
    (entry,) = machine.queue.content().owed
    assert entry.fingerprint_sha256 == entry.uploaded == machine.fingerprint("example.com")


def test_hosts_get_what_their_domains_are_in_and_nothing_else(machine) -> None:
    machine.issue("other.example", "other.example")
    machine.add("web1", domains=("www.example.com",))
    machine.add("web2", domains=("other.example",))
    machine.add("web3", domains=("nothing.example",))
    report = machine.push()
    assert machine.hosts.has == {
        "web1": {"example.com": machine.fingerprint("example.com")},
        "web2": {"other.example": machine.fingerprint("other.example")},
    }
    assert outcomes(report)["web3"] == "unchanged"


def test_all_lineages_of_a_host_go_in_one_connection(machine) -> None:
    machine.issue("b.example")
    machine.add("web1")
    machine.push()
    assert [visit.lineages for visit in machine.hosts.visits] == [("b.example", "example.com")]


def test_settings_are_read_when_it_is_pushed(machine, tmp_path: pathlib.Path) -> None:
    """acme.sh #3319, #4529: settings of hosts vanish, or are those of long ago. The queue has names only."""
    machine.add("web1")
    machine.hosts.answers["web1"] = [broken()]
    machine.push()
    texts = "".join(path.read_text() for path in tmp_path.glob("queue/owed/*/*.json"))
    assert "example.com" in texts
    assert "ssh-ed25519" not in texts
    assert "PRIVATE KEY" not in texts
    machine.targets = []
    machine.add("web1", port=2222)
    machine.hosts.answers["web1"] = [taken()]
    assert outcomes(machine.push()) == {"web1": "confirmed"}


# What fails


def test_what_cannot_be_pushed_stays_owed_and_the_run_fails(machine) -> None:
    """certdeploy, Server 2: popped before it was pushed, lost on the last failure, and exit code 0 with all hosts
    refusing."""
    machine.add("web1", "web2")
    machine.hosts.answers = {"web1": [broken()], "web2": [broken("denied", "Permission denied")]}
    report = machine.push()
    assert outcomes(report) == {"web1": "owed", "web2": "owed"}
    assert machine.stand("owed") == [("web1", "example.com"), ("web2", "example.com")]
    assert "web1 (example.com): no route to host" in report.failure
    assert "web2 (example.com): Permission denied" in report.failure
    machine.hosts.answers = {}
    assert outcomes(machine.push()) == {"web1": "confirmed", "web2": "confirmed"}


def test_one_failing_host_stops_no_other(machine) -> None:
    """acme.sh PR 3388, in both modes."""
    machine.add("web1", "web2", "web3")
    machine.hosts.answers["web1"] = [broken()]
    for rules in (SERIAL, TurnRules(lanes=3)):
        machine.issue("example.com", "example.com")
        report = machine.push(rules=rules)
        assert outcomes(report) == {"web1": "owed", "web2": "confirmed", "web3": "confirmed"}


def test_any_kind_of_failure_is_one_hosts_own(machine) -> None:
    """certdeploy, Server 2: an exception of no expected class ended its worker."""

    def strange(_lineage: t.Any) -> None:
        raise ZeroDivisionError("a text that may quote a key")

    machine.add("web1", "web2")
    machine.hosts.answers["web1"] = [strange]
    report = machine.push()
    assert outcomes(report) == {"web1": "owed", "web2": "confirmed"}
    assert "ZeroDivisionError" in report.failure
    assert "quote a key" not in report.failure
    assert machine.stand("owed") == [("web1", "example.com")]


def test_one_bad_lineage_stops_no_other(machine) -> None:
    """certdeploy, Server 2: a missing PEM file ended the client's worker. certimate #486: another one's key."""
    machine.issue("b.example")
    machine.issue("c.example")
    machine.add("web1")
    key = machine.certbot.live / "b.example" / "privkey.pem"
    key.unlink()
    key.symlink_to("../../archive/c.example/privkey1.pem")
    report = machine.push()
    assert sorted(machine.hosts.has["web1"]) == ["c.example", "example.com"]
    assert "b.example" in report.failure
    key.unlink()
    assert "b.example" in machine.push().failure
    key.symlink_to("../../archive/b.example/privkey1.pem")
    assert not machine.push().failure
    assert "b.example" in machine.hosts.has["web1"]


def test_a_lineage_that_goes_bad_while_it_is_owed_stops_no_other(machine) -> None:
    machine.issue("b.example")
    machine.add("web1")
    machine.hosts.answers["web1"] = [broken()]
    machine.push()
    machine.hosts.answers["web1"] = [taken()]
    (machine.certbot.live / "b.example" / "privkey.pem").unlink()
    report = machine.push()
    assert list(machine.hosts.has["web1"]) == ["example.com"]
    assert "b.example" in report.failure
    assert machine.stand("owed") == [("web1", "b.example")]


def test_attempts_are_counted_over_runs_and_the_last_error_is_kept(machine) -> None:
    machine.add("web1", retries=1)
    machine.hosts.answers["web1"] = [broken()]
    machine.push()
    report = machine.push()
    assert report.targets["web1"].lineages["example.com"].attempts == 4
    (entry,) = machine.queue.content().owed
    assert (entry.attempts, entry.last_error, entry.next_attempt) == (4, "no route to host", None)


# Retries


def test_retries_are_further_attempts_spaced_by_the_interval(machine) -> None:
    """CD33, CD34, CD50, CD51: two attempts with retries: 1, and each host its own."""
    machine.add("web1", retries=1, retry_interval=0.3)
    machine.add("web2", retries=2, retry_interval=0.1)
    machine.hosts.answers = {"web1": [broken()], "web2": [broken()]}
    machine.push()
    for host, number, interval in (("web1", 2, 0.3), ("web2", 3, 0.1)):
        visits = [visit for visit in machine.hosts.visits if visit.host == host]
        assert len(visits) == number
        for before, after in zip(visits, visits[1:]):
            assert after.at - before.ended >= interval


def test_what_goes_well_at_the_second_attempt_is_no_failure(machine) -> None:
    machine.add("web1", retries=1)
    machine.hosts.answers["web1"] = [broken(), taken()]
    report = machine.push()
    assert outcomes(report) == {"web1": "confirmed"}
    assert not report.failure


@pytest.mark.parametrize("answer", [broken("host_key"), broken("denied"), broken("local"), taken("refused"), silent])
def test_what_would_not_go_better_at_once_is_left_to_the_next_run(machine, answer) -> None:
    machine.add("web1", retries=5)
    machine.hosts.answers["web1"] = [answer]
    assert machine.push().failure
    assert machine.hosts.visited() == ["web1"]
    machine.push()
    assert machine.hosts.visited() == ["web1"] * 2


def test_only_what_may_go_better_is_tried_again(machine) -> None:
    machine.issue("b.example")
    machine.add("web1", retries=1)

    def refuses_one(lineage: t.Any) -> t.Any:
        return taken("refused" if lineage.name == "b.example" else "deployed")(lineage)

    machine.hosts.answers["web1"] = [refuses_one]
    machine.push()
    assert [visit.lineages for visit in machine.hosts.visits] == [("b.example", "example.com")]


def test_the_run_after_one_that_was_killed_between_attempts_keeps_the_interval(machine) -> None:
    machine.add("web1", retries=3, retry_interval=300)
    ended = RunTime(datetime.timedelta(seconds=60))
    machine.hosts.answers["web1"] = [asking(ended, broken(), after=0.5), taken()]
    assert machine.planned(run_time=ended).run().failure
    (entry,) = machine.queue.content().owed
    assert entry.next_attempt is not None
    clock = [0.0]
    waited = RunTime(
        datetime.timedelta(seconds=600),
        monotonic=lambda: clock[0],
        sleep=lambda seconds: clock.__setitem__(0, clock[0] + seconds),
    )
    assert outcomes(machine.planned(run_time=waited).run()) == {"web1": "confirmed"}
    assert 290 < clock[0] <= 300


def test_a_clock_that_was_wrong_delays_nobody(machine) -> None:
    machine.add("web1", retries=3, retry_interval=30)
    run_time = RunTime(datetime.timedelta(seconds=60))
    machine.hosts.answers["web1"] = [asking(run_time, broken(), after=0.5), taken()]
    machine.planned(run_time=run_time).run()
    machine.now = lambda: datetime.datetime.now(datetime.timezone.utc) - DAY
    assert outcomes(machine.push(limit=5)) == {"web1": "confirmed"}


# Receipts


def test_a_pending_receipt_is_asked_for_and_nothing_is_uploaded_again(machine) -> None:
    machine.add("web1")
    machine.hosts.answers["web1"] = [taken("pending")]
    report = machine.push()
    assert outcomes(report) == {"web1": "owed"}
    assert not report.failure
    assert report.targets["web1"].lineages["example.com"].waiting
    report = machine.push()
    assert not report.changed
    machine.hosts.answers["web1"] = [taken("proven")]
    report = machine.push()
    assert outcomes(report) == {"web1": "confirmed"}
    assert [visit.asked for visit in machine.hosts.visits] == [(), ("example.com",), ("example.com",)]
    assert not report.targets["web1"].lineages["example.com"].uploaded


def test_pending_is_no_attempt_in_vain(machine) -> None:
    machine.add("web1")
    machine.hosts.answers["web1"] = [taken("pending")]
    machine.push(give_up_after=datetime.timedelta(0), drop_on_failure=True)
    (entry,) = machine.queue.content().owed
    assert entry.attempts == 0


def test_what_was_never_answered_is_asked_about_by_each_run(machine) -> None:
    machine.add("web1")
    machine.hosts.answers["web1"] = [silent]
    machine.push()
    machine.push()
    machine.hosts.answers["web1"] = [taken()]
    machine.push()
    assert [visit.asked for visit in machine.hosts.visits] == [(), ("example.com",), ("example.com",)]


def test_without_waiting_the_next_run_asks(machine) -> None:
    machine.add("web1")
    machine.add("web2", receipt_timeout=0)
    machine.hosts.answers = {"web1": [silent], "web2": [silent]}
    report = machine.push(wait=False)
    assert outcomes(report) == {"web1": "owed", "web2": "owed"}
    assert not report.failure
    report = machine.push(wait=True)
    assert "web1" in report.failure
    assert "web2" not in report.failure
    assert {visit.host: visit.waited for visit in machine.hosts.visits} == {"web1": True, "web2": False}


@pytest.mark.parametrize("state", ["refused", "taken_back"])
def test_a_refusal_is_told_in_the_hosts_words(machine, state) -> None:
    machine.add("web1")
    machine.hosts.answers["web1"] = [taken(state, message="Its chain is incomplete.")]
    report = machine.push()
    assert faults(report) == {"web1": [state]}
    assert "Its chain is incomplete." in report.failure


def test_what_was_taken_back_is_not_pushed_by_each_run(machine) -> None:
    """It would have its services told, and told again, every few minutes."""
    machine.add("web1")
    machine.hosts.answers["web1"] = [taken("taken_back", message="www.example.com shows another one.")]
    machine.push()
    report = machine.push()
    assert machine.hosts.visited() == ["web1"]
    assert faults(report) == {"web1": ["taken_back"]}
    assert "www.example.com shows another one. It is tried again at" in report.failure
    machine.now = lambda: datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(minutes=61)
    machine.push()
    machine.now = lambda: datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(minutes=150)
    machine.push()
    assert machine.hosts.visited() == ["web1"] * 2
    machine.now = lambda: datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(minutes=190)
    machine.hosts.answers["web1"] = [taken()]
    assert outcomes(machine.push()) == {"web1": "confirmed"}


def test_what_was_taken_back_is_pushed_when_its_host_is_named_or_it_is_renewed(machine) -> None:
    machine.add("web1")
    machine.hosts.answers["web1"] = [taken("taken_back"), taken("taken_back"), taken()]
    machine.push()
    machine.push(hosts=["web1"])
    assert machine.hosts.visited() == ["web1"] * 2
    machine.issue("example.com", "example.com")
    assert outcomes(machine.push()) == {"web1": "confirmed"}


def test_an_endpoint_that_proves_nothing_is_told(machine) -> None:
    machine.add("web1", endpoints=("wwww.example.com:443", "www.example.com:444"))
    report = machine.planned().predict()
    assert [warning for warning in report.warnings if "never asked" in warning] == [
        "web1: no lineage that it gets has the name wwww.example.com, so wwww.example.com:443 is never asked."
    ]


def test_failures_of_canaries_count(machine) -> None:
    """Also for hosts that get something else."""
    machine.issue("b.example")
    machine.add("canary", canary=True, domains=("example.com",))
    machine.add("web1", "web2", domains=("b.example",))
    machine.hosts.answers["canary"] = [broken()]
    report = machine.push(rules=TurnRules(lanes=2, max_fail_percentage=20))
    assert machine.hosts.visited() == ["canary"]
    assert faults(report)["web1"] == ["stopped"]


# Giving up


def test_what_fails_for_too_long_is_given_up_visibly(machine) -> None:
    machine.add("web1")
    machine.hosts.answers["web1"] = [broken()]
    machine.push(give_up_after=30 * DAY)
    assert machine.stand("dead") == []
    machine.now = lambda: datetime.datetime.now(datetime.timezone.utc) + 31 * DAY
    report = machine.push(give_up_after=30 * DAY)
    assert outcomes(report) == {"web1": "dead"}
    assert report.failure
    assert machine.stand("dead") == [("web1", "example.com")]
    report = machine.push(give_up_after=30 * DAY)
    assert outcomes(report) == {"web1": "dead"}
    assert not report.failure
    assert "no route to host" in report.targets["web1"].lineages["example.com"].error
    assert machine.hosts.visited() == ["web1"] * 2


def test_nothing_is_given_up_without_a_limit(machine) -> None:
    machine.add("web1")
    machine.hosts.answers["web1"] = [broken()]
    machine.push()
    machine.now = lambda: datetime.datetime.now(datetime.timezone.utc) + 80 * DAY
    assert outcomes(machine.push()) == {"web1": "owed"}


def test_a_failed_push_is_dropped_as_by_certdeploy_if_wanted(machine) -> None:
    """CD57: after all attempts of the run, and it can still be seen."""
    machine.add("web1", retries=1)
    machine.hosts.answers["web1"] = [broken()]
    report = machine.push(drop_on_failure=True)
    assert outcomes(report) == {"web1": "dead"}
    assert machine.hosts.visited() == ["web1"] * 2


def test_a_renewal_brings_back_what_was_given_up(machine) -> None:
    machine.add("web1")
    machine.hosts.answers["web1"] = [broken(), taken()]
    machine.push(drop_on_failure=True)
    machine.issue("example.com", "example.com")
    assert outcomes(machine.push()) == {"web1": "confirmed"}
    assert machine.stand("dead") == []


# Order and stopping


def test_fail_fast_in_serial_pushes_to_no_second_host(machine) -> None:
    """CD21."""
    machine.add("web1", "web2", retries=1)
    machine.hosts.answers["web1"] = [broken()]
    report = machine.push(rules=TurnRules(lanes=1, max_fail_percentage=0))
    assert machine.hosts.visited() == ["web1", "web1"]
    assert faults(report) == {"web1": ["unreachable"], "web2": ["stopped"]}
    assert "web2 (example.com): It was not its turn" in report.failure
    assert machine.stand("owed") == [("web1", "example.com"), ("web2", "example.com")]


def test_what_was_spared_goes_on_in_the_next_run_and_failed_ones_come_last(machine) -> None:
    machine.add("web1", "web2", "web3")
    machine.hosts.answers["web1"] = [broken()]
    machine.push(rules=TurnRules(lanes=1, max_fail_percentage=0))
    machine.push(rules=TurnRules(lanes=1, max_fail_percentage=0))
    assert machine.hosts.visited() == ["web1", "web2", "web3", "web1"]


def test_parallel_is_bounded_and_serial_is_one(machine) -> None:
    names = [f"web{number}" for number in range(9)]
    machine.add(*names)
    machine.hosts.answers = {name: [slow(0.1)] for name in names}
    machine.push(rules=TurnRules(lanes=3))
    assert 1 < machine.hosts.most_at_once <= 3
    machine.issue("example.com", "example.com")
    machine.hosts.most_at_once = 0
    machine.push(rules=SERIAL)
    assert machine.hosts.most_at_once == 1


def test_a_hanging_host_keeps_nobody_waiting(machine) -> None:
    machine.add("hangs", "web1", "web2", "web3")
    others = {"web1", "web2", "web3"}

    def hangs(_lineage: t.Any) -> None:
        wait_until(lambda: {visit.host for visit in machine.hosts.visits if visit.ended} == others)
        raise PushError("nothing is heard", "unreachable")

    machine.hosts.answers["hangs"] = [hangs]
    report = machine.push(rules=TurnRules(lanes=2))
    assert outcomes(report) == {"hangs": "owed", "web1": "confirmed", "web2": "confirmed", "web3": "confirmed"}


# Canaries


def test_canaries_come_first_and_prove_before_anybody_else(machine) -> None:
    machine.add("web1", "web2")
    machine.add("canary", canary=True)
    machine.hosts.answers["canary"] = [slow(0.2, taken("proven"))]
    report = machine.push()
    first, *others = machine.hosts.visits
    assert first.host == "canary"
    assert all(visit.at >= first.ended for visit in others)
    assert set(outcomes(report).values()) == {"confirmed"}


@pytest.mark.parametrize("answer", [broken(), taken("refused"), taken("taken_back"), silent, broken("host_key")])
def test_nobody_gets_what_a_canary_has_not_proven(machine, answer) -> None:
    machine.add("web1")
    machine.add("canary", canary=True)
    machine.hosts.answers["canary"] = [answer]
    report = machine.push()
    assert machine.hosts.visited() == ["canary"]
    assert faults(report)["web1"] == ["canary"]
    assert "web1" in report.failure
    machine.hosts.answers["canary"] = [taken()]
    assert set(outcomes(machine.push(hosts=["canary", "web1"])).values()) == {"confirmed"}


def test_a_canary_that_waits_for_its_services_fails_nobody(machine) -> None:
    machine.add("web1")
    machine.add("canary", canary=True)
    machine.hosts.answers["canary"] = [taken("pending")]
    report = machine.push()
    assert machine.hosts.visited() == ["canary"]
    assert outcomes(report) == {"web1": "owed", "canary": "owed"}
    assert not report.failure


def test_a_canary_withholds_what_it_refuses_and_nothing_else(machine) -> None:
    machine.issue("b.example")
    machine.add("web1", "web2")
    machine.add("canary", canary=True)
    machine.add("other", canary=True, domains=("elsewhere.example",))
    machine.hosts.answers["canary"] = [
        lambda lineage: taken("refused" if lineage.name == "b.example" else "deployed")(lineage)
    ]
    machine.push()
    assert list(machine.hosts.has["web1"]) == list(machine.hosts.has["web2"]) == ["example.com"]


def test_a_canary_that_was_given_up_withholds(machine) -> None:
    machine.add("web1")
    machine.add("canary", canary=True)
    machine.hosts.answers["canary"] = [broken()]
    machine.push(drop_on_failure=True)
    report = machine.push()
    assert outcomes(report) == {"web1": "owed", "canary": "dead"}
    assert machine.hosts.visited() == ["canary"]


def test_a_canary_that_the_run_is_not_about_counts(machine) -> None:
    machine.add("web1")
    machine.add("canary", canary=True)
    report = machine.push(hosts=["web1"])
    assert machine.hosts.visited() == []
    assert faults(report) == {"web1": ["canary"]}


# Who is no target


def test_no_targets_and_debts_is_a_failure(machine) -> None:
    machine.add("web1")
    machine.hosts.answers["web1"] = [broken()]
    machine.push()
    machine.targets = []
    report = machine.push()
    assert outcomes(report) == {"web1": "owed"}
    assert "web1 (example.com): It is owed to a host that is no target" in report.failure
    assert machine.stand("owed") == [("web1", "example.com")]


def test_no_targets_and_no_debts_is_none(machine) -> None:
    report = machine.push()
    assert not report.failure
    assert not report.targets


def test_a_host_that_was_removed_is_told_and_not_forgotten(machine) -> None:
    machine.add("web1", "web2")
    machine.hosts.answers["web1"] = [broken()]
    machine.push()
    machine.targets = machine.targets[1:]
    report = machine.push()
    assert faults(report)["web1"] == ["not_a_target"]
    assert "push_queue" in report.failure
    machine.queue.forget([("web1", "example.com")])
    assert not machine.push().failure


def test_a_domain_that_was_removed_is_told(machine) -> None:
    machine.add("web1")
    machine.hosts.answers["web1"] = [broken()]
    machine.push()
    machine.targets = []
    machine.add("web1", domains=("other.example",))
    report = machine.push()
    assert faults(report) == {"web1": ["not_a_target"]}
    assert machine.hosts.visited() == ["web1"]


def test_a_run_may_be_about_some_hosts_alone(machine) -> None:
    machine.add("web1", "web2")
    report = machine.push(hosts=["web2"])
    assert outcomes(report) == {"web2": "confirmed"}
    assert machine.stand("owed") == [("web1", "example.com")]


# Two runs, and ends


def test_another_run_at_the_same_host_is_waited_for(machine, monkeypatch) -> None:
    """And not done again: its confirmation is everybody's."""
    machine.add("web1")
    machine.hosts.answers["web1"] = [lambda lineage: taken()(lineage) if second_waits.wait(30) else None]
    second_waits = seen_busy(machine, monkeypatch)
    reports: list[PushReport] = []
    first = threading.Thread(target=lambda: reports.append(machine.push()))
    first.start()
    wait_until(lambda: bool(machine.hosts.visits))
    second = machine.push()
    first.join()
    assert outcomes(second) == outcomes(reports[0]) == {"web1": "confirmed"}
    assert not second.failure
    assert machine.hosts.visited() == ["web1"]


def test_another_run_that_fails_leaves_it_to_this_one(machine, monkeypatch) -> None:
    machine.add("web1")
    second_waits = seen_busy(machine, monkeypatch)
    machine.hosts.answers["web1"] = [
        lambda lineage: broken()(lineage) if second_waits.wait(30) else taken()(lineage),
        taken(),
    ]
    first = threading.Thread(target=machine.push)
    first.start()
    wait_until(lambda: bool(machine.hosts.visits))
    assert outcomes(machine.push()) == {"web1": "confirmed"}
    first.join()


def test_who_asks_for_the_end_gets_it_and_nothing_is_lost(machine) -> None:
    machine.add("web1", "web2", "web3", "web4")
    run_time = RunTime(datetime.timedelta(seconds=60))
    machine.hosts.answers["web2"] = [asking(run_time, taken())]
    report = machine.planned(rules=SERIAL, run_time=run_time).run()
    assert machine.stand("confirmed") == [("web1", "example.com"), ("web2", "example.com")]
    assert machine.stand("owed") == [("web3", "example.com"), ("web4", "example.com")]
    assert machine.stand("claimed") == []
    assert "SIGTERM" in report.failure
    assert set(outcomes(machine.push()).values()) == {"confirmed", "unchanged"}


def test_what_a_run_had_no_time_for_is_not_given_up(machine) -> None:
    machine.add("web1", endpoints=("127.0.0.1:1",), receipt_timeout=60)
    run_time = RunTime(datetime.timedelta(seconds=60))
    machine.hosts.answers["web1"] = [asking(run_time, taken(), after=0.5)]
    report = machine.planned(run_time=run_time, drop_on_failure=True).run()
    assert faults(report) == {"web1": ["ended"]}
    (entry,) = machine.queue.content().owed
    assert (entry.attempts, entry.uploaded) == (0, machine.fingerprint("example.com"))


def test_the_time_limit_ends_the_run_and_not_the_debts(machine) -> None:
    machine.add("web1", "web2", "web3")
    machine.hosts.answers = {name: [slow(0.6)] for name in ("web1", "web2", "web3")}
    report = machine.push(rules=SERIAL, limit=1)
    assert "time_limit" in report.failure
    assert faults(report)["web3"] == ["ended"]
    assert ("web3", "example.com") in machine.stand("owed")


def test_no_attempt_may_last_longer_than_the_run(machine) -> None:
    seen: list[float] = []
    machine.add("web1", timeout=600, receipt_timeout=600)
    deliver = machine.hosts.deliver

    def noting(target: t.Any, *args: t.Any, **kwargs: t.Any) -> t.Any:
        seen.extend([target.timeout, target.receipt_timeout])
        return deliver(target, *args, **kwargs)

    machine.hosts.deliver = noting
    machine.push(limit=20)
    assert max(seen) <= 20


# Foresight


def test_check_mode_tells_what_would_be_pushed_and_touches_nothing(machine, tmp_path: pathlib.Path) -> None:
    machine.add("web1", "web2")
    report = machine.planned().predict()
    assert outcomes(report) == {"web1": "owed", "web2": "owed"}
    assert report.changed
    assert not report.failure
    assert machine.hosts.visits == []
    assert not (tmp_path / "queue").exists()
    machine.push(hosts=["web1"])
    before = sorted(str(path) for path in tmp_path.rglob("*"))
    assert outcomes(machine.planned().predict()) == {"web1": "unchanged", "web2": "owed"}
    assert sorted(str(path) for path in tmp_path.rglob("*")) == before


def test_a_damaged_entry_is_told_and_what_it_stood_for_is_pushed(machine, tmp_path: pathlib.Path) -> None:
    """CD55: certdeploy's server ended with an error."""
    machine.add("web1", "web2")
    machine.hosts.answers["web1"] = [broken(), taken()]
    machine.push()
    (tmp_path / "queue" / "owed" / "web1" / "example.com.json").write_text('{"host": "we')
    (warning,) = machine.planned().predict().warnings
    assert "owed/web1/example.com.json" in warning
    report = machine.push()
    assert outcomes(report) == {"web1": "confirmed", "web2": "unchanged"}
    assert any("bad/" in warning for warning in report.warnings)


def test_an_expired_lineage_is_told_and_pushed_to_nobody(machine) -> None:
    machine.add("web1")
    machine.now = lambda: datetime.datetime.now(datetime.timezone.utc) + 4000 * DAY
    report = machine.push()
    assert machine.hosts.visits == []
    assert any("expired" in warning for warning in report.warnings)


def test_what_expires_while_it_is_owed_is_a_failure(machine) -> None:
    machine.add("web1")
    machine.hosts.answers["web1"] = [broken()]
    machine.push()
    machine.now = lambda: datetime.datetime.now(datetime.timezone.utc) + 4000 * DAY
    report = machine.push()
    assert machine.hosts.visited() == ["web1"]
    assert faults(report) == {"web1": ["expired"]}
    assert "web1 (example.com): It has expired" in report.failure


def test_a_host_that_nothing_is_for_is_told(machine) -> None:
    machine.add("web1", domains=("typo.example",))
    report = machine.push()
    assert not report.failure
    assert any("web1: no lineage has any of its domains" in warning for warning in report.warnings)


def test_a_queue_that_cannot_be_written_loses_nothing_and_stops_no_other(machine, monkeypatch) -> None:
    """A full disk here: the host has it, and is asked once more."""
    machine.issue("b.example")
    machine.add("web1")
    confirm = QueueClaim.confirm

    def full(self: QueueClaim, confirmation: t.Any) -> None:
        if confirmation.lineage == "b.example":
            raise StoreError("Cannot use the push queue: No space left on device.")
        confirm(self, confirmation)

    with monkeypatch.context() as patched:
        patched.setattr(QueueClaim, "confirm", full)
        report = machine.push()
    assert "web1 (b.example): Cannot use the push queue: No space left" in report.failure
    assert machine.stand("confirmed") == [("web1", "example.com")]
    assert machine.stand("owed") == [("web1", "b.example")]
    assert not machine.push().failure


def test_no_directory_of_lineages_is_an_error_that_names_it(machine) -> None:
    machine.lineages.path = "/nonexistent/live"
    with pytest.raises(Exception, match="/nonexistent/live"):
        machine.push()
