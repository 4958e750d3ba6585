# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""An ACME CA that says what the test tells it to, below requests: for answers that no real CA can be made to give."""

from __future__ import annotations

import base64
import collections
import io
import json
import threading
import typing as t
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import pytest
import requests
import urllib3
from ansible_collections.certops.rotation.plugins.module_utils._ports.acme import network
from ansible_collections.certops.rotation.plugins.module_utils._ports.acme.network import AcmeClock
from requests.adapters import BaseAdapter

from .fake_authority import FakeClock

ORIGIN = "https://ca.example"
DIRECTORY = f"{ORIGIN}/dir"
ACCOUNT = f"{ORIGIN}/account/1"
PROBLEM = "urn:ietf:params:acme:error:"


@dataclass(frozen=True)
class Reply:
    """body: bytes, or a value for JSON. nonce: None for a new one, "" for none."""

    body: t.Any = field(default_factory=dict)
    status: int = 200
    headers: t.Mapping[str, str] = field(default_factory=dict)
    nonce: str | None = None


@dataclass(frozen=True)
class Asked:
    """payload: b"" for POST-as-GET, None for what is not signed; protected: the header of the signature."""

    method: str
    path: str
    headers: t.Mapping[str, str]
    payload: bytes | None = None
    protected: t.Mapping[str, t.Any] = field(default_factory=dict)
    timeout: t.Any = None

    @property
    def document(self) -> t.Any:
        return json.loads(self.payload or b"null")


def refusal(kind: str, status: int = 400, headers: t.Mapping[str, str] | None = None, **more: t.Any) -> Reply:
    return Reply({"type": PROBLEM + kind, "detail": f"it is {kind}", **more}, status, headers or {})


def directory(**changes: t.Any) -> dict[str, t.Any]:
    """With a change to None, that field is left out."""
    document = {
        **{name: f"{ORIGIN}/{name}" for name in ("newNonce", "newAccount", "newOrder", "revokeCert", "keyChange")},
        "renewalInfo": f"{ORIGIN}/ari",
        "meta": {"profiles": {"classic": "as ever"}},
        **changes,
    }
    return {name: value for name, value in document.items() if value is not None}


Script = t.Union[Reply, BaseException, t.Callable[[Asked], Reply]]


class ScriptedCa(BaseAdapter):
    """scripts: by path, what is said one after the other; the last one is said for ever. asked: all requests."""

    def __init__(self) -> None:
        super().__init__()
        self.scripts: dict[str, list[Script]] = {
            "/dir": [Reply(directory())],
            "/newNonce": [Reply(b"")],
            "/account/1": [Reply({"status": "valid"})],
        }
        self.asked: list[Asked] = []
        self._lock = threading.Lock()
        self._nonces = 0

    def says(self, path: str, *scripts: Script) -> None:
        self.scripts[path] = list(scripts)

    def count(self, path: str) -> int:
        return collections.Counter(asked.path for asked in self.asked)[path]

    def last(self, path: str) -> Asked:
        return [asked for asked in self.asked if asked.path == path][-1]

    def send(self, request: t.Any, stream: bool = False, timeout: t.Any = None, **_more: t.Any) -> t.Any:
        asked = _asked(request, timeout)
        with self._lock:
            self.asked.append(asked)
            self._nonces += 1
            nonce = base64.urlsafe_b64encode(f"nonce {self._nonces:06}".encode()).decode().rstrip("=")
            scripts = self.scripts.get(asked.path, [refusal("malformed", 404)])
            script = scripts.pop(0) if len(scripts) > 1 else scripts[0]
        if isinstance(script, BaseException):
            raise script
        reply = script if isinstance(script, Reply) else script(asked)
        headers = dict(reply.headers)
        if reply.nonce != "":
            headers["Replay-Nonce"] = reply.nonce or nonce
        body = reply.body if isinstance(reply.body, bytes) else json.dumps(reply.body).encode()
        return self._response(request, reply.status, headers, body)

    def _response(self, request: t.Any, status: int, headers: dict[str, str], body: bytes) -> requests.Response:
        response = requests.Response()
        response.status_code = status
        response.headers.update(headers)
        response.url = request.url
        response.request = request
        response.raw = urllib3.HTTPResponse(io.BytesIO(body), headers, status, preload_content=False)
        return response

    def close(self) -> None:
        pass


def _asked(request: t.Any, timeout: t.Any) -> Asked:
    path = urlsplit(request.url).path
    if not request.body:
        return Asked(request.method, path, dict(request.headers), timeout=timeout)
    jws = json.loads(request.body)
    return Asked(
        request.method,
        path,
        dict(request.headers),
        _decoded(jws["payload"]),
        json.loads(_decoded(jws["protected"])),
        timeout,
    )


def _decoded(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def instead_of_https(monkeypatch: pytest.MonkeyPatch, ca: BaseAdapter) -> None:
    """All clients that are made from now on ask this CA."""
    monkeypatch.setattr(network, "BoundedAdapter", lambda connections: ca)


def acme_clock(clock: FakeClock) -> AcmeClock:
    return AcmeClock(now=clock.now, monotonic=clock.monotonic, sleep=clock.sleep)
