# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""An HTTPS server in front of an ACME server that passes everything on, counts, and does what rules tell it instead.

It passes the header Host on, so that the server behind it makes its URLs, which a JWS signs, with this one's address.
What can go wrong is in acme_faults.py.
"""

from __future__ import annotations

import base64
import contextlib
import http.client
import http.server
import json
import pathlib
import ssl
import tempfile
import threading
import time
import typing as t
import urllib.parse
from dataclasses import dataclass, field

import trustme

# Where a URL was made before this proxy saw it: Pebble's paths.
_PEBBLE = {
    "/my-order/": "order",
    "/authZ/": "authorization",
    "/chalZ/": "challenge",
    "/finalize-order/": "finalize",
    "/certZ/": "certificate",
    "/my-account/": "account",
}
_HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "content-length", "date", "server"}


class Seen(t.NamedTuple):
    """A request that arrived. kind: see acme_faults.py; payload: of the JWS; None without one, "" for POST-as-GET; at:
    monotonic clock."""

    kind: str
    method: str
    path: str
    payload: t.Any
    at: float


@dataclass
class Answer:
    """headers: pairs, as there may be several of one name."""

    status: int
    headers: list[tuple[str, str]] = field(default_factory=list)
    body: bytes = b""

    def header(self, name: str) -> str | None:
        return next((value for found, value in self.headers if found.lower() == name.lower()), None)

    def with_header(self, name: str, value: str) -> Answer:
        kept = [(found, old) for found, old in self.headers if found.lower() != name.lower()]
        return Answer(self.status, [*kept, (name, value)], self.body)


#: Does something in place of the server behind; False lets the request go on to it.
Deed = t.Callable[["Handler", Seen], bool]
#: Request, JSON of the answer, the answer without it -> JSON of the answer.
Change = t.Callable[[Seen, dict[str, t.Any], Answer], dict[str, t.Any]]


@dataclass
class Rule:
    """kind: None for all; skip: requests that pass before; times: requests after those."""

    kind: str | None
    do: Deed
    skip: int
    times: float
    when: t.Callable[[Seen], bool]


class AcmeProxy:
    """directory_url, ca_bundle: what clients are given in place of the server's own."""

    def __init__(self, upstream: str, upstream_ca: str) -> None:
        """upstream: URL of a directory; upstream_ca: path of the trust anchors of its HTTPS."""
        parts = urllib.parse.urlsplit(upstream)
        self._upstream = (str(parts.hostname), int(parts.port or 443))
        self._upstream_tls = ssl.create_default_context(cafile=upstream_ca)
        self._files = tempfile.TemporaryDirectory(prefix="acmeproxy", dir="/tmp")
        self.ca_bundle = str(pathlib.Path(self._files.name) / "ca.pem")
        authority = trustme.CA()
        authority.cert_pem.write_to_path(self.ca_bundle)
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert("127.0.0.1", "localhost").configure_cert(tls)
        self._server = _Server(("127.0.0.1", 0), type("BoundHandler", (Handler,), {"proxy": self}))
        # The handshake belongs to the thread of the connection, not to the one that accepts.
        self._server.socket = tls.wrap_socket(self._server.socket, server_side=True, do_handshake_on_connect=False)
        self.address = f"https://127.0.0.1:{self._server.server_address[1]}"
        self.directory_url = f"{self.address}{parts.path}"
        self.released = threading.Event()
        self.seen: list[Seen] = []
        self.one_order_at_a_time = threading.Lock()
        self._lock = threading.Lock()
        self._kinds = {parts.path: "directory"}
        self._rules: list[Rule] = []
        self._changes: list[tuple[str, Change]] = []

    def __enter__(self) -> t.Self:
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        return self

    def __exit__(self, *_exception: object) -> None:
        self.released.set()
        self._server.shutdown()
        self._server.server_close()
        self._files.cleanup()

    # -- rules --------------------------------------------------------------------------------------------------

    def heal(self) -> None:
        """No rule is left, who hangs is let go, and the requests so far are forgotten."""
        with self._lock:
            self.released.set()
            self.released = threading.Event()
            self.seen, self._rules, self._changes = [], [], []

    def rule(
        self,
        kind: str | None,
        do: Deed,
        *,
        skip: int = 0,
        times: float = float("inf"),
        when: t.Callable[[Seen], bool] = lambda seen: True,
    ) -> None:
        """Of the requests of this kind for which when() is true, let ``skip`` pass; then ``times`` are dealt with."""
        with self._lock:
            self._rules.append(Rule(kind, do, skip, times, when))

    def change(self, kind: str, change: Change) -> None:
        """Pass the JSON of good answers to these requests through this function."""
        with self._lock:
            self._changes.append((kind, change))

    # -- what was seen ------------------------------------------------------------------------------------------

    def counts(self) -> dict[str, int]:
        """Kind -> requests that arrived since the last heal()."""
        kinds = [seen.kind for seen in self.seen]
        return {kind: kinds.count(kind) for kind in dict.fromkeys(kinds)}

    def payloads(self, kind: str) -> list[t.Any]:
        """What was sent, signed, by requests of this kind."""
        return [seen.payload for seen in self.seen if seen.kind == kind]

    # -- for the handlers ---------------------------------------------------------------------------------------

    def see(self, method: str, path: str, body: bytes) -> Seen:
        seen = Seen(self._kind(path), method, path, _payload(body), time.monotonic())
        with self._lock:
            self.seen.append(seen)
        return seen

    def deed_for(self, seen: Seen) -> Deed | None:
        """The first rule for it, of which one use is spent."""
        with self._lock:
            for rule in self._rules:
                if rule.kind in (None, seen.kind) and rule.times > 0 and rule.when(seen):
                    if rule.skip > 0:
                        rule.skip -= 1
                        continue
                    rule.times -= 1
                    return rule.do
        return None

    def connect(self) -> http.client.HTTPSConnection:
        return http.client.HTTPSConnection(*self._upstream, timeout=60, context=self._upstream_tls)

    def changed(self, seen: Seen, answer: Answer) -> Answer:
        """Also learns from it which URLs are of which kind."""
        try:
            document = json.loads(answer.body) if 200 <= answer.status < 300 else None
        except ValueError:
            document = None
        if not isinstance(document, dict):
            return answer
        for kind, change in list(self._changes):
            if seen.kind == kind:
                document = change(seen, document, answer)
        self._learn(seen, answer, document)
        return Answer(answer.status, answer.headers, json.dumps(document).encode())

    def url_path(self, kind: str) -> str | None:
        """Of a resource that there is one of, as newNonce; None before the directory was read."""
        with self._lock:
            return next((path for path, found in self._kinds.items() if found == kind), None)

    def _learn(self, seen: Seen, answer: Answer, document: dict[str, t.Any]) -> None:
        found: dict[str, str] = {}
        if seen.kind == "directory":
            found = {url: name for name, url in document.items() if isinstance(url, str)}
        elif seen.kind in ("newOrder", "newAccount"):
            found = {answer.header("Location") or "": "order" if seen.kind == "newOrder" else "account"}
        found.update(dict.fromkeys(document.get("authorizations", []), "authorization"))
        found.update({document[name]: name for name in ("finalize", "certificate") if name in document})
        found.update({challenge["url"]: "challenge" for challenge in document.get("challenges", [])})
        with self._lock:
            self._kinds.update({urllib.parse.urlsplit(url).path: kind for url, kind in found.items() if url})

    def _kind(self, path: str) -> str:
        path = path.partition("?")[0]
        with self._lock:
            known = self._kinds.get(path)
            # Of these only the beginning is known.
            within = [kind for start, kind in self._kinds.items() if kind == "renewalInfo" and path.startswith(start)]
        guesses = [kind for start, kind in _PEBBLE.items() if path.startswith(start)]
        return known or next(iter([*within, *guesses]), "other")


