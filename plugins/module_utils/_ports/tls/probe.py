# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Probe TLS endpoints: which certificate does a fresh handshake get, and would a client trust it?"""

from __future__ import annotations

import dataclasses
import errno
import socket
import ssl
import typing as t

from ..._errors import ProbeError
from ..host.descriptors import open_files
from .connection import Connector, send, shown, start_tls, with_port
from .endpoint import Endpoint, is_ip
from .handshake import Handshake, permissive_context, shake_hands
from .loop import Loop, OutOfTime, Talk, Timed
from .observation import QUEUE_FULL, Observation, Trust
from .proxy_header import proxy_header
from .resolver import NameResolver, SocketAddress
from .stapling import ask_for_staple
from .starttls import UpgradeRefused

__all__ = ["Observation", "Trust", "converse", "probe", "probe_many"]

_ERRNO_TEXTS: t.Final = {
    errno.ECONNREFUSED: "connection refused",
    errno.ENETUNREACH: "network unreachable",
    errno.EHOSTUNREACH: "no route to host",
    errno.EADDRNOTAVAIL: "address not available",
    errno.ENOENT: "no such socket",
    errno.EACCES: "permission denied",
    errno.EAGAIN: QUEUE_FULL,
}
_RESETS: t.Final = (errno.ECONNRESET, errno.EPIPE, errno.ECONNABORTED)
#: Why there is no address.
UNRESOLVED: t.Final = "name resolution failed"


class _Unreachable(Exception):
    """There is no connection to shake hands over; its text says why."""


def probe(endpoint: Endpoint, timeout: float, trust: Trust | None = None) -> Observation:
    """One endpoint, within timeout seconds for everything: resolution, connection, STARTTLS, handshakes.

    Facts come from a handshake that accepts any certificate. With trust, a handshake by this host's usual standards
    goes first, and its facts are used when it gets as far as a certificate. Never raises for what the endpoint does.
    """
    return probe_many([endpoint], timeout, 1, trust)[0]


def probe_many(
    endpoints: t.Sequence[Endpoint],
    timeout: float,
    concurrency: int,
    trust: Trust | None = None,
    *,
    staple: bool = False,
) -> list[Observation]:
    """Probe all, timeout seconds each; the observations in the endpoints' order.

    concurrency: how many at a time; those that take much longer than others do not count. staple: see converse.
    """
    if not endpoints:
        return []
    seen: dict[int, Observation] = {}
    resolver = NameResolver()

    def numbered(number: int) -> Talk[tuple[int, Observation] | list[Timed[tuple[int, Observation]]]]:
        return number, (yield from converse(endpoints[number], timeout, trust, resolver, staple=staple))

    with open_files(len(endpoints)) as most_open:
        loop: Loop[tuple[int, Observation]] = Loop(concurrency, most_open)
        seen.update(loop.run(Timed(numbered(number), timeout) for number in range(len(endpoints))))
    resolver.close()
    return [seen[number] for number in range(len(endpoints))]


def converse(
    endpoint: Endpoint,
    timeout: float,
    trust: Trust | None,
    resolver: NameResolver,
    addresses: t.Sequence[SocketAddress] | None = None,
    *,
    staple: bool = False,
) -> Talk[Observation]:
    """What probe does, as a conversation that a Loop gives timeout seconds. addresses: those to ask, instead of all.

    staple: ask for the OCSP response, too, by one more handshake, which needs pyOpenSSL.
    """
    return (yield from _Probe(endpoint, timeout, resolver, addresses).run(trust, staple=staple))


