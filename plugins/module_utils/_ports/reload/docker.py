# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A HAProxy in a container, through the Docker Engine API (https://docs.docker.com/engine/api/)."""

from __future__ import annotations

import http.client
import json
import os
import re
import ssl
import typing as t
import urllib.parse

from ..._core.text import shown
from ..._errors import InvalidOption, ReloadError
from ..deadline import Deadline
from ..exchange import Connect, Response, exchange, over_tcp, over_unix
from ..host.processes import Process
from ..host.rights import run_as_root

_MAX_LOG_LINES = 50
_MAX_ANSWER = 4 * 1024 * 1024
_MAX_LOG = 256 * 1024
_MAX_QUOTED = 300
# Of a name or an id (Docker Engine API, ContainerCreate). With others, dots for instance, a path may lead elsewhere.
_CONTAINER = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_.-]*")
_FRAME_HEADER = 8  # of a multiplexed stream: stream, 3 zeros, size


class DockerEngine:
    """address: unix:///PATH, tcp://HOST:PORT (http) or https://HOST:PORT. timeout: seconds for one whole answer.

    tls: for https. Raises InvalidOption when the address is none of these.
    """

    def __init__(self, address: str, timeout: float, tls: ssl.SSLContext | None = None) -> None:
        self.address = address
        self._timeout = timeout
        self._tls = tls
        try:
            parts = urllib.parse.urlsplit(address)
            self._scheme, self._port, self._path = parts.scheme, parts.port, parts.path
            self._host = parts.hostname or ""
            more = "@" in parts.netloc or parts.query or parts.fragment
        except ValueError:
            self._scheme, self._host, self._port, self._path, more = "", "", None, "", ""
        is_good = self._path if self._scheme == "unix" else self._host and self._scheme in ("tcp", "http", "https")
        if more or not is_good:
            raise InvalidOption(
                "docker_host must be like unix:///var/run/docker.sock, tcp://127.0.0.1:2375 or https://host:2376."
            )

    def request(
        self, method: str, path: str, *, timeout: float | None = None, document: t.Mapping[str, t.Any] | None = None
    ) -> Response:
        """timeout: seconds, in place of the usual; document: what is sent, as JSON. Raises ReloadError when there is no
        answer at all."""
        seconds = self._timeout if timeout is None else timeout
        headers, body = {"Host": "docker"}, b""
        if document is not None:
            headers["Content-Type"], body = "application/json", json.dumps(document).encode()
        try:
            deadline = Deadline(seconds)
            return exchange(self._connect, f"{method} {path}", headers, deadline=deadline, most=_MAX_ANSWER, body=body)
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise ReloadError(f"No answer from Docker at {self.address}: {self._reason(error, seconds)}") from None

    @property
    def _connect(self) -> Connect:
        if self._scheme == "unix":
            return over_unix(self._path)
        if self._scheme == "https":
            return over_tcp(self._host, self._port or 2376, self._tls or ssl.create_default_context())
        return over_tcp(self._host, self._port or 2375)

    def _reason(self, error: Exception, seconds: float) -> str:
        if isinstance(error, PermissionError):
            return f"this user may not use it. {run_as_root(', or put a proxy in front of it')}"
        if isinstance(error, FileNotFoundError):
            return "no such file. Start Docker, or give its address in docker_host."
        if isinstance(error, TimeoutError):
            return f"nothing within {seconds:.3g} seconds."
        if isinstance(error, ssl.SSLCertVerificationError):
            return f"its certificate is not valid ({error.verify_message}). Give its CA in ca_path."
        if isinstance(error, OSError):
            return f"{error.strerror or error}. Start Docker, or correct docker_host."
        return f"it does not speak HTTP ({error.__class__.__name__}). Correct docker_host."


