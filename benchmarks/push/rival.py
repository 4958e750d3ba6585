# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""certdeploy as its README says to use it: its server from the command line, its clients as daemons."""

from __future__ import annotations

import contextlib
import os
import pathlib
import socket
import subprocess
import time
import typing as t

import yaml
from ansible_collections.certops.rotation.benchmarks import measuring
from ansible_collections.certops.rotation.tests.support.ssh_hosts import make_key

_PROGRAMS = pathlib.Path(__file__).parents[2] / ".dev/certdeploy/bin"
SERVER = _PROGRAMS / "certdeploy-server"
# Its own environment: what this process may import is none of its business.
_ENV = {"PYTHONPATH": ""}


class CertdeployPeer(t.NamedTuple):
    """Whom its server pushes to. path: as SFTP shows it; directory: the same, on this machine."""

    address: str
    port: int
    user: str
    host_key: str
    path: str
    directory: pathlib.Path


class CertdeployServer:
    """In its parallel mode. directory: new, for its settings and its queue."""

    def __init__(
        self,
        directory: pathlib.Path,
        peers: t.Sequence[CertdeployPeer],
        private_key_file: pathlib.Path,
        domains: t.Sequence[str],
    ) -> None:
        self._config, queue = directory / "server.yml", directory / "queue"
        queue.mkdir(parents=True)
        self._domains = " ".join(domains)
        settings = {
            "privkey_filename": str(private_key_file),
            "queue_dir": str(queue),
            "push_mode": "parallel",
            "client_configs": [
                {
                    "address": peer.address,
                    "port": peer.port,
                    "username": peer.user,
                    "pubkey": peer.host_key,
                    "domains": list(domains),
                    "path": peer.path,
                }
                for peer in peers
            ],
        }
        self._config.write_text(yaml.safe_dump(settings))

    def push(self, lineage: pathlib.Path) -> measuring.Cost:
        """lineage: its directory. Whether all went well its exit code does not tell: look what is there."""
        command = [str(SERVER), "--config", str(self._config), "--push", "--lineage", str(lineage)]
        return measuring.run_measured([*command, "--domains", self._domains], env=_ENV)[0]


@contextlib.contextmanager
def certdeploy_clients(
    directory: pathlib.Path, count: int, port: int, private_key_file: pathlib.Path
) -> t.Iterator[list[CertdeployPeer]]:
    """Daemons on 127.0.2.1, 127.0.2.2, ... that live while the context is open. private_key_file: of the server."""
    directory.mkdir()
    key = directory / "host_key"
    make_key(key)
    public = " ".join(key.with_suffix(".pub").read_text().split()[:2])
    peers = [
        CertdeployPeer(
            f"127.0.2.{number}",
            port,
            "certdeploy",
            public,
            str(directory / str(number) / "source"),
            directory / str(number) / "live",
        )
        for number in range(1, count + 1)
    ]
    daemons = []
    try:
        for peer in peers:
            daemons.append(_start_client(peer, key, private_key_file.with_suffix(".pub")))
        for peer in peers:
            _wait_for(peer)
        yield peers
    finally:
        for daemon in daemons:
            daemon.kill()
            daemon.wait(30)


def _start_client(peer: CertdeployPeer, key: pathlib.Path, server_key: pathlib.Path) -> subprocess.Popen[bytes]:
    for path in (peer.directory, pathlib.Path(peer.path)):
        path.mkdir(parents=True)
    settings = {
        "source": peer.path,
        "destination": str(peer.directory),
        "update_services": [],
        "sftpd": {
            "listen_port": peer.port,
            "listen_address": peer.address,
            "username": peer.user,
            "privkey_filename": str(key),
            "server_pubkey_filename": str(server_key),
        },
    }
    config = peer.directory.parent / "client.yml"
    config.write_text(yaml.safe_dump(settings))
    command = [str(_PROGRAMS / "certdeploy-client"), "--daemon", "--config", str(config)]
    with (peer.directory.parent / "log").open("wb") as log:
        return subprocess.Popen(
            command, env={**os.environ, **_ENV}, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT
        )


def _wait_for(peer: CertdeployPeer) -> None:
    deadline = time.monotonic() + 300
    while True:
        try:
            socket.create_connection((peer.address, peer.port), timeout=5).close()
            return
        except OSError:
            if time.monotonic() > deadline:
                log = (peer.directory.parent / "log").read_text()
                raise RuntimeError(f"certdeploy's client does not start: {log[-2000:]}") from None
            time.sleep(0.05)
