# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A host on a real systemd that takes uploads by the role certificate_receiver, with the distribution's sshd."""

from __future__ import annotations

import pathlib
import subprocess
import sys
import typing as t

from ansible_collections.certops.rotation.tests.support import secrets_scan
from ansible_collections.certops.rotation.tests.support.playbook import PlaybookRun, run_playbook
from ansible_collections.certops.rotation.tests.support.ports import free_port
from ansible_collections.certops.rotation.tests.support.ssh_hosts import make_key
from ansible_collections.certops.rotation.tests.support.systemd_host import SystemdHost, visible_in_services

ROOT = pathlib.Path(__file__).parents[2]
INSTALL: list[dict[str, t.Any]] = [
    {"hosts": "all", "gather_facts": False, "roles": ["certops.rotation.certificate_receiver"]}
]
PATH = "/var/lib/certops-receiver"
LIVE = "/etc/certops/live"
DROP_IN = "/etc/ssh/sshd_config.d/00-certops-receiver.conf"
MAIN_CONFIG = "/etc/ssh/sshd_config"
_HOSTS = {"rotation_hosts": "all"}
SERVICE = "certops-deploy.service"


class ReceivingHost:
    """The tests' user has a key for each pusher, and one for root. variables: of the role, without its prefix."""

    def __init__(self, host: SystemdHost, directory: pathlib.Path, **variables: t.Any) -> None:
        self.host, self.directory, self.port = host, directory, free_port()
        self.variables: dict[str, t.Any] = {"schedule": "none", **variables}
        for name in ("root", "certdeploy", "alice", "bob"):
            make_key(directory / name)

    def prepare(self, *settings: str) -> None:
        """Start the distribution's sshd. settings: more lines of its configuration, at its beginning."""
        lines = [f"Port {self.port}", "ListenAddress 127.0.0.1", *settings]
        self.host.write("/root/settings", "".join(f"{line}\n" for line in lines))
        self.host.write("/root/.ssh/authorized_keys", self.public_key("root"))
        # PAM lets nobody but root in before systemd-user-sessions has been started.
        self.shell(f"cat {MAIN_CONFIG} >>/root/settings; cp /root/settings {MAIN_CONFIG}; ssh-keygen -A")
        self.shell("systemctl start ssh systemd-user-sessions")

    def public_key(self, name: str) -> str:
        return (self.directory / f"{name}.pub").read_text()

    def shell(self, script: str, check: bool = True) -> str:
        process = self.host.run("sh", "-c", script, check=check)
        secrets_scan.assert_no_private_key(process.stdout + process.stderr)
        return process.stdout

    def role(self, check: bool = False, succeeds: bool = True, **variables: t.Any) -> PlaybookRun:
        """Run the role."""
        return self.play(INSTALL, check, succeeds, **variables)

    def play(
        self, playbook: str | list[dict[str, t.Any]], check: bool = False, succeeds: bool = True, **variables: t.Any
    ) -> PlaybookRun:
        """variables: of the role, without its prefix."""
        changed = {f"certificate_receiver_{name}": value for name, value in {**self.variables, **variables}.items()}
        prepared = {
            "rotation_schedule_virtualenv": sys.prefix,
            "rotation_schedule_requirements": [],
            "rotation_schedule_collections": [],
            "rotation_schedule_collections_path": str(ROOT / ".dev" / "collections"),
            "rotation_schedule_service_options": visible_in_services(),
        }
        run = run_playbook({**prepared, **changed}, playbook=playbook, inside=self.host, check=check, extra=_HOSTS)
        assert (run.returncode == 0) == succeeds, run.output
        return run

    # Over SSH

    def options(self, user: str, port: int | None = None) -> list[str]:
        """Of ssh, sftp and scp, to log in as this user by its key. Hosts' keys are not looked at."""
        given = {
            "IdentityFile": self.directory / user,
            "IdentitiesOnly": "yes",
            "IdentityAgent": "none",
            "BatchMode": "yes",
            "UserKnownHostsFile": "/dev/null",
            "StrictHostKeyChecking": "no",
            "LogLevel": "ERROR",
            "ConnectTimeout": "10",
            "Port": port or self.port,
        }
        return ["-F", "none", *(f"-o{name}={value}" for name, value in given.items())]

    def ssh(self, user: str, *arguments: str, options: t.Sequence[str] = ()) -> subprocess.CompletedProcess[str]:
        """options: before the host's name; arguments: after it."""
        return _run(["ssh", *self.options(user), *options, f"{user}@127.0.0.1", *arguments])

    def sftp(self, user: str, *commands: str, port: int | None = None) -> subprocess.CompletedProcess[str]:
        """Ends with the first command that fails, unless that begins with a dash."""
        batch = "".join(f"{command}\n" for command in commands)
        return _run(["sftp", *self.options(user, port), "-b", "-", f"{user}@127.0.0.1"], batch)

    def journal(self, unit: str) -> str:
        return self.shell(f"journalctl --boot --no-pager --output=cat --unit='{unit}'")


def _run(command: t.Sequence[str], stdin: str = "") -> subprocess.CompletedProcess[str]:
    process = subprocess.run(command, input=stdin, capture_output=True, text=True, timeout=60, check=False)
    secrets_scan.assert_no_private_key(process.stdout + process.stderr)
    return process
