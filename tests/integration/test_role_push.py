# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The role certificate_push on a real systemd: what certbot renews is pushed to real SSH servers within seconds by the
hook, and without it by the timer; what renews is run when it is time; and all of it goes again."""

from __future__ import annotations

import pathlib
import typing as t

import pytest
from ansible_collections.certops.rotation.tests.support.playbook import PlaybookRun
from ansible_collections.certops.rotation.tests.support.pusher_host import (
    HOOKS,
    KEY,
    PROGRAM,
    PUSH,
    QUEUE,
    RENEW,
    PusherHost,
)
from ansible_collections.certops.rotation.tests.support.ssh_hosts import SshHost
from ansible_collections.certops.rotation.tests.support.systemd_host import SystemdHost
from ansible_collections.certops.rotation.tests.support.waiting import eventually


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> t.Iterator[PusherHost]:
    directory = tmp_path_factory.mktemp("hosts")
    with SystemdHost() as host, SshHost(directory, "one") as one, SshHost(directory, "two") as two:
        yield PusherHost(host, [one, two])


class Installed(t.NamedTuple):
    before: list[str]
    runs: list[PlaybookRun]


RENEWING: dict[str, t.Any] = {
    "renew": True,
    "renew_exec": "/usr/local/sbin/mock-certbot",
    "renew_args": ["renew", "--quiet"],
    "renew_every": 2,
    "renew_at": "15:00",
}


@pytest.fixture(scope="module")
def installed(bare: PusherHost) -> Installed:
    """Run, run. What a check predicts, and that it changes nothing, the scenario of Molecule says."""
    bare.lineages.renew("first.example.com")
    before = bare.tree()
    runs = [bare.role(**RENEWING)]
    assert runs[-1].returncode == 0, runs[-1].output
    eventually(bare.is_quiet)
    runs.append(bare.role(**RENEWING))
    bare.let_in()
    bare.shell(f"systemctl start {PUSH}")
    return Installed(before, runs)


@pytest.fixture
def pusher(bare: PusherHost, installed: Installed) -> PusherHost:
    assert installed.runs
    eventually(bare.is_quiet)
    bare.shell("systemctl reset-failed")
    return bare


def test_a_second_run_changes_nothing(installed: Installed) -> None:
    done, again = installed.runs
    assert [run.returncode for run in installed.runs] == [0, 0], again.error
    assert done.changed
    assert again.changed == []


def test_what_is_secret_is_roots_alone(pusher: PusherHost) -> None:
    modes = pusher.shell(
        f"stat -c '%U %a %n' {KEY} {QUEUE} {QUEUE}/wake /etc/{PUSH} /etc/{PUSH}/inventory.json {HOOKS}/*"
    )
    assert modes.splitlines() == [
        f"root 600 {KEY}",
        f"root 700 {QUEUE}",
        f"root 700 {QUEUE}/wake",
        f"root 700 /etc/{PUSH}",
        f"root 600 /etc/{PUSH}/inventory.json",
        f"root 755 {HOOKS}/certops-push",
    ]


def test_the_first_run_pushes_what_was_there(pusher: PusherHost) -> None:
    for host in pusher.hosts:
        eventually(lambda host=host: pusher.uploaded(host, "first.example.com") != "")


def test_the_hook_has_it_pushed_at_once(pusher: PusherHost) -> None:
    issued = pusher.lineages.renew("hooked.example.com", ["hooked.example.com", "*.hooked.example.com"])
    variables = "RENEWED_LINEAGE=/x/live/hooked.example.com RENEWED_DOMAINS='hooked.example.com *.hooked.example.com'"
    assert pusher.shell(f"{variables} {HOOKS}/certops-push 2>&1") == ""
    for host in pusher.hosts:
        eventually(lambda host=host: issued.certificate_pem in pusher.uploaded(host, "hooked.example.com"))
    eventually(pusher.is_quiet)
    assert pusher.shell(f"ls {QUEUE}/wake") == ""


def test_hooks_while_a_run_is_under_way_start_one_more_and_no_storm(pusher: PusherHost) -> None:
    before = pusher.runs()
    pusher.shell(f"for number in 1 2 3 4 5; do {HOOKS}/certops-push; done")
    eventually(lambda: pusher.runs() > before)
    issued = pusher.lineages.renew("late.example.com")
    pusher.shell(f"for number in 1 2 3; do {HOOKS}/certops-push; done")
    for host in pusher.hosts:
        eventually(lambda host=host: issued.certificate_pem in pusher.uploaded(host, "late.example.com"))
    eventually(pusher.is_quiet)
    assert pusher.runs() - before <= 3
    assert pusher.shell("systemctl is-active certificate-push-wake.path") == "active\n"


@pytest.mark.parametrize("obstacle", ["mv {wake} {wake}.away", "mount --bind /proc {wake}"])
def test_the_hook_never_makes_certbot_fail(pusher: PusherHost, obstacle: str) -> None:
    wake = f"{QUEUE}/wake"
    pusher.shell(obstacle.format(wake=wake))
    ended = pusher.host.run(f"{HOOKS}/certops-push", check=False)
    pusher.shell(f"umount {wake} 2>/dev/null || mv {wake}.away {wake}")
    assert ended.returncode == 0
    assert "the next regular run pushes what was renewed" in ended.stderr


def test_the_program_pushes_what_no_hook_has_told_and_tells(pusher: PusherHost) -> None:
    issued = pusher.lineages.renew("silent.example.com")
    said = pusher.shell(f"{PROGRAM} --push")
    for host in pusher.hosts:
        assert issued.certificate_pem in pusher.uploaded(host, "silent.example.com")
        assert f"{host.name}: has silent.example.com (upload)." in said
    assert "Hosts: 2 unchanged." in pusher.shell(f"{PROGRAM} --push")


def test_a_lineage_that_is_named_is_pushed_again_to_whom_its_domains_concern(pusher: PusherHost) -> None:
    one, two = pusher.hosts
    for host in pusher.hosts:
        pusher.shell(f"nsenter --target 1 true; rm -rf {host.staging}/first.example.com", check=False)
    said = pusher.shell(
        f"{PROGRAM} --push --lineage {pusher.lineages.live}/first.example.com --domains first.example.com"
    )
    assert f"{one.name}: has first.example.com (upload)." in said
    assert f"{two.name}: has first.example.com (upload)." in said
    assert "hooked.example.com" not in said


def test_exit_codes_tell_the_truth(pusher: PusherHost) -> None:
    assert pusher.host.run(PROGRAM, check=False).returncode == 1
    assert pusher.host.run(PROGRAM, "--daemon", "--lineage", "x", check=False).returncode == 2
    for host in pusher.hosts:
        host.authorize()
    pusher.lineages.renew("refused.example.com")
    failed = pusher.host.run(PROGRAM, "--push", check=False)
    assert failed.returncode == 2
    for host in pusher.hosts:
        assert f"{host.name}: refused.example.com is still owed: " in failed.stdout
    assert pusher.host.run("systemctl", "start", PUSH, check=False).returncode == 1
    pusher.let_in()
    assert pusher.host.run("systemctl", "start", PUSH, check=False).returncode == 0
    assert pusher.uploaded(pusher.hosts[0], "refused.example.com")


# Renewing


@pytest.fixture
def renewing(pusher: PusherHost) -> t.Iterator[tuple[PusherHost, pathlib.Path]]:
    """A program in certbot's place, and what it writes down."""
    written = pusher.host.shared / "renewals"
    pusher.host.write("/usr/local/sbin/mock-certbot", f'#!/bin/sh\necho "$@" >> {written}\n. /root/does\n')
    pusher.host.write("/root/does", "exit 0")
    pusher.shell("chmod 755 /usr/local/sbin/mock-certbot")
    yield pusher, written
    written.unlink(missing_ok=True)


