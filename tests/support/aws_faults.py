# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What moto cannot do: a real HTTP server in front of it that counts requests and answers some of them with errors."""

from __future__ import annotations

import contextlib
import datetime
import email.utils
import http.client
import http.server
import json
import threading
import typing as t
import urllib.parse
from dataclasses import dataclass

Body = dict[str, t.Any]
Condition = t.Callable[[Body], bool]
Rule = t.Callable[[str, str], bool]
Change = t.Callable[[Body, Body], Body]  # request, reply -> reply


class Request(t.NamedTuple):
    """One request that arrived. operation: "ListSecrets"; body: its JSON; headers: as they were sent."""

    operation: str
    body: Body
    headers: dict[str, str]

    @property
    def access_key(self) -> str:
        """Of who has signed it (AWS Signature Version 4)."""
        return self.headers.get("Authorization", "").partition("Credential=")[2].partition("/")[0]


@dataclass
class _Fault:
    operation: str
    code: str
    message: str
    remaining: float
    condition: Condition


class AwsFaults:
    """In front of an emulator: everything is passed on but what has been told to fail."""

    def __init__(self, upstream_port: int, env: t.Mapping[str, str]) -> None:
        self.requests: list[Request] = []
        self.clock_offset = datetime.timedelta(0)  # of the header Date, from the true time
        self._upstream_port = upstream_port
        self._faults: list[_Fault] = []
        self._changes: list[tuple[str, Change]] = []
        self._rules: dict[str, Rule] = {}
        self._expired: set[str] = set()
        self._lock = threading.Lock()
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05})
        self.env = {**env, "AWS_ENDPOINT_URL": f"http://127.0.0.1:{self._server.server_address[1]}"}

    # -- what is to go wrong ------------------------------------------------------------------------------------

    def fail(
        self,
        operation: str,
        code: str,
        message: str = "made up by a test",
        *,
        times: float = float("inf"),
        when: Condition = lambda body: True,
    ) -> None:
        """Answer the next ``times`` requests for the operation with this error, where ``when`` says so."""
        self._faults.append(_Fault(operation, code, message, times, when))

    def change(self, operation: str, change: Change) -> None:
        """Pass the operation's replies through this function."""
        self._changes.append((operation, change))

    def allow_only(self, access_key: str, allows: Rule) -> None:
        """Deny whoever has this access key what is not allowed. allows: by operation and name or ARN of the secret."""
        self._rules[access_key] = allows

    def expire(self, access_key: str) -> None:
        """Answer whoever has this access key that its token has expired."""
        self._expired.add(access_key)

    def fail_in_batch(self, name: str, code: str, message: str = "made up by a test", times: float = 1e9) -> None:
        """Let BatchGetSecretValue report this error for the secret of this name, as AWS does: in ``Errors``."""
        remaining = [times]

        def change(request: Body, reply: Body) -> Body:
            failed = [value for value in reply["SecretValues"] if value["Name"] == name]
            if not failed or remaining[0] <= 0:
                return reply
            remaining[0] -= 1
            reply["SecretValues"] = [value for value in reply["SecretValues"] if value["Name"] != name]
            error = {"SecretId": failed[0]["ARN"], "ErrorCode": code, "Message": message}
            return {**reply, "Errors": [*reply.get("Errors", []), error]}

        self.change("BatchGetSecretValue", change)

    def heal(self) -> None:
        """Nothing goes wrong any more; the requests so far are forgotten."""
        with self._lock:
            self._faults.clear()
            self._changes.clear()
            self._rules.clear()
            self._expired.clear()
            self.clock_offset = datetime.timedelta(0)
            self.requests.clear()

    # -- what was seen ------------------------------------------------------------------------------------------

    def counts(self) -> dict[str, int]:
        """Operation -> number of requests that arrived."""
        names = [request.operation for request in self.requests]
        return {name: names.count(name) for name in dict.fromkeys(names)}

    def bodies(self, operation: str) -> list[Body]:
        return [request.body for request in self.requests if request.operation == operation]

    # -- inside -------------------------------------------------------------------------------------------------

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _take_fault(self, request: Request) -> _Fault | None:
        with self._lock:
            self.requests.append(request)
            secret = str(request.body.get("SecretId") or request.body.get("Name") or "")
            if request.access_key in self._expired:
                return _Fault(request.operation, "ExpiredTokenException", "expired", 1, lambda body: True)
            rule = self._rules.get(request.access_key)
            if rule and not rule(request.operation, secret):
                text = f"not authorized to perform {request.operation} on {secret}"
                return _Fault(request.operation, "AccessDeniedException", text, 1, lambda body: True)
            for fault in self._faults:
                if fault.operation == request.operation and fault.remaining > 0 and fault.condition(request.body):
                    fault.remaining -= 1
                    return fault
        return None

    def _answer(self, request: Request, raw: bytes, headers: dict[str, str]) -> tuple[int, bytes]:
        fault = self._take_fault(request)
        if fault:
            return 400, _error(fault, query="X-Amz-Target" not in headers)
        upstream = http.client.HTTPConnection("127.0.0.1", self._upstream_port, timeout=60)
        with contextlib.closing(upstream):
            upstream.request("POST", "/", raw, headers)
            reply = upstream.getresponse()
            content = reply.read()
        changes = [change for operation, change in self._changes if operation == request.operation]
        if reply.status == 200 and changes:
            body = json.loads(content)
            for change in changes:
                body = change(request.body, body)
            content = json.dumps(body).encode()
        return reply.status, content

    def _handler(self) -> type[http.server.BaseHTTPRequestHandler]:
        faults = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True  # an answer has two parts, and the second would wait 40 ms for the client

            def do_POST(self) -> None:
                raw = self.rfile.read(int(self.headers["Content-Length"]))
                headers = {name: value for name, value in self.headers.items() if name.lower() != "host"}
                if "X-Amz-Target" in self.headers:
                    request = Request(self.headers["X-Amz-Target"].rpartition(".")[2], json.loads(raw), headers)
                else:  # STS speaks the query protocol
                    fields = dict(urllib.parse.parse_qsl(raw.decode()))
                    request = Request(fields["Action"], fields, headers)
                status, content = faults._answer(request, raw, headers)
                self.send_response(status)
                self.send_header("Content-Type", "application/x-amz-json-1.1")
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def date_time_string(self, timestamp: float | None = None) -> str:
                now = datetime.datetime.now(datetime.timezone.utc)
                return email.utils.format_datetime(now + faults.clock_offset, usegmt=True)

            def log_message(self, *args: t.Any) -> None:
                """Quiet."""

        return Handler


def _error(fault: _Fault, *, query: bool) -> bytes:
    """An error as the JSON protocol, or as the query protocol has it."""
    if query:
        text = f"<Code>{fault.code}</Code><Message>{fault.message}</Message>"
        return f"<ErrorResponse><Error>{text}</Error></ErrorResponse>".encode()
    return json.dumps({"__type": fault.code, "Message": fault.message}).encode()
