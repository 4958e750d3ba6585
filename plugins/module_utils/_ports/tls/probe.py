# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Probe TLS endpoints: which certificate does a fresh handshake get, and would a client trust it?"""

from __future__ import annotations

import concurrent.futures
import dataclasses
import errno
import hashlib
import queue
import socket
import ssl
import threading
import typing as t

from ..._errors import ProbeError
from .endpoint import Endpoint, is_ip
from .handshake import Deadline, Handshake, permissive_context, shake_hands, verifying_context
from .starttls import UpgradeRefused, upgrade

_ERRNO_TEXTS = {
    errno.ECONNREFUSED: "connection refused",
    errno.ENETUNREACH: "network unreachable",
    errno.EHOSTUNREACH: "no route to host",
    errno.EADDRNOTAVAIL: "address not available",
    errno.ENOENT: "no such socket",
    errno.EACCES: "permission denied",
    errno.EAGAIN: "its queue is full",  # of a unix socket
}
_PROXY_HEADER = b"PROXY UNKNOWN\r\n"  # "use the connection's own addresses" (PROXY protocol, 2.1)
_RESETS = {errno.ECONNRESET, errno.EPIPE, errno.ECONNABORTED}


@dataclasses.dataclass(frozen=True)
class Trust:
    """What to check a chain against. anchors: PEM content; None: the system's store.

    identity: paths of our certificate and key, for servers that want one. Raises ProbeError on bad PEM.
    """

    anchors: str | None = None
    identity: tuple[str, str] | None = None

    def __post_init__(self) -> None:
        self.context(True, "any")

    def context(self, check_name: bool, key_type: str) -> ssl.SSLContext:
        return verifying_context(self.anchors, check_name, key_type, self.identity)


@dataclasses.dataclass(frozen=True)
class Observation:
    """What one probe saw.

    address: the IP address that answered. chain: certificates in DER as sent, leaf first (Python 3.13 and later show
    it themselves, earlier ones through OpenSSL's message callback). error: None, or why the handshake did not
    complete; both chain and error are set when the server sent its certificate and then wanted one of ours.
    trusted, trust_error: None when trust was not asked for. key_type_ignored: the server speaks TLS 1.3 only, where
    the handshake cannot be limited to one key type, so it was not.
    """

    endpoint: Endpoint
    address: str | None = None
    chain: tuple[bytes, ...] = ()
    error: str | None = None
    trusted: bool | None = None
    trust_error: str | None = None
    protocol: str | None = None
    cipher: str | None = None
    key_type_ignored: bool = False

    @property
    def reachable(self) -> bool:
        """Whether the server presented a certificate."""
        return bool(self.chain)

    @property
    def silent(self) -> bool:
        """Whether the server let the time run out."""
        return not self.chain and (self.error or "").startswith("timeout")

    @property
    def turned_away(self) -> bool:
        """Whether the connection was refused, reset or closed before there was a certificate."""
        return not self.chain and (self.error or "").startswith(("connection ", _ERRNO_TEXTS[errno.EAGAIN]))

    @property
    def fingerprint_sha256(self) -> str | None:
        return hashlib.sha256(self.chain[0]).hexdigest() if self.chain else None


class _Unreachable(Exception):
    """There is no connection to shake hands over; its text says why."""


def probe(endpoint: Endpoint, timeout: float, trust: Trust | None = None) -> Observation:
    """One endpoint, within timeout seconds for everything: resolution, connection, STARTTLS, handshakes.

    Facts come from a handshake that accepts any certificate. With trust, a handshake by this host's usual standards
    goes first, and its facts are used when it completes. Never raises for what the endpoint does.
    """
    return _Probe(endpoint, Deadline(timeout)).run(trust)


def probe_many(
    endpoints: t.Sequence[Endpoint], timeout: float, concurrency: int, trust: Trust | None = None
) -> list[Observation]:
    """Probe all, at most concurrency at a time, timeout seconds each; the observations in the endpoints' order."""
    if not endpoints:
        return []
    with concurrent.futures.ThreadPoolExecutor(max_workers=max(1, min(concurrency, len(endpoints)))) as pool:
        return list(pool.map(lambda endpoint: probe(endpoint, timeout, trust), endpoints))


