# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One TLS handshake over a connection: what the server sent, kept even when the handshake fails later."""

from __future__ import annotations

import dataclasses
import functools
import re
import socket
import ssl
import typing as t

from ..._errors import ProbeError
from ..trusting import trust_as_given
from .connection import receive, send
from .loop import Talk

_HANDSHAKE, _ALERT = 22, 21  # ContentType, RFC 8446
_SERVER_HELLO, _CERTIFICATE = 2, 11  # HandshakeType
_SIGNED = (12, 15)  # ServerKeyExchange up to TLS 1.2 (RFC 5246, 7.4.3), CertificateVerify from TLS 1.3 on
_PROTOCOL_VERSION = 70
_CERTIFICATE_REQUIRED = 116  # RFC 8446, not in ssl.AlertDescription
_LEGACY_SERVER_CONNECT = 0x4  # ssl.OP_LEGACY_SERVER_CONNECT, named from Python 3.12 on
# SSL_OP_NO_RX_CERTIFICATE_COMPRESSION (RFC 8879): of a compressed message older Pythons show no chain.
_NO_COMPRESSED_CERTIFICATE = 1 << 33 if ssl.OPENSSL_VERSION_INFO >= (3, 2) else 0
_PROTOCOLS: t.Final[dict[int, str]] = {  # as SSL_get_version(3) names them
    ssl.TLSVersion.SSLv3: "SSLv3",
    ssl.TLSVersion.TLSv1: "TLSv1",
    ssl.TLSVersion.TLSv1_1: "TLSv1.1",
    ssl.TLSVersion.TLSv1_2: "TLSv1.2",
    ssl.TLSVersion.TLSv1_3: "TLSv1.3",
}
_MOST_RECEIVED = 1 << 20  # bytes of a handshake; the longest chains that OpenSSL takes are a tenth of that
_MOST_CERTIFICATES = 100  # the deepest path that OpenSSL verifies; a liar sends tens of thousands of a byte each
_CIPHERS = {"any": "ALL", "rsa": "aRSA", "ecdsa": "aECDSA"}


@dataclasses.dataclass(frozen=True)
class Handshake:
    """chain: DER as sent, leaf first, at most a hundred; empty when none came. error: None when it completed.

    alert: the TLS alert that the server sent, by number. verify_error: why this client refused the certificate.
    answered: whether this client went on after all that the server said, and so has seen it sign with its key; else
    the certificate may be anybody's.
    """

    chain: tuple[bytes, ...] = ()
    error: str | None = None
    alert: int | None = None
    verify_error: str | None = None
    protocol: str | None = None
    cipher: str | None = None
    answered: bool = False

    @property
    def refused_version(self) -> bool:
        return self.alert == _PROTOCOL_VERSION


class _Recorder(ssl.SSLObject):
    """Keeps the server's Certificate message and alert.

    OpenSSL shows each message in the clear before it acts on it. So there is a chain on Pythons without
    get_unverified_chain (before 3.13), and when the server refuses us later, for want of a client certificate.
    """

    certificates: tuple[bytes, ...] = ()
    protocol: str | None = None
    cipher_suite = b""
    signed = False
    answered = False
    alert: int | None = None


def _record(connection: t.Any, direction: str, version: int, content_type: int, message_type: int, data: bytes) -> None:
    if direction != "read" or not isinstance(connection, _Recorder):
        return
    if content_type == _HANDSHAKE and message_type == _SERVER_HELLO:
        # Header (4), version (2), random (32), the length of what follows: session id, cipher suite (RFC 8446, 4.1.3).
        connection.cipher_suite = data[39 + int.from_bytes(data[38:39], "big") :][:2]
    elif content_type == _HANDSHAKE and message_type == _CERTIFICATE:
        connection.certificates = _parse_certificate_message(data[4:], version >= ssl.TLSVersion.TLSv1_3)
        connection.protocol = _PROTOCOLS.get(version)
    elif content_type == _HANDSHAKE and message_type in _SIGNED:
        connection.signed = True
    elif content_type == _ALERT and len(data) == 2 and data[0] == 2:
        connection.alert = data[1]


