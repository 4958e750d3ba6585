# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The light form of events: a host on a real systemd that waits at a queue and rotates at once, without a rulebook."""

from __future__ import annotations

import json
import re
import typing as t

import pytest
from ansible_collections.certops.rotation.tests.support import pki
from ansible_collections.certops.rotation.tests.support.event_queue import EventQueue
from ansible_collections.certops.rotation.tests.support.ministack import MinistackServer
from ansible_collections.certops.rotation.tests.support.playbook import PlaybookRun
from ansible_collections.certops.rotation.tests.support.scheduled_host import (
    CERTIFICATES,
    DROP_IN,
    PAGE,
    SERVICE,
    TEXTFILE,
    Balancer,
)
from ansible_collections.certops.rotation.tests.support.systemd_host import SystemdHost
from ansible_collections.certops.rotation.tests.support.waiting import eventually

EVENTS = "certops-rotation-events.service"
DROP_IN_OF_EVENTS = f"/run/systemd/system/{EVENTS}.d"


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


def state(balancer: Listening) -> dict[str, t.Any]:
    return dict(json.loads(balancer.shell(f"cat {CERTIFICATES}/.certops/state.json")))


def shape(value: t.Any) -> t.Any:
    """Which keys it has, and what types of values."""
    if isinstance(value, dict):
        return {key: shape(item) for key, item in value.items()}
    return [shape(item) for item in value[:1]] if isinstance(value, list) else type(value).__name__


def test_a_new_version_is_served_without_a_playbook(balancer: Listening) -> None:
    with balancer.journal_of() as said:
        balancer.served_soon(balancer.store())
    assert "web/a has changed (AWSCURRENT): a run begins." in said[0]
    assert "web/a: updated" in said[0]
    assert "PLAY [" not in said[0]


def test_it_leaves_what_a_playbook_leaves(balancer: Listening) -> None:
    """State, metrics, manifest and the stamp of the schedule: of the same names and types, each anew."""
    metrics, stamp = f"cat {TEXTFILE}", "stat -c %Y /var/lib/certops-rotation/last-success"
    balancer.store()
    balancer.settle()
    assert balancer.start() == 0
    by_playbook = state(balancer)
    names = set(re.findall(r"^(certops_\w+)", balancer.shell(metrics), re.MULTILINE))
    left = balancer.shell(stamp)
    with balancer.journal_of() as said:
        balancer.served_soon(balancer.store())
    assert "PLAY [" not in said[0]
    by_event = state(balancer)
    assert shape(by_event) == shape(by_playbook)
    assert by_event["finished_at"] > by_playbook["finished_at"]
    assert set(re.findall(r"^(certops_\w+)", balancer.shell(metrics), re.MULTILINE)) == names
    assert balancer.shell(stamp) > left
    assert balancer.host.run("/opt/certops-rotation/run", "certops.rotation.status", check=False).returncode == 0


def test_events_during_a_run_begin_another_one(balancer: Listening) -> None:
    """What comes while a run is under way may be too late for that one."""
    runs = balancer.runs()
    slow = f"{DROP_IN}/slow.conf"
    balancer.shell(
        f"mkdir -p {DROP_IN}; printf '[Service]\\nExecStartPost=sleep 8\\n' >{slow}; systemctl daemon-reload"
    )
    balancer.store()
    eventually(lambda: "start-post" in balancer.shell(f"systemctl show --property=SubState {SERVICE}"))
    new = balancer.store()  # by now it looks at nothing any more
    balancer.shell(f"rm -r {DROP_IN}; systemctl daemon-reload")
    balancer.served_soon(new)
    assert balancer.runs() == runs + 2


def test_a_run_that_fails_is_tried_again_as_a_whole_and_its_exit_code_is_told(balancer: Listening) -> None:
    old = balancer.served()
    with balancer.journal_of() as said:
        balancer.aws.put_secret("web/a", "no certificate")
        eventually(lambda: "failed" in balancer.shell(f"systemctl is-failed {SERVICE}", check=False))
        balancer.settle()
    assert balancer.served() == old
    assert "The run failed with exit code 2, attempt 1 of 1" in said[0]
    assert "web/a" in said[0]
    assert "PLAY [" not in said[0]
    eventually(lambda: balancer.shell("cat /root/failures", check=False) == "certops-rotation\n")
    assert balancer.start() == 1, "and so does a playbook"
    balancer.shell("systemctl reset-failed; rm -f /root/failures")
    balancer.served_soon(balancer.store())


def test_other_settings_take_a_playbook_first(balancer: Listening) -> None:
    """What the last playbook gave the module is good for its settings alone."""
    variables = {**balancer.variables["rotation_schedule_variables"], "haproxy_certificates_keep_previous": 2}
    balancer.schedule(variables=variables, at_start=False)
    with balancer.journal_of() as said:
        balancer.served_soon(balancer.store())
    assert "PLAY [" in said[0]
    with balancer.journal_of() as said:
        balancer.served_soon(balancer.store())
    assert "PLAY [" not in said[0]
    kept = balancer.shell(f"ls {CERTIFICATES}/.certops/versions | grep -c '^web_a'")
    assert int(kept) >= 2
    calls = balancer.shell("stat -c '%a %n' /var/lib/certops-rotation/calls/*").split("\n")[:-1]
    assert [call.split()[0] for call in calls] == ["600"]
    balancer.host.write("/etc/ansible/ansible.cfg", "[defaults]\n# nocows = true\nlog_path = /root/log\n")
    with balancer.journal_of() as said:
        balancer.served_soon(balancer.store())
    assert "PLAY [" in said[0], "settings of Ansible are for a playbook"
    balancer.shell("rm /etc/ansible/ansible.cfg")
    balancer.schedule(at_start=False)


