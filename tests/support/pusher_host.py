# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A machine with certbot's lineages on a real systemd, which the role certificate_push looks after, and hosts that take
uploads by real SSH servers."""

from __future__ import annotations

import pathlib
import sys
import typing as t

from . import secrets_scan
from .lineages import CertbotSteps
from .playbook import PlaybookRun, run_playbook
from .ssh_hosts import SshHost
from .systemd_host import SystemdHost, visible_in_services

ROOT = pathlib.Path(__file__).parents[2]
QUEUE = "/var/lib/certops-push"
KEY = "/etc/certops-push/id_ed25519"
HOOKS = "/etc/letsencrypt/renewal-hooks/deploy"
PUSH, RENEW = "certificate-push", "certificate-renew"
PROGRAM = "/usr/local/bin/certops-push"
PLACES = ["/etc", "/opt", "/usr/local", "/var/lib", "/var/spool"]
MAIN = [{"hosts": "host", "gather_facts": False, "roles": ["certops.rotation.certificate_push"]}]


class PusherHost:
    """lineages: what certbot has; hosts: that take uploads, as plain SFTP servers."""

    def __init__(self, host: SystemdHost, hosts: t.Sequence[SshHost]) -> None:
        self.host, self.hosts = host, hosts
        self.lineages = CertbotSteps(host.shared / "letsencrypt")
        self.variables: dict[str, t.Any] = {
            "certificate_push_targets": [self.target(each) for each in hosts],
            "certificate_push_lineages": str(self.lineages.live),
            "certificate_push_retries": 0,
            "rotation_schedule_virtualenv": sys.prefix,
            "rotation_schedule_requirements": [],
            "rotation_schedule_collections": [],
            "rotation_schedule_collections_path": str(ROOT / ".dev" / "collections"),
            "rotation_schedule_service_options": [*visible_in_services(), f"BindPaths={host.shared}"],
        }

    @staticmethod
    def target(host: SshHost, **changed: t.Any) -> dict[str, t.Any]:
        return {
            "name": host.name,
            "address": host.address,
            "port": host.port,
            "user": host.user,
            "domains": ["*"],
            "host_key": list(host.host_keys),
            "protocol": "directory",
            "path": "/staging",
            **changed,
        }

    def role(self, *, check: bool = False, **variables: t.Any) -> PlaybookRun:
        """variables: of the role, without its prefix."""
        changed = {f"certificate_push_{name}": value for name, value in variables.items()}
        return self.play({**self.variables, **changed}, MAIN, check=check)

    def play(
        self, variables: t.Mapping[str, t.Any], playbook: t.Any, *, check: bool = False, **extra: t.Any
    ) -> PlaybookRun:
        return run_playbook(variables, playbook=playbook, inside=self.host, check=check, extra=extra)

    def shell(self, script: str, check: bool = True) -> str:
        process = self.host.run("sh", "-c", script, check=check)
        secrets_scan.assert_no_private_key(process.stdout + process.stderr)
        return process.stdout

    def let_in(self) -> None:
        """The key pair that the role has made opens the hosts."""
        public = self.shell(f"cat {KEY}.pub")
        for host in self.hosts:
            host.authorize(public)

    def uploaded(self, host: SshHost, lineage: str) -> str:
        """The certificate with its chain; "" for none."""
        file = pathlib.Path(host.staging, lineage, "fullchain.pem")
        return self.shell(f"nsenter --target 1 --mount cat {file} 2>/dev/null || :") or _text(file)

    def journal(self, unit: str = PUSH) -> str:
        return self.shell(f"journalctl --boot --no-pager --output=cat --unit='{unit}*'")

    def runs(self, unit: str = PUSH) -> int:
        return self.journal(unit).count(f"Starting {unit}.service")

    def is_quiet(self) -> bool:
        shown = self.shell("systemctl show --property=ActiveState certificate-push.service certificate-renew.service")
        return "activating" not in shown

    def tree(self) -> list[str]:
        """All that there is, but for what others keep."""
        found = self.shell(f"find {' '.join(PLACES)} -printf '%p %y %m\\n'").splitlines()
        return sorted(line for line in found if "/var/lib/systemd/timers" not in line)


def _text(file: pathlib.Path) -> str:
    try:
        return file.read_text()
    except OSError:
        return ""