def _parse_certificate_message(body: bytes, is_tls13: bool) -> tuple[bytes, ...]:
    """RFC 8446, 4.4.2 (a request context first, extensions after each certificate); RFC 5246, 7.4.2 (neither)."""
    position = (1 + int.from_bytes(body[:1], "big") if is_tls13 else 0) + 3
    certificates: list[bytes] = []
    while position + 3 <= len(body) and len(certificates) < _MOST_CERTIFICATES:
        start = position + 3
        position = start + int.from_bytes(body[position:start], "big")
        certificates.append(body[start:position])
        if is_tls13:
            position += 2 + int.from_bytes(body[position : position + 2], "big")
    return tuple(certificates)


@functools.cache
def permissive_context(key_type: str = "any") -> ssl.SSLContext:
    """A client that takes any certificate over any protocol version and strength: it looks, it does not judge.

    key_type: see Endpoint. TLS 1.3 ciphers say nothing of the key, hence TLS 1.2 for "rsa" and "ecdsa".
    """
    context = _context(key_type)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
    context.options |= _LEGACY_SERVER_CONNECT | _NO_COMPRESSED_CERTIFICATE
    context.set_ciphers(f"{_CIPHERS[key_type]}:!aNULL:!eNULL:!PSK:!SRP:@SECLEVEL=0")
    return context


@functools.cache
def verifying_context(
    trust_anchors: str | None, check_name: bool, key_type: str = "any", identity: tuple[str, str] | None = None
) -> ssl.SSLContext:
    """A client with this host's usual standards. trust_anchors: PEM; None: the system's store.

    identity: paths of its certificate and key. Raises ProbeError when trust_anchors holds no certificate, or identity
    cannot be used.
    """
    context = _context(key_type)
    if identity:
        try:
            context.load_cert_chain(*identity, password=lambda: b"")  # never ask on the terminal
        except (ssl.SSLError, OSError, ValueError):
            raise ProbeError(
                f"{identity[0]} and {identity[1]} are no readable certificate and unencrypted key that belong together"
            ) from None
    context.check_hostname = check_name
    if key_type != "any":
        context.set_ciphers(f"{_CIPHERS[key_type]}:!aNULL:!eNULL:!PSK:!SRP")
    if trust_anchors is None:
        context.load_default_certs()
        return context
    trust_as_given(context)
    try:
        context.load_verify_locations(cadata=trust_anchors)
    except (ssl.SSLError, ValueError):
        raise ProbeError("trust_anchors holds no readable PEM certificate; give the content, not a path") from None
    return context


