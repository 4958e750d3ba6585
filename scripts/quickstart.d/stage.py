# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The two things around the collection: an emulated AWS and a real HAProxy, each a process of its own on loopback."""

from __future__ import annotations

import collections
import contextlib
import json
import os
import pathlib
import re
import signal
import socket
import subprocess
import sys
import time
import typing as t
import urllib.request

REGION = "eu-central-1"
_SECONDS_TO_START = 60
_COLOUR = re.compile(r"\033\[[0-9;]*m")


class StageError(Exception):
    """A program does not do its part."""


def free_port() -> int:
    """A TCP port of 127.0.0.1 that nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def end(process: subprocess.Popen[t.Any]) -> None:
    """End a process that leads a session of its own, and all of that session."""
    for how, patience in ((signal.SIGTERM, 5), (signal.SIGKILL, 5)):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, how)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(patience)
            return


class _Program:
    """A process with a log, from __enter__ to __exit__."""

    name = ""

    def __init__(self, directory: pathlib.Path) -> None:
        self.directory = directory
        self.log_path = directory / f"{self.name}.log"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def log(self) -> str:
        return _COLOUR.sub("", self.log_path.read_text(errors="replace")) if self.log_path.exists() else ""

    def __exit__(self, *_exception: object) -> None:
        if self._process:
            end(self._process)

    def _start(self, command: list[str], ready: t.Callable[[], bool]) -> None:
        with self.log_path.open("wb") as log:
            # A session of its own: Ctrl-C is for the quickstart, which then ends this in good order.
            self._process = subprocess.Popen(
                command, cwd=self.directory, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )
        try:
            deadline = time.monotonic() + _SECONDS_TO_START
            while not ready():
                if self._process.poll() is not None or time.monotonic() > deadline:
                    raise StageError(f"{self.name} does not start.")
                time.sleep(0.05)
        except BaseException:
            end(self._process)
            raise


class EmulatedAws(_Program):
    """moto's server (https://docs.getmoto.org). environment: what leads boto3 here, and nowhere else."""

    name = "moto"

    def __init__(self, directory: pathlib.Path) -> None:
        super().__init__(directory)
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.environment = {
            "AWS_ENDPOINT_URL": self.url,
            "AWS_REGION": REGION,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_ACCESS_KEY_ID": "emulated-key-id",
            "AWS_SECRET_ACCESS_KEY": "emulated-secret-key",
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        }

    def __enter__(self) -> EmulatedAws:
        self._start([sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(self.port)], self._answers)
        return self

    @contextlib.contextmanager
    def counting(self) -> t.Iterator[collections.Counter[str]]:
        """Count the API calls that arrive meanwhile, by operation. Filled when the context ends."""
        calls: collections.Counter[str] = collections.Counter()
        self._ask("recorder/reset-recording", "POST")
        self._ask("recorder/start-recording", "POST")
        try:
            yield calls
        finally:
            self._ask("recorder/stop-recording", "POST")
            for line in self._ask("recorder/download-recording").splitlines():
                calls[json.loads(line)["headers"]["X-Amz-Target"].partition(".")[2]] += 1

    def _answers(self) -> bool:
        try:
            return bool(self._ask("data.json"))
        except OSError:
            return False

    def _ask(self, what: str, method: str = "GET") -> str:
        request = urllib.request.Request(f"{self.url}/moto-api/{what}", method=method)  # noqa: S310  # loopback
        with urllib.request.urlopen(request, timeout=10) as reply:  # noqa: S310
            return str(reply.read().decode())


_CONFIG = """\
global
    stats socket {socket} mode 600 level admin
defaults
    mode http
    timeout connect 5s
    timeout client 30s
    timeout server 30s
frontend tls
    bind 127.0.0.1:{port} ssl crt {certificates}
    http-request return status 200 content-type text/plain string "Hello"
"""


class Haproxy(_Program):
    """Master and worker as on a server, but as an ordinary user. socket: its Runtime API; port: of its TLS listener."""

    name = "haproxy"

    def __init__(self, directory: pathlib.Path, placeholder_pem: str) -> None:
        super().__init__(directory)
        self.port = 0
        self.socket = directory / "admin.sock"
        self.config = directory / "haproxy.cfg"
        self.certificates = directory / "certs"
        self.certificates.mkdir(mode=0o700)
        # HAProxy does not start without any certificate; the first of the directory is for clients without SNI.
        placeholder = self.certificates / "00-placeholder.pem"
        placeholder.touch(mode=0o600)
        placeholder.write_text(placeholder_pem)

    def __enter__(self) -> Haproxy:
        for attempt in range(5):
            self.port = free_port()
            self.config.write_text(_CONFIG.format(socket=self.socket, port=self.port, certificates=self.certificates))
            try:
                self._start(["haproxy", "-W", "-db", "-f", str(self.config)], lambda: self.worker_pid() > 0)
                break
            except StageError:
                # Somebody else may have taken the port between the choice and the bind.
                if attempt == 4 or "cannot bind" not in self.log.lower():
                    raise
        return self

    @property
    def version(self) -> str:
        return self._info().get("Version", "").partition("-")[0]

    def worker_pid(self) -> int:
        """Process id of the worker that answers, 0 when none does."""
        return int(self._info().get("Pid", 0))

    def _info(self) -> dict[str, str]:
        try:
            with socket.socket(socket.AF_UNIX) as connection:
                connection.settimeout(5)
                connection.connect(str(self.socket))
                connection.sendall(b"show info\n")
                answer = b"".join(iter(lambda: connection.recv(65536), b"")).decode()
        except OSError:
            return {}
        return {key: value.strip() for key, _colon, value in (line.partition(":") for line in answer.splitlines())}
