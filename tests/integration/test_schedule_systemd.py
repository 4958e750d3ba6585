# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The role rotation_schedule on a real systemd: ansible-pull from a git repository keeps the certificates of a HAProxy
right that the distribution's unit runs."""

from __future__ import annotations

import datetime as dt
import json
import re
import sys
import time
import typing as t

import pytest
from ansible_collections.certops.rotation.tests.support import pki
from ansible_collections.certops.rotation.tests.support.moto import MotoServer
from ansible_collections.certops.rotation.tests.support.playbook import PlaybookRun
from ansible_collections.certops.rotation.tests.support.scheduled_host import (
    CERTIFICATES,
    COMMANDS,
    DROP_IN,
    FILE,
    KEYRING,
    PAGE,
    REPOSITORY,
    SERVICE,
    TEXTFILE,
    TEXTFILE_OF_THE_PAGE,
    Balancer,
    block,
)
from ansible_collections.certops.rotation.tests.support.systemd_host import SystemdHost
from ansible_collections.certops.rotation.tests.support.waiting import eventually


@pytest.fixture(scope="module")
def bare(moto: MotoServer, intermediate: pki.CertificateAuthority) -> t.Iterator[Balancer]:
    """Without a schedule."""
    moto.reset()
    with SystemdHost() as host:
        balancer = Balancer(host, moto, intermediate)
        balancer.prepare()
        yield balancer


class Installation(t.NamedTuple):
    before: dict[str, str]
    runs: list[PlaybookRun]
    fingerprint: str


@pytest.fixture(scope="module")
def installation(bare: Balancer) -> Installation:
    """By the playbook: check, run, check, run."""
    fingerprint = bare.store()
    before = bare.tree()
    runs = [bare.schedule(check=True)]
    assert bare.tree() == before, "check mode changes nothing"
    runs.append(bare.schedule())
    eventually(lambda: fingerprint == bare.served())
    eventually(bare.is_quiet)
    runs += [bare.schedule(check=True), bare.schedule()]
    return Installation(before, runs, fingerprint)


@pytest.fixture
def balancer(bare: Balancer, installation: Installation) -> Balancer:
    """Scheduled, and nothing under way."""
    eventually(bare.is_quiet)
    bare.shell("systemctl reset-failed; rm -f /root/failures")
    return bare


def test_check_run_check_run(installation: Installation) -> None:
    predicted, done, *again = installation.runs
    assert predicted.changed
    assert set(predicted.changed) <= set(done.changed)
    assert [run.changed for run in again] == [[], []]


