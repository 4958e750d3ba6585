# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Somebody else who listens where a HAProxy should: he lies, drips, floods, or passes on what he does not mind."""

from __future__ import annotations

import contextlib
import pathlib
import socket
import threading
import typing as t

Reply = t.Callable[[str], t.Union[str, t.Iterable[bytes], None]]


class LyingSocket:
    """A unix socket at path while the context lasts.

    reply: the answer to a command, as text or piece by piece; None: what the HAProxy at behind answers. It gets the
    request without the line that asks for the interactive mode.
    passes: what of a request gets to that HAProxy. requests: all that was sent to it; most_at_once: connections.
    """

    def __init__(
        self,
        path: pathlib.Path,
        reply: Reply = lambda _request: None,
        behind: str | None = None,
        passes: t.Callable[[str], str] = str,
    ) -> None:
        self.address = str(path)
        self.requests: list[str] = []
        self.most_at_once = 0
        self._open = 0
        self._passes = passes
        self._reply = reply
        self._behind = behind
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(self.address)
        self._listener.listen(64)

    def __enter__(self) -> LyingSocket:
        threading.Thread(target=self._serve, daemon=True).start()
        return self

    def __exit__(self, *_exception: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)  # ends accept
        self._listener.close()

    def _serve(self) -> None:
        while True:
            try:
                connection = self._listener.accept()[0]
            except OSError:
                return
            self._open += 1
            self.most_at_once = max(self.most_at_once, self._open)
            threading.Thread(target=self._answer, args=(connection,), daemon=True).start()

    def _answer(self, connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):
            request = _everything(connection)
            self.requests.append(request.decode())
            answer = self._reply(request.decode().removeprefix("prompt\n"))
            if answer is None:
                with socket.socket(socket.AF_UNIX) as behind:
                    behind.connect(self._behind or "")
                    behind.sendall(self._passes(request.decode()).encode())
                    behind.shutdown(socket.SHUT_WR)
                    answer = [_everything(behind)]
            self._open -= 1  # before the peer can see its end
            for piece in [answer.encode()] if isinstance(answer, str) else answer:
                connection.sendall(piece)


def _everything(connection: socket.socket) -> bytes:
    return b"".join(iter(lambda: connection.recv(65536), b""))
