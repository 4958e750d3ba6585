# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""certdeploy's server, as its README says to use it from the command line, in its parallel mode."""

from __future__ import annotations

import pathlib
import typing as t

import yaml
from ansible_collections.certops.rotation.benchmarks import measuring
from ansible_collections.certops.rotation.tests.support.ssh_hosts import SshHost

PROGRAM = pathlib.Path(__file__).parents[2] / ".dev/certdeploy/bin/certdeploy-server"


class Certdeploy:
    """directory: for its settings and its queue."""

    def __init__(self, directory: pathlib.Path, hosts: t.Sequence[SshHost], domains: t.Sequence[str]) -> None:
        directory.mkdir()
        self._config = directory / "server.yml"
        self._domains = " ".join(domains)
        queue = directory / "queue"
        queue.mkdir()
        clients = [
            {
                "address": host.address,
                "port": host.port,
                "username": host.user,
                "pubkey": host.host_keys[0],
                "domains": list(domains),
                "path": "/staging",
            }
            for host in hosts
        ]
        settings = {
            "privkey_filename": str(hosts[0].private_key_file),
            "queue_dir": str(queue),
            "push_mode": "parallel",
            "log_level": "ERROR",
            "client_configs": clients,
        }
        self._config.write_text(yaml.safe_dump(settings))

    def push(self, lineage: pathlib.Path) -> measuring.Cost:
        """lineage: its directory. That all went well its exit code does not tell: look what is there."""
        command = [str(PROGRAM), "--config", str(self._config), "--push", "--lineage", str(lineage)]
        # Its own environment: what this process may import is none of its business.
        return measuring.run_measured([*command, "--domains", self._domains], env={"PYTHONPATH": ""})[0]
