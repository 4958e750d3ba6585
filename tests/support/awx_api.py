# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""As much of AWX's REST API, in memory and on loopback, as the modules of awx.awx need to make objects."""

from __future__ import annotations

import http.server
import itertools
import json
import threading
import typing as t
import urllib.parse

Item = dict[str, t.Any]


class AwxApi:
    """Used as a context. url: for CONTROLLER_HOST; objects: endpoint -> items; tokens: that were given."""

    def __init__(self) -> None:
        self.objects: dict[str, list[Item]] = {}
        self.tokens: set[str] = set()
        self._ids = itertools.count(1)
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> AwxApi:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_exception: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def create(self, endpoint: str, **fields: t.Any) -> Item:
        """A new object, with what AWX adds."""
        number = next(self._ids)
        url = f"/api/v2/{endpoint}/{number}/"
        related = {"survey_spec": f"{url}survey_spec/", "update": f"{url}update/"}
        item = {"id": number, "url": url, "related": related, "summary_fields": {}, "scm_revision": "", **fields}
        self.objects.setdefault(endpoint, []).append(item)
        return item

    def named(self, endpoint: str) -> dict[str, Item]:
        """The objects of an endpoint by their names."""
        return {item["name"]: item for item in self.objects.get(endpoint, [])}

    def name(self, endpoint: str, number: int | None) -> str:
        """Name of the object with this id."""
        return next(str(item["name"]) for item in self._list(endpoint) if item["id"] == number)

    def _list(self, endpoint: str) -> list[Item]:
        if endpoint == "unified_job_templates":
            return [*self._list("job_templates"), *self._list("projects")]
        return self.objects.get(endpoint, [])

    def answer(self, method: str, path: str, query: dict[str, str], body: Item) -> tuple[int, Item]:
        """(status, document) for one request."""
        endpoint, number, part = (*path.removeprefix("/api/v2/").strip("/").split("/"), "", "")[:3]
        if not number:
            if method == "POST":
                return 201, self.create(endpoint, **body)
            wanted = query.items() - {("page_size", query.get("page_size", ""))}
            found = [item for item in self._list(endpoint) if all(str(item.get(k, v)) == v for k, v in wanted)]
            return 200, {"count": len(found), "results": found, "next": None}
        if endpoint == "inventory_updates":
            return 200, {"id": int(number), "status": "successful", "finished": "now", "failed": False}
        item = next(item for item in self._list(endpoint) if item["id"] == int(number))
        if not part:
            item.update(body)
            return 200, item
        if part == "update":
            return 202, {"id": item["id"], "status": "pending", "url": f"/api/v2/inventory_updates/{item['id']}/"}
        if part == "survey_spec":
            item.update({"survey_spec": body} if method != "GET" else {})
            return 200, item.get("survey_spec", {})
        associated = item.setdefault(part, [])
        if method == "POST":
            associated.append(body["id"])
            return 204, {}
        return 200, {"count": len(associated), "results": [{"id": other} for other in associated], "next": None}

    def _handler(self) -> type[http.server.BaseHTTPRequestHandler]:
        api = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def _respond(self) -> None:
                api.tokens.add(self.headers.get("Authorization", ""))
                address = urllib.parse.urlsplit(self.path)
                length = int(self.headers.get("Content-Length", 0))
                body = json.loads(self.rfile.read(length) or b"{}")
                query = dict(urllib.parse.parse_qsl(address.query))
                status, document = api.answer(self.command, address.path, query, body)
                content = json.dumps(document).encode() if status != 204 else b""
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(content)))
                self.send_header("X-API-Product-Name", "AWX")
                self.send_header("X-API-Product-Version", "24.6.1")
                self.end_headers()
                self.wfile.write(content)

            do_GET = do_POST = do_PATCH = do_DELETE = _respond  # noqa: N815 - names of the standard library

            def log_message(self, *_arguments: object) -> None:
                """Be quiet."""

        return Handler
