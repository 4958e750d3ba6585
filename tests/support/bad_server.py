# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A server that behaves badly, over TCP or a Unix socket: what it does with each connection is up to the test."""

from __future__ import annotations

import contextlib
import pathlib
import socket
import threading
import time
import typing as t

Behaviour = t.Callable[[socket.socket, bytes], None]


class BadServer:
    """behave: is called with each connection and the head of its request, in a thread of its own."""

    def __init__(self, behave: Behaviour, path: pathlib.Path | None = None, *, reads_request: bool = True) -> None:
        self.behave = behave
        self.requests: list[bytes] = []
        self._reads_request = reads_request
        if path:
            self._listener = socket.socket(socket.AF_UNIX)
            self._listener.bind(str(path))
            self._listener.listen()
            self.address = f"unix://{path}"
        else:
            self._listener = socket.create_server(("127.0.0.1", 0))
            self.address = f"127.0.0.1:{self._listener.getsockname()[1]}"

    def __enter__(self) -> BadServer:
        threading.Thread(target=self._serve, daemon=True).start()
        return self

    def __exit__(self, *_exception: object) -> None:
        # A thread that accepts is woken by nothing else.
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                threading.Thread(target=self._answer, args=self._listener.accept()[:1], daemon=True).start()

    def _answer(self, connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):
            request = b""
            while self._reads_request and b"\r\n\r\n" not in request:
                some = connection.recv(65536)
                if not some:
                    return
                request += some
            self.requests.append(request)
            self.behave(connection, request)


def says(text: str | bytes) -> Behaviour:
    """This, and the end."""
    content = text.encode() if isinstance(text, str) else text
    return lambda connection, _request: connection.sendall(content)


def drips(text: str | bytes, forever: str | bytes = b"x") -> Behaviour:
    """The text, then a little, again and again, until the client is gone."""
    head, tail = (part.encode() if isinstance(part, str) else part for part in (text, forever))

    def behave(connection: socket.socket, _request: bytes) -> None:
        connection.sendall(head)
        while True:
            connection.sendall(tail)
            time.sleep(0.05)

    return behave


def floods(text: str | bytes, forever: str | bytes) -> Behaviour:
    """The text, then as much as the client takes."""
    head, tail = (part.encode() if isinstance(part, str) else part for part in (text, forever))

    def behave(connection: socket.socket, _request: bytes) -> None:
        connection.sendall(head)
        block = tail * (65536 // len(tail) + 1)
        while True:
            connection.sendall(block)

    return behave


def http_answer(body: str, status: str = "200 OK") -> str:
    return f"HTTP/1.1 {status}\r\nContent-Length: {len(body.encode())}\r\n\r\n{body}"
