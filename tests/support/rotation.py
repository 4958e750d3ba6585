# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The whole scene of a rotation: secrets in an emulated AWS, a real HAProxy, the playbook between them."""

from __future__ import annotations

import contextlib
import datetime
import hashlib
import json
import os
import pathlib
import threading
import typing as t

from . import pki, tls_server
from .haproxy import HaproxyInstance
from .moto import MotoServer
from .playbook import PlaybookRun, run_playbook

PREFIX = "web/"


class Scene:
    """aws: the emulator, emptied; haproxy: running, with default.pem (default.example.com) among its certificates."""

    def __init__(self, aws: MotoServer, haproxy: HaproxyInstance, authority: pki.CertificateAuthority) -> None:
        self.aws = aws
        self.haproxy = haproxy
        self.authority = authority
        self.variables: dict[str, t.Any] = {
            "haproxy_certificates_name_prefix": PREFIX,
            "haproxy_certificates_path": str(haproxy.certs_dir),
            "haproxy_certificates_socket": haproxy.socket,
            "haproxy_certificates_reload_methods": [],
            "haproxy_certificates_master_socket": haproxy.master_socket,
            "haproxy_certificates_binary": haproxy.binary,
            "haproxy_certificates_config": [str(haproxy.config_path)],
        }

    def store(self, name: str, **document: t.Any) -> pki.IssuedCertificate:
        """A new certificate for NAME.example.com as the current version of the secret web/NAME."""
        issued = self.authority.issue(f"{name}.example.com")
        self.aws.put_secret(PREFIX + name, issued.secret_document(**document))
        return issued

    def rotate(self, check: bool = False, **variables: t.Any) -> PlaybookRun:
        """Run the playbook; variables: of the role, without its prefix."""
        changed = {f"haproxy_certificates_{name}": value for name, value in variables.items()}
        return run_playbook({**self.variables, **changed}, env=self.aws.env, check=check)

    def served(self, name: str) -> str:
        """Fingerprint that a fresh handshake for NAME.example.com gets."""
        return hashlib.sha256(self.haproxy.served_leaf(f"{name}.example.com")).hexdigest()

    def state(self) -> dict[str, t.Any]:
        """The state file."""
        return dict(json.loads((self.haproxy.certs_dir / ".certops/state.json").read_text()))

    def disk(self) -> dict[str, tuple[int, int, int]]:
        """Each path in the certificate directory with inode, size and time of change: nothing can be written unseen.

        But for the stamp that an unchanged run leaves, and what that changes of the directory that it is in.
        """
        certs = self.haproxy.certs_dir
        found = {path: path.lstat() for path in [certs, *certs.rglob("*")] if path != self.stamp}
        at_rest = {self.stamp.parent}
        return {
            str(path): (status.st_ino, 0, 0) if path in at_rest else (status.st_ino, status.st_size, status.st_ctime_ns)
            for path, status in found.items()
        }

    def age(self, **ago: float) -> None:
        """What is known of the last run becomes older by so much: days=, hours=, as of timedelta."""
        longer = datetime.timedelta(**ago)
        state = self.state()
        for name in ("finished_at", "last_success_at"):
            if state[name]:
                then = datetime.datetime.fromisoformat(state[name].replace("Z", "+00:00")) - longer
                state[name] = then.strftime("%Y-%m-%dT%H:%M:%SZ")
        (self.haproxy.certs_dir / ".certops/state.json").write_text(json.dumps(state))
        if self.stamp.exists():
            then = self.stamp.stat().st_mtime - longer.total_seconds()
            os.utime(self.stamp, (then, then))

    @property
    def stamp(self) -> pathlib.Path:
        """Touched by an unchanged run that ended well."""
        return self.haproxy.certs_dir / ".certops" / "last-success"

    def file(self, name: str) -> pathlib.Path:
        """Where the certificate web/NAME is."""
        return self.haproxy.certs_dir / f"web_{name}.pem"

    def runtime_connections(self) -> int:
        """Connections to HAProxy's Runtime API so far, this one included."""
        return self._count("CumConns")

    def handshakes(self) -> int:
        """TLS connections to HAProxy's worker so far."""
        return self._count("CumSslConns")

    def _count(self, name: str) -> int:
        for line in self.haproxy.execute("show info").splitlines():
            if line.startswith(f"{name}:"):
                return int(line.split(":")[1])
        raise AssertionError(f"HAProxy does not count {name}")


def assert_converges(scene: Scene, issued: pki.IssuedCertificate, **variables: t.Any) -> None:
    """The next run serves what the failed one left."""
    run = scene.rotate(**variables)
    assert run.returncode == 0, run.output
    assert scene.served("a") == issued.fingerprint_sha256


@contextlib.contextmanager
def scene(aws: MotoServer, **haproxy: t.Any) -> t.Iterator[Scene]:
    """haproxy: more arguments of HaproxyInstance."""
    aws.reset()
    authority = pki.CertificateAuthority("Intermediate", parent=pki.CertificateAuthority())
    default = authority.issue("default.example.com").combined_pem
    certificates = {"default.pem": default, **haproxy.pop("certificates", {})}
    with HaproxyInstance(certificates, **haproxy) as instance:
        yield Scene(aws, instance, authority)


@contextlib.contextmanager
def second_bind(aws: MotoServer) -> t.Iterator[tuple[Scene, pathlib.Path, pki.IssuedCertificate]]:
    """The scene, a file outside the role's directory, and the secret web/a.

    A second bind loads that file first, and so serves it for a.example.com; so far it is the same certificate.
    """
    first = pki.self_signed("first.example.com").combined_pem
    binds = ("crt {certs}", "crt {dir}/first.pem crt {certs}")
    with scene(aws, tls=binds, certificates={"../first.pem": first}) as made:
        issued = made.store("a")
        path = made.haproxy.directory / "first.pem"
        path.write_text(issued.combined_pem)
        assert made.haproxy.reload()
        yield made, path, issued


@contextlib.contextmanager
def another_program(made: Scene, *names: str) -> t.Iterator[str]:
    """An address for the option binds, at which no HAProxy serves another certificate of these names."""
    with tls_server.server(tls_server.tls(made.haproxy.directory, made.authority.issue(names))) as port:
        yield f"127.0.0.1:{port}"


class Client(threading.Thread):
    """Makes handshakes all the time while it is used as a context. served: fingerprints, in the order first seen."""

    def __init__(self, scene: Scene, name: str) -> None:
        super().__init__(daemon=True)
        self.made = 0
        self.failures: list[str] = []
        self.served: list[str] = []
        self._scene = scene
        self._name = name
        self._end = threading.Event()

    def run(self) -> None:
        while not self._end.is_set():
            try:
                fingerprint = self._scene.served(self._name)
            except OSError as error:
                self.failures.append(str(error))
            else:
                self.made += 1
                if fingerprint not in self.served:
                    self.served.append(fingerprint)
            self._end.wait(0.005)  # two cores are shared with HAProxy and Ansible

    def __enter__(self) -> Client:
        self.start()
        return self

    def __exit__(self, *_exception: object) -> None:
        self._end.set()
        self.join(30)
