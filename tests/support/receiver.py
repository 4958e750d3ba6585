# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A receiving host: its staging directory, its live lineages and its receipts, and what a reader finds there."""

from __future__ import annotations

import contextlib
import datetime
import json
import os
import pathlib
import signal
import socket
import ssl
import typing as t

from ansible_collections.certops.rotation.plugins.module_utils._module.certificate_deploy import (
    ARGUMENT_SPEC,
    make_deployment,
)
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization

from .fork_server import ModuleServer
from .module import ModuleRun
from .pki import IssuedCertificate
from .sync import TEMPORARY_MARK
from .tls_server import server


class Receiver:
    """args: of every deployment, beside the directories."""

    def __init__(self, modules: ModuleServer, root: pathlib.Path, **args: t.Any) -> None:
        self.modules = modules
        self.root = root
        self.staging = root / "staging"
        self.live = root / "live"
        self.receipts = root / "receipts"
        self.staging.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.args = {
            "source": str(self.staging),
            "path": str(self.live),
            "receipts": str(self.receipts),
            **args,
        }

    # -- the uploader -------------------------------------------------------------------------------------------

    def stage(self, issued: IssuedCertificate, lineage: str = "", *, named: bool = True) -> pathlib.Path:
        """As certificate_push does; named=False: as a certdeploy server."""
        lineage = lineage or issued.names[0].removeprefix("*.")
        name = f"{lineage}@{issued.fingerprint_sha256}" if named else lineage
        directory = self.staging / f".upload-{issued.fingerprint_sha256[:8]}"
        directory.mkdir(mode=0o700)
        put(directory / "privkey.pem", issued.private_key_pem)
        put(directory / "fullchain.pem", issued.certificate_pem + issued.chain_pem)
        target = self.staging / name
        directory.rename(target)
        return target

    # -- the host -----------------------------------------------------------------------------------------------

    def deploy(self, *, check: bool = False, **args: t.Any) -> ModuleRun:
        return self.modules.run("certificate_deploy", {**self.args, **args}, check=check)

    def deployed(self, **args: t.Any) -> dict[str, t.Any]:
        """The result of one that has to succeed."""
        run = self.deploy(**args)
        assert not run.failed, run.result["msg"]
        return run.result

    def kill_deployment(self, **args: t.Any) -> None:
        """One that something kills, and that ends so."""
        status, _memory = self.modules.start("certificate_deploy", {**self.args, **args}).wait()
        assert status == -signal.SIGKILL, status

    def deploy_here(self, *, now: datetime.datetime, **args: t.Any) -> dict[str, t.Any]:
        """The result of a deployment in this process, at that time."""
        defaults = {name: option.get("default") for name, option in ARGUMENT_SPEC.items()}
        deployment = make_deployment({**defaults, **self.args, **args}, now=now, check_mode=False)
        deployment.run()
        return deployment.result()

    def rollback(self, **args: t.Any) -> ModuleRun:
        return self.modules.run("certificate_rollback", {"path": str(self.live), **args})

    # -- what is there ------------------------------------------------------------------------------------------

    def fingerprint(self, lineage: str) -> str:
        """Of the live leaf; the four files are one certificate's, and the key is its own."""
        return read_lineage(self.live / lineage)

    def fingerprints(self) -> dict[str, str]:
        found = [path.name for path in self.live.iterdir() if path.is_dir()] if self.live.exists() else []
        return {name: self.fingerprint(name) for name in found if not name.startswith(".")}

    def receipt(self, lineage: str) -> dict[str, t.Any]:
        return json.loads((self.receipts / f"{lineage}.json").read_text())  # type: ignore[no-any-return]

    def staged(self) -> list[str]:
        return sorted(path.name for path in self.staging.iterdir())

    def unfinished(self) -> dict[str, t.Any]:
        """What is left to the next run."""
        file = self.live / ".certops" / "deployment.json"
        return json.loads(file.read_text()) if file.exists() else {}

    def left_over(self) -> list[str]:
        """What a run has left that it should not: temporary files, and versions that nothing refers to."""
        entries = json.loads((self.live / ".certops" / "manifest.json").read_text())["certificates"]
        kept = {f"{e['stem']}~{one['digest'][:16]}" for e in entries for one in (e["current"], *e["previous"])}
        versions = {path.name for path in (self.live / ".certops" / "versions").iterdir()}
        return [*map(str, self.root.rglob(f"{TEMPORARY_MARK}*")), *sorted(versions - kept), *sorted(kept - versions)]