class _Probe:
    def __init__(
        self,
        endpoint: Endpoint,
        timeout: float,
        resolver: NameResolver,
        addresses: t.Sequence[SocketAddress] | None,
    ) -> None:
        self._endpoint = endpoint
        self._timeout = timeout
        self._resolver = resolver
        self._addresses = addresses
        self._phase = "connect"
        self._address: str | None = None

    def run(self, trust: Trust | None, *, staple: bool) -> Talk[Observation]:
        seen: Observation | None = None
        try:
            seen = yield from self._observe(trust)
            if staple and seen.chain:
                seen = dataclasses.replace(seen, staple=(yield from self._staple(seen.key_type_ignored)))
            return seen
        except OutOfTime:
            error = f"timeout after {self._timeout:g} s during {self._phase}"
        except _Unreachable as unreachable:
            error = str(unreachable)
        except ProbeError as odd:
            error = odd.message
        except (ValueError, UnicodeError):  # of ssl, which has rules of its own for names
            error = "the name cannot be sent by SNI"
        except OSError as os_error:
            error = _os_error_text(os_error, self._phase)
            source = self._endpoint.source_address
            if source and os_error.errno in (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT):
                error = f"source_address {source} cannot be used to connect to {self._address}"
        if seen is not None:  # and nothing but its staple is missing
            return seen
        return Observation(
            self._endpoint,
            self._address,
            error=error,
            trusted=None if trust is None else False,
            trust_error=None if trust is None else error,
        )

    def _observe(self, trust: Trust | None) -> Talk[Observation]:
        key_type = self._endpoint.key_type
        observation, refused_version = yield from self._look(trust, key_type)
        if refused_version and key_type != "any":
            observation, refused_version = yield from self._look(trust, "any")
            observation = dataclasses.replace(observation, key_type_ignored=True)
        return observation

    def _look(self, trust: Trust | None, key_type: str) -> Talk[tuple[Observation, bool]]:
        """An observation, and whether the server refused the protocol version."""
        name = self._verified_name()
        if trust is None:
            facts = yield from self._shake(permissive_context(key_type), name)
            return self._observation(facts), facts.refused_version
        try:
            context = trust.context(name is not None, key_type)
            verified = yield from self._shake(context, name, await_verdict=trust.identity is not None)
        except ConnectionError as error:
            # Some servers reset the connection instead of refusing a protocol version by an alert.
            if self._phase != "handshake":
                raise
            verified = Handshake(error=_os_error_text(error, self._phase))
        if verified.chain and verified.answered:
            return self._observation(verified, trusted=True), False
        if verified.chain and verified.protocol:
            # The certificate alone is refused: all that there is to see has been seen.
            untrusted = dataclasses.replace(verified, error=None)
            return self._observation(untrusted, trusted=False, trust_error=verified.verify_error), False
        facts = yield from self._shake(permissive_context(key_type), name)
        return self._observation(facts, trusted=False, trust_error=verified.error), facts.refused_version

    def _observation(self, shaken: Handshake, **fields: t.Any) -> Observation:
        return Observation(
            self._endpoint,
            self._address,
            chain=shaken.chain,
            error=shaken.error,
            protocol=shaken.protocol,
            cipher=shaken.cipher,
            signed=shaken.answered,
            **fields,
        )

    def _verified_name(self) -> str | None:
        """The name for SNI and verification. ssl sends no SNI for an IP address, yet verifies it; None does neither."""
        if self._endpoint.sni:
            return self._endpoint.sni
        return self._endpoint.host.partition("%")[0] if is_ip(self._endpoint.host) else None

    def _shake(
        self, context: ssl.SSLContext, server_hostname: str | None, *, await_verdict: bool = False
    ) -> Talk[Handshake]:
        connection = yield from self._connect()
        with connection:
            yield from self._begin(connection)
            return (yield from shake_hands(connection, context, server_hostname, await_verdict=await_verdict))

    def _staple(self, key_type_ignored: bool) -> Talk[bytes]:
        connection = yield from self._connect()
        with connection:
            yield from self._begin(connection)
            key_type = "any" if key_type_ignored else self._endpoint.key_type
            return (yield from ask_for_staple(connection, self._endpoint.sni, key_type))

    def _begin(self, connection: socket.socket) -> Talk[None]:
        """All that is said before TLS."""
        endpoint = self._endpoint
        yield from send(connection, self._proxy_header(connection))
        if endpoint.starttls:
            self._phase = "STARTTLS"
            try:
                yield from start_tls(connection, endpoint.starttls, endpoint.sni or endpoint.connect_host)
            except UpgradeRefused as refused:
                raise _Unreachable(f"STARTTLS refused: {refused}") from None
        self._phase = "handshake"

    def _proxy_header(self, connection: socket.socket) -> bytes:
        kind = self._endpoint.proxy_protocol
        return proxy_header(kind, connection.getsockname(), connection.getpeername()) if kind else b""

    def _connect(self) -> Talk[socket.socket]:
        """To the first address that takes a connection; to the same one again, where there was one already."""
        if self._addresses is None:
            self._phase = "name resolution"
            self._addresses = yield from self._resolve()
        self._phase = "connect"
        connector = Connector(self._addresses, self._endpoint.source_address)
        try:
            connection = yield from connector.connect()
        finally:
            self._address = connector.tried
        self._addresses = [each for each in self._addresses if shown(each) == connector.tried]
        return connection

    def _resolve(self) -> Talk[t.Sequence[SocketAddress]]:
        endpoint = self._endpoint
        if endpoint.unix_path is not None:
            return [(socket.AF_UNIX, endpoint.unix_path)]
        found = yield from self._resolver.addresses(endpoint.connect_host)
        if not found:
            raise _Unreachable(UNRESOLVED)
        return with_port(found, endpoint.port)


def _os_error_text(error: OSError, phase: str) -> str:
    if error.errno in _RESETS:
        return f"connection reset during {phase}"
    return _ERRNO_TEXTS.get(error.errno or 0, f"{error.strerror or type(error).__name__} during {phase}")