class _Probe:
    def __init__(self, endpoint: Endpoint, deadline: Deadline) -> None:
        self._endpoint = endpoint
        self._deadline = deadline
        self._phase = "connect"
        self._address: str | None = None

    def run(self, trust: Trust | None) -> Observation:
        try:
            return self._observe(trust)
        except (TimeoutError, socket.timeout):
            error = f"timeout after {self._deadline.seconds:g} s during {self._phase}"
        except _Unreachable as unreachable:
            error = str(unreachable)
        except ProbeError as odd:
            error = odd.message
        except (ValueError, UnicodeError):  # of ssl, which has rules of its own for names
            error = "the name cannot be sent by SNI"
        except OSError as os_error:
            error = _os_error_text(os_error, self._phase)
        return Observation(
            self._endpoint,
            self._address,
            error=error,
            trusted=None if trust is None else False,
            trust_error=None if trust is None else error,
        )

    def _observe(self, trust: Trust | None) -> Observation:
        key_type = self._endpoint.key_type
        observation, refused_version = self._look(trust, key_type)
        if refused_version and key_type != "any":
            observation, _refused = self._look(trust, "any")
            observation = dataclasses.replace(observation, key_type_ignored=True)
        return observation

    def _look(self, trust: Trust | None, key_type: str) -> tuple[Observation, bool]:
        """An observation, and whether the server refused the protocol version."""
        name = self._verified_name()
        if trust is None:
            facts = self._shake(permissive_context(key_type), name)
            return self._observation(facts), facts.refused_version
        try:
            context = trust.context(name is not None, key_type)
            verified = self._shake(context, name, await_verdict=trust.identity is not None)
        except ConnectionError as error:
            # Some servers reset the connection instead of refusing a protocol version by an alert.
            if self._phase != "handshake":
                raise
            verified = Handshake(error=_os_error_text(error, self._phase))
        if verified.chain and verified.verify_error is None:
            return self._observation(verified, trusted=True), False
        facts = self._shake(permissive_context(key_type), name)
        return self._observation(facts, trusted=False, trust_error=verified.error), facts.refused_version

    def _observation(self, shaken: Handshake, **fields: t.Any) -> Observation:
        return Observation(
            self._endpoint,
            self._address,
            chain=shaken.chain,
            error=shaken.error,
            protocol=shaken.protocol,
            cipher=shaken.cipher,
            **fields,
        )

    def _verified_name(self) -> str | None:
        """The name for SNI and verification. ssl sends no SNI for an IP address, yet verifies it; None does neither."""
        if self._endpoint.sni:
            return self._endpoint.sni
        return self._endpoint.host.partition("%")[0] if is_ip(self._endpoint.host) else None

    def _shake(self, context: ssl.SSLContext, server_hostname: str | None, *, await_verdict: bool = False) -> Handshake:
        with self._connected() as connection:
            if self._endpoint.proxy_protocol:
                connection.settimeout(self._deadline.remaining())
                connection.sendall(_PROXY_HEADER)
            if self._endpoint.starttls:
                self._phase = "STARTTLS"
                self._upgrade(connection, self._endpoint.starttls)
            self._phase = "handshake"
            return shake_hands(connection, context, server_hostname, self._deadline, await_verdict=await_verdict)

    def _upgrade(self, connection: socket.socket, protocol: str) -> None:
        def receive(size: int) -> bytes:
            connection.settimeout(self._deadline.remaining())
            return connection.recv(size)

        def send(data: bytes) -> None:
            connection.settimeout(self._deadline.remaining())
            connection.sendall(data)

        try:
            upgrade(protocol, receive, send, self._endpoint.sni or self._endpoint.host)
        except UpgradeRefused as refused:
            raise _Unreachable(f"STARTTLS refused: {refused}") from None

    def _connected(self) -> socket.socket:
        """A connection to the first address that takes one. Each gets its share of the time left."""
        if self._endpoint.unix_path is not None:
            return self._connected_locally(self._endpoint.unix_path)
        self._phase = "name resolution"
        candidates = self._resolve()
        self._phase = "connect"
        for index, (family, address) in enumerate(candidates):
            last = index == len(candidates) - 1
            connection = socket.socket(family, socket.SOCK_STREAM)
            try:
                connection.settimeout(self._deadline.remaining() / (len(candidates) - index))
                self._address = str(address[0])
                connection.connect(address)
            except BaseException as error:
                connection.close()
                if last or not isinstance(error, OSError):
                    raise
            else:
                return connection
        raise _Unreachable("name resolution failed")

    def _connected_locally(self, path: str) -> socket.socket:
        self._phase = "connect"
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            connection.settimeout(self._deadline.remaining())
            connection.connect(path)
        except BaseException:
            connection.close()
            raise
        return connection

    def _resolve(self) -> list[tuple[socket.AddressFamily, t.Any]]:
        host, port = self._endpoint.connect_host, self._endpoint.port
        if is_ip(host):
            return _lookup(host, port)
        # getaddrinfo knows no time limit, so a thread of its own waits for it; late answers go nowhere.
        answers: queue.SimpleQueue[list[tuple[socket.AddressFamily, t.Any]]] = queue.SimpleQueue()
        threading.Thread(target=lambda: answers.put(_lookup(host, port)), daemon=True).start()
        try:
            return answers.get(timeout=self._deadline.remaining())
        except queue.Empty:
            raise TimeoutError from None


def _lookup(host: str, port: int) -> list[tuple[socket.AddressFamily, t.Any]]:
    """Family and socket address for each address of host; none when it does not resolve."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return []
    return [(family, address) for family, _type, _protocol, _name, address in found]


def _os_error_text(error: OSError, phase: str) -> str:
    if error.errno in _RESETS:
        return f"connection reset during {phase}"
    return _ERRNO_TEXTS.get(error.errno or 0, f"{error.strerror or type(error).__name__} during {phase}")
