# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A connection to an endpoint, and what is said over it before TLS."""

from __future__ import annotations

import errno
import itertools
import os
import socket
import typing as t

from .loop import READABLE, WRITABLE, Talk, Wait
from .resolver import SocketAddress
from .starttls import UpgradeRefused, conversation

_ATTEMPT_DELAY: t.Final = 0.25  # seconds, RFC 8305, 5
_NO_DESCRIPTOR: t.Final = (errno.EMFILE, errno.ENFILE)
_PAUSE: t.Final = 0.1  # seconds, until one may be free
_PART: t.Final = 16384  # bytes at a time, about what a TLS record holds
_MOST_RECEIVED: t.Final = 1 << 18  # bytes before TLS


class Connector:
    """Connects to the first of some addresses that takes a connection.

    source: an IP address of ours to connect from. tried: the one that was tried last; in the end the one that is
    connected, or failed last.
    """

    def __init__(self, addresses: t.Iterable[SocketAddress], source: str | None = None) -> None:
        self._untried = _families_in_turns(addresses)
        self._source = source
        self._pending: dict[socket.socket, str | None] = {}
        self.tried: str | None = None

    def connect(self) -> Talk[socket.socket]:
        """A connection that does not block. Each address has a quarter of a second before the next is tried beside it
        (RFC 8305, happy eyeballs). Raises OSError of the last that failed."""
        failure = OSError(errno.EHOSTUNREACH, os.strerror(errno.EHOSTUNREACH))
        try:
            while self._untried or self._pending:
                try:
                    self._begin_next()
                except OSError as error:
                    failure = error
                    if error.errno in _NO_DESCRIPTOR:
                        yield Wait(seconds=_PAUSE)
                    continue
                ready = yield Wait(tuple(self._pending), WRITABLE, _ATTEMPT_DELAY if self._untried else None)
                if ready is None:
                    continue
                self.tried = self._pending.pop(ready)
                code = ready.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) or _with_itself(ready)
                if not code:
                    return ready
                ready.close()
                failure = OSError(code, os.strerror(code))
        finally:
            for loser in self._pending:
                loser.close()
        raise failure

    def _begin_next(self) -> None:
        """Begin to connect to the next address, if there is one. Raises OSError."""
        if not self._untried:
            return
        family, address = self._untried[0]
        try:
            connection = socket.socket(family, socket.SOCK_STREAM)
        except OSError as error:
            if error.errno not in _NO_DESCRIPTOR:
                del self._untried[0]
            raise
        del self._untried[0]
        self._pending[connection] = self.tried = shown((family, address))
        connection.setblocking(False)
        code = self._bind(connection) or connection.connect_ex(address)
        if code not in (0, errno.EINPROGRESS):
            del self._pending[connection]
            connection.close()
            raise OSError(code, os.strerror(code))

    def _bind(self, connection: socket.socket) -> int:
        """To the source; an error number, else 0."""
        if self._source is None or connection.family == socket.AF_UNIX:
            return 0
        try:
            connection.bind((self._source, 0))
        except OSError as error:
            return errno.EAFNOSUPPORT if isinstance(error, socket.gaierror) else error.errno or errno.EADDRNOTAVAIL
        return 0


def _families_in_turns(addresses: t.Iterable[SocketAddress]) -> list[SocketAddress]:
    """In the order of the resolver, but from the second on in turns (RFC 8305, 4): one family may lead nowhere."""
    by_family: dict[socket.AddressFamily, list[SocketAddress]] = {}
    for address in addresses:
        by_family.setdefault(address[0], []).append(address)
    return [each for turn in itertools.zip_longest(*by_family.values()) for each in turn if each is not None]


def shown(address: SocketAddress) -> str | None:
    """The IP address; None of a unix socket."""
    return str(address[1][0]) if isinstance(address[1], tuple) else None


def with_port(addresses: t.Iterable[SocketAddress], port: int) -> list[SocketAddress]:
    """Addresses as the resolver has them, at a port."""
    return [(family, (address[0], port, *address[2:])) for family, address in addresses]


def _with_itself(connection: socket.socket) -> int:
    """ECONNREFUSED when our end got the very port that nobody listens on, and so met itself (on loopback), else 0."""
    if connection.family == socket.AF_UNIX:
        return 0
    try:
        return errno.ECONNREFUSED if connection.getsockname() == connection.getpeername() else 0
    except OSError:  # it is gone already, which the next read tells
        return 0


def receive(connection: socket.socket) -> Talk[bytes]:
    """What has come; b"" at the end of the stream. Raises OSError."""
    while True:
        yield Wait((connection,), READABLE)
        try:
            return connection.recv(_PART)
        except BlockingIOError:
            continue


def send(connection: socket.socket, data: bytes) -> Talk[None]:
    """All of data. Raises OSError."""
    view = memoryview(data)
    while view:
        try:
            view = view[connection.send(view) :]
        except BlockingIOError:
            yield Wait((connection,), WRITABLE)


def start_tls(connection: socket.socket, protocol: str, name: str) -> Talk[None]:
    """Talk until the next bytes are the TLS handshake. name: of the server. Raises UpgradeRefused, OSError."""
    talk = conversation(protocol, name)
    received = 0
    try:
        said = next(talk)
        while True:
            try:
                if said is not None:
                    yield from send(connection, said)
                    said = talk.send(b"")
                    continue
                heard = yield from receive(connection)
            except ConnectionError as gone:
                talk.throw(gone)  # it may have been told before why
                raise
            received += len(heard)
            if received > _MOST_RECEIVED:
                raise UpgradeRefused("server does not stop talking")
            said = talk.send(heard)
    except StopIteration:
        return
