# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The plain-text talk before a TLS handshake, as a table: what to send, and which answer goes on."""

from __future__ import annotations

import re
import typing as t

_MAX_LINE = 4096
_STARTTLS_OID = b"1.3.6.1.4.1.1466.20037"


class UpgradeRefused(Exception):
    """The server does not go on to TLS. Its text is safe to print."""


class _Line(t.NamedTuple):
    """send: a line, or None to listen first. accepted: the line that ends the answer. ignored: lines before it."""

    send: str | None
    accepted: str
    ignored: str = r"(?!)"


# RFC 5321 and RFC 959: every line of an answer but the last is anything that is not "code, space".
_UNFINISHED = r"(?!\d{3} )"

_LINE_PROTOCOLS: dict[str, tuple[_Line, ...]] = {
    "smtp": (  # RFC 3207
        _Line(None, r"220 ", _UNFINISHED),
        _Line("EHLO probe.invalid", r"250 ", _UNFINISHED),
        _Line("STARTTLS", r"220 ", _UNFINISHED),
    ),
    "imap": (_Line(None, r"\* OK"), _Line("a1 STARTTLS", r"a1 OK", r"\* ")),  # RFC 3501
    "pop3": (_Line(None, r"\+OK"), _Line("STLS", r"\+OK")),  # RFC 2595
    "ftp": (_Line(None, r"220 ", _UNFINISHED), _Line("AUTH TLS", r"234 ", _UNFINISHED)),  # RFC 4217
    "nntp": (_Line(None, r"20[01] "), _Line("STARTTLS", r"382 ")),  # RFC 4642
}

PROTOCOLS = frozenset(_LINE_PROTOCOLS) | {"postgres", "ldap"}

Receive = t.Callable[[int], bytes]
Send = t.Callable[[bytes], None]


def upgrade(protocol: str, receive: Receive, send: Send) -> None:
    """Talk until the next bytes are the TLS handshake.

    receive(n): 1 to n bytes, b"" at the end of the stream; both callables keep the deadline.
    Raises UpgradeRefused.
    """
    if protocol == "postgres":
        _postgres(receive, send)
    elif protocol == "ldap":
        _ldap(receive, send)
    else:
        for step in _LINE_PROTOCOLS[protocol]:
            _talk(step, receive, send)


def _talk(step: _Line, receive: Receive, send: Send) -> None:
    if step.send is not None:
        send(step.send.encode("ascii") + b"\r\n")
    while True:
        line = _line(receive)
        if re.match(step.accepted, line, re.IGNORECASE):
            return
        if not re.match(step.ignored, line, re.IGNORECASE):
            shown = re.sub(r"[^ -~]", "?", line.strip())[:100]
            raise UpgradeRefused(f"server answered {shown!r} to {step.send or 'the connection'}")


def _line(receive: Receive) -> str:
    """One line, byte by byte: nothing that follows it may be swallowed, for it belongs to TLS."""
    line = b""
    while not line.endswith(b"\n"):
        byte = receive(1)
        if not byte:
            raise UpgradeRefused("server closed the connection")
        line += byte
        if len(line) > _MAX_LINE:
            raise UpgradeRefused("server sent an endless line")
    return line.decode("latin-1")


def _postgres(receive: Receive, send: Send) -> None:
    """SSLRequest: length 8, code 80877103 (PostgreSQL, Message Formats)."""
    send((8).to_bytes(4, "big") + (80877103).to_bytes(4, "big"))
    if receive(1) != b"S":
        raise UpgradeRefused("server does not offer TLS")


def _ldap(receive: Receive, send: Send) -> None:
    """ExtendedRequest with the StartTLS name (RFC 4511, 4.14); success is resultCode 0."""
    name = b"\x80" + bytes([len(_STARTTLS_OID)]) + _STARTTLS_OID
    operation = b"\x02\x01\x01\x77" + bytes([len(name)]) + name
    send(b"\x30" + bytes([len(operation)]) + operation)
    size = _exactly(2, receive)[1]
    if size & 0x80:
        size = int.from_bytes(_exactly(size & 0x7F, receive), "big")
    answer = _exactly(min(size, _MAX_LINE), receive)
    if b"\x0a\x01\x00" not in answer[3:12]:
        raise UpgradeRefused("server does not offer TLS")


def _exactly(size: int, receive: Receive) -> bytes:
    data = b""
    while len(data) < size:
        part = receive(size - len(data))
        if not part:
            raise UpgradeRefused("server closed the connection")
        data += part
    return data
