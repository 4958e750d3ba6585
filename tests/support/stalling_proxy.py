# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A way to a server that is far, or swallows all after so many bytes: as a network does that breaks in the middle."""

from __future__ import annotations

import contextlib
import socket
import threading
import time


class StallingProxy:
    """Use it as a context. address, port: where it listens. Both ends stay open when it has stopped passing on."""

    def __init__(self, address: str, port: int, *, passes: float = float("inf"), delay: float = 0) -> None:
        """passes: bytes towards the server, of each connection; delay: seconds for each piece, either way."""
        self._server, self._passes, self._delay = (address, port), passes, delay
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address, self.port = self._listener.getsockname()
        self._connections: list[socket.socket] = []

    def __enter__(self) -> StallingProxy:
        threading.Thread(target=self._serve, daemon=True).start()
        return self

    def __exit__(self, *_exception: object) -> None:
        for connection in (self._listener, *self._connections):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
            connection.close()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client = self._listener.accept()[0]
                server = socket.create_connection(self._server)
                self._connections += [client, server]
                threading.Thread(target=self._pass_on, args=(client, server, self._passes), daemon=True).start()
                threading.Thread(target=self._pass_on, args=(server, client, float("inf")), daemon=True).start()

    def _pass_on(self, source: socket.socket, sink: socket.socket, left: float) -> None:
        with contextlib.suppress(OSError):
            while some := source.recv(65536):
                time.sleep(self._delay)
                if left <= 0:
                    continue
                sink.sendall(some[: int(min(left, len(some)))])
                left -= len(some)
            sink.shutdown(socket.SHUT_WR)
