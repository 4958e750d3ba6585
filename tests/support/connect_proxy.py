# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""An HTTP proxy that lets clients through to HTTPS servers."""

from __future__ import annotations

import contextlib
import socket
import threading
import typing as t

from . import bad_server


class ConnectProxy:
    """An HTTP proxy for CONNECT. targets: what it was asked to connect to; head: of the last request."""

    def __init__(self) -> None:
        self.targets: list[str] = []
        self.head = ""
        self._server = bad_server.BadServer(self._behave)
        self.port = int(self._server.address.rpartition(":")[2])

    def __enter__(self) -> t.Self:
        self._server.__enter__()
        return self

    def __exit__(self, *exception: object) -> None:
        self._server.__exit__(*exception)

    def _behave(self, connection: socket.socket, request: bytes) -> None:
        self.head = request.decode()
        target = self.head.split(" ")[1]
        self.targets.append(target)
        host, _colon, port = target.rpartition(":")
        with socket.create_connection((host, int(port)), 10) as behind:
            connection.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
            back = threading.Thread(target=_pump, args=(behind, connection), daemon=True)
            back.start()
            _pump(connection, behind)
            back.join(10)


def _pump(source: socket.socket, sink: socket.socket) -> None:
    source.settimeout(60)
    with contextlib.suppress(OSError):
        while some := source.recv(65536):
            sink.sendall(some)
        sink.shutdown(socket.SHUT_WR)
