# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A fleet on one machine: SSH servers on loopback addresses, and a HAProxy for each of these."""

from __future__ import annotations

import contextlib
import json
import os
import pathlib
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import typing as t

from ansible_collections.certops.rotation.tests.support import pki
from ansible_collections.certops.rotation.tests.support.haproxy import HaproxyInstance, free_port

ADDRESSES_PER_SERVER = 16  # sshd listens on no more


class Fleet:
    """size: number of hosts; variables: of the role, for all of them. addresses: of the hosts, and their names."""

    def __init__(self, size: int, variables: t.Mapping[str, t.Any], authority: pki.CertificateAuthority) -> None:
        self.addresses = [f"127.0.1.{number}" for number in range(1, size + 1)]
        self._variables = variables
        self._default = authority.issue("default.example.com").combined_pem
        self._port = free_port()
        self._stack = contextlib.ExitStack()
        self.haproxies: list[HaproxyInstance] = []
        self.directory = pathlib.Path()

    def __enter__(self) -> Fleet:
        with contextlib.ExitStack() as stack:
            self.directory = pathlib.Path(stack.enter_context(tempfile.TemporaryDirectory(dir="/tmp")))
            for name in ("host", "user"):
                command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(self.directory / name)]
                subprocess.run(command, check=True, timeout=30)
            for start in range(0, len(self.addresses), ADDRESSES_PER_SERVER):
                self._serve(self.addresses[start : start + ADDRESSES_PER_SERVER], stack)
            for _address in self.addresses:
                instance = HaproxyInstance({"default.pem": self._default})
                self.haproxies.append(stack.enter_context(instance))
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_exception: object) -> None:
        self._stack.close()

    def inventory(self, size: int) -> pathlib.Path:
        """A file with so many of the hosts, the first ones."""
        path = self.directory / f"inventory-{size}.json"
        if not path.exists():
            path.write_text(json.dumps(self._inventory(size)))
        return path

    def _serve(self, addresses: t.Sequence[str], stack: contextlib.ExitStack) -> None:
        program = shutil.which("sshd")
        if not program or os.geteuid() != 0:
            raise SystemExit("This benchmark needs root and an SSH server: apt-get install openssh-server")
        pathlib.Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)  # where sshd separates privileges
        config = self.directory / f"sshd-{addresses[0]}"
        lines = [
            f"Port {self._port}",
            *(f"ListenAddress {address}" for address in addresses),
            f"HostKey {self.directory / 'host'}",
            f"AuthorizedKeysFile {self.directory / 'user.pub'}",
            "PidFile none",
            "UsePAM no",
            "StrictModes no",
            "PasswordAuthentication no",
            "MaxStartups 200",
            "Subsystem sftp internal-sftp",
        ]
        config.write_text("\n".join(lines) + "\n")
        log = stack.enter_context((self.directory / "sshd.log").open("ab"))
        process = subprocess.Popen([program, "-D", "-e", "-f", str(config)], stdin=subprocess.DEVNULL, stderr=log)
        stack.callback(process.wait, 30)
        stack.callback(process.terminate)
        deadline = time.monotonic() + 30
        for address in addresses:
            while True:
                try:
                    socket.create_connection((address, self._port), timeout=2).close()
                    break
                except OSError:
                    if time.monotonic() > deadline or process.poll() is not None:
                        raise RuntimeError((self.directory / "sshd.log").read_text()) from None
                    time.sleep(0.05)

    def _inventory(self, size: int) -> dict[str, t.Any]:
        hosts = {
            address: {
                "haproxy_certificates_path": str(haproxy.certs_dir),
                "haproxy_certificates_socket": haproxy.socket,
                "haproxy_certificates_master_socket": haproxy.master_socket,
                "haproxy_certificates_binary": haproxy.binary,
                "haproxy_certificates_config": [str(haproxy.config_path)],
            }
            for address, haproxy in zip(self.addresses[:size], self.haproxies)
        }
        common = {
            "ansible_port": self._port,
            "ansible_user": "root",
            "ansible_ssh_private_key_file": str(self.directory / "user"),
            "ansible_ssh_common_args": "-o UserKnownHostsFile=/dev/null -o StrictHostKeyChecking=no -o LogLevel=ERROR",
            "ansible_python_interpreter": sys.executable,
        }
        return {"haproxy": {"hosts": hosts, "vars": {**common, **self._variables}}}
