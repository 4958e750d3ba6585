# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""HAProxys with a random configuration: the one that is looked after, and others for comparison."""

from __future__ import annotations

import contextlib
import pathlib
import socket
import subprocess
import time
import typing as t

from ansible_collections.certops.rotation.tests.support.haproxy import HaproxyInstance

from .scenes import Scene


class Refused(Exception):
    """HAProxy does not take the configuration that was drawn."""


class NotStarted(Exception):
    """HAProxy does not start with what is on disk."""


class SceneHaproxy(HaproxyInstance):
    """One with the scene's configuration."""

    def __init__(self, scene: Scene, binary: str) -> None:
        super().__init__({}, tls=[""] * scene.ports, binary=binary)
        self._scene = scene

    def write_config(self, extra: str = "") -> None:
        text = self.config(self.names(), self.socket) + extra
        self.config_path.write_text(text)
        check = subprocess.run(
            [self.binary, "-c", "-f", str(self.config_path)], capture_output=True, text=True, timeout=30, check=False
        )
        if check.returncode:
            raise Refused(f"{check.stdout}{check.stderr}\n{text}")

    def config(self, ports: t.Mapping[str, object], stats_socket: object) -> str:
        return self._scene.config(self.directory, ports, [f"stats socket {stats_socket} mode 600 level admin"])

    def names(self) -> dict[str, object]:
        """What the scene calls its ports and unix sockets."""
        ports: dict[str, object] = {f"p{number}": port for number, port in enumerate(self.ports)}
        return ports | {f"u{number}": f"{self.directory}/u{number}.sock" for number in range(len(self.ports))}


@contextlib.contextmanager
def another(haproxy: SceneHaproxy, name: str, ports: t.Mapping[str, object]) -> t.Iterator[None]:
    """One more HAProxy with the same configuration, on these ports, when it has begun.

    Raises NotStarted with its log when it ends instead.
    """
    path = haproxy.directory / f"{name}.cfg"
    path.write_text(haproxy.config(ports, path.with_suffix(".sock")))
    log = path.with_suffix(".log")
    with log.open("wb") as output:
        process = subprocess.Popen(
            [haproxy.binary, "-db", "-f", str(path)], stdin=subprocess.DEVNULL, stdout=output, stderr=output
        )
    try:
        deadline = time.monotonic() + 30
        while not _has_begun(path):
            if process.poll() is not None:
                raise NotStarted(log.read_text())
            assert time.monotonic() < deadline, f"another HAProxy needs too long:\n{log.read_text()}"
            time.sleep(0.01)
        yield
    finally:
        process.terminate()
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(60)


def _has_begun(path: pathlib.Path) -> bool:
    """Its stats socket is bound with all the others, before any of them is served."""
    with socket.socket(socket.AF_UNIX) as connection:
        try:
            connection.settimeout(5)
            connection.connect(str(path.with_suffix(".sock")))
            connection.sendall(b"show info\n")
            return connection.recv(1) != b""
        except OSError:
            return False