def _context(key_type: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.sslobject_class = _Recorder
    # The callback of the class below: SSLContext's own makes enumerations of all numbers, in a tenth of all time.
    super(ssl.SSLContext, type(context))._msg_callback.__set__(context, _record)  # type: ignore[misc]
    if key_type != "any":
        context.maximum_version = ssl.TLSVersion.TLSv1_2
    return context


@functools.lru_cache(maxsize=16)
def _cipher_names(context: ssl.SSLContext) -> dict[bytes, str]:
    """By what the ServerHello calls it."""
    return {(cipher["id"] & 0xFFFF).to_bytes(2, "big"): cipher["name"] for cipher in context.get_ciphers()}


def shake_hands(
    connection: socket.socket, context: ssl.SSLContext, server_hostname: str | None, *, await_verdict: bool = False
) -> Talk[Handshake]:
    """Run the handshake over a connection that does not block. Raises OSError; TLS failures are in the result.

    await_verdict: wait for what the server says of our certificate, which comes after the handshake in TLS 1.3.
    """
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = t.cast("_Recorder", context.wrap_bio(incoming, outgoing, server_hostname=server_hostname))
    received = 0
    try:
        while True:
            try:
                tls.do_handshake()
                break
            except ssl.SSLWantReadError:
                # Without a signature (RSA as key exchange) only the end of the handshake tells who has the key.
                tls.answered = bool(tls.signed and outgoing.pending) or tls.answered
                try:
                    yield from send(connection, outgoing.read())
                    data = yield from receive(connection)
                except ConnectionError:
                    if not tls.certificates:
                        raise
                    return _failed(tls, "connection reset during handshake")
                if not data:
                    return _failed(tls, "connection closed during handshake")
                received += len(data)
                if received > _MOST_RECEIVED:
                    return _failed(tls, "the handshake does not end")
                incoming.write(data)
    except ssl.SSLError as error:
        _send_alert(connection, outgoing)
        if isinstance(error, ssl.SSLCertVerificationError):
            return _failed(tls, error.verify_message, verify_error=error.verify_message)
        return _failed(tls, _tls_error(error, tls))
    try:
        yield from send(connection, outgoing.read())
    except ConnectionError:  # reset right after its last word (TLS 1.3), which has told all
        pass
    if await_verdict:
        refusal = yield from _refusal(connection, tls, incoming, outgoing)
        if refusal:
            return Handshake(_chain(tls), error=refusal, alert=tls.alert, answered=True)
    cipher = tls.cipher()
    return Handshake(_chain(tls), protocol=tls.version(), cipher=cipher[0] if cipher else None, answered=True)


def _refusal(
    connection: socket.socket, tls: _Recorder, incoming: ssl.MemoryBIO, outgoing: ssl.MemoryBIO
) -> Talk[str | None]:
    """Say goodbye at once: a server that has accepted us closes, too, and one that has not has sent an alert."""
    while True:
        try:
            tls.unwrap()
            break
        except ssl.SSLWantReadError:
            try:
                if outgoing.pending:
                    yield from send(connection, outgoing.read())
                    connection.shutdown(socket.SHUT_WR)
            except OSError:  # it is gone already; what it has said can still be read
                pass
            try:
                data = yield from receive(connection)
            except ConnectionError:
                return "connection reset after the handshake"
            if not data:
                break
            incoming.write(data)
        except ssl.SSLError:  # it was quicker to answer than to close
            break
    return None if tls.alert is None else f"TLS alert {_alert_name(tls.alert)}"


def _send_alert(connection: socket.socket, outgoing: ssl.MemoryBIO) -> None:
    """Tell the server why, if it still listens: our alert is a courtesy."""
    try:
        connection.send(outgoing.read())
    except OSError:
        pass


def _failed(tls: _Recorder, error: str, verify_error: str | None = None) -> Handshake:
    """With a verify_error all facts of the handshake are there: the server had chosen them before its certificate."""
    if verify_error is not None:
        cipher = _cipher_names(tls.context).get(tls.cipher_suite)
        return Handshake(tls.certificates, error, tls.alert, verify_error, tls.protocol, cipher)
    if tls.certificates:
        error += " after the server's certificate"
        error += " (does it require a client certificate?)" if tls.answered else ", whose key it has not shown to have"
    return Handshake(tls.certificates, error=error, alert=tls.alert, answered=tls.answered)


def _chain(tls: _Recorder) -> tuple[bytes, ...]:
    """The chain of a completed handshake; the leaf alone where neither OpenSSL nor Python shows more."""
    if tls.certificates:
        return tls.certificates
    if hasattr(tls, "get_unverified_chain"):  # Python 3.13; needed for a compressed chain (RFC 8879)
        return tuple(tls.get_unverified_chain())
    leaf = tls.getpeercert(binary_form=True)
    return (leaf,) if leaf else ()


def _tls_error(error: ssl.SSLError, tls: _Recorder) -> str:
    """A text that stays the same over OpenSSL's versions, whose own wording changes."""
    if tls.alert is not None:
        return f"TLS alert {_alert_name(tls.alert)}"
    if error.reason in ("WRONG_VERSION_NUMBER", "UNKNOWN_PROTOCOL", "HTTP_REQUEST", "RECORD_LAYER_FAILURE"):
        return "not a TLS server"
    reason = error.reason or re.sub(r"\(_ssl\.c:\d+\)", "", str(error)).rstrip()
    return f"TLS failure {reason.lower()}"


def _alert_name(number: int) -> str:
    if number == _CERTIFICATE_REQUIRED:
        return "certificate_required"
    try:
        return ssl.AlertDescription(number).name.replace("ALERT_DESCRIPTION_", "").lower()
    except ValueError:
        return str(number)
