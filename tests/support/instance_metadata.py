# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""EC2's instance metadata service, version 2, as a real HTTP server on loopback: nothing without its token."""

from __future__ import annotations

import http.server
import socket
import threading
import typing as t

_TOKEN = "a-token-of-a-test"
INSTANCE_ID = "i-0123456789abcdef0"
PATHS = {
    "instance-id": INSTANCE_ID,
    "placement/region": "eu-central-1",
    "local-ipv4": "10.0.0.7",
    "public-ipv4": "203.0.113.7",
    "local-hostname": "ip-10-0-0-7.eu-central-1.compute.internal",
    "public-hostname": "ec2-203-0-113-7.eu-central-1.compute.amazonaws.com",
}


class _Server(http.server.ThreadingHTTPServer):
    def __init__(self, address: tuple[str, int], handler: type[http.server.BaseHTTPRequestHandler]) -> None:
        self.address_family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        super().__init__(address, handler)


class InstanceMetadataService:
    """Started on __enter__. paths: below meta-data; requests: "METHOD path" of those that came; env: to be used."""

    def __init__(self, address: tuple[str, int] = ("127.0.0.1", 0)) -> None:
        self.paths = dict(PATHS)
        self.requests: list[str] = []
        self._server = _Server(address, self._handler())
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05})
        endpoint = f"http://127.0.0.1:{self._server.server_address[1]}"
        self.env = {"AWS_EC2_METADATA_SERVICE_ENDPOINT": endpoint, "AWS_EC2_METADATA_DISABLED": "false"}

    def __enter__(self) -> InstanceMetadataService:
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _handler(self) -> type[http.server.BaseHTTPRequestHandler]:
        service = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_PUT(self) -> None:
                lifetime = self.headers.get("X-aws-ec2-metadata-token-ttl-seconds")
                is_token = self.path == "/latest/api/token" and lifetime
                self._answer(200 if is_token else 400, _TOKEN if is_token else "")

            def do_GET(self) -> None:
                if self.headers.get("X-aws-ec2-metadata-token") != _TOKEN:
                    return self._answer(401, "")
                text = service.paths.get(self.path[len("/latest/meta-data/") :])
                return self._answer(404 if text is None else 200, text or "")

            def _answer(self, status: int, text: str) -> None:
                service.requests.append(f"{self.command} {self.path}")
                self.send_response(status)
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text.encode())

            def log_message(self, format: str, *args: t.Any) -> None:  # noqa: A002
                pass

        return Handler
