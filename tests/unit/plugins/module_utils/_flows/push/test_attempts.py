# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What one attempt leaves to the next: what lies at the host, since when, and whose fault it is that it is owed."""

from __future__ import annotations

import datetime
import pathlib
import time
import typing as t

import pytest
from ansible_collections.certops.rotation.plugins.module_utils._core.push.delivery import Delivery
from ansible_collections.certops.rotation.plugins.module_utils._core.push.entries import OwedEntry
from ansible_collections.certops.rotation.plugins.module_utils._core.push.push_report import LineageReport, PushReport
from ansible_collections.certops.rotation.plugins.module_utils._core.push.turns import TurnRules
from ansible_collections.certops.rotation.plugins.module_utils._flows.issue.run_time import RunTime
from ansible_collections.certops.rotation.tests.support.pusher_machine import (
    PusherMachine,
    broken,
    broken_off,
    silent,
    taken,
)

HOUR, DAY = datetime.timedelta(hours=1), datetime.timedelta(days=1)
NOBODY = "127.0.0.1:1"


@pytest.fixture
def machine(tmp_path: pathlib.Path) -> PusherMachine:
    machine = PusherMachine(tmp_path)
    machine.issue("example.com", "example.com")
    return machine


def owed(machine: PusherMachine) -> OwedEntry:
    (entry,) = machine.queue.content().owed
    return entry


def told(report: PushReport) -> LineageReport:
    return report.targets["web1"].lineages["example.com"]


def later(machine: PusherMachine, delay: datetime.timedelta) -> None:
    machine.now = lambda: datetime.datetime.now(datetime.timezone.utc) + delay


# What lies at the host


def test_which_receipt_is_no_answer_is_known_to_all_later_runs(machine) -> None:
    """It was there before the upload: the second run took it for a confirmation."""
    machine.add("web1")
    mark = "2026-11-20T12:00:00Z deployed"
    machine.hosts.answers["web1"] = [
        lambda lineage: Delivery(lineage.name, uploaded=True, earlier_receipt=mark),
        broken(),
        silent,
        taken(),
    ]
    for _run in range(4):
        machine.push()
    assert [visit.earlier for visit in machine.hosts.visits] == [{}, *[{"example.com": mark}] * 3]
    assert machine.stand("confirmed") == [("web1", "example.com")]


def test_what_was_refused_is_uploaded_as_if_for_the_first_time(machine) -> None:
    machine.add("web1")
    machine.hosts.answers["web1"] = [
        lambda lineage: Delivery(lineage.name, uploaded=True, earlier_receipt="2026-11-20T12:00:00Z deployed"),
        taken("refused"),
    ]
    machine.push()
    machine.push()
    entry = owed(machine)
    assert (entry.uploaded, entry.uploaded_at, entry.earlier_receipt) == (None, None, None)


# What nobody waits for


def test_what_nobody_waits_for_fails_in_the_end_and_is_given_up(machine) -> None:
    machine.add("web1")
    machine.hosts.answers["web1"] = [silent]
    assert not machine.push(wait=False, give_up_after=30 * DAY).failure
    first = owed(machine).uploaded_at
    later(machine, HOUR / 2)
    assert not machine.push(wait=False, give_up_after=30 * DAY).failure
    assert owed(machine).uploaded_at == first
    later(machine, 2 * HOUR)
    assert told(machine.push(wait=False, give_up_after=30 * DAY)).fault == "no_receipt"
    assert owed(machine).attempts == 1
    later(machine, 31 * DAY)
    machine.push(wait=False, give_up_after=30 * DAY)
    assert machine.stand("dead") == [("web1", "example.com")]


def test_a_host_that_a_wrong_clock_owed_is_given_up_in_time(machine) -> None:
    machine.add("web1")
    machine.hosts.answers["web1"] = [silent]
    later(machine, 60 * DAY)
    machine.push(wait=False)
    ahead = owed(machine).queued_at
    for days in (0, 20, 40):
        later(machine, days * DAY)
        machine.push(wait=False, give_up_after=30 * DAY)
        assert [entry.queued_at < ahead for entry in machine.queue.content().owed] == [True] * (days < 40)
    assert machine.stand("dead") == [("web1", "example.com")]


def test_what_no_endpoint_shows_is_uploaded_again_after_a_day(machine) -> None:
    """Nobody else would bring it back to a directory whose content was lost."""
    machine.add("web1", protocol="directory", endpoints=(NOBODY,), receipt_timeout=0)
    for hours in (0, 12, 25, 26):
        later(machine, hours * HOUR)
        machine.push()
    assert [visit.asked for visit in machine.hosts.visits] == [(), ("example.com",), ("example.com",), ()]
    assert owed(machine).attempts == 1  # but for the day in which it may wait


# Whose fault it is


def test_a_run_that_is_ended_while_a_receipt_is_awaited_blames_nobody(machine) -> None:
    """systemctl stop: the connections are cut."""
    machine.add("web1", retries=3)
    run_time = RunTime(datetime.timedelta(seconds=60))

    def cut(lineage: t.Any) -> Delivery:
        run_time.ask_to_end("SIGTERM")
        return broken_off(lineage)

    machine.hosts.answers["web1"] = [cut]
    report = machine.planned(run_time=run_time, drop_on_failure=True).run()
    assert told(report).fault == "ended"
    assert report.failure
    entry = owed(machine)
    assert (entry.attempts, entry.uploaded) == (0, machine.fingerprint("example.com"))


def test_a_run_without_time_to_wait_blames_nobody(machine) -> None:
    """It ends the wait for receipts a moment before its own end, so that it can still tell."""
    machine.add("web1", receipt_timeout=60)

    def waits(_lineage: t.Any) -> None:
        time.sleep(0.5)

    machine.hosts.answers["web1"] = [waits]
    machine.push(rules=TurnRules(lanes=1), limit=2, drop_on_failure=True)
    entry = owed(machine)
    assert (entry.attempts, entry.uploaded) == (0, machine.fingerprint("example.com"))


def test_a_host_that_was_given_all_its_time_is_blamed(machine) -> None:
    machine.add("web1", receipt_timeout=0.1)
    machine.hosts.answers["web1"] = [silent]
    assert told(machine.push(limit=1.5)).fault == "no_receipt"


def test_a_host_that_reboots_before_its_receipt_is_asked_again(machine) -> None:
    machine.add("web1", retries=1)
    machine.hosts.answers["web1"] = [broken_off, taken()]
    assert not machine.push(drop_on_failure=True).failure
    assert [visit.asked for visit in machine.hosts.visits] == [(), ("example.com",)]
