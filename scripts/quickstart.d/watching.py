# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Who is told of events in the quickstart of watching, and the dashboard that it leaves."""

from __future__ import annotations

import collections
import http.server
import json
import pathlib
import re
import threading
import typing as t

from claims import claim

_DATA = re.compile(r'<script[^>]*type="application/json"[^>]*>(.*?)</script>', re.DOTALL)
_FROM_ELSEWHERE = re.compile(r'(?:src|href|action)\s*=\s*"(?:https?:)?//|url\(\s*["\']?https?:|@import')


class Webhook:
    """A receiver on loopback. told: the events that it got, oldest first."""

    def __init__(self) -> None:
        self.told: list[dict[str, t.Any]] = []
        webhook = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                webhook.told.append(json.loads(body))
                self.send_response(204)
                self.end_headers()

            def log_message(self, *_words: object) -> None:
                """The screen is the quickstart's."""

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/events"

    def __enter__(self) -> Webhook:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_exception: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def since(self, number: int) -> dict[str, list[str]]:
        """Kind -> names of the endpoints, of the events after so many. Claims that none was told twice."""
        claim(len({event["id"] for event in self.told}) == len(self.told), "An event was told twice.")
        kinds: dict[str, list[str]] = collections.defaultdict(list)
        for event in self.told[number:]:
            kinds[event["kind"]].append(event["name"])
        return kinds


def check_dashboard(path: pathlib.Path, names: t.Iterable[str]) -> int:
    """Its size in bytes. Claims that it holds these endpoints and wants nothing from any network."""
    text = path.read_text(encoding="utf-8")
    data = "".join(_DATA.findall(text))
    missing = [name for name in names if f'"{name}"' not in data]
    claim(not missing, f"The dashboard does not know {missing}.")
    claim(not _FROM_ELSEWHERE.search(text), "The dashboard loads something from elsewhere.")
    claim("Content-Security-Policy" in text, "The dashboard has no Content-Security-Policy.")
    return path.stat().st_size
