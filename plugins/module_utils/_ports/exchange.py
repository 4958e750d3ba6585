# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One HTTP request and its answer, with a deadline for all of it and a limit of what is read.

http.client knows a time-out of each read alone, so a server that drips would hold it for ever; it reads up to 100
headers of 64 KiB, and "100 Continue" without end.
"""

from __future__ import annotations

import http.client
import io
import queue
import socket
import ssl
import threading
import typing as t
import urllib.parse

from .._errors import InvalidOption
from .deadline import Deadline

_MOST_OF_A_HEAD = 64 * 1024
_SENT_AT_ONCE = 16 * 1024
Connect = t.Callable[[Deadline], socket.socket]


def http_url(url: str) -> urllib.parse.SplitResult:
    """The parts of the option url, for http or https. Raises InvalidOption, which repeats nothing of it."""
    try:
        parts = urllib.parse.urlsplit(url)
        port_is_good = parts.port is None or parts.port > 0
    except ValueError:
        parts, port_is_good = urllib.parse.SplitResult("", "", "", "", ""), False
    if parts.scheme not in ("http", "https") or not parts.hostname or not port_is_good:
        raise InvalidOption("url is an address such as https://host:port/path.")
    if not parts.hostname.isascii():  # Python would convert it by IDNA 2003, which makes other people's names of some
        raise InvalidOption("url has a host with characters that HTTP cannot carry. Write it in A-labels (xn--...).")
    if "@" in parts.netloc:
        raise InvalidOption("url holds credentials. Give them in username and password, where nothing prints them.")
    return parts


class Response(t.NamedTuple):
    """body: as it came, cut to the limit."""

    status: int
    body: bytes


class TooMuch(http.client.HTTPException):
    """The answer is longer than it may be."""


class _Incoming(io.RawIOBase):
    """What comes, until the deadline and up to a number of bytes."""

    def __init__(self, connection: socket.socket, deadline: Deadline, most: int) -> None:
        super().__init__()
        self._connection = connection
        self._deadline = deadline
        self._left = most

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: t.Any) -> int:
        if self._left <= 0:
            raise TooMuch
        self._connection.settimeout(self._deadline.remaining())
        count = self._connection.recv_into(buffer, min(len(buffer), self._left))
        self._left -= count
        return count


class _Stream:
    """What http.client needs of a socket. Whoever made the connection closes it."""

    def __init__(self, connection: socket.socket, deadline: Deadline, most: int) -> None:
        self._connection = connection
        self._deadline = deadline
        self._most = most

    def sendall(self, data: bytes) -> None:
        for start in range(0, len(data), _SENT_AT_ONCE):
            self._connection.settimeout(self._deadline.remaining())
            self._connection.sendall(data[start : start + _SENT_AT_ONCE])

    def makefile(self, *_mode: t.Any) -> io.BufferedReader:
        return io.BufferedReader(_Incoming(self._connection, self._deadline, self._most))

    def close(self) -> None:
        pass


def over_tcp(host: str, port: int, tls: ssl.SSLContext | None = None) -> Connect:
    """To the first of the host's addresses that takes connections. tls: None for none."""

    def connect(deadline: Deadline) -> socket.socket:
        addresses = _looked_up(host, port, deadline)
        for number, (family, kind, protocol, _name, address) in enumerate(addresses):
            connection = socket.socket(family, kind, protocol)
            try:
                connection.settimeout(deadline.remaining() / (len(addresses) - number))
                connection.connect(address)
                break
            except OSError:
                connection.close()
                if number == len(addresses) - 1:
                    raise
        if tls is None:
            return connection
        try:
            connection.settimeout(deadline.remaining())
            return tls.wrap_socket(connection, server_hostname=host)
        except OSError:
            connection.close()
            raise

    return connect


def _looked_up(host: str, port: int, deadline: Deadline) -> list[t.Any]:
    """As socket.getaddrinfo, which knows no time limit: of servers that are silent it asks one after the other."""
    answers: queue.SimpleQueue[list[t.Any] | Exception] = queue.SimpleQueue()

    def look_up() -> None:
        try:
            answers.put(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
        except (OSError, ValueError) as error:
            answers.put(error)

    threading.Thread(target=look_up, daemon=True).start()
    try:
        answer = answers.get(timeout=deadline.remaining())
    except queue.Empty:
        raise TimeoutError from None
    if isinstance(answer, Exception):
        raise answer
    return answer


def over_unix(path: str) -> Connect:
    def connect(deadline: Deadline) -> socket.socket:
        connection = socket.socket(socket.AF_UNIX)
        try:
            connection.settimeout(deadline.remaining())
            connection.connect(path)
        except OSError:
            connection.close()
            raise
        return connection

    return connect


def exchange(
    connect: Connect,
    request: str,
    headers: t.Mapping[str, str],
    *,
    deadline: Deadline,
    most: int,
    body: bytes = b"",
) -> Response:
    """A request. request: method and target, as "GET /a?b"; headers: Host among them; most: bytes of the answer's body,
    the rest is left; 0: its head is all that is waited for.

    Raises OSError, which is TimeoutError when the deadline is over, http.client.HTTPException, and ValueError.
    """
    method, target = request.split(" ", 1)
    client = http.client.HTTPConnection("-")
    try:
        with connect(deadline) as connection:
            client.sock = _Stream(connection, deadline, _MOST_OF_A_HEAD + most)
            client.putrequest(method, target, skip_host=True, skip_accept_encoding=True)
            for name, value in {"Connection": "close", "Content-Length": str(len(body)), **headers}.items():
                client.putheader(name, value)
            client.endheaders(body)
            response = client.getresponse()
            return Response(response.status, response.read(most) if most else b"")
    except socket.timeout:  # another class before Python 3.10
        raise TimeoutError from None
