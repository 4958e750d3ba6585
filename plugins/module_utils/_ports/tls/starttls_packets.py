# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Protocols that ask for TLS in packets instead of lines: LDAP, PostgreSQL's, MySQL's."""

from __future__ import annotations

import typing as t

from ..._core.der import element
from .starttls_stream import Conversation, ServerStream, UpgradeRefused, shown

_NO_TLS: t.Final = "server does not offer TLS"
_LONGEST_PACKET: t.Final = 4096

_STARTTLS_OID: t.Final = b"1.3.6.1.4.1.1466.20037"
_EXTENDED_RESPONSE: t.Final = 0x78

# Capability flags of MySQL's and MariaDB's protocol: CLIENT_PROTOCOL_41, CLIENT_SSL, CLIENT_SECURE_CONNECTION.
_MYSQL_41, _MYSQL_SSL, _MYSQL_SECURE = 0x200, 0x800, 0x8000
_MYSQL_VERSION: t.Final = 10
_NOT_MYSQL: t.Final = "server does not speak MySQL's protocol"


def talk_ldap(stream: ServerStream, _name: str) -> Conversation[None]:
    """ExtendedRequest with the StartTLS name (RFC 4511, 4.14); success is resultCode 0."""
    name = b"\x80" + bytes([len(_STARTTLS_OID)]) + _STARTTLS_OID
    operation = b"\x02\x01\x01\x77" + bytes([len(name)]) + name
    yield b"\x30" + bytes([len(operation)]) + operation
    message = yield from stream.exactly(2)
    if message[0] != 0x30:
        raise UpgradeRefused("server does not speak LDAP")
    if message[1] & 0x80:  # the length takes more bytes, of which some servers use four for anything
        message += yield from stream.exactly(message[1] & 0x7F)
    size = int.from_bytes(message[2:], "big") if message[1] & 0x80 else message[1]
    if size > _LONGEST_PACKET:
        raise UpgradeRefused("server sent an endless answer")
    message += yield from stream.exactly(size)
    try:
        code, diagnostic = _ldap_result(message)
    except ValueError:
        raise UpgradeRefused("server does not speak LDAP") from None
    if code:
        raise UpgradeRefused(f"{_NO_TLS}: it answered with result code {code} and {shown(diagnostic)}")


def _ldap_result(message: bytes) -> tuple[int, bytes]:
    """Result code and diagnostic message of a response (RFC 4511, 4.1.9 and 4.12). Raises ValueError."""
    _tag, position, _end = element(message, 0)  # LDAPMessage
    _tag, _start, position = element(message, position)  # its number; 0 when the server says goodbye instead
    tag, position, _end = element(message, position)
    if tag != _EXTENDED_RESPONSE:
        raise ValueError("another response")
    _tag, start, end = element(message, position)
    _tag, _start, after_dn = element(message, end)
    _tag, text_start, text_end = element(message, after_dn)
    return int.from_bytes(message[start:end], "big"), message[text_start:text_end]


def talk_postgres(stream: ServerStream, _name: str) -> Conversation[None]:
    """SSLRequest: length 8, code 80877103 (PostgreSQL, Message Formats). One byte is the answer, or an error."""
    yield (8).to_bytes(4, "big") + (80877103).to_bytes(4, "big")
    answer = yield from stream.exactly(1)
    if answer == b"S":
        return
    if answer == b"N":
        raise UpgradeRefused(_NO_TLS)
    if answer != b"E":
        raise UpgradeRefused("server does not speak PostgreSQL's protocol")
    size = int.from_bytes((yield from stream.exactly(4)), "big")
    if not 4 <= size <= _LONGEST_PACKET:
        raise UpgradeRefused("server does not speak PostgreSQL's protocol")
    # Fields, each a letter and a text up to a zero byte; M is the message.
    fields = (yield from stream.exactly(size - 4)).split(b"\0")
    message = next((field[1:] for field in fields if field[:1] == b"M"), b"")
    raise UpgradeRefused(f"server answered {shown(message)} to the question for TLS")


def talk_mysql(stream: ServerStream, _name: str) -> Conversation[None]:
    """SSLRequest after the server's greeting (MySQL, Protocol::HandshakeV10 and Protocol::SSLRequest).

    A packet is its length in 3 bytes, little-endian, its number in 1, and its content.
    """
    header = yield from stream.exactly(4)
    size = int.from_bytes(header[:3], "little")
    if not 0 < size <= _LONGEST_PACKET:
        raise UpgradeRefused(_NOT_MYSQL)
    greeting = yield from stream.exactly(size)
    if greeting[:1] == b"\xff":  # an error: number, perhaps # and SQL state, text
        raise UpgradeRefused(f"server answered {shown(greeting[3:])} to the connection")
    # Version of the protocol and of the server, up to a zero byte; thread id (4), salt (8), a zero; capabilities.
    flags = greeting[greeting.find(b"\0", 1) + 14 :][:2]
    if greeting[:1] != bytes([_MYSQL_VERSION]) or len(flags) < 2:
        raise UpgradeRefused(_NOT_MYSQL)
    if not int.from_bytes(flags, "little") & _MYSQL_SSL:
        raise UpgradeRefused(_NO_TLS)
    capabilities = _MYSQL_41 | _MYSQL_SSL | _MYSQL_SECURE
    # Capabilities, the largest packet, the character set (utf8), nothing.
    content = capabilities.to_bytes(4, "little") + (2**24 - 1).to_bytes(4, "little") + bytes([33]) + bytes(23)
    yield len(content).to_bytes(3, "little") + bytes([(header[3] + 1) & 0xFF]) + content
