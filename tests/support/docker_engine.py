# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A real Docker Engine of one's own, and HAProxy in its containers.

It shares nothing with a Docker that may run here already, and touches no network: containers use that of the host, and
the image is made from the host's own HAProxy. All of it is gone at the end.
"""

from __future__ import annotations

import http.client
import io
import json
import os
import pathlib
import re
import shutil
import socket
import subprocess
import tarfile
import tempfile
import time
import typing as t
import urllib.parse

from .haproxy import HaproxyInstance, default_binary
from .ports import free_port
from .systemd_host import become

_IMAGE = "certops-test"

# Runs as root. $1: a directory; $2: the group that may use the socket. Standard input: a pipe that closes when the
# tests end, in whatever way.
_SERVE = """
set -eu
exec 3<&0 # of a background process, standard input would be /dev/null
clean() {
    # A Docker Engine leaves its network name space mounted.
    grep -o " $1/[^ ]*" /proc/self/mountinfo | sort -ru | xargs -r umount --lazy || :
    rm -rf "$1/data" "$1/exec" "$1/socket" "$1/pid"
}
trap 'clean "$1"' EXIT
dockerd --data-root="$1/data" --exec-root="$1/exec" --pidfile="$1/pid" --host="unix://$1/socket" --group="$2" \\
    --containerd-namespace="certops-test-$$" --containerd-plugins-namespace="certops-test-plugins-$$" \\
    --bridge=none --iptables=false --ip6tables=false --shutdown-timeout=2 </dev/null 3<&- &
engine=$!
{
    read -r _ <&3 || :
    kill "$engine" || :
} >/dev/null 2>&1 &
wait "$engine" || :
"""


class DockerEngineHost:
    """Use it as a context. address: for docker_host; socket: the path in it."""

    def __init__(self) -> None:
        self._directory = pathlib.Path(tempfile.mkdtemp(prefix="dkr", dir="/tmp"))
        self._log = self._directory / "log"
        self._process: subprocess.Popen[bytes] | None = None
        self.socket = str(self._directory / "socket")
        self.address = f"unix://{self.socket}"

    def __enter__(self) -> DockerEngineHost:
        try:
            self._start()
            self._import_image()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_exception: object) -> None:
        if self._process:
            assert self._process.stdin
            self._process.stdin.close()
            self._process.wait(60)
        shutil.rmtree(self._directory)

    def request(
        self, method: str, path: str, body: object = None, *, wanted: t.Container[int] = range(200, 300)
    ) -> t.Any:
        """One call of the Docker Engine API. body: bytes as they are, else JSON. Its answer, JSON when it is any."""
        connection = http.client.HTTPConnection("localhost", timeout=60)
        is_raw = isinstance(body, bytes)
        content = body if is_raw or body is None else json.dumps(body)
        kind = "application/x-tar" if is_raw else "application/json"
        try:
            connection.sock = socket.socket(socket.AF_UNIX)
            connection.sock.settimeout(60)
            connection.sock.connect(self.socket)
            connection.request(method, path, t.cast("t.Any", content), {"Content-Type": kind})
            response = connection.getresponse()
            answer = response.read()
        finally:
            connection.close()
        assert response.status in wanted, f"{method} {path}: {response.status} {answer!r}"
        try:
            return json.loads(answer)
        except ValueError:
            return answer

    def _start(self, timeout: float = 60) -> None:
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [*become(), "sh", "-c", _SERVE, "sh", str(self._directory), str(os.getgid())],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # a Ctrl-C is for the tests, which then end this in good order
            )
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline and self._process.poll() is None:
            try:
                self.request("GET", "/_ping")
            except OSError:
                time.sleep(0.1)
            else:
                return
        raise AssertionError(
            "dockerd did not start. This needs root or sudo without a password, and the program dockerd. It said:\n"
            + self._log.read_text(errors="replace")
        )

    def _import_image(self) -> None:
        self.import_image(_IMAGE, default_binary(), "usr/sbin/haproxy")

    def import_image(self, name: str, program: str, at: str, files: t.Mapping[str, str] | None = None) -> None:
        """A program of the host with its libraries, and files of these contents, and nothing else. at: its path there,
        without the slash in front, as those of files."""
        archive = io.BytesIO()
        with tarfile.open(fileobj=archive, mode="w") as tar:
            for path in (program, *_libraries(program)):
                tar.add(os.path.realpath(path), at if path == program else path)
            for file, text in (files or {}).items():
                entry = tarfile.TarInfo(file)
                entry.size = len(text.encode())
                tar.addfile(entry, io.BytesIO(text.encode()))
        query = urllib.parse.urlencode({"fromSrc": "-", "repo": name, "tag": "latest"})
        self.request("POST", f"/images/create?{query}", archive.getvalue())

    def init_swarm(self) -> None:
        """It becomes the manager of a swarm of its own, on loopback."""
        body = {
            "ListenAddr": f"127.0.0.1:{free_port()}",
            "AdvertiseAddr": "127.0.0.1",
            "DataPathAddr": "127.0.0.1",
            "DataPathPort": free_port(),
        }
        self.request("POST", "/swarm/init", body)


def _libraries(binary: str) -> list[str]:
    listed = subprocess.run(["ldd", binary], capture_output=True, text=True, check=True).stdout
    return sorted(set(re.findall(r"/\S+", listed)) - {f"{binary}:"})


class HaproxyContainer(HaproxyInstance):
    """HAProxy in a container on the host's network; its directory is at the same path inside.

    worker: whether in master-worker mode. Process ids that it tells are those of the container.
    """

    def __init__(
        self,
        engine: DockerEngineHost,
        certificates: t.Mapping[str, str | bytes],
        *,
        worker: bool = True,
        **options: t.Any,
    ) -> None:
        super().__init__(certificates, **options)
        self.engine = engine
        self.name = self.directory.name
        self._mode = ["-W"] if worker else []
        self._is_created = False

    def start(self) -> None:
        """As the HAProxy image does it: in the foreground, its output to Docker; and with a master's socket."""
        if not self._is_created:
            self._create()
        self.request("POST", "start")
        self._wait(lambda: bool(self.worker_pid()), "to start")

    def stop(self) -> None:
        if self._is_created:
            self._is_created = False
            self.request("DELETE", "?force=1")

    def is_running(self) -> bool:
        return bool(self.request("GET", "json")["State"]["Running"])

    def request(self, method: str, what: str) -> t.Any:
        """A call of the Docker Engine API on this container."""
        return self.engine.request(method, f"/containers/{self.name}{what if what[0] == '?' else f'/{what}'}")

    @property
    def log(self) -> str:
        answer = self.request("GET", "logs?stdout=1&stderr=1")
        return answer.decode(errors="replace") if isinstance(answer, bytes) else str(answer)

    def _create(self) -> None:
        master = ["-S", self.master_socket] if self._mode else []
        body = {
            "Image": _IMAGE,
            "Cmd": ["/usr/sbin/haproxy", *self._mode, "-db", *master, "-f", str(self.config_path)],
            "User": f"{os.getuid()}:{os.getgid()}",
            "StopSignal": "SIGUSR1",
            "HostConfig": {"NetworkMode": "host", "Binds": [f"{self.directory}:{self.directory}"]},
        }
        self.engine.request("POST", f"/containers/create?name={self.name}", body)
        self._is_created = True
