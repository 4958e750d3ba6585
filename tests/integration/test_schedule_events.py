# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The light form of events: a host on a real systemd that waits at a queue and rotates at once, without a rulebook."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.certops.rotation.tests.support import pki
from ansible_collections.certops.rotation.tests.support.event_queue import EventQueue
from ansible_collections.certops.rotation.tests.support.ministack import MinistackServer
from ansible_collections.certops.rotation.tests.support.playbook import PlaybookRun
from ansible_collections.certops.rotation.tests.support.scheduled_host import Balancer
from ansible_collections.certops.rotation.tests.support.systemd_host import SystemdHost
from ansible_collections.certops.rotation.tests.support.waiting import eventually

EVENTS = "certops-rotation-events.service"


class Listening(Balancer):
    """With a queue, and nothing else that begins a run."""

    queue: EventQueue

    def settle(self) -> None:
        """Until the queue is empty and nothing is under way."""
        eventually(lambda: self.queue.size == 0 and self.is_quiet())

    def served_soon(self, fingerprint: str) -> None:
        eventually(lambda: self.served() == fingerprint, 60)
        self.settle()


@pytest.fixture(scope="module")
def installed(
    ministack: MinistackServer, intermediate: pki.CertificateAuthority
) -> t.Iterator[tuple[Listening, list[PlaybookRun]]]:
    """By the playbook: check, run, check, run."""
    ministack.reset()
    with SystemdHost() as host:
        balancer = Listening(host, ministack, intermediate)
        balancer.queue = EventQueue(ministack, "host-1", sns="enveloped")
        balancer.variables |= {
            "rotation_schedule_repository": "",
            "rotation_schedule_version": "",
            "rotation_schedule_events": "host-1",
            "rotation_schedule_events_gap": 1,
            "rotation_schedule_watch": [],
        }
        balancer.prepare()
        fingerprint = balancer.store()
        runs = [balancer.schedule(check=True), balancer.schedule()]
        balancer.served_soon(fingerprint)
        runs += [balancer.schedule(check=True), balancer.schedule()]
        yield balancer, runs


@pytest.fixture
def balancer(installed: tuple[Listening, list[PlaybookRun]]) -> Listening:
    installed[0].settle()
    return installed[0]


def test_check_run_check_run(installed: tuple[Listening, list[PlaybookRun]]) -> None:
    predicted, done, *again = installed[1]
    assert predicted.changed
    assert set(predicted.changed) <= set(done.changed)
    assert [run.changed for run in again] == [[], []]


def test_a_new_version_is_served_without_a_playbook(balancer: Listening) -> None:
    with balancer.journal_of() as said:
        balancer.served_soon(balancer.store())
    assert "web/a has changed (AWSCURRENT): a run begins." in said[0]
    assert "web/a: updated" in said[0]
    assert "PLAY [" not in said[0]
