# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The role certificate_receiver on a real systemd, with a real sshd: what it installs, refuses, changes and removes."""

from __future__ import annotations

import subprocess
import typing as t

import pytest
from ansible_collections.certops.rotation.tests.support.ports import free_port
from ansible_collections.certops.rotation.tests.support.receiving_host import (
    DROP_IN,
    LIVE,
    MAIN_CONFIG,
    PATH,
    ReceivingHost,
)
from ansible_collections.certops.rotation.tests.support.systemd_host import SystemdHost

PLACES = "/etc /opt /var/lib /var/spool /srv"
OWN = "certops-receiver-sshd.service"


@pytest.fixture(scope="module")
def receiver(tmp_path_factory: pytest.TempPathFactory) -> t.Iterator[ReceivingHost]:
    """Without the role yet. Its sshd does not use PAM, where an account without a password would be a locked one."""
    with SystemdHost() as host:
        found = ReceivingHost(host, tmp_path_factory.mktemp("keys"))
        found.prepare("UsePAM no")
        found.variables["public_keys"] = [found.public_key("certdeploy")]
        yield found


def tree(receiver: ReceivingHost) -> str:
    """All names, owners, modes and sizes of files, without what accounts leave in backups."""
    find = f"find {PLACES} ! -type d ! -name '*-' -printf '%p %u %m %s\\n' -o -type d -printf '%p %u %m\\n'"
    return receiver.shell(f"{find} | sort")


def reloads(receiver: ReceivingHost) -> int:
    return receiver.journal("ssh.service").count("Received SIGHUP")