def renewals(written: pathlib.Path) -> list[str]:
    return written.read_text().splitlines() if written.exists() else []


def test_what_renews_has_a_timer_of_its_own_and_its_failure_stops_no_push(
    renewing: tuple[PusherHost, pathlib.Path],
) -> None:
    pusher, written = renewing
    assert "OnCalendar=*-*-* 15:00:00\n" in pusher.shell(f"cat /etc/systemd/system/{RENEW}.timer")
    assert RENEW in pusher.shell("systemctl list-timers --all")
    assert renewals(written) == [], "it is not installed to be run at once"

    assert pusher.host.run("systemctl", "start", RENEW, check=False).returncode == 0
    assert renewals(written) == ["renew --quiet"]
    assert pusher.host.run("systemctl", "start", RENEW, check=False).returncode == 0
    assert len(renewals(written)) == 1, "tomorrow is not yet the second day"
    stamp = f"{QUEUE}.last-renewal"
    pusher.shell(f"date -u -d '2 days ago' +%Y-%m-%dT%H:%M:%SZ | tr -d '\\n' > {stamp}")

    pusher.host.write("/root/does", f"{HOOKS}/certops-push; echo no luck; exit 3")
    issued = pusher.lineages.renew("renewed.example.com")
    assert pusher.host.run("systemctl", "start", RENEW, check=False).returncode == 1
    assert "ended with exit code 3" in pusher.journal(RENEW)
    assert "no luck" in pusher.journal(RENEW)
    for host in pusher.hosts:
        eventually(lambda host=host: issued.certificate_pem in pusher.uploaded(host, "renewed.example.com"))

    pusher.host.write("/root/does", "exit 0")
    before = len(renewals(written))
    assert pusher.host.run(PROGRAM, "--renew", check=False).returncode == 0
    assert len(renewals(written)) == before + 1, "by hand it is always run"
    pusher.host.write("/root/does", "exit 5")
    assert pusher.host.run(PROGRAM, "--renew", check=False).returncode == 2


