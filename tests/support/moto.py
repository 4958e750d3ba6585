# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""An emulated AWS: moto's server as a process of its own on loopback, spoken to over HTTP by real boto3."""

from __future__ import annotations

import contextlib
import functools
import json
import os
import subprocess
import sys
import time
import typing as t
import urllib.request

import boto3

from .ports import free_port

REGION = "eu-central-1"


@functools.cache
def _client(service: str, endpoint_url: str, region: str) -> t.Any:
    return boto3.client(
        service,
        endpoint_url=endpoint_url,
        region_name=region,
        aws_access_key_id="test",
        aws_secret_access_key="emulated-secret-key",
    )


class MotoServer:
    """endpoint_url: where it listens; env: what a process needs to use it and nothing else of AWS."""

    _answers = "/moto-api/data.json"
    _reset = "/moto-api/reset"

    def __init__(self, port: int | None = None, command: t.Sequence[str] = ()) -> None:
        """command: what starts the server instead of moto's own program; the port is added."""
        self.port = port or free_port()
        self._command = command or [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p"]
        self.endpoint_url = f"http://127.0.0.1:{self.port}"
        self.env = {
            "AWS_ENDPOINT_URL": self.endpoint_url,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_REGION": REGION,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "emulated-secret-key",
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        }
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, timeout: float = 60) -> None:
        """timeout: seconds until it must answer."""
        self._process = self._begin()
        deadline = time.monotonic() + timeout
        while True:
            try:
                with urllib.request.urlopen(f"{self.endpoint_url}{self._answers}", timeout=2):
                    return
            except OSError:
                if self._process.poll() is not None or time.monotonic() > deadline:
                    raise AssertionError(f"The emulated AWS does not answer on {self.endpoint_url}") from None
                time.sleep(0.1)

    def _begin(self) -> subprocess.Popen[bytes]:
        command = [*self._command, str(self.port)]
        return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def stop(self) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.wait(timeout=30)
            self._process = None

    def reset(self) -> None:
        request = urllib.request.Request(f"{self.endpoint_url}{self._reset}", method="POST")
        urllib.request.urlopen(request, timeout=30).close()

    def client(self, service: str = "secretsmanager", region: str = REGION) -> t.Any:
        return _client(service, self.endpoint_url, region)

    def put_secret(
        self,
        name: str,
        value: dict[str, t.Any] | str | bytes,
        tags: t.Mapping[str, str] | None = None,
        region: str = REGION,
    ) -> str:
        """Create the secret or give it a new current version. value: document, text or binary. Returns the version."""
        client = self.client(region=region)
        content: dict[str, t.Any] = (
            {"SecretBinary": value}
            if isinstance(value, bytes)
            else {"SecretString": value if isinstance(value, str) else json.dumps(value)}
        )
        try:
            pairs = [{"Key": key, "Value": text} for key, text in (tags or {}).items()]
            return str(client.create_secret(Name=name, Tags=pairs, **content)["VersionId"])
        except client.exceptions.ResourceExistsException:
            return str(client.put_secret_value(SecretId=name, **content)["VersionId"])


@contextlib.contextmanager
def moto_server() -> t.Iterator[MotoServer]:
    server = MotoServer()
    server.start()
    try:
        yield server
    finally:
        server.stop()
