# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A repository that somebody else has written to: what nobody of the keyring has signed is never checked out."""

from __future__ import annotations

import pathlib
import subprocess
import sys
import typing as t

import pytest
from ansible_collections.certops.rotation.tests.support.playbook import PlaybookRun, run_playbook
from ansible_collections.certops.rotation.tests.support.systemd_host import SystemdHost

ROOT = pathlib.Path(__file__).parents[2]
SCHEDULE = "/opt/certops-rotation"
STATE = "/var/lib/certops-rotation"
WORK = "/srv/work"
REPOSITORY = "/srv/repository.git"
PLAY = "- hosts: localhost\n  gather_facts: false\n  tasks: [{debug: {msg: '%s'}}]\n"
# Whoever loads it leaves a trace.
EVIL = "[defaults]\nlog_path=/root/evil.log\n"


class Repository:
    """At REPOSITORY on the host, with who may sign (good) and who may not (bad)."""

    def __init__(self, host: SystemdHost) -> None:
        self.host = host
        for name in ("good", "bad"):
            self.shell(
                f"export GNUPGHOME=/root/gnupg-{name}; mkdir -m 700 $GNUPGHOME && gpg --batch --quiet --passphrase ''"
                f" --quick-gen-key {name}@example.com ed25519 sign never"
            )
        self.shell("mkdir -m 700 /root/keyring && GNUPGHOME=/root/gnupg-good gpg --export >/root/good.gpg")
        self.shell("GNUPGHOME=/root/keyring gpg --batch --quiet --import /root/good.gpg")
        self.shell(f"git init -q -b release {WORK} && git init -q --bare -b release {REPOSITORY}")

    def shell(self, script: str) -> str:
        return self.host.run("sh", "-c", script).stdout.strip()

    def git(self, arguments: str, signer: str = "good", work: str = WORK) -> str:
        identity = f"-c user.name=a -c user.email={signer}@example.com -c user.signingkey={signer}@example.com"
        return self.shell(f"GNUPGHOME=/root/gnupg-{signer} git -C {work} {identity} {arguments}")

    def commit(self, text: str, signer: str = "", **files: str) -> str:
        """On the branch release: local.yml that says the text. signer: "" for nobody. Returns the commit."""
        for name, content in {"local.yml": PLAY % text, "ansible_cfg": "[defaults]\n", **files}.items():
            self.host.write(f"{WORK}/{name.replace('_', '.')}", content)
        self.git("add --all")
        self.git(f"commit -q {'-S' if signer else ''} --allow-empty -m x", signer or "good")
        self.push()
        return self.git("rev-parse HEAD")

    def push(self, what: str = "HEAD:release") -> None:
        self.git(f"push -q --force {REPOSITORY} {what}")


@pytest.fixture(scope="module")
def host() -> t.Iterator[SystemdHost]:
    with SystemdHost() as booted:
        yield booted


@pytest.fixture(scope="module")
def repository(host: SystemdHost) -> Repository:
    """With a schedule that runs its branch release."""
    made = Repository(host)
    host.write(f"{STATE}/checkout/ansible.cfg", EVIL)  # as an earlier version left it
    run = schedule(host)
    assert run.returncode == 0, run.output
    return made


def schedule(host: SystemdHost, **options: t.Any) -> PlaybookRun:
    variables = {
        "virtualenv": sys.prefix,
        "requirements": [],
        "collections": [],
        "collections_path": str(ROOT / ".dev" / "collections"),
        "scheduler": "cron",
        "repository": REPOSITORY,
        "version": "release",
        "verify_commit": True,
        "environment": {"GNUPGHOME": "/root/keyring"},
        "retries": 0,
        **options,
    }
    named = {f"rotation_schedule_{name}": value for name, value in variables.items()}
    return run_playbook(named, playbook="certops.rotation.schedule", inside=host)


def choose(host: SystemdHost, version: str) -> None:
    """As the role would with another rotation_schedule_version."""
    host.run("sed", "-i", f"s,^version=.*,version={version},", f"{SCHEDULE}/verified")


def run(host: SystemdHost, *arguments: str) -> subprocess.CompletedProcess[str]:
    return host.run(f"{SCHEDULE}/run", *arguments, check=False)


def fetch(host: SystemdHost) -> subprocess.CompletedProcess[str]:
    """What a run does before anything of the repository is used."""
    return host.run(f"{SCHEDULE}/verified", "true", check=False)


def verified(repository: Repository) -> str:
    return repository.git("rev-parse verified", work=f"{STATE}/repository")