def put(path: pathlib.Path, content: str | bytes) -> None:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    path.chmod(0o600)


def lineage_files(directory: pathlib.Path) -> tuple[str, str, str, str]:
    """cert, chain, fullchain and privkey, as a careful service reads them: the directory is resolved once, and all is
    read from what it was then."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        parts = []
        for name in ("cert", "chain", "fullchain", "privkey"):
            with os.fdopen(os.open(f"{name}.pem", os.O_RDONLY, dir_fd=descriptor)) as stream:
                parts.append(stream.read())
    finally:
        os.close(descriptor)
    return parts[0], parts[1], parts[2], parts[3]


def read_lineage(directory: pathlib.Path) -> str:
    """Returns the leaf's fingerprint; AssertionError when the files do not belong together."""
    cert, chain, fullchain, privkey = lineage_files(directory)
    assert fullchain == cert + chain
    leaf = x509.load_pem_x509_certificate(cert.encode())
    key = serialization.load_pem_private_key(privkey.encode(), None)
    assert key.public_key() == leaf.public_key(), "the key is not the leaf's"
    return leaf.fingerprint(hashes.SHA256()).hex()


class LoadingService:
    """A TLS server that serves what it has loaded, and loads a lineage when it is told to: by a program of its own.

    stuck: a file; while it is there, the program ends well and has loaded nothing.
    """

    def __init__(self, directory: pathlib.Path, lineage: pathlib.Path) -> None:
        directory.mkdir(exist_ok=True)
        self.program = directory / "load"
        self.stuck = directory / "stuck"
        self.broken = directory / "broken"
        self._log = directory / "log"
        self._served = directory / "served.pem"
        put(
            self.program,
            f"""#!/bin/sh
echo "$CERTOPS_LINEAGES" >> {self._log}
[ ! -e {self.broken} ] || {{ echo broken; exit 1; }}
[ ! -e {self.stuck} ] || exit 0
cat {lineage}/fullchain.pem {lineage}/privkey.pem > {directory}/new.$$ && mv {directory}/new.$$ {self._served}
""",
        )
        self.program.chmod(0o700)

    def definition(self, *ports: int, **more: t.Any) -> dict[str, t.Any]:
        """An entry of services."""
        endpoints = [{"host": "127.0.0.1", "port": port, "server_name": "a.example.com"} for port in ports]
        return {"type": "script", "name": str(self.program), "endpoints": endpoints, "prove_within": 1, **more}

    def load(self, issued: IssuedCertificate) -> None:
        put(self._served, issued.combined_pem)

    @property
    def told(self) -> list[str]:
        """What it was told, by turns."""
        return self._log.read_text().splitlines() if self._log.exists() else []

    @property
    def loaded(self) -> str:
        """Fingerprint of the leaf, "" for none."""
        if not self._served.exists():
            return ""
        return x509.load_pem_x509_certificate(self._served.read_bytes()).fingerprint(hashes.SHA256()).hex()

    def talk(self, connection: socket.socket) -> None:
        """With whoever comes: see server."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self._served)
        with context.wrap_socket(connection, server_side=True) as secured:
            secured.recv(1)

    def serving(self) -> contextlib.AbstractContextManager[int]:
        """Its port."""
        return server(self.talk)
