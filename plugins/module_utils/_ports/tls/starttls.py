# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The plain-text talk before a TLS handshake, as a table: what to send, and which answer goes on."""

from __future__ import annotations

import re
import typing as t

_MAX_LINE = 4096
R = t.TypeVar("R")
_STARTTLS_OID = b"1.3.6.1.4.1.1466.20037"


class UpgradeRefused(Exception):
    """The server does not go on to TLS. Its text is safe to print."""


class _Line(t.NamedTuple):
    """send: a line, or None to listen first. accepted: the line that ends the answer. ignored: lines before it."""

    send: str | None
    accepted: str
    ignored: str = r"(?!)"


# Of the last line of an answer: "code, space, text", or the code alone, which servers should not send and clients must
# take (RFC 5321, 4.2; RFC 959, 4.2). Every other line is anything else.
_END = r"(?=[ \r\n])"
_UNFINISHED = rf"(?!\d{{3}}{_END})"

_LINE_PROTOCOLS: dict[str, tuple[_Line, ...]] = {
    "smtp": (  # RFC 3207
        _Line(None, rf"220{_END}", _UNFINISHED),
        _Line("EHLO probe.invalid", rf"250{_END}", _UNFINISHED),
        _Line("STARTTLS", rf"220{_END}", _UNFINISHED),
    ),
    "imap": (_Line(None, r"\* OK"), _Line("a1 STARTTLS", r"a1 OK", r"\* ")),  # RFC 3501
    "pop3": (_Line(None, r"\+OK"), _Line("STLS", r"\+OK")),  # RFC 2595
    "ftp": (_Line(None, rf"220{_END}", _UNFINISHED), _Line("AUTH TLS", rf"234{_END}", _UNFINISHED)),  # RFC 4217
    "nntp": (_Line(None, rf"20[01]{_END}"), _Line("STARTTLS", rf"382{_END}")),  # RFC 4642
}
# Capability flags of MySQL's and MariaDB's protocol: CLIENT_PROTOCOL_41, CLIENT_SSL, CLIENT_SECURE_CONNECTION.
_MYSQL_41, _MYSQL_SSL, _MYSQL_SECURE = 0x200, 0x800, 0x8000
_MYSQL_VERSION = 10
_NOT_MYSQL = "server does not speak MySQL's protocol"

#: Yields bytes to send, or None to get what the server sends: some bytes, b"" at the end of the stream.
Dialogue = t.Generator[t.Optional[bytes], bytes, R]


def upgrade(protocol: str) -> Dialogue[None]:
    """Talk until the next bytes are the TLS handshake. Raises UpgradeRefused."""
    server = _Server()
    if protocol in _BINARY_PROTOCOLS:
        yield from _BINARY_PROTOCOLS[protocol](server)
        return
    for step in _LINE_PROTOCOLS[protocol]:
        yield from _talk(step, server)


class _Server:
    """What it has said and nobody has read yet."""

    def __init__(self) -> None:
        self._heard = b""

    def line(self) -> Dialogue[str]:
        while b"\n" not in self._heard:
            if len(self._heard) > _MAX_LINE:
                raise UpgradeRefused("server sent an endless line")
            yield from self._hear()
        line, newline, self._heard = self._heard.partition(b"\n")
        return (line + newline).decode("latin-1")

    def exactly(self, size: int) -> Dialogue[bytes]:
        while len(self._heard) < size:
            yield from self._hear()
        data, self._heard = self._heard[:size], self._heard[size:]
        return data

    def _hear(self) -> Dialogue[None]:
        part = yield None
        if not part:
            raise UpgradeRefused("server closed the connection")
        self._heard += part


def _talk(step: _Line, server: _Server) -> Dialogue[None]:
    if step.send is not None:
        yield step.send.encode("ascii") + b"\r\n"
    while True:
        line = yield from server.line()
        if re.match(step.accepted, line, re.IGNORECASE):
            return
        if not re.match(step.ignored, line, re.IGNORECASE):
            shown = re.sub(r"[^ -~]", "?", line.strip())[:100]
            raise UpgradeRefused(f"server answered {shown!r} to {step.send or 'the connection'}")


def _postgres(server: _Server) -> Dialogue[None]:
    """SSLRequest: length 8, code 80877103 (PostgreSQL, Message Formats)."""
    yield ((8).to_bytes(4, "big") + (80877103).to_bytes(4, "big"))
    if (yield from server.exactly(1)) != b"S":
        raise UpgradeRefused("server does not offer TLS")


def _ldap(server: _Server) -> Dialogue[None]:
    """ExtendedRequest with the StartTLS name (RFC 4511, 4.14); success is resultCode 0."""
    name = b"\x80" + bytes([len(_STARTTLS_OID)]) + _STARTTLS_OID
    operation = b"\x02\x01\x01\x77" + bytes([len(name)]) + name
    yield (b"\x30" + bytes([len(operation)]) + operation)
    size = (yield from server.exactly(2))[1]
    if size & 0x80:
        size = int.from_bytes((yield from server.exactly(size & 0x7F)), "big")
    answer = yield from server.exactly(min(size, _MAX_LINE))
    if b"\x0a\x01\x00" not in answer[3:12]:
        raise UpgradeRefused("server does not offer TLS")


def _mysql(server: _Server) -> Dialogue[None]:
    """SSLRequest after the server's greeting (MySQL, Protocol::HandshakeV10 and Protocol::SSLRequest).

    A packet is its length in 3 bytes, little-endian, its number in 1, and its content.
    """
    header = yield from server.exactly(4)
    size = int.from_bytes(header[:3], "little")
    if not 0 < size <= _MAX_LINE:
        raise UpgradeRefused(_NOT_MYSQL)
    greeting = yield from server.exactly(size)
    if greeting[:1] == b"\xff":  # an error: number, perhaps # and SQL state, text
        shown = re.sub(r"[^ -~]", "?", greeting[3:].decode("latin-1"))[:100]
        raise UpgradeRefused(f"server answered {shown!r} to the connection")
    # Version of the protocol and of the server, up to a zero byte; thread id (4), salt (8), a zero; capabilities.
    flags = greeting[greeting.find(b"\0", 1) + 14 :][:2]
    if greeting[:1] != bytes([_MYSQL_VERSION]) or len(flags) < 2:
        raise UpgradeRefused(_NOT_MYSQL)
    if not int.from_bytes(flags, "little") & _MYSQL_SSL:
        raise UpgradeRefused("server does not offer TLS")
    capabilities = _MYSQL_41 | _MYSQL_SSL | _MYSQL_SECURE
    # Capabilities, the largest packet, the character set (utf8), nothing.
    content = capabilities.to_bytes(4, "little") + (2**24 - 1).to_bytes(4, "little") + bytes([33]) + bytes(23)
    yield (len(content).to_bytes(3, "little") + bytes([(header[3] + 1) & 0xFF]) + content)


_BINARY_PROTOCOLS: dict[str, t.Callable[[_Server], Dialogue[None]]] = {
    "postgres": _postgres,
    "ldap": _ldap,
    "mysql": _mysql,
}
PROTOCOLS = frozenset(_LINE_PROTOCOLS) | frozenset(_BINARY_PROTOCOLS)