def test_what_only_ansible_understands_takes_a_playbook(balancer: Listening) -> None:
    """Here an option. See test_schedule for the others."""
    balancer.schedule(options=["--diff"], at_start=False)
    with balancer.journal_of() as said:
        balancer.served_soon(balancer.store())
    assert "PLAY [" in said[0]
    balancer.schedule(at_start=False)


def test_the_service_comes_again(balancer: Listening) -> None:
    """After its directory was removed, with all that runs have left, which it cannot make by itself; and killed.

    That is last: who waits at a queue and is killed takes messages along, for as long as the queue hides them.
    """
    assert balancer.shell(f"systemctl show --property=Restart --value {EVENTS}") == "always\n"
    balancer.host.write(f"{DROP_IN_OF_EVENTS}/soon.conf", "[Service]\nRestartSec=100ms\n")
    balancer.shell("systemctl daemon-reload; rm -r /var/lib/certops-rotation")
    balancer.store()
    eventually(lambda: "events was removed" in balancer.journal(), 60)
    balancer.served_soon(balancer.store())
    assert balancer.shell("stat -c %a /var/lib/certops-rotation /var/lib/certops-rotation/events") == "700\n700\n"
    process = balancer.shell(f"systemctl show --property=MainPID {EVENTS}")
    balancer.shell(f"systemctl kill --signal=KILL {EVENTS}")
    eventually(lambda: balancer.shell(f"systemctl show --property=MainPID {EVENTS}") not in (process, "MainPID=0\n"))
    balancer.shell(f"rm -r {DROP_IN_OF_EVENTS}; systemctl daemon-reload")


def test_the_service_is_confined_as_documented(balancer: Listening) -> None:
    """Its exposure; and as it sees itself, it writes nowhere else, and starts nothing. systemd's own "strict" leaves
    /dev/shm writable, and in some places /run."""
    balancer.host.write(f"{DROP_IN_OF_EVENTS}/home.conf", "[Service]\nProtectHome=yes\n")
    balancer.shell("systemctl daemon-reload")
    shown = balancer.shell(f"systemd-analyze security --no-pager {EVENTS}", check=False)
    balancer.shell(f"rm -r {DROP_IN_OF_EVENTS}; systemctl daemon-reload")
    documented = re.search(rf"`{EVENTS}` has an exposure of (\d\.\d)", PAGE)[1]
    measured = float(re.search(rf"level for {EVENTS}: (\S+)", shown)[1])
    version = int(balancer.shell("systemctl --version").split()[1])
    assert measured <= float(documented) + (0.5 if version > 252 else 0), shown
    units = "/etc/systemd/system/certops-rotation*"
    assert balancer.shell(f"systemd-analyze verify {units} 2>&1") == ""

    state = "/var/lib/certops-rotation"
    places = f"/ /etc {CERTIFICATES} /opt /root /run /run/systemd/system /dev/shm /var/lib {state} {state}/events"
    touch = "touch $$place/probe 2>/dev/null && rm $$place/probe && echo writes $$place"
    start = f"systemctl start {SERVICE} 2>/dev/null && echo starts"
    probe = f"[Service]\nExecStartPre=sh -c 'for place in {places}; do {touch}; done; {start}; true'\n"
    with balancer.journal_of() as said:
        balancer.host.write(f"{DROP_IN_OF_EVENTS}/probe.conf", probe)
        balancer.shell(f"systemctl daemon-reload; systemctl restart {EVENTS}")
    assert re.findall("^(?:writes|starts).*", said[0], re.MULTILINE) == [f"writes {state}/events"]
    balancer.shell(f"rm -r {DROP_IN_OF_EVENTS}; systemctl daemon-reload")


def test_by_cron_what_was_removed_is_made_again(balancer: Listening) -> None:
    """There no systemd makes it. This is what cron runs each minute."""
    balancer.shell(f"systemctl stop {EVENTS}; rm -r /var/lib/certops-rotation; /opt/certops-rotation/listen --once")
    assert balancer.shell("stat -c %a /var/lib/certops-rotation") == "700\n"


def test_without_a_queue_nothing_of_it_is_left(balancer: Listening) -> None:
    assert balancer.schedule(events="", at_start=False).changed
    assert balancer.schedule(events="", at_start=False).changed == []
    assert balancer.shell(f"systemctl is-active {EVENTS}", check=False) == "inactive\n"
    names = balancer.shell("ls /opt/certops-rotation /etc/certops-rotation /etc/systemd/system")
    assert not re.search(r"events|listen|quick|wake", names), names
    assert balancer.start() == 0
    assert "calls" not in balancer.shell("ls /var/lib/certops-rotation"), "what a playbook was given may be secret"
    balancer.schedule(state="absent")
    assert balancer.shell("find /etc /opt /var/lib /run/systemd -name '*certops-rotation*'", check=False) == ""