def test_check_run_check_run_absent(receiver: ReceivingHost) -> None:
    before = tree(receiver)
    predicted = receiver.role(check=True)
    assert tree(receiver) == before, "check mode changes nothing"
    done = receiver.role()
    assert set(predicted.changed) <= set(done.changed)
    assert reloads(receiver) == 1
    assert receiver.sftp("certdeploy", "mkdir /staging/x").returncode == 0
    assert receiver.role(check=True).changed == []
    assert receiver.role().changed == []
    assert reloads(receiver) == 1

    receiver.shell(f"mkdir -p {LIVE}/example.com")
    removal = receiver.role(check=True, state="absent")
    assert removal.changed
    assert receiver.sftp("certdeploy", "ls /staging/x").returncode == 0
    open_session = ["sftp", *receiver.options("certdeploy"), "certdeploy@127.0.0.1"]
    with subprocess.Popen(open_session, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as session:
        assert session.stdout
        receiver.role(state="absent")
        session.communicate(timeout=30)  # it has been ended
    assert receiver.shell(f"rm -r /etc/certops; rm -f /etc/.pwd.lock; ls {LIVE} 2>&1", check=False)
    left = set(tree(receiver).splitlines()) - set(before.splitlines())
    assert {line.split()[0] for line in left} <= {"/etc/group", "/etc/gshadow", "/etc/passwd", "/etc/shadow"}
    assert "certdeploy" not in receiver.shell("cat /etc/passwd /etc/group /etc/shadow")
    assert receiver.sftp("certdeploy", "ls /").returncode == 255
    assert receiver.role(state="absent").changed == []


@pytest.fixture(scope="module")
def installed(receiver: ReceivingHost) -> ReceivingHost:
    receiver.role()
    return receiver


def test_a_broken_configuration_is_never_read(installed: ReceivingHost) -> None:
    """Somebody has left a mistake in sshd_config, which runs with what it read before."""
    seen = reloads(installed)
    old = installed.shell(f"cat {DROP_IN}")
    installed.shell(f"cp {MAIN_CONFIG} /root/good; echo 'Nonsense yes' >>{MAIN_CONFIG}")
    for check in (True, False):
        run = installed.role(check=check, succeeds=False, log_level="VERBOSE")
        assert "sshd refuses its settings, so they stay as they are" in run.output
        assert f"{MAIN_CONFIG}: line" in run.output
        assert "Nonsense" in run.output
        assert run.changed == []
    assert (installed.shell(f"cat {DROP_IN}"), reloads(installed)) == (old, seen)
    assert installed.sftp("certdeploy", "ls /").returncode == 0
    installed.shell(f"cp /root/good {MAIN_CONFIG}")


BLOCKS = {
    "forcecommand internal-sftp": "Match User certdeploy\n    ForceCommand /bin/sh\n",
    "allowtcpforwarding no": "Match all\n    AllowTcpForwarding yes\n",
}


def test_other_settings_that_would_prevail_are_named(installed: ReceivingHost) -> None:
    seen = reloads(installed)
    for named, text in BLOCKS.items():
        installed.host.write("/etc/ssh/sshd_config.d/00-a.conf", text)
        run = installed.role(succeeds=False, log_level="VERBOSE")
        assert "sshd would not confine certdeploy" in run.output
        assert named in run.output
        # A reload by somebody else puts no half of it in force.
        assert installed.shell(f"ls {DROP_IN} 2>/dev/null", check=False) == ""
    assert reloads(installed) == seen
    # What was written meanwhile is read as soon as it is right.
    installed.shell("rm /etc/ssh/sshd_config.d/00-a.conf")
    installed.role(log_level="VERBOSE")
    assert reloads(installed) == seen + 1


def test_an_earlier_match_for_some_connections_is_named(installed: ReceivingHost) -> None:
    """Of those sshd cannot be asked. With a Match behind ours, or for others, nothing is wrong."""
    old = installed.shell(f"cat {DROP_IN}")
    undoing = "Match Address 10.0.0.0/8\n    ForceCommand none\n"
    others = f"Match User backup Address 10.0.0.0/8\n    X11Forwarding no\n{undoing}"
    installed.host.write("/etc/ssh/sshd_config.d/00-a.conf", others)
    installed.host.write("/etc/ssh/sshd_config.d/00-z.conf", undoing)
    for check in (True, False):
        run = installed.role(check=check, succeeds=False, log_level="ERROR")
        assert "/etc/ssh/sshd_config.d/00-a.conf, line 3: 'Match Address 10.0.0.0/8'" in run.output
        assert "line 1:" not in run.output
        assert "00-z.conf" not in run.output
    assert installed.shell(f"cat {DROP_IN}") == old
    installed.shell("rm /etc/ssh/sshd_config.d/00-a.conf")
    installed.role()
    installed.shell("rm /etc/ssh/sshd_config.d/00-z.conf")


def test_a_file_that_is_not_read_is_named(installed: ReceivingHost) -> None:
    installed.shell(f"cp {MAIN_CONFIG} /root/good; sed -i '/^Include/d' {MAIN_CONFIG}")
    run = installed.role(check=True, succeeds=False)
    installed.shell(f"cp /root/good {MAIN_CONFIG}")
    assert "does not read what this role writes: add 'Include /etc/ssh/sshd_config.d/*.conf'" in run.error


def test_what_others_remove_comes_back(installed: ReceivingHost) -> None:
    seen = reloads(installed)
    installed.shell(f"rm {DROP_IN}; systemctl reload ssh; chmod 777 {PATH}/receipts")
    assert installed.sftp("certdeploy", "ls /").returncode
    installed.role()
    assert installed.sftp("certdeploy", "ls /").returncode == 0
    assert installed.shell(f"stat -c %a {PATH}/receipts") == "755\n"
    assert reloads(installed) == seen + 2
    # And a run that was killed before sshd had read it is made good.
    installed.shell("rm /etc/certops-receiver/.loaded-*")
    assert installed.role().changed == ["Let the host's SSH server read it"]


IN_THE_WAY = {
    "a parent of another": ("mkdir -p /srv/x && chown nobody /srv/x", {"path": "/srv/x/y/z"}, "write in /srv/x."),
    "a parent for a group": ("mkdir -p /srv/g/y && chmod g+w /srv/g/y", {"path": "/srv/g/y/z"}, "write in /srv/g/y."),
    "itself of another": ("mkdir -p /srv/n && chown nobody /srv/n", {"path": "/srv/n"}, "chown root /srv/n && chmod"),
    "an account": ("", {"user": "nobody"}, "There is an account nobody that this role has not made"),
    "another's directory": ("", {"path": "/tmp/certs"}, "write in /tmp."),
}


@pytest.mark.parametrize(("before", "variables", "named"), IN_THE_WAY.values(), ids=IN_THE_WAY)
def test_what_is_in_the_way_is_named(
    receiver: ReceivingHost, before: str, variables: dict[str, t.Any], named: str
) -> None:
    receiver.shell(before)
    account = receiver.shell("getent passwd nobody")
    run = receiver.role(check=True, succeeds=False, **variables)
    assert named in run.error
    assert run.changed == []
    assert receiver.shell("getent passwd nobody") == account


def test_a_link_that_somebody_left_is_not_followed(receiver: ReceivingHost) -> None:
    receiver.shell("mkdir -p /srv/chroot /srv/other; ln -s /srv/other /srv/chroot/staging")
    receiver.role(succeeds=False, path="/srv/chroot")
    assert receiver.shell("stat -c '%U %a' /srv/other") == "root 755\n"
    receiver.shell("rm -r /srv/chroot")


def test_a_private_key_is_no_public_key_and_is_not_shown(receiver: ReceivingHost) -> None:
    """The helper that runs it looks for private keys in all that is printed."""
    private = (receiver.directory / "alice").read_text()
    for variables in ({"public_keys": [private]}, {"public_key_file": str(receiver.host.shared / "key")}):
        (receiver.host.shared / "key").write_text(private)
        run = receiver.role(check=True, succeeds=False, **variables)
        assert "no public key" in run.error


def test_pushers_come_and_go(receiver: ReceivingHost) -> None:
    (receiver.host.shared / "bob.pub").write_text(receiver.public_key("bob"))
    alice = {"user": "alice", "public_keys": [receiver.public_key("certdeploy")]}
    bob = {"user": "bob", "public_key_file": str(receiver.host.shared / "bob.pub"), "public_keys": ["ignored"]}
    receiver.role(path="/srv/elsewhere")
    receiver.sftp("certdeploy", "mkdir x")
    assert receiver.shell("ls /srv/elsewhere/staging") == "x\n"
    receiver.role(pushers=[alice, bob])
    assert receiver.shell("ls -d /srv/elsewhere", check=False) == ""
    assert receiver.sftp("bob", "mkdir /staging/x").returncode == 0
    receiver.role(pushers=[{**alice, "public_keys": [receiver.public_key("alice")]}])
    assert receiver.sftp("alice", "ls /staging").returncode == 0
    assert receiver.sftp("bob", "ls /").returncode == 255
    assert receiver.shell(f"getent passwd bob certdeploy; ls -d {PATH}-bob {PATH}", check=False) == ""


def test_a_server_of_its_own(receiver: ReceivingHost) -> None:
    """With port, addresses, host key, log level and MaxStartups; the host's own is told nothing."""
    receiver.role()
    port, seen = free_port(), reloads(receiver)
    own: dict[str, t.Any] = {"sshd": "own", "port": port, "listen_addresses": ["127.0.0.1", "127.0.1.9"]}
    own |= {"log_level": "VERBOSE", "max_startups": "3:50:7"}
    before = tree(receiver)
    assert receiver.role(check=True, **own).changed
    assert tree(receiver) == before
    receiver.role(**own)
    assert receiver.role(**own).changed == []
    assert receiver.sftp("certdeploy", "ls /staging", port=port).returncode == 0
    assert receiver.sftp("certdeploy", "ls /staging").returncode == 255, "it is no user of the host's own server"
    assert receiver.sftp("root", "ls /", port=port).returncode == 255, "and that has no other user"
    said = receiver.shell("/usr/sbin/sshd -T -f /etc/certops-receiver/sshd_config").splitlines()
    assert {"loglevel VERBOSE", "maxstartups 3:50:7", f"listenaddress 127.0.1.9:{port}"} <= set(said)
    assert "Accepted publickey for certdeploy" in receiver.journal(OWN)
    assert reloads(receiver) == seen + 1, "it has forgotten the pusher"
    made = receiver.shell("cut -d' ' -f2 /etc/certops-receiver/ssh_host_key.pub")
    assert scanned(receiver, "127.0.1.9", port) == made

    given = (receiver.directory / "bob").read_text()
    receiver.role(**own, host_key=given)
    assert scanned(receiver, "127.0.0.1", port) == receiver.public_key("bob").split()[1] + "\n"
    assert receiver.shell("stat -c '%U %a' /etc/certops-receiver/ssh_host_key") == "root 600\n"
    receiver.host.write("/etc/ssh/given_key", (receiver.directory / "alice").read_text())
    receiver.role(**own, host_key=given, host_key_file="/etc/ssh/given_key")
    assert scanned(receiver, "127.0.0.1", port) == receiver.public_key("alice").split()[1] + "\n"

    # Where it cannot listen, that is told; and it comes back as an entry of the host's own server.
    run = receiver.role(succeeds=False, **{**own, "port": receiver.port, "listen_addresses": ["127.0.0.1"]})
    assert "Address already in use" in run.output
    receiver.role()
    assert receiver.sftp("certdeploy", "ls /staging").returncode == 0
    assert receiver.shell(f"ls /etc/systemd/system/{OWN} /etc/certops-receiver/sshd_config", check=False) == ""
    receiver.role(state="absent", **own)
    assert receiver.shell(f"find {PLACES} -name 'certops-*'") == ""


def scanned(receiver: ReceivingHost, address: str, port: int) -> str:
    return receiver.shell(f"ssh-keyscan -t ed25519 -p {port} {address} 2>/dev/null | cut -d' ' -f3")
