# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Names made addresses, each name once, in threads of its own: getaddrinfo(3) knows no time limit."""

from __future__ import annotations

import queue
import socket
import threading
import typing as t

from .endpoint import is_ip
from .loop import OutOfTime, Talk, Wait

#: Family and what socket.connect takes: of the Internet a tuple that begins with IP address and port, else a path.
SocketAddress = tuple[socket.AddressFamily, t.Any]

_THREADS: t.Final = 64
_MOST_LOST: t.Final = 200  # threads that wait for ever, before no more are begun


class _Lookup:
    """host: in ASCII. addresses: None until there is an answer."""

    def __init__(self, host: str) -> None:
        self.host = host
        self.addresses: list[SocketAddress] | None = None
        self.begun = self.given_up = False
        self._lock = threading.Lock()
        self._wakers: list[t.Callable[[], None]] = []

    def subscribe(self, wake: t.Callable[[], None]) -> None:
        with self._lock:
            if self.addresses is None:
                self._wakers.append(wake)
                return
        wake()

    def answer(self, addresses: list[SocketAddress]) -> None:
        with self._lock:
            self.addresses = addresses
            wakers, self._wakers = self._wakers, []
        for wake in wakers:
            wake()


class NameResolver:
    """Answers stay known while it lives. Of one thread, but for its own."""

    def __init__(self) -> None:
        self._lookups: dict[str, _Lookup] = {}
        self._queue: queue.SimpleQueue[_Lookup | None] = queue.SimpleQueue()
        self._threads = 0
        self._lost = 0

    def addresses(self, host: str) -> Talk[list[SocketAddress]]:
        """All addresses of host (ASCII name, or IP address), each once, with port 0; none when it does not resolve."""
        if is_ip(host):
            return _look_up(host)
        host = host.lower()
        lookup = self._lookups.get(host)
        if lookup is None:
            lookup = self._lookups[host] = _Lookup(host)
            self._queue.put(lookup)
            if self._threads < _THREADS:
                self._threads += 1
                threading.Thread(target=self._serve, daemon=True).start()
        try:
            while lookup.addresses is None:
                yield Wait(subscribe=lookup.subscribe)
        except OutOfTime:
            self._give_up(lookup)
            raise
        return lookup.addresses

    def close(self) -> None:
        """Let the threads end; late answers go nowhere."""
        for _thread in range(self._threads + self._lost):
            self._queue.put(None)

    def _give_up(self, lookup: _Lookup) -> None:
        """Its thread may wait for minutes: another takes its place, unless all of them end like that."""
        if lookup.given_up:
            return
        lookup.given_up = True
        if lookup.begun and self._lost < _MOST_LOST:
            self._lost += 1
            threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        for lookup in iter(self._queue.get, None):
            if not lookup.given_up:
                lookup.begun = True
                lookup.answer(_look_up(lookup.host))


def _look_up(host: str) -> list[SocketAddress]:
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return []
    return list(dict.fromkeys((family, address) for family, _type, _protocol, _name, address in found))
