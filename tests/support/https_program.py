# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A program that serves HTTPS on loopback, with a certificate of its own, in a directory of its own."""

from __future__ import annotations

import contextlib
import os
import pathlib
import shutil
import ssl
import subprocess
import tempfile
import time
import typing as t
import urllib.request

import trustme

from .ports import free_port


class HttpsProgram:
    """Started on __enter__, killed and gone with its directory on __exit__.

    port: where it serves; certificate, key: paths, for it; ca_bundle: path, for its clients; environment: its own
    variables; a subclass sets command, and ready: what must be there before it has started.
    """

    command: t.Sequence[str]

    def __init__(self, name: str, ready: t.Sequence[str]) -> None:
        """ready: paths that it must answer."""
        self.name = name
        self.port = free_port()
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix=name, dir="/tmp"))
        self.environment: dict[str, str] = {}
        self._ready = ready
        self._process: subprocess.Popen[bytes] | None = None
        self._log_path = self.directory / "log"
        authority = trustme.CA()
        leaf = authority.issue_cert("127.0.0.1", "localhost")
        names = ("https.pem", "https-key.pem", "https-ca.pem")
        self.certificate, self.key, self.ca_bundle = (str(self.directory / file) for file in names)
        leaf.cert_chain_pems[0].write_to_path(self.certificate)
        leaf.private_key_pem.write_to_path(self.key)
        authority.cert_pem.write_to_path(self.ca_bundle)

    def __enter__(self) -> t.Self:
        try:
            self.start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_exception: object) -> None:
        self.stop()
        shutil.rmtree(self.directory, ignore_errors=True)

    def start(self) -> None:
        """Start it (again, on the same ports) and wait until it answers."""
        with self._log_path.open("ab") as log:
            self._process = subprocess.Popen(
                self.command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.directory,
                env={**os.environ, **self.environment},
                start_new_session=True,
            )
        deadline = time.monotonic() + 60
        while True:
            with contextlib.suppress(OSError):
                for path in self._ready:
                    self.get(path)
                return
            assert self._process.poll() is None, f"{self.name} ended:\n{self.log}"
            assert time.monotonic() < deadline, f"{self.name} needs too long to start:\n{self.log}"
            time.sleep(0.02)

    def stop(self) -> None:
        """Kill it. Its directory, and so its log, stays."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(60)
            self._process = None

    def get(self, path: str, port: int | None = None) -> bytes:
        """port: another one of its, with the same certificate."""
        context = ssl.create_default_context(cafile=self.ca_bundle)
        url = f"https://127.0.0.1:{port or self.port}{path}"
        with urllib.request.urlopen(url, timeout=10, context=context) as reply:
            return bytes(reply.read())

    @property
    def log(self) -> str:
        """All that it has printed, in all its lives."""
        return self._log_path.read_text(errors="replace") if self._log_path.exists() else ""