def test_what_nobody_signed_is_never_entered(host: SystemdHost, repository: Repository) -> None:
    host.write("/root/other.yml", PLAY % "other")
    repository.commit("evil", ansible_cfg=EVIL)
    failed = run(host)
    assert (failed.returncode, "PLAY [" in failed.stdout) == (65, False)
    assert "has no good signature. Nothing of it is used" in failed.stderr
    refused = run(host, "/root/other.yml")
    assert refused.returncode == 1
    assert "No commit with a good signature has been fetched yet" in refused.stderr
    assert host.run("ls", STATE).stdout.split() == ["lock", "repository"]

    good = repository.commit("as it should be", "good")
    done = run(host)
    assert (done.returncode, "as it should be" in done.stdout) == (0, True), done.stdout + done.stderr
    assert run(host, "/root/other.yml").returncode == 0

    for signer in ("", "bad"):
        repository.commit("evil", signer, ansible_cfg=EVIL, hooks_yml="x")
        failed = run(host)
        assert (failed.returncode, "PLAY [" in failed.stdout) == (65, False), failed.stdout
        assert repository.git("rev-parse HEAD", work=f"{STATE}/verified") == good
        assert host.run("cat", f"{STATE}/verified/ansible.cfg").stdout == "[defaults]\n"
        other = run(host, "/root/other.yml")
        assert (other.returncode, '"msg": "other"' in other.stdout) == (0, True), other.stdout
    assert host.run("ls", "/root/evil.log", check=False).returncode


def test_a_branch_does_not_go_back_by_itself(host: SystemdHost, repository: Repository) -> None:
    """An old commit is signed, too, with all that was wrong with it."""
    choose(host, "release")
    old = repository.commit("old", "good")
    new = repository.commit("new", "good")
    assert fetch(host).returncode == 0
    repository.push(f"{old}:release")
    failed = fetch(host)
    assert failed.returncode == 65
    assert f"went back to {old}, which is older than {new}" in failed.stderr
    assert verified(repository) == new
    repository.push(f"{new}:release")
    assert fetch(host).returncode == 0
    choose(host, old)
    assert fetch(host).returncode == 0
    assert verified(repository) == old
    choose(host, "f" * 40)
    assert fetch(host).returncode == 65
    assert verified(repository) == old


def test_a_tag_is_signed_itself_under_its_own_name(host: SystemdHost, repository: Repository) -> None:
    choose(host, "v2")
    first = repository.commit("first", "good")
    repository.git("tag -s -m x v1")
    repository.push("v1")
    repository.push("v1:refs/tags/v2")
    failed = fetch(host)
    assert (failed.returncode, "as v2 is the tag v1" in failed.stderr) == (65, True)
    repository.git("tag -a -m x v2")
    repository.push("v2")
    failed = fetch(host)
    assert (failed.returncode, "has no good signature" in failed.stderr) == (65, True)
    repository.commit("second")  # not signed, but the tag is
    repository.git("tag -f -s -m x v2")
    repository.push("v2")
    assert fetch(host).returncode == 0
    assert verified(repository) != first
    repository.push("HEAD^{tree}:refs/tags/v2")
    assert "is a tree" in fetch(host).stderr


def test_a_run_that_was_killed_is_put_right(host: SystemdHost, repository: Repository) -> None:
    choose(host, "release")
    new = repository.commit("after it was killed", "good")
    for lock in ("config.lock", "packed-refs.lock", "refs/heads/verified.lock", "HEAD.lock"):
        host.write(f"{STATE}/repository/{lock}", "")
    host.write(f"{STATE}/verified/.git/index.lock", "")
    host.run("sh", "-c", f"rm -f {STATE}/repository/HEAD; rm -rf {STATE}/verified/.git/objects")
    done = run(host)
    assert (done.returncode, "after it was killed" in done.stdout) == (0, True), done.stderr
    assert verified(repository) == new


def test_submodules_are_those_that_the_commit_names(host: SystemdHost, repository: Repository) -> None:
    inner = "/srv/inner"
    repository.shell(f"git init -q -b main {inner}")
    host.write(f"{inner}/said.yml", "- debug: {msg: from the submodule}\n")
    repository.git("add --all", work=inner)
    repository.git("commit -q -m x", work=inner)
    repository.git(f"-c protocol.file.allow=always submodule --quiet add {inner} inner")
    play = "- hosts: localhost\n  gather_facts: false\n  tasks: [{import_tasks: inner/said.yml}]\n"
    repository.commit("", "good", local_yml=play)
    host.write(f"{inner}/said.yml", "- debug: {msg: evil}\n")
    repository.git("commit -q -a -m x", work=inner)
    choose(host, "release")
    host.run("git", "config", "--file", f"{STATE}/.gitconfig", "protocol.file.allow", "always")
    done = run(host)
    assert (done.returncode, "from the submodule" in done.stdout, "evil" in done.stdout) == (0, True, False), (
        done.stdout
    )


def test_with_force_it_goes_on_with_what_was_verified(host: SystemdHost, repository: Repository) -> None:
    host.run("sed", "-i", "s,^force=false$,force=true,", f"{SCHEDULE}/verified")  # as with the option --force
    repository.commit("good before", "good")
    assert fetch(host).returncode == 0
    repository.commit("evil", ansible_cfg=EVIL)
    done = run(host)
    assert (done.returncode, "good before" in done.stdout, "evil" in done.stdout) == (0, True, False), done.stderr
    assert host.run("ls", "/root/evil.log", check=False).returncode


def test_options_that_bring_what_nobody_signed_are_refused(host: SystemdHost) -> None:
    options = ["--track-subs", "--module-name=hg", "-m", "--url=https://elsewhere", "--track", "-C", "-d"]
    run = schedule(host, options=[*options, "--private-key=/key", "--accept-host-key", "--purge", "--check"])
    assert f"Leave out of rotation_schedule_options: {', '.join(options)}\n" in f"{run.error}\n"