def test_the_next_run_is_shown(installation: Installation) -> None:
    (shown,) = [task.result["msg"] for task in installation.runs[-1].tasks if task.task.endswith("Show the next run")]
    (line,) = [line for line in shown if "certops-rotation.timer" in line]
    upcoming, last = (dt.datetime.fromisoformat(text) for text in re.findall(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", line))
    hour = dt.timedelta(minutes=60)
    assert hour <= upcoming - last <= hour + dt.timedelta(seconds=2), "its accuracy is a second; no delay was asked for"


def test_the_timer_rotated_at_once(balancer: Balancer, installation: Installation) -> None:
    """Nobody else started it: ansible-pull, certificate, HAProxy, in the confined service."""
    said = balancer.journal()
    assert "Starting Ansible Pull" in said
    assert "failed=0" in said
    assert balancer.shell("stat -c %a /etc/certops-rotation/* /opt/certops-rotation/run").split() == ["600"] * 2 + [
        "700"
    ]


def test_a_renewal_is_taken_and_own_writes_start_nothing(balancer: Balancer) -> None:
    worker = balancer.shell("pgrep --newest haproxy")
    runs = balancer.runs()
    new = balancer.store()
    assert balancer.start() == 0
    assert balancer.served() == new
    assert balancer.shell("pgrep --newest haproxy") == worker
    eventually(
        lambda: "Finished certops-rotation-check" in balancer.journal().rpartition("Starting certops-rotation.s")[2]
    )
    eventually(balancer.is_quiet)
    assert balancer.runs() == runs + 1


CHANGES = {
    "written to": f"echo >> {FILE}",
    "removed": f"rm {FILE}",
    "moved away": f"mv {FILE} /root/",
    "many times": f"for i in $(seq 50); do echo >> {FILE}; rm {FILE}; cp {CERTIFICATES}/00-default.pem {FILE}; done",
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_what_others_change_is_repaired_by_one_run(balancer: Balancer, change: str) -> None:
    good, served, runs = balancer.shell(f"sha256sum < {FILE}"), balancer.served(), balancer.runs()
    balancer.shell(change)
    eventually(lambda: balancer.runs() > runs)
    eventually(balancer.is_quiet)
    assert balancer.shell(f"sha256sum < {FILE}") == good
    assert balancer.served() == served
    assert f"{FILE}: somebody else has changed or removed it" in balancer.journal()
    time.sleep(2)  # a second run would begin within that
    assert balancer.is_quiet()
    assert balancer.runs() == runs + 1


def test_a_change_at_the_end_of_a_run_is_repaired_by_the_next(balancer: Balancer) -> None:
    """By then the run that is under way no longer looks at the file."""
    good, runs = balancer.shell(f"sha256sum < {FILE}"), balancer.runs()
    slow = f"/run/systemd/system/{SERVICE}.d"
    balancer.shell(
        f"mkdir {slow}; printf '[Service]\\nExecStartPost=sleep 8\\n' >{slow}/slow.conf; systemctl daemon-reload"
    )
    balancer.shell(f"systemctl start --no-block {SERVICE}")
    eventually(lambda: "start-post" in balancer.shell(f"systemctl show --property=SubState {SERVICE}"))
    balancer.shell(f"rm -r {slow}; systemctl daemon-reload; rm {FILE}")
    eventually(lambda: balancer.runs() == runs + 2)
    eventually(balancer.is_quiet)
    assert balancer.shell(f"sha256sum < {FILE}") == good


def test_files_of_others_start_nothing(balancer: Balancer) -> None:
    runs, checks = balancer.runs(), balancer.journal().count("Finished certops-rotation-check")
    balancer.shell(f"echo > {CERTIFICATES}/README")
    eventually(lambda: balancer.journal().count("Finished certops-rotation-check") > checks)
    balancer.shell(f"rm {CERTIFICATES}/README")
    eventually(lambda: balancer.journal().count("Finished certops-rotation-check") > checks + 1)
    assert balancer.runs() == runs


def test_below_subdirectories_too(balancer: Balancer) -> None:
    """Certificates as lineages, by a second schedule that has a name of its own."""
    path = "/etc/haproxy/lineages"
    role = {"name_prefix": "web/", "path": path, "layout": "lineage", "activate": False, "prove": False}
    balancer.schedule(
        name="lineages",
        watch=[path],
        variables={f"haproxy_certificates_{name}": value for name, value in role.items()},
    )
    file = f"{path}/web_a/fullchain.pem"
    eventually(lambda: balancer.shell(f"ls {file}", check=False) != "")
    watch = "systemctl show --property=Paths --value lineages.path"
    eventually(lambda: f"{path}/.certops/versions/web_a~" in balancer.shell(watch))
    good = balancer.shell(f"sha256sum < {file}")

    def is_quiet() -> bool:
        return "activating" not in balancer.shell("systemctl show --property=ActiveState 'lineages*'")

    for change in (f"rm {file}", f"echo >> {file}"):
        balancer.shell(change)
        eventually(lambda: balancer.shell(f"sha256sum < {file}", check=False) == good)
        eventually(is_quiet)
    # What changes before a directory is watched is found when the watch begins.
    forget = "rm -r /run/systemd/system/lineages.path.d; systemctl daemon-reload; systemctl restart lineages.path"
    balancer.shell(f"{forget}; echo >> {file}; /opt/lineages/watch-below")
    eventually(lambda: balancer.shell(f"sha256sum < {file}", check=False) == good)
    eventually(is_quiet)
    # A comparison that is still waiting for another's lock does not outlive the schedule.
    balancer.shell(f"flock {path}/.certops/lock sleep 120 >/dev/null 2>&1 & sleep 1; rm {file}")
    eventually(lambda: not is_quiet())
    balancer.shell("cp /opt/lineages/watch-below /root/")
    balancer.schedule(name="lineages", state="absent", watch=[path])
    assert is_quiet()
    balancer.shell("/root/watch-below; rm /root/watch-below")  # as of a run that ended only now
    assert balancer.shell("ls -d /etc/*/system/lineages* /run/systemd/system/lineages*", check=False) == ""
    balancer.shell(f"rm -r {path}")


def test_a_second_start_joins_the_first_one(balancer: Balancer) -> None:
    runs = balancer.runs()
    balancer.shell(f"for i in 1 2 3; do systemctl start --no-block {SERVICE}; done")
    eventually(balancer.is_quiet)
    assert balancer.runs() == runs + 1


def test_a_run_beside_another_says_so_and_ends_well(balancer: Balancer) -> None:
    balancer.shell("flock /var/lib/certops-rotation/lock sleep 60 >/dev/null 2>&1 &")
    eventually(lambda: not balancer.shell("flock -n /var/lib/certops-rotation/lock echo free", check=False))
    with balancer.journal_of() as said:
        assert balancer.start() == 0
    balancer.shell("pkill -f '^sleep 60'")
    assert "Another run is under way" in said[0]
    assert "ansible" not in said[0]


BROKEN = {
    "wrong branch": (
        f"git -C {REPOSITORY} branch -m release other",
        f"git -C {REPOSITORY} branch -m other release",
        "release",
    ),
    "no repository": (
        f"mv {REPOSITORY} /srv/gone",
        f"mv /srv/gone {REPOSITORY}",
        "does not appear to be a git repository",
    ),
    "no network": (
        f"mkdir {DROP_IN} && printf '[Service]\\nPrivateNetwork=yes\\n' > {DROP_IN}/x.conf && systemctl daemon-reload",
        f"rm -r {DROP_IN} && systemctl daemon-reload",
        "Could not connect to the endpoint URL",
    ),
}


@pytest.mark.parametrize(("break_it", "mend_it", "told"), BROKEN.values(), ids=BROKEN)
def test_failures_are_told_and_the_old_certificate_is_served(
    balancer: Balancer, break_it: str, mend_it: str, told: str
) -> None:
    old, new = balancer.served(), balancer.store()
    balancer.shell(break_it)
    with balancer.journal_of() as said:
        assert balancer.start() == 1
    balancer.shell(mend_it)
    assert told in said[0]
    assert re.search(r"The run failed with exit code \d+, attempt 1 of 1", said[0])
    assert balancer.served() == old
    assert balancer.shell(f"systemctl is-failed {SERVICE}", check=False) == "failed\n"
    eventually(lambda: balancer.shell("cat /root/failures", check=False) == "certops-rotation\n")
    assert balancer.start() == 0
    assert balancer.served() == new


def test_the_exit_code_of_status_tells_of_old_successes(balancer: Balancer) -> None:
    assert balancer.start() == 0
    assert "certops_last_success_timestamp_seconds" in balancer.shell(f"cat {TEXTFILE}")
    time.sleep(1.1)
    command = next(command for command in COMMANDS if "status_max_age=1d" in command)
    for age, code in (("1d", 0), ("1s", 2)):
        process = balancer.host.run("sh", "-c", command.replace("=1d", f"={age}"), check=False)
        assert process.returncode == code, process.stdout
    assert "The last run that ended well was" in process.stdout


def test_runs_with_nothing_to_do_count_without_metrics(balancer: Balancer) -> None:
    """By the stamp of the schedule, as by the one beside the certificates. A failed run does not count."""
    stamp, state = "/var/lib/certops-rotation/last-success", f"{CERTIFICATES}/.certops"
    assert balancer.start() == 0
    left = balancer.shell(f"stat -c %Y {stamp}")
    balancer.shell(f"mv {REPOSITORY} /srv/gone")
    assert balancer.start() == 1
    balancer.shell(f"mv /srv/gone {REPOSITORY}")
    assert balancer.shell(f"stat -c %Y {stamp}") == left

    kept = balancer.shell(f"cat {state}/state.json")
    long_ago = {**json.loads(kept), "last_success_at": "2001-01-01T00:00:00Z"}
    balancer.host.write(f"{state}/state.json", json.dumps(long_ago))
    balancer.shell(f"rm {state}/metrics.json {state}/last-success")
    command = next(command for command in COMMANDS if "status_max_age=1d" in command)
    for age, code in (("now", 0), ("2 days ago", 2)):
        balancer.shell(f"touch -d '{age}' {stamp}")
        assert balancer.host.run("sh", "-c", command, check=False).returncode == code
    balancer.host.write(f"{state}/state.json", kept)


def test_the_services_are_confined_as_documented(balancer: Balancer) -> None:
    """A newer systemd may know more that could be restricted."""
    documented = dict(re.findall(r"^\| `(certops-rotation\S*\.service)` \| (\d\.\d) \|", PAGE, re.MULTILINE))
    assert documented
    drop_ins = [f"/run/systemd/system/{unit}.d/home.conf" for unit in documented]
    for drop_in in drop_ins:  # as it is unless the environment is below somebody's home
        balancer.host.write(drop_in, "[Service]\nProtectHome=yes\n")
    balancer.shell("systemctl daemon-reload")
    shown = balancer.shell(f"systemd-analyze security --no-pager {' '.join(documented)}", check=False)
    balancer.shell("rm -r /run/systemd/system/certops-rotation*.d; systemctl daemon-reload")
    measured = {unit: float(re.search(rf"level for {unit}: (\S+)", shown)[1]) for unit in documented}
    version = int(balancer.shell("systemctl --version").split()[1])
    assert all(measured[unit] <= float(figure) + (0.5 if version > 252 else 0) for unit, figure in documented.items())
    assert balancer.shell("systemd-analyze verify /etc/systemd/system/certops-rotation* 2>&1") == ""


def rebooted(balancer: Balancer) -> None:
    balancer.host.reboot()
    balancer.shell("mkdir -p /run/haproxy && systemctl start haproxy")


def test_it_runs_when_the_host_boots(balancer: Balancer) -> None:
    rebooted(balancer)
    eventually(lambda: balancer.runs() == 1)
    eventually(balancer.is_quiet)
    assert "certops-rotation.timer" in balancer.shell("systemctl list-timers")
    assert "certops-rotation.path" in balancer.shell("systemctl list-units --type=path")


def test_a_time_that_passed_while_it_was_off_is_made_up_for(balancer: Balancer) -> None:
    """With a calendar expression, and not because it boots. And a commit is run when it is signed."""
    environment = {**balancer.aws.env, "GNUPGHOME": KEYRING}
    balancer.schedule(on_calendar="*-01-01 00:00:00", at_start=False, verify_commit=True, environment=environment)
    rebooted(balancer)
    assert balancer.runs() == 0
    balancer.shell("touch -d '2 years ago' /var/lib/systemd/timers/stamp-certops-rotation.timer")
    rebooted(balancer)
    eventually(lambda: balancer.runs() == 1)
    eventually(balancer.is_quiet)
    assert "has no good signature. Nothing of it is used" in balancer.journal()
    assert "PLAY [" not in balancer.journal()
    balancer.sign()
    with balancer.journal_of() as said:
        assert balancer.start() == 0
    assert "PLAY [" in said[0]
    balancer.shell(f"rm -r {KEYRING}")


def test_the_commands_of_the_page_and_removal_leaves_nothing(balancer: Balancer, installation: Installation) -> None:
    """In their order, with its inventory; the last one removes the schedule, but not certificates and metrics."""
    balancer.host.write("/root/inventory.yml", block("yaml", "inventory.yml"))
    variables = {**balancer.variables, "ansible_python_interpreter": sys.executable}
    del variables["rotation_schedule_variables"]
    balancer.host.write("/root/group_vars/haproxy.yml", json.dumps(variables))
    *others, removal = COMMANDS
    assert len(others) > 6
    for command in others:
        process = balancer.host.run("sh", "-c", f"cd /root && {command}", check=False)
        assert process.returncode == 0, f"{command}: {process.stdout}{process.stderr}"
        eventually(balancer.is_quiet)

    tree = balancer.tree()
    assert balancer.schedule(check=True, state="absent").changed
    assert balancer.tree() == tree
    balancer.shell(f"cd /root && {removal}")
    left = balancer.tree()
    for textfile in (TEXTFILE, TEXTFILE_OF_THE_PAGE):
        del left[textfile]
    assert left == installation.before
    assert balancer.shell("systemctl list-units --all --plain --no-legend 'certops*'") == ""
    assert balancer.schedule(state="absent").changed == []
    assert balancer.shell(f"ls {FILE}")
