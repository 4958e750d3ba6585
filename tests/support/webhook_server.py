# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A real HTTP server that is told of events, and answers as the test wants."""

from __future__ import annotations

import http.server
import json
import ssl
import threading
import typing as t


class Posted(t.NamedTuple):
    """One request. headers: names in lower case."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def event(self) -> dict[str, t.Any]:
        return dict(json.loads(self.body))


class WebhookServer:
    """answer: the status for each request; a location goes with those from 300 to 399."""

    def __init__(self, context: ssl.SSLContext | None = None) -> None:
        self.posted: list[Posted] = []
        self.answer: t.Callable[[Posted], int] = lambda _posted: 204
        webhook = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:  # the name of http.server
                body = self.rfile.read(int(self.headers["Content-Length"]))
                posted = Posted(self.path, {name.lower(): value for name, value in self.headers.items()}, body)
                webhook.posted.append(posted)
                status = webhook.answer(posted)
                self.send_response(status)
                if 300 <= status < 400:
                    self.send_header("Location", "/elsewhere")
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_arguments: object) -> None:
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        if context:
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self.port = self._server.server_address[1]
        self.url = f"{'https' if context else 'http'}://localhost:{self.port}"

    def __enter__(self) -> WebhookServer:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_exception: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    @property
    def ids(self) -> list[str]:
        """Of the events, in the order of their arrival."""
        return [posted.event["id"] for posted in self.posted]
