# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the scenarios run against: an emulated AWS with secrets in it, and a real HAProxy, until they are stopped.

services.py serve FILE [crt-list]   start both in this process, tell in FILE (JSON) where they are
services.py renew FILE NAME         a new certificate for NAME.example.com in the secret web/NAME, tell its fingerprint
services.py stop FILE               end them
"""

from __future__ import annotations

import fcntl
import json
import os
import pathlib
import signal
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT / ".dev" / "collections"))
os.environ["PATH"] += os.pathsep + "/usr/sbin:/sbin"  # haproxy on Debian

from ansible_collections.certops.rotation.tests.support import pki  # noqa: E402
from ansible_collections.certops.rotation.tests.support.haproxy import HaproxyInstance  # noqa: E402
from ansible_collections.certops.rotation.tests.support.moto import REGION, MotoServer, moto_server  # noqa: E402


def store(aws: MotoServer, name: str) -> str:
    """A fresh certificate of a fresh authority as the current version of the secret web/NAME. Its fingerprint."""
    issued = pki.CertificateAuthority("Molecule Intermediate", parent=pki.CertificateAuthority()).issue(
        f"{name}.example.com"
    )
    aws.put_secret(f"web/{name}", issued.secret_document(), tags={"Environment": "molecule"})
    return issued.fingerprint_sha256


def serve(state: pathlib.Path, crt_list: bool) -> None:
    default = pki.self_signed("default.example.com").combined_pem
    tls = "crt-list {crt_list}" if crt_list else "crt {certs}"
    lines = ["{certs}/default.pem"] if crt_list else None
    with moto_server() as aws, HaproxyInstance({"default.pem": default}, tls=(tls,), crt_list=lines) as haproxy:
        for name in ("a", "b"):
            store(aws, name)
        facts = {
            "pid": os.getpid(),
            "port": haproxy.port,
            "moto_port": aws.port,
            "role": {
                "path": str(haproxy.certs_dir),
                "socket": haproxy.socket,
                "crt_list": str(haproxy.crt_list_path) if crt_list else "",
                "master_socket": haproxy.master_socket,
                "config": [str(haproxy.config_path)],
                "aws": {
                    "endpoint_url": aws.endpoint_url,
                    "region": REGION,
                    "access_key": "test",
                    "secret_key": "test",
                },
            },
        }
        temporary = state.with_suffix(".new")
        with temporary.open("w") as file:
            json.dump(facts, file)
            file.flush()
            fcntl.flock(file, fcntl.LOCK_EX)
            temporary.rename(state)
            signal.pause()


def stop(state: pathlib.Path) -> None:
    """serve locks the file while it runs, and removes it when all has ended. A file that nobody locks is a leftover."""
    deadline = time.monotonic() + 30
    told = False
    while state.exists():
        with state.open() as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if not told:
                    os.kill(json.load(file)["pid"], signal.SIGTERM)
                    told = True
            else:
                state.unlink(missing_ok=True)
        if time.monotonic() > deadline:
            sys.exit(f"{state} says that the services still run")
        time.sleep(0.1)


def main(command: str, file: str, *rest: str) -> None:
    state = pathlib.Path(file)
    if command == "serve":
        signal.signal(signal.SIGTERM, lambda *_signal: sys.exit())  # leaves the contexts that hold both processes
        try:
            serve(state, crt_list="crt-list" in rest)
        finally:
            state.unlink(missing_ok=True)
    elif command == "renew":
        sys.stdout.write(store(MotoServer(json.loads(state.read_text())["moto_port"]), rest[0]))
    else:
        stop(state)


if __name__ == "__main__":
    main(*sys.argv[1:])
