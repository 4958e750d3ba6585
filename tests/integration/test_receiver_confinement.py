# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whoever pushes to a host of the role certificate_receiver can upload there, and nothing else: with a real sshd that
lets others do everything."""

from __future__ import annotations

import os
import pathlib
import subprocess
import typing as t

import pytest
from ansible_collections.certops.rotation.tests.support.ports import free_port
from ansible_collections.certops.rotation.tests.support.receiving_host import DROP_IN, LIVE, ReceivingHost
from ansible_collections.certops.rotation.tests.support.systemd_host import SystemdHost

#: Whose pushers alice and bob are.
ALICE, BOB = "/var/lib/certops-receiver-alice", "/srv/uploads"
#: What an administrator may have set for all.
GENEROUS = (
    "AllowUsers root",
    "AllowGroups root",
    "PasswordAuthentication yes",
    "PermitTunnel yes",
    "Subsystem other /bin/echo it-runs",
    "GatewayPorts yes",
    "AuthorizedKeysFile .ssh/authorized_keys .ssh/other_keys",
)


@pytest.fixture(scope="module")
def receiver(tmp_path_factory: pytest.TempPathFactory) -> t.Iterator[ReceivingHost]:
    with SystemdHost() as host:
        found = ReceivingHost(host, tmp_path_factory.mktemp("keys"))
        found.prepare(*GENEROUS)
        found.variables["pushers"] = [
            {"user": "alice", "public_keys": [found.public_key("alice")]},
            {"user": "bob", "path": BOB, "public_keys": [found.public_key("bob")]},
        ]
        found.role()
        found.shell(f"mkdir -p {LIVE}/example.com; echo secret >{LIVE}/example.com/privkey.pem; chmod 700 {LIVE}")
        yield found


def test_it_sees_two_directories_and_writes_in_one(receiver: ReceivingHost, tmp_path: pathlib.Path) -> None:
    (tmp_path / "privkey.pem").write_text("a")
    (tmp_path / "privkey.pem").chmod(0o644)
    receiver.shell(f"echo answer >{ALICE}/receipts/example.com.json")
    file = f"put {tmp_path}/privkey.pem /staging/.upload-1/privkey.pem"
    commands = ["ls -1 /", "mkdir /staging/.upload-1", file, "rename /staging/.upload-1 /staging/example.com"]
    done = receiver.sftp("alice", *commands, f"get /receipts/example.com.json {tmp_path}/answer")
    assert done.returncode == 0, done.stderr
    assert {line.strip("/ ") for line in done.stdout.splitlines() if "sftp>" not in line} >= {"receipts", "staging"}
    assert (tmp_path / "answer").read_text() == "answer\n"
    modes = receiver.shell(f"cd {ALICE}/staging && stat -c '%a %U %n' example.com example.com/privkey.pem")
    assert modes == "700 alice example.com\n600 alice example.com/privkey.pem\n"


REFUSED_BY_SFTP = {
    "a file of the host": "get /etc/passwd /dev/null",
    "above": "get ../../../../etc/passwd /dev/null",
    "what is live": f"ls {LIVE}",
    "another's uploads": f"ls {BOB}/staging",
    "where its keys are": "get /etc/certops-receiver/keys/alice /dev/null",
    "another directory": "mkdir /other",
    "a directory in its place": "rename /staging /old",
    "staging removed": "rmdir /staging",
    "receipts removed": "rmdir /receipts",
    "a forged receipt": "put /dev/null /receipts/forged.json",
    "a link to receipts": "symlink /staging /receipts/link",
    "receipts for all": "chmod 777 /receipts",
    "the chroot for all": "chmod 777 /",
    "the chroot its own": "chown 0 /staging",
    "keys of its own": "mkdir /.ssh",
}


@pytest.mark.parametrize("command", REFUSED_BY_SFTP.values(), ids=REFUSED_BY_SFTP)
def test_it_cannot_leave_or_change(receiver: ReceivingHost, command: str) -> None:
    before = receiver.shell(f"find {ALICE} -maxdepth 1 -printf '%p %u %m\\n'")
    assert receiver.sftp("alice", command).returncode == 1
    assert receiver.shell(f"find {ALICE} -maxdepth 1 -printf '%p %u %m\\n'") == before


def test_links_lead_nowhere(receiver: ReceivingHost, tmp_path: pathlib.Path) -> None:
    links = {"a": LIVE, "b": "../../../..", "c": f"{BOB}/staging", "d": "/proc/self/root"}
    for name, place in links.items():
        receiver.sftp("alice", f"-symlink {place} /staging/{name}")
        assert receiver.sftp("alice", f"get -r /staging/{name} {tmp_path}/{name}").returncode == 1 or name == "b"
    found = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert not {"passwd", "of-bob"} & {path.name for path in found}
    assert "secret\n" not in [path.read_text() for path in found]
    receiver.sftp("alice", *(f"rm /staging/{name}" for name in links))


def test_each_sees_its_own(receiver: ReceivingHost) -> None:
    receiver.sftp("bob", "mkdir /staging/of-bob")
    assert "of-bob" in receiver.sftp("bob", "ls /staging").stdout
    assert "of-bob" not in receiver.sftp("alice", "ls /staging").stdout
    assert receiver.shell(f"stat -c '%U %G %a' {BOB} {BOB}/staging {BOB}/receipts {ALICE}/staging").splitlines() == [
        "root root 755",
        "bob bob 700",
        "root root 755",
        "alice alice 700",
    ]


def works(receiver: ReceivingHost, user: str, kind: str, tmp_path: pathlib.Path) -> bool:
    """Whether somebody gets what is nothing but SFTP."""
    if kind == "exec":
        return receiver.ssh(user, "echo it-runs").stdout == "it-runs\n"
    if kind == "shell":
        done = subprocess.run(
            ["ssh", *receiver.options(user), "-T", f"{user}@127.0.0.1"],
            input="echo it-runs\n",
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
        return "it-runs" in done.stdout
    if kind == "tty":
        return receiver.ssh(user, "echo it-runs", options=["-tt"]).stdout.strip() == "it-runs"
    if kind == "subsystem":
        return receiver.ssh(user, "other", options=["-s"]).stdout == "it-runs\n"
    if kind == "scp":
        copy = ["scp", "-O", *receiver.options(user), f"{user}@127.0.0.1:/etc/hostname", str(tmp_path / "copied")]
        return subprocess.run(copy, capture_output=True, timeout=30, check=False).returncode == 0
    if kind == "stdio forwarding":
        return "SSH-2.0" in receiver.ssh(user, options=["-W", f"127.0.0.1:{receiver.port}"]).stdout
    forwards = {
        "remote forwarding": ["-R", f"127.0.0.1:{free_port()}:127.0.0.1:{receiver.port}"],
        "remote socket": ["-R", f"/tmp/socket-{user}:127.0.0.1:{receiver.port}"],
        "tunnel": ["-w", "7:7"],
    }
    options = [*forwards[kind], "-N", "-oExitOnForwardFailure=yes"]
    try:
        command = ["ssh", *receiver.options(user), *options, f"{user}@127.0.0.1"]
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=5, check=False)
    except subprocess.TimeoutExpired:
        return True
    assert done.returncode == 255, done.stderr
    return False


#: Whether root may, with the same settings: what is refused to both would show nothing.
KINDS = {
    "exec": True,
    "shell": True,
    "tty": True,
    "subsystem": True,
    "scp": True,
    "stdio forwarding": True,
    "remote forwarding": True,
    "remote socket": True,
    "tunnel": False,
}


@pytest.mark.parametrize("kind", KINDS)
def test_it_runs_nothing_and_forwards_nothing(receiver: ReceivingHost, kind: str, tmp_path: pathlib.Path) -> None:
    assert not works(receiver, "alice", kind, tmp_path)
    if KINDS[kind]:
        assert works(receiver, "root", kind, tmp_path)


def test_it_gets_in_by_its_key_alone(receiver: ReceivingHost) -> None:
    """Although the same server takes passwords of others, and other files with keys."""
    process = subprocess.run(
        ["ssh", "-v", *receiver.options("bob"), "-oLogLevel=VERBOSE", "alice@127.0.0.1"],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert "alice@127.0.0.1: Permission denied (publickey)." in process.stderr
    receiver.shell(f"mkdir -p {ALICE}/staging/.ssh; cp /root/.ssh/authorized_keys {ALICE}/staging/.ssh/")
    assert receiver.sftp("alice", "-mkdir /staging/.ssh").returncode == 0
    refused = subprocess.run(["ssh", *receiver.options("root"), "alice@127.0.0.1"], capture_output=True, check=False)
    assert refused.returncode == 255
    owner = receiver.shell("stat -c '%U %a' /etc/certops-receiver/keys/alice /etc/certops-receiver/keys")
    assert owner == "root 644\nroot 755\n"
    assert receiver.shell("cut -d' ' -f1 /etc/certops-receiver/keys/alice") == "restrict\n"


def test_neither_agent_nor_display_are_taken(receiver: ReceivingHost) -> None:
    """While it is connected: no socket of an agent, and a display is refused."""
    command = ["ssh", *receiver.options("alice"), "-oLogLevel=VERBOSE", "-AX", "-oForwardX11Trusted=yes", "-s"]
    with subprocess.Popen(
        [*command, "alice@127.0.0.1", "sftp"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "DISPLAY": ":77"},
    ) as session:
        assert session.stdin
        assert session.stdout
        session.stdin.write(b"\0\0\0\5\1\0\0\0\3")  # SSH_FXP_INIT
        session.stdin.flush()
        assert session.stdout.read(5)[4] == 2  # SSH_FXP_VERSION: it is up
        assert receiver.shell("ls -d /tmp/ssh-* 2>/dev/null", check=False) == ""
        _out, said = session.communicate(timeout=30)
    assert b"X11 forwarding request failed" in said


def test_others_are_let_in_as_before(receiver: ReceivingHost) -> None:
    effective = receiver.shell("/usr/sbin/sshd -T -C user=root,host=localhost,addr=127.0.0.1").splitlines()
    for line in ("forcecommand none", "chrootdirectory none", "passwordauthentication yes", "permittty yes"):
        assert line in effective
    assert receiver.shell(f"stat -c '%U %a' {DROP_IN}") == "root 600\n"
    assert receiver.ssh("root", "id", "-u").stdout == "0\n"
