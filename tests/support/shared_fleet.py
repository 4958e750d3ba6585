# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Two servers and a client of one shared authority: HAProxy that wants client certificates, and who connects to it."""

from __future__ import annotations

import contextlib
import pathlib
import shutil
import socket
import ssl
import tempfile
import threading
import time
import typing as t

from cryptography import x509

from .haproxy import HaproxyInstance
from .playbook import PlaybookRun, run_playbook
from .ports import free_port
from .shared_authority import SharedAuthority
from .shared_member import NAMES, Member

SERVERS = ("web1", "web2")
CLIENT = "laptop"
_BIND = "crt {dir}/shared/server.pem ca-file {dir}/shared/ca.pem crl-file {dir}/shared/crl.pem verify required"


class SharedFleet:
    """members: their files, by host; haproxy: by server. All are this machine. See shared_fleet."""

    def __init__(
        self, shared: SharedAuthority, directory: pathlib.Path, servers: t.Sequence[str], **options: t.Any
    ) -> None:
        shared.good(clients=[{"name": "admin"}, {"name": "ci"}, {"name": "gone"}], **options)
        # HAProxy's crl-file needs a list, which there is from the first revocation on.
        shared.good(clients=[{"name": "gone", "state": "revoked"}])
        self.shared = shared
        self.haproxy = {server: HaproxyInstance({}, tls=[_BIND]) for server in servers}
        paths = {server: haproxy.directory / "shared" for server, haproxy in self.haproxy.items()}
        self.members = {host: Member(shared, path) for host, path in {**paths, CLIENT: directory / "shared"}.items()}
        for server in servers:
            self.members[server].good()
        self.members[CLIENT].good(server_names=[], clients=["admin"])
        self.down: list[str] = []
        self.variables: dict[str, t.Any] = {}
        self.unknown: list[str] = []  # variables that the inventory does not have

    def rotate(self, *, check: bool = False, **extra: t.Any) -> PlaybookRun:
        """extra: of the command line, without rotate_ca_."""
        return run_playbook(
            self._variables(),
            playbook="certops.rotation.rotate_ca",
            hosts=list(self.members),
            env=self.shared.faults.env,
            check=check,
            extra={"rotation_hosts": "haproxy", **{f"rotate_ca_{name}": value for name, value in extra.items()}},
        )

    def _variables(self) -> dict[str, t.Any]:
        servers = {
            server: {"socket": made.socket, "master": made.master_socket, "config": [str(made.config_path)]}
            for server, made in self.haproxy.items()
        }
        variables = {
            "servers": servers,
            "paths": {host: str(member.path) for host, member in self.members.items()},
            "down": self.down,
            "ansible_connection": "{{ 'ssh' if inventory_hostname in down else 'local' }}",
            "ansible_host": "127.0.0.1",
            "ansible_port": free_port(),
            "is_server": "{{ inventory_hostname in servers }}",
            "shared_ca_prefix": self.shared.prefix,
            "shared_ca_path": "{{ paths[inventory_hostname] }}",
            "shared_ca_server_address": "",
            "shared_ca_metadata_names": False,
            "shared_ca_key_type": "ec",
            "shared_ca_server_names": "{{ names if is_server else [] }}",
            "names": NAMES,
            "shared_ca_member_clients": "{{ [] if is_server else ['admin'] }}",
            "shared_ca_aws": {},
            "shared_ca_rotation_haproxy_socket": "{{ servers[inventory_hostname].socket if is_server else '' }}",
            "shared_ca_rotation_master_socket": "{{ servers[inventory_hostname].master if is_server else '' }}",
            "shared_ca_rotation_haproxy_config": "{{ servers[inventory_hostname].config if is_server else [] }}",
            "shared_ca_rotation_haproxy_binary": next(iter(self.haproxy.values())).binary,
            "shared_ca_rotation_endpoints": "{{ [] if is_server else endpoints }}",
            "endpoints": [f"127.0.0.1:{made.port}" for made in self.haproxy.values()],
            **self.variables,
        }
        return {name: value for name, value in variables.items() if name not in self.unknown}

    def file(self, host: str, name: str) -> pathlib.Path:
        return self.members[host].path / name

    def authorities(self) -> list[int]:
        """How many each host trusts."""
        return [self.file(host, "ca.pem").read_text().count("BEGIN CERTIFICATE") for host in self.members]

    def issuers(self) -> set[bytes]:
        """Key identifiers of who has issued the servers' certificates."""
        leaves = [
            x509.load_pem_x509_certificate(self.file(host, "server-cert.pem").read_bytes()) for host in self.haproxy
        ]
        return {_authority_key(leaf) for leaf in leaves}

    def issuer(self) -> bytes:
        """Key identifier of the authority that issues."""
        certificate = self.shared.certificate("ca-cert")
        return certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest

    def context(self, client: str = "admin", *, host: str = CLIENT) -> ssl.SSLContext:
        """A client as its files on this host make it now."""
        context = ssl.create_default_context(cafile=str(self.file(host, "ca.pem")))
        if client:
            self._load_pair(context, client, host)
        return context

    def _load_pair(self, context: ssl.SSLContext, client: str, host: str) -> None:
        deadline = time.monotonic() + 30
        while True:
            cert, key = (self.file(host, f"client-{client}-{part}.pem") for part in ("cert", "key"))
            try:
                context.load_cert_chain(cert, key)
                return
            except ssl.SSLError:  # two files are not replaced at once: read them again
                assert time.monotonic() < deadline, "certificate and key do not belong together"
                time.sleep(0.01)

    def connect(self, server: str, context: ssl.SSLContext) -> None:
        """A request over a new connection. Raises ssl.SSLError or ConnectionError when either side refuses."""
        address = ("127.0.0.1", self.haproxy[server].port)
        with (
            socket.create_connection(address, timeout=10) as raw,
            context.wrap_socket(raw, server_hostname="joblet") as connection,
        ):
            connection.sendall(b"GET / HTTP/1.0\r\n\r\n")
            if not connection.recv(100).startswith(b"HTTP/1.1 200"):
                raise ConnectionError("closed without an answer")

    def accepts(self, context: ssl.SSLContext) -> list[bool]:
        """Whether each server answers this client."""
        return [self._is_answered(server, context) for server in self.haproxy]

    def _is_answered(self, server: str, context: ssl.SSLContext) -> bool:
        try:
            self.connect(server, context)
        except (ssl.SSLError, ConnectionError):
            return False
        return True

    def close(self) -> None:
        for made in self.haproxy.values():
            made.__exit__()


