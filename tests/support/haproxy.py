# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A real HAProxy of one's own: master-worker, unprivileged, on loopback and free ports, in a directory of its own.

The program is HAPROXY_BINARY of the environment, else "haproxy". The fixture haproxy_version sets it to each version.
"""

from __future__ import annotations

import contextlib
import functools
import os
import pathlib
import re
import shutil
import signal
import socket
import ssl
import subprocess
import tempfile
import time
import typing as t

from .ports import free_port


def default_binary() -> str:
    """The HAProxy under test; AssertionError when there is none."""
    binary = shutil.which(os.environ.get("HAPROXY_BINARY", "haproxy"))
    assert binary, "HAProxy is missing: install it or name it in HAPROXY_BINARY"
    return binary


class Version(t.NamedTuple):
    """name: as 2.6; program: its path, "" when it could not be had; text: the full version, or why not."""

    name: str
    program: str
    text: str


_ROOT = pathlib.Path(__file__).parents[2]


@functools.cache
def full_version(program: str) -> str:
    """What a program says of itself, as 2.6.12-1+deb12u4; AssertionError when it is no HAProxy that runs."""
    try:
        said = subprocess.run([program, "-v"], capture_output=True, text=True, timeout=10, check=False).stdout
    except OSError as error:
        raise AssertionError(f"HAProxy is missing: {error}. scripts/bootstrap brings all versions.") from None
    found = re.match(r"HAProxy version (\S+)", said)
    assert found, f"{program} -v said: {said}"
    return found[1]


def versions() -> list[Version]:
    """The installed HAProxy first, then what scripts/haproxy_versions brought or could not; or just HAPROXY_BINARY."""
    if os.environ.get("HAPROXY_BINARY"):
        full = full_version(default_binary())
        return [Version(".".join(full.split(".")[:2]), default_binary(), full)]
    found = _ROOT / ".dev/haproxy/versions"
    assert found.exists(), "The HAProxy versions to test with are missing: run scripts/bootstrap"
    lines = [line.split(" ", 2) for line in found.read_text().splitlines()]
    return [Version(name, "" if program == "-" else str(_ROOT / program), text) for name, program, text in lines]


class HaproxyInstance:
    """Started on __enter__, gone with its directory on __exit__.

    certificates: file name -> combined PEM, written into certs_dir before the start.
    tls: one TLS bind (port) for each text, its certificate arguments; {certs}, {crt_list} and {dir} are filled in.
    Examples:
        "crt {certs}", "crt {certs} strict-sni", "crt-list {crt_list}", "crt {certs}/a.pem".
    crt_list: lines of the crt-list file ({certs} is filled in); None: no such file.
    extra_global: lines for the configuration's global section, such as "tune.bufsize 32768".

    socket: the Runtime API at level admin; operator_socket: at level operator; tcp_socket: admin as "127.0.0.1:PORT".
    """

    def __init__(
        self,
        certificates: t.Mapping[str, str | bytes],
        *,
        tls: t.Sequence[str] = ("crt {certs}",),
        crt_list: t.Sequence[str] | None = None,
        extra_global: t.Sequence[str] = (),
        binary: str | None = None,
    ) -> None:
        self.binary = binary or default_binary()
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="hap", dir="/tmp"))
        self.certs_dir = self.directory / "certs"
        self.crt_list_path = self.directory / "crt-list.txt"
        self.config_path = self.directory / "haproxy.cfg"
        self.socket = str(self.directory / "admin.sock")
        self.operator_socket = str(self.directory / "operator.sock")
        self.master_socket = str(self.directory / "master.sock")
        self.ports: list[int] = []
        self.tcp_socket = ""
        self._tls = tls
        self._extra_global = extra_global
        self._process: subprocess.Popen[bytes] | None = None
        self._log_path = self.directory / "haproxy.log"
        self.certs_dir.mkdir()
        for name, pem in certificates.items():
            self.write_certificate(name, pem)
        if crt_list is not None:
            self.crt_list_path.write_text("".join(f"{self._filled(line)}\n" for line in crt_list))

    # Life

    def __enter__(self) -> HaproxyInstance:
        try:
            for attempt in range(5):
                self.ports = [free_port() for dummy in self._tls]
                self.tcp_socket = f"127.0.0.1:{free_port()}"
                self.write_config()
                try:
                    self.start()
                    break
                except AssertionError:
                    # Another process may have taken a port between the choice and the bind.
                    if attempt == 4 or "cannot bind" not in self.log.lower():
                        raise
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_exception: object) -> None:
        self.stop()
        shutil.rmtree(self.directory, ignore_errors=True)

    def start(self) -> None:
        """Start it (again, on the same ports) and wait until it answers, else AssertionError with its log."""
        command = [self.binary, "-W", "-db", "-S", self.master_socket, "-f", str(self.config_path)]
        with self._log_path.open("ab") as log:
            self._process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )
        self._wait(lambda: bool(self.worker_pid()) and bool(self.show_proc()), "to start")

    def stop(self) -> None:
        """End master and workers at once. The directory, and so the stale socket files, stay."""
        if self._process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGTERM)
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait(60)
        self._process = None

    def is_running(self) -> bool:
        """Whether its master has not ended."""
        return self._process is not None and self._process.poll() is None

    def reload(self) -> bool:
        """Reload through the master and wait for the end of it: True when a new worker serves."""
        before = (self.worker_pid(), self.failed_reloads())
        with contextlib.suppress(OSError):
            self.execute("reload", self.master_socket)

        def finished() -> bool:
            return (
                bool(self.worker_pid())
                and bool(self.show_proc())
                and (self.worker_pid(), self.failed_reloads()) != before
            )

        self._wait(finished, "to reload")
        return self.worker_pid() != before[0]

    @property
    def master_pid(self) -> int:
        assert self._process is not None, "HAProxy is not running"
        return self._process.pid

    def worker_pid(self) -> int:
        """Process id of the worker that serves now, 0 when none answers."""
        with contextlib.suppress(OSError):
            for line in self.execute("show info").splitlines():
                if line.startswith("Pid:"):
                    return int(line.split(":", 1)[1])
        return 0

    def failed_reloads(self) -> int:
        """Failed reloads since the last good one, as `show proc` tells."""
        _before, _mark, after = self.show_proc().partition("[failed: ")
        return int(after.partition("]")[0]) if after else 0

    def show_proc(self) -> str:
        """The master's list of processes, empty when it does not answer."""
        with contextlib.suppress(OSError):
            return self.execute("show proc", self.master_socket)
        return ""

    # Files

    def write_config(self, extra: str = "") -> None:
        """Write the configuration; extra: text at its end, to make it a bad one for example."""
        lines = [
            "global",
            "    nbthread 2",
            "    tune.ssl.default-dh-param 2048",
            f"    stats socket {self.socket} mode 600 level admin",
            f"    stats socket {self.operator_socket} mode 600 level operator",
            f"    stats socket ipv4@{self.tcp_socket} level admin",
            *(f"    {self._filled(line)}" for line in self._extra_global),
            "defaults",
            "    mode http",
            "    timeout connect 5s",
            "    timeout client 300s",
            "    timeout server 300s",
            "frontend tls",
            *(f"    bind 127.0.0.1:{port} ssl {self._filled(tls)}" for port, tls in zip(self.ports, self._tls)),
            "    http-request return status 200 content-type text/plain string ok",
            extra,
        ]
        self.config_path.write_text("\n".join(lines) + "\n")

    def write_certificate(self, name: str, pem: str | bytes) -> str:
        """Write a file into certs_dir (mode 0600); its path."""
        path = self.certs_dir / name
        path.touch(mode=0o600)
        path.write_bytes(pem.encode() if isinstance(pem, str) else pem)
        return str(path)

    def certificate_name(self, name: str) -> str:
        """How HAProxy knows a file of certs_dir."""
        return str(self.certs_dir / name)

    @property
    def log(self) -> str:
        """All that master and workers have printed."""
        return self._log_path.read_text(errors="replace") if self._log_path.exists() else ""

    # Talk

    @property
    def port(self) -> int:
        """The first TLS port."""
        return self.ports[0]

    def execute(self, command: str, address: str | None = None) -> str:
        """One Runtime API command as it is, over the admin socket or the one given; its whole answer."""
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(10)
            connection.connect(address or self.socket)
            connection.sendall(command.encode() + b"\n")
            connection.shutdown(socket.SHUT_WR)
            return b"".join(iter(lambda: connection.recv(65536), b"")).decode()

    def served_leaf(self, server_name: str | None = None, port: int | None = None) -> bytes:
        """DER of the leaf that a fresh handshake gets; ssl.SSLError or OSError when it fails."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        with (
            socket.create_connection(("127.0.0.1", port or self.port), timeout=10) as raw,
            context.wrap_socket(raw, server_hostname=server_name) as connection,
        ):
            leaf = connection.getpeercert(binary_form=True)
        assert leaf is not None
        return leaf

    def _filled(self, text: str) -> str:
        return text.format(certs=self.certs_dir, crt_list=self.crt_list_path, dir=self.directory)

    def _wait(self, condition: t.Callable[[], bool], purpose: str, seconds: float = 60) -> None:
        deadline = time.monotonic() + seconds
        while not condition():
            assert self.is_running(), f"HAProxy ended:\n{self.log}"
            assert time.monotonic() < deadline, f"HAProxy needs too long {purpose}:\n{self.log}"
            time.sleep(0.02)