def _payload(body: bytes) -> t.Any:
    try:
        encoded = json.loads(body)["payload"]
        return json.loads(base64.urlsafe_b64decode(encoded + "===")) if encoded else ""
    except (ValueError, KeyError, TypeError):
        return None


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 200

    def handle_error(self, *_args: t.Any) -> None:
        """A client that has gone is none of ours."""


class Handler(http.server.BaseHTTPRequestHandler):
    """One connection of a client, with one of its own to the server behind."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    timeout = 600
    proxy: AcmeProxy
    _behind: http.client.HTTPSConnection | None = None
    _body: bytes

    def do_POST(self) -> None:
        self._body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        seen = self.proxy.see(self.command, self.path, self._body)
        deed = self.proxy.deed_for(seen)
        if deed is None or not deed(self, seen):
            self.send(self.pass_on(seen))

    def do_GET(self) -> None:
        self.do_POST()

    def do_HEAD(self) -> None:
        self.do_POST()

    def pass_on(self, seen: Seen) -> Answer:
        # Pebble makes an order's authorizations while it looks through those of others: two orders at the same time can
        # wait for each other for ever, and then it answers nothing any more.
        with self.proxy.one_order_at_a_time if seen.kind == "newOrder" else contextlib.nullcontext():
            return self.proxy.changed(seen, self.ask(self.command, self.path, self._body))

    def ask(self, method: str, path: str, body: bytes) -> Answer:
        """The server behind; 502 when it is down. One that closed a connection it had kept is asked once more."""
        headers = {name: value for name, value in self.headers.items() if name.lower() not in _HOP_BY_HOP}
        for _attempt in range(2):
            kept, self._behind = self._behind, None
            connection = kept or self.proxy.connect()
            try:
                connection.request(method, path, body or None, headers)
                reply = connection.getresponse()
                content = reply.read()
            except (OSError, http.client.HTTPException):
                connection.close()
                if kept is None:
                    break
            else:
                self._behind = connection
                sent = [(name, value) for name, value in reply.getheaders() if name.lower() not in _HOP_BY_HOP]
                return Answer(reply.status, sent, content)
        return Answer(502, [("Content-Type", "text/html")], b"<html>Bad Gateway</html>")

    def nonce(self) -> str | None:
        """A fresh one, of the server behind."""
        path = self.proxy.url_path("newNonce")
        return self.ask("HEAD", path, b"").header("Replay-Nonce") if path else None

    def send(self, answer: Answer, interval: float = 0) -> None:
        """interval: seconds before each byte of the body."""
        self.send_response(answer.status)
        for name, value in answer.headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(answer.body)))
        self.end_headers()
        if self.command == "HEAD":
            return
        if not interval:
            self.wfile.write(answer.body)
            return
        for index in range(len(answer.body)):
            if self.proxy.released.wait(interval):
                self.drop()
                return
            self.wfile.write(answer.body[index : index + 1])

    def send_endless(self) -> None:
        self.drop()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        while not self.proxy.released.is_set():
            self.wfile.write(b" " * 65536)

    def drop(self) -> None:
        """The connection ends with this request."""
        self.close_connection = True

    def finish(self) -> None:
        if self._behind is not None:
            self._behind.close()
        with contextlib.suppress(OSError):
            super().finish()

    def log_message(self, *args: t.Any) -> None:
        """Quiet."""
