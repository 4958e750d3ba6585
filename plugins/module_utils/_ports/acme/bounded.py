# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""HTTPS by requests, with a deadline for the whole answer and a limit of what is read.

requests and http.client know a time-out of each read alone: a server that sends a byte now and then, in the headers
too, holds them for ever. So what they read from is bounded here: the time that they allow for a read is the time for
all of the answer.
"""

from __future__ import annotations

import contextlib
import http.client
import io
import os
import socket
import ssl
import typing as t

from ..._errors import InvalidOption
from ..deadline import Deadline
from ..trusting import trust_as_given

try:
    from requests.adapters import HTTPAdapter
    from urllib3.connection import HTTPSConnection
    from urllib3.connectionpool import HTTPSConnectionPool
    from urllib3.util.ssl_ import create_urllib3_context
except ImportError:  # require_library says so, in the runner
    HTTPAdapter = HTTPSConnection = HTTPSConnectionPool = object  # type: ignore[assignment, misc]

#: Of an answer's head and its framing, beside its body.
MOST_OF_A_HEAD: t.Final = 128 * 1024
#: Of an answer's body. A chain with ten certificates, or an order with a hundred names, has some 30 KiB.
MOST_OF_A_BODY: t.Final = 1024 * 1024


class AnswerTooLong(OSError):
    """More came than any answer has."""


class _BoundedStream(io.RawIOBase):
    def __init__(self, connection: t.Any) -> None:
        super().__init__()
        self._connection = connection
        # Counts as a use of the connection, which so stays open until both are closed.
        self._raw = connection.makefile("rb", buffering=0)
        self._deadline = Deadline(connection.gettimeout())
        self._left = MOST_OF_A_HEAD + MOST_OF_A_BODY

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: t.Any) -> int | None:
        if self._left <= 0:
            raise AnswerTooLong
        self._connection.settimeout(self._deadline.remaining())
        count: int | None = self._raw.readinto(memoryview(buffer)[: self._left])
        self._left -= count or 0
        return count

    def close(self) -> None:
        self._raw.close()
        super().close()


class _Source:
    """What http.client takes for a socket."""

    def __init__(self, connection: t.Any) -> None:
        self._connection = connection

    def makefile(self, *_mode: t.Any) -> io.BufferedReader:
        return io.BufferedReader(_BoundedStream(self._connection))


class _BoundedResponse(http.client.HTTPResponse):
    def __init__(self, sock: t.Any, *arguments: t.Any, **named: t.Any) -> None:
        super().__init__(t.cast(t.Any, _Source(sock)), *arguments, **named)


class _BoundedConnection(HTTPSConnection):
    response_class = _BoundedResponse

    def connect(self) -> None:
        if self.ssl_context is None:
            self.ssl_context = create_urllib3_context()
            trust_as_given(self.ssl_context)
        super().connect()

    def _new_conn(self) -> socket.socket:
        """urllib3 gives the time for a connection to each address that the host has, and there may be many."""
        whole = self.timeout
        with contextlib.suppress(OSError, ValueError):  # urllib3 meets it again, and tells it in its way
            addresses = socket.getaddrinfo(self._dns_host, self.port, type=socket.SOCK_STREAM)
            self.timeout = t.cast(float, whole) / max(1, len(addresses))
        try:
            connection: socket.socket = super()._new_conn()
        finally:
            self.timeout = whole
        connection.settimeout(t.cast(float, whole))
        return connection


class _BoundedPool(HTTPSConnectionPool):
    ConnectionCls = _BoundedConnection


class _NoPool:
    def __init__(self, *_arguments: t.Any, **_named: t.Any) -> None:
        raise InvalidOption("ACME is spoken over https only.")


_POOLS: t.Final[t.Any] = {"https": _BoundedPool, "http": _NoPool}


class BoundedAdapter(HTTPAdapter):
    """For https only, through a proxy of the environment, too. connections: kept open for as many threads."""

    def __init__(self, connections: int) -> None:
        super().__init__(pool_connections=4, pool_maxsize=connections)

    def init_poolmanager(self, *arguments: t.Any, **named: t.Any) -> None:
        super().init_poolmanager(*arguments, **named)
        self.poolmanager.pool_classes_by_scheme = _POOLS

    def proxy_manager_for(self, proxy: str, **named: t.Any) -> t.Any:
        if proxy.lower().startswith("socks"):
            raise InvalidOption("A SOCKS proxy cannot be used for ACME: set https_proxy to an HTTP proxy, or no_proxy.")
        manager = super().proxy_manager_for(proxy, **named)
        manager.pool_classes_by_scheme = _POOLS
        return manager


def trusted_certificates(ca_bundle: str | None) -> str | bool:
    """Path of what servers are verified by, as requests takes it: ca_bundle, else what REQUESTS_CA_BUNDLE or
    CURL_CA_BUNDLE names, else the system's; True, which is the package certifi, where the system has none.

    Raises InvalidOption for a ca_bundle that cannot be used.
    """
    if ca_bundle is not None:
        try:
            ssl.create_default_context(cafile=ca_bundle)
        except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
            reason = getattr(error, "strerror", None) or type(error).__name__
            raise InvalidOption(
                f"ca_bundle {ca_bundle} cannot be used: {reason}. Name a file of PEM certificates."
            ) from None
        return ca_bundle
    paths = ssl.get_default_verify_paths()
    chosen = os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("CURL_CA_BUNDLE") or paths.cafile or paths.capath
    return chosen or True
