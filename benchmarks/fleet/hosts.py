# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A fleet on one machine: SSH servers on loopback addresses, and a HAProxy for each of these."""

from __future__ import annotations

import contextlib
import json
import pathlib
import tempfile
import typing as t

from ansible_collections.certops.rotation.tests.support import pki
from ansible_collections.certops.rotation.tests.support.haproxy import HaproxyInstance, free_port
from ansible_collections.certops.rotation.tests.support.ssh_server import ssh_server

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
        self._connection: dict[str, t.Any] = {}

    def __enter__(self) -> Fleet:
        with contextlib.ExitStack() as stack:
            self.directory = pathlib.Path(stack.enter_context(tempfile.TemporaryDirectory(dir="/tmp")))
            for start in range(0, len(self.addresses), ADDRESSES_PER_SERVER):
                some = self.addresses[start : start + ADDRESSES_PER_SERVER]
                server = stack.enter_context(ssh_server(self.directory, some, self._port))
            for _address in self.addresses:
                instance = HaproxyInstance({"default.pem": self._default})
                self.haproxies.append(stack.enter_context(instance))
            self._connection = server.variables
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
        return {"haproxy": {"hosts": hosts, "vars": {**self._connection, **self._variables}}}