class ContainerTarget:
    """container: name or id. signal: its name without SIG. Only status 204 means that it was sent.

    Raises InvalidOption for what is no name.
    """

    def __init__(self, engine: DockerEngine, container: str, signal: str) -> None:
        if not _CONTAINER.fullmatch(container):
            raise InvalidOption(
                f"{shown(container)} is no name or id of a container: a letter or digit, then also _ . and -"
            )
        self._engine = engine
        self._container = container
        self._signal = signal
        self._path = f"/containers/{urllib.parse.quote(container, safe='')}"
        self._found: dict[str, t.Any] = {}
        self.name = f"Container {container}"

    def check(self) -> None:
        state = self._get("json", "inspect the container")
        seen = {name: state["State"].get(name) for name in ("Pid", "StartedAt")}
        if self._found and (self._found["seen"] != seen or not state["State"].get("Running")):
            raise ReloadError(
                f"{self.name} ended when HAProxy was reloaded, and is {state['State'].get('Status')} now. Unless Docker"
                " could start it again, nothing is served. See the log."
            )
        if not state["State"].get("Running") or state["State"].get("Paused"):
            raise ReloadError(
                f"{self.name} is {state['State'].get('Status')} and cannot be reloaded. Start it: 'docker start"
                f" {self._container}'."
            )
        self._found = {"seen": seen, "tty": bool(state.get("Config", {}).get("Tty"))}

    def workers(self) -> set[int]:
        """Children of the topmost process that is called haproxy and shares its name with them."""
        processes = self._processes()
        pids = {process.pid for process in processes}
        named = [process for process in processes if process.name.startswith("haproxy")]
        # The image's first process may be an init that passes signals on, so the master need not be that one.
        roots = [p for p in named if p.parent not in pids or p.parent not in {process.pid for process in named}]
        return {process.pid for process in named if roots and process.parent == roots[0].pid}

    def signal(self) -> None:
        answer = self._engine.request("POST", f"{self._path}/kill?signal={self._signal}")
        if answer.status != 204:
            raise self._refusal(answer, f"send it SIG{self._signal}")

    def log(self, since: float) -> str:
        try:
            query = f"stdout=1&stderr=1&since={int(since)}&tail={_MAX_LOG_LINES}"
            answer = self._engine.request("GET", f"{self._path}/logs?{query}")
        except ReloadError:
            return ""
        if answer.status != 200:
            return ""
        content = answer.body if self._found.get("tty") else demultiplexed(answer.body)
        return content.decode("utf-8", "replace").replace("\r\n", "\n").strip()[-_MAX_LOG:]

    def _processes(self) -> list[Process]:
        listing = self._get("top", "list its processes, and so to know the result without the master's socket,")
        try:
            titles = [str(title) for title in listing["Titles"]]
            # The daemon's ps may be that of procps, with -ef, or of busybox.
            pid, parent = titles.index("PID"), titles.index("PPID")
            command = next(titles.index(title) for title in ("CMD", "COMMAND") if title in titles)
            rows = [(int(row[pid]), int(row[parent]), str(row[command])) for row in listing["Processes"] or []]
        except (KeyError, IndexError, TypeError, ValueError, StopIteration):
            raise ReloadError(
                f"Docker at {self._engine.address} lists the processes of {self._container} in a way that does not tell"
                " parents from children. Give the master's socket, so that the result of a reload can be known."
            ) from None
        return [Process(pid, parent, os.path.basename(command.split(" ", 1)[0])) for pid, parent, command in rows]

    def _get(self, what: str, purpose: str) -> dict[str, t.Any]:
        answer = self._engine.request("GET", f"{self._path}/{what}")
        if answer.status == 200:
            try:
                found = json.loads(answer.body)
            except (ValueError, RecursionError):
                found = None
            if isinstance(found, dict) and (what != "json" or isinstance(found.get("State"), dict)):
                return found
            raise ReloadError(f"What answers at {self._engine.address} is not Docker. Correct docker_host.")
        raise self._refusal(answer, purpose)

    def _refusal(self, answer: Response, purpose: str) -> ReloadError:
        """What an error of the API means, and what to do."""
        if answer.status == 404 and "no such container" in message_of(answer).lower():
            return ReloadError(
                f"Docker at {self._engine.address} has no container {self._container}. Give the name that 'docker ps'"
                " prints."
            )
        advice = ""
        if answer.status == 403:
            advice = " Is it a proxy? It must allow GET and POST below /containers/."
        elif answer.status == 409:
            advice = " Is the container running?"
        reason = message_of(answer).rstrip(".")
        return ReloadError(
            f"Docker at {self._engine.address} refused to {purpose} ({self.name}, status {answer.status}): "
            f"{reason}.{advice}"
        )


def message_of(answer: Response) -> str:
    """Docker's reason for an error."""
    try:
        text = str(json.loads(answer.body)["message"])
    except (ValueError, KeyError, TypeError, RecursionError):
        text = answer.body.decode("utf-8", "replace").strip()
    return text[:_MAX_QUOTED]


def demultiplexed(stream: bytes) -> bytes:
    """The payloads of a stream of frames (Docker Engine API, ContainerAttach: stream format)."""
    content = []
    while len(stream) >= _FRAME_HEADER:
        end = _FRAME_HEADER + int.from_bytes(stream[4:_FRAME_HEADER], "big")
        content.append(stream[_FRAME_HEADER:end])
        stream = stream[end:]
    return b"".join(content)