def test_bad_schedules_are_refused_before_anything_changes(pusher: PusherHost) -> None:
    before = pusher.tree()
    for variables, said in (
        (
            {"renew": True, "renew_every": 2, "renew_unit": "monday"},
            "certificate_push_renew_unit is not to be a weekday",
        ),
        ({"renew": True, "renew_at": "25:00"}, "certificate_push_renew_at is to be HH:MM"),
        ({"queue": "relative", "passphrase": "unspoken"}, "certificate_push_queue is to begin with a slash"),
    ):
        refused = pusher.role(**variables)
        assert refused.returncode == 2
        assert said in refused.error
        assert "unspoken" not in refused.output
    assert pusher.tree() == before


def test_a_key_that_is_there_is_never_replaced(pusher: PusherHost) -> None:
    key = "/etc/certops-push/other"
    pusher.shell(f"ssh-keygen -q -t ecdsa -N '' -f {key} && chmod 644 {key} && sha256sum {key} > /root/sum")
    missing = pusher.role(private_key_file="/etc/certops-push/none", key_create=False)
    assert "There is no private key /etc/certops-push/none" in missing.error
    assert pusher.role(private_key_file=key, schedule="none", **RENEWING).returncode == 0
    assert pusher.shell(f"sha256sum -c /root/sum && stat -c %a {key}").splitlines()[-1] == "600"


def test_a_key_from_elsewhere_stays_its_owners(pusher: PusherHost) -> None:
    """A check predicts what a run would do to it."""
    key = "/srv/deploy_key"
    pusher.shell(f"ssh-keygen -q -t ed25519 -N '' -f {key} && chown daemon {key}")
    run = pusher.role(check=True, private_key_file=key, schedule="none")
    assert run.returncode == 0, run.error
    assert "Let nobody else read the private key" not in run.changed
    pusher.shell(f"chmod 644 {key}")
    refused = pusher.role(check=True, private_key_file=key, schedule="none")
    assert f"others than its owner have rights to {key}: chmod go= {key}" in refused.error
    pusher.shell(f"rm {key}*")


def test_removal_takes_only_what_is_the_roles(pusher: PusherHost) -> None:
    pusher.shell("mkdir -p /srv/data/owed && touch /srv/data/mine")
    before = pusher.tree()
    for queue, said in (("/", "not to be right below /"), ("/srv/data", "/srv/data holds mine")):
        refused = pusher.role(state="absent", purge=True, queue=queue)
        assert said in refused.error
        assert refused.changed == []
    assert pusher.tree() == before
    pusher.shell("ls /srv/data/mine && rm -r /srv/data")


def test_without_a_schedule_only_hook_and_key_stay(pusher: PusherHost) -> None:
    """After the one before. A controller runs the playbook."""
    assert pusher.shell("systemctl list-units --all --plain --no-legend 'certificate-*'") == ""
    assert pusher.shell(f"ls {PROGRAM} /opt /etc/{PUSH} 2>&1", check=False).count("No such file") == 2
    assert pusher.shell(f"ls {HOOKS}/certops-push {KEY}").count("\n") == 2
    issued = pusher.lineages.renew("controlled.example.com")
    for check, changes in ((True, 1), (False, 1), (False, 0)):
        run = pusher.play(pusher.variables, "certops.rotation.push", check=check, push_hosts="host")
        assert run.returncode == 0, run.error
        assert len(run.changed) == changes
    assert issued.certificate_pem in pusher.uploaded(pusher.hosts[0], "controlled.example.com")


def test_where_there_is_no_systemd_cron_does_it(pusher: PusherHost) -> None:
    """Its lines, as cron runs them: one looks each minute for what hooks have dropped."""
    weekly = {"renew": True, "renew_unit": "monday", "renew_at": "09:30", "renew_exec": "/bin/true"}
    assert pusher.role(schedule="cron", **weekly).returncode == 0
    lines = pusher.shell(f"cat /etc/cron.d/{PUSH} /etc/cron.d/{RENEW}").splitlines()
    (waking,) = [line for line in lines if line.startswith("* * * * * root ")]
    assert any(line.startswith("*/15 * * * * root ") for line in lines)
    assert any(line.startswith("30 9 * * 1 root ") for line in lines)
    command = f"PATH=/usr/sbin:/usr/bin:/sbin:/bin; {waking.removeprefix('* * * * * root ')}"
    issued = pusher.lineages.renew("minute.example.com")
    pusher.shell(command)
    assert not pusher.uploaded(pusher.hosts[0], "minute.example.com"), "nobody has dropped anything"
    pusher.shell(f"{HOOKS}/certops-push")
    pusher.shell(command)
    assert issued.certificate_pem in pusher.uploaded(pusher.hosts[0], "minute.example.com")
    assert pusher.shell(f"ls {QUEUE}/wake") == ""


def test_all_of_it_goes_again(pusher: PusherHost, installed: Installed) -> None:
    assert pusher.role(state="absent").returncode == 0
    assert pusher.shell(f"ls {KEY}; ls {QUEUE}") != "", "key and confirmations stay"
    assert pusher.role(state="absent", purge=True).returncode == 0
    added = [line for line in set(pusher.tree()) - set(installed.before) if "mock-certbot" not in line]
    assert [line for line in added if "letsencrypt" not in line] == [], "certbot's own directories are left"
    assert pusher.shell("systemctl list-units --all --plain --no-legend 'certificate-*'") == ""
