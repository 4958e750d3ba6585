# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""certdeploy's client as a daemon, the real one: an SFTP server of its own that deploys when a connection ends."""

from __future__ import annotations

import dataclasses
import os
import pathlib
import socket
import subprocess
import time
import typing as t

import yaml
from ansible_collections.certops.rotation.plugins.module_utils._core.push.targets import PushTarget

from .ports import free_port
from .ssh_hosts import make_key

PROGRAM = pathlib.Path(__file__).parents[2] / ".dev/certdeploy/bin/certdeploy-client"


class CertdeployClient:
    """Use it as a context; it runs within. source, destination: its directories; log: what it says; updates: a line for
    each time it has run its service."""

    def __init__(self, directory: pathlib.Path) -> None:
        """directory: new, for all that is its own."""
        self.source, self.destination = directory / "source", directory / "live"
        self.log, self.updates = directory / "log", directory / "updates"
        self.private_key_file = directory / "server"
        self.port = free_port()
        self._directory = directory
        self._daemon: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> CertdeployClient:
        for path in (self.source, self.destination):
            path.mkdir(parents=True)
        make_key(self.private_key_file)
        make_key(self._directory / "host")
        script = self._directory / "update"
        script.write_text(f"#!/bin/sh\necho updated >>'{self.updates}'\n")
        script.chmod(0o755)
        config = {
            "source": str(self.source),
            "destination": str(self.destination),
            "update_delay": "1s",
            "update_services": [{"type": "script", "name": str(script)}],
            "log_level": "DEBUG",
            "sftpd": {
                "listen_port": self.port,
                "listen_address": "127.0.0.1",
                "privkey_filename": str(self._directory / "host"),
                "server_pubkey_filename": str(self.private_key_file.with_suffix(".pub")),
            },
        }
        (self._directory / "client.yml").write_text(yaml.safe_dump(config))
        command = [str(PROGRAM), "--daemon", "--config", str(self._directory / "client.yml")]
        with self.log.open("wb") as log:
            # What this process may import is none of its business.
            self._daemon = subprocess.Popen(
                command, env={**os.environ, "PYTHONPATH": ""}, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        self.wait_for(self._listens)
        return self

    def __exit__(self, *_exception: object) -> None:
        if self._daemon:
            self._daemon.kill()
            self._daemon.wait(30)

    def target(self, **changed: t.Any) -> PushTarget:
        """Everything to push to it; all lineages, if not changed."""
        public = (self._directory / "host.pub").read_text().split()
        target = PushTarget(
            name="old1",
            address="127.0.0.1",
            domains=("*",),
            host_keys=(f"{public[0]} {public[1]}",),
            port=self.port,
            private_key_file=str(self.private_key_file),
            protocol="directory",
            path=str(self.source),
        )
        return dataclasses.replace(target, **changed)

    def wait_for(self, condition: t.Callable[[], t.Any], timeout: float = 60) -> None:
        """Raises AssertionError with its log."""
        deadline = time.monotonic() + timeout
        while not condition():
            assert time.monotonic() < deadline, self.log.read_text()
            time.sleep(0.02)

    def _listens(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=2) as connection:
                return connection.recv(4) == b"SSH-"
        except OSError:
            return False