def _authority_key(leaf: x509.Certificate) -> bytes:
    identifier = leaf.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value.key_identifier
    assert identifier is not None
    return identifier


class Visitor(threading.Thread):
    """Connects to both servers all the time while it is used as a context, with what the client's files hold then."""

    def __init__(self, fleet: SharedFleet) -> None:
        super().__init__(daemon=True)
        self.made = 0
        self.failures: list[str] = []
        self._fleet = fleet
        self._end = threading.Event()

    def run(self) -> None:
        while not self._end.is_set():
            for server in self._fleet.haproxy:
                try:
                    self._fleet.connect(server, self._fleet.context())
                except (OSError, AssertionError) as error:
                    self.failures.append(f"{server}, after {self.made}: {error!r}")
                else:
                    self.made += 1
            self._end.wait(0.1)  # two cores are shared with HAProxy and Ansible

    def __enter__(self) -> Visitor:
        self.start()
        return self

    def __exit__(self, *_exception: object) -> None:
        self._end.set()
        self.join(30)


@contextlib.contextmanager
def shared_fleet(
    shared: SharedAuthority, servers: t.Sequence[str] = SERVERS, **options: t.Any
) -> t.Iterator[SharedFleet]:
    """servers: names of hosts with a HAProxy. One more host is a client. options: of shared_ca."""
    directory = pathlib.Path(tempfile.mkdtemp(prefix="fleet", dir="/tmp"))
    fleet = SharedFleet(shared, directory, servers, **options)
    try:
        for made in fleet.haproxy.values():
            made.__enter__()
        yield fleet
    finally:
        fleet.close()
        shutil.rmtree(directory, ignore_errors=True)
