# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A real nginx of one's own, unprivileged or not, on loopback and free ports, in a directory of its own."""

from __future__ import annotations

import pathlib
import shutil
import socket
import subprocess
import time
import typing as t

from .ports import free_port

_CONFIG = """
{main}
pid {directory}/nginx.pid;
error_log {directory}/error.log;
events {{}}
http {{
    access_log off;
    client_body_temp_path {directory}/body;
    proxy_temp_path {directory}/proxy;
    fastcgi_temp_path {directory}/fastcgi;
    uwsgi_temp_path {directory}/uwsgi;
    scgi_temp_path {directory}/scgi;
{servers}
}}
"""
_SERVER = """
    server {{
        listen 127.0.0.1:{port} ssl;
        server_name {name};
        ssl_certificate {lineage}/fullchain.pem;
        ssl_certificate_key {lineage}/privkey.pem;
        location / {{ return 200; }}
    }}
"""


class NginxServer:
    """servers: server name -> directory of its lineage; main: more directives. Use it as a context, or start it
    otherwise by program and config."""

    def __init__(self, directory: pathlib.Path, servers: t.Mapping[str, pathlib.Path], *, main: str = "") -> None:
        self.directory = directory
        self.port = free_port()
        self.config = directory / "nginx.conf"
        self.program = shutil.which("nginx", path="/usr/sbin:/usr/bin:/sbin:/bin") or "nginx"
        directory.mkdir(exist_ok=True)
        blocks = [_SERVER.format(port=self.port, name=name, lineage=path) for name, path in servers.items()]
        self.config.write_text(_CONFIG.format(directory=directory, servers="".join(blocks), main=main))

    @property
    def command(self) -> str:
        """For a shell."""
        return f"{self.program} -c {self.config} -p {self.directory}"

    def __enter__(self) -> NginxServer:
        self.start()
        return self

    def __exit__(self, *_exception: object) -> None:
        if (self.directory / "nginx.pid").exists():
            subprocess.run([*self.command.split(), "-s", "stop"], capture_output=True, check=False)
            self._wait(lambda: not self.listens(), "to stop")

    def start(self) -> None:
        done = subprocess.run(self.command.split(), capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"nginx: {done.stderr}"
        self._wait(self.listens, "to start")

    def listens(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    @staticmethod
    def _wait(condition: t.Callable[[], bool], purpose: str, seconds: float = 60) -> None:
        end = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < end, f"nginx took more than {seconds} seconds {purpose}"
            time.sleep(0.05)
