# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A proxy in front of a Docker Engine, as administrators put one there so that not everybody is root."""

from __future__ import annotations

import contextlib
import http.client
import http.server
import socket
import threading

from .docker_engine import DockerEngineHost


class DockerProxy:
    """A filtering proxy of the Docker socket on TCP. seen: the requests; denied: method and end of their path."""

    def __init__(self, engine: DockerEngineHost) -> None:
        self.seen: list[str] = []
        self.denied: list[tuple[str, str]] = []
        proxy = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def _forward(self) -> None:
                path = self.path.partition("?")[0]
                proxy.seen.append(f"{self.command} {self.path}")
                if any(self.command == method and path.endswith(end) for method, end in proxy.denied):
                    self.send_error(403, "Forbidden")
                    return
                upstream = http.client.HTTPConnection("localhost")
                with contextlib.closing(upstream):
                    upstream.sock = socket.socket(socket.AF_UNIX)
                    upstream.sock.connect(engine.socket)
                    body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                    upstream.request(self.command, self.path, body, {"Content-Type": "application/json"})
                    response = upstream.getresponse()
                    content = response.read()
                self.send_response(response.status)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            do_GET = do_POST = _forward  # noqa: N815  # the names of http.server

            def log_message(self, *_arguments: object) -> None:
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"tcp://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()
