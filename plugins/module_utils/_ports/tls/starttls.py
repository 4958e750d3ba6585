# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The plain-text talk before a TLS handshake, without any I/O of its own."""

from __future__ import annotations

import re
import typing as t

from .starttls_packets import talk_ldap, talk_mysql, talk_postgres
from .starttls_stream import Conversation, ServerStream, UpgradeRefused, shown
from .starttls_xmpp import talk_xmpp_client, talk_xmpp_server

__all__ = ["PROTOCOLS", "UpgradeRefused", "conversation"]

_CLIENT: t.Final = "probe.invalid"
_LITERAL: t.Final = re.compile(r"\{(\d{1,5})\+?\}\r?\n\Z")


def conversation(protocol: str, name: str) -> Conversation[None]:
    """Talk until the next bytes are the TLS handshake.

    protocol: one of PROTOCOLS. name: of the server, in ASCII; XMPP asks for it. Yields bytes that are to be sent, or
    None to be sent the next bytes that arrive (b"" at the end of the stream). Raises UpgradeRefused.
    """
    stream = ServerStream()
    yield from _TALKS[protocol](stream, name)
    if not stream.is_empty:
        # In TLS the client speaks first. Somebody between may have put it there (CVE-2021-23222 of PostgreSQL).
        raise UpgradeRefused("server sent more than its answer before TLS")


def _say(command: str) -> bytes:
    return command.encode("ascii") + b"\r\n"


def _refused(answer: str, command: str | None) -> UpgradeRefused:
    return UpgradeRefused(f"server answered {shown(answer)} to {command or 'the connection'}")


# Replies with a code: SMTP (RFC 5321, 4.2), LMTP (RFC 2033), FTP (RFC 959, 4.2), NNTP (RFC 3977, 3.2).


def _reply(stream: ServerStream, command: str | None) -> Conversation[tuple[str, str]]:
    """Code and whole text. "code, space, text" ends a reply, or the code alone: without text or even a space, which
    servers should not send and clients must take. After "code-" anything may come before that line."""
    text = yield from stream.line()
    code, after = text[:3], text[3:4]
    if not re.fullmatch(r"[1-5][0-9]{2}", code, re.ASCII) or after not in " -\r\n":
        raise _refused(text, command)
    while after == "-":
        line = yield from stream.line()
        text += line
        if line.startswith(code) and line[3:4] in " \r\n":
            break
    return code, text


def _expect(stream: ServerStream, command: str | None, *codes: str) -> Conversation[None]:
    code, text = yield from _reply(stream, command)
    if code not in codes:
        raise _refused(text, command)


def _ask(stream: ServerStream, command: str, *codes: str) -> Conversation[None]:
    yield _say(command)
    yield from _expect(stream, command, *codes)


def _talk_smtp(stream: ServerStream, _name: str) -> Conversation[None]:
    """RFC 3207."""
    yield from _expect(stream, None, "220")
    yield from _ask(stream, f"EHLO {_CLIENT}", "250")
    yield from _ask(stream, "STARTTLS", "220")


def _talk_lmtp(stream: ServerStream, _name: str) -> Conversation[None]:
    """RFC 2033, with RFC 3207."""
    yield from _expect(stream, None, "220")
    yield from _ask(stream, f"LHLO {_CLIENT}", "250")
    yield from _ask(stream, "STARTTLS", "220")


def _talk_ftp(stream: ServerStream, _name: str) -> Conversation[None]:
    """RFC 4217. A server may say that it will be ready soon, before it is (RFC 959, 5.4)."""
    code, text = yield from _reply(stream, None)
    if code == "120":
        code, text = yield from _reply(stream, None)
    if code != "220":
        raise _refused(text, None)
    yield from _ask(stream, "AUTH TLS", "234")


def _talk_nntp(stream: ServerStream, _name: str) -> Conversation[None]:
    """RFC 4642. One that is for other servers by default becomes one for readers when it is asked (RFC 3977, 5.3)."""
    yield from _expect(stream, None, "200", "201")
    yield _say("STARTTLS")
    code, text = yield from _reply(stream, "STARTTLS")
    if code == "382":
        return
    refused = _refused(text, "STARTTLS")
    try:
        yield _say("MODE READER")
        code, _text = yield from _reply(stream, "MODE READER")
    except (ConnectionError, UpgradeRefused):  # it has ended the talk with that refusal
        raise refused from None
    if code not in ("200", "201"):
        raise refused
    yield from _ask(stream, "STARTTLS", "382")


# Replies with a word, in upper or lower case.


def _talk_imap(stream: ServerStream, _name: str) -> Conversation[None]:
    """RFC 9051, 6.2.1. What is not tagged may come at any time, the list of capabilities for instance."""
    yield from _expect_words(stream, None, "* OK")
    yield _say("A1 STARTTLS")
    yield from _expect_words(stream, "STARTTLS", "A1 OK", before=lambda line: _begins(line, "*", but="* BYE"))


def _talk_pop3(stream: ServerStream, _name: str) -> Conversation[None]:
    """RFC 2595, 4."""
    yield from _expect_words(stream, None, "+OK")
    yield _say("STLS")
    yield from _expect_words(stream, "STLS", "+OK")


def _talk_sieve(stream: ServerStream, _name: str) -> Conversation[None]:
    """ManageSieve, RFC 5804. It begins with its capabilities, each a line of strings."""
    yield from _expect_words(stream, None, "OK", before=lambda line: line.startswith(('"', "{")))
    yield _say("STARTTLS")
    yield from _expect_words(stream, "STARTTLS", "OK")


def _begins(line: str, words: str, *, but: str | None = None) -> bool:
    found = line.upper().split()
    return found[: len(words.split())] == words.split() and (but is None or not _begins(line, but))


def _expect_words(
    stream: ServerStream, command: str | None, words: str, before: t.Callable[[str], bool] | None = None
) -> Conversation[None]:
    """A line that begins with these. before: of lines that may come first."""
    while True:
        line = yield from _line_with_literals(stream)
        if _begins(line, words):
            return
        if before is None or not before(line):
            raise _refused(line, command)


def _line_with_literals(stream: ServerStream) -> Conversation[str]:
    """A string may be its length in braces, and then that many bytes (RFC 9051, 4.3; RFC 5804, 4)."""
    line = yield from stream.line()
    while True:
        literal = _LITERAL.search(line[-12:])
        if not literal:
            return line
        content = yield from stream.exactly(int(literal[1]))
        rest = yield from stream.line()
        line += content.decode("latin-1") + rest


_TALKS: t.Final[dict[str, t.Callable[[ServerStream, str], Conversation[None]]]] = {
    "smtp": _talk_smtp,
    "lmtp": _talk_lmtp,
    "imap": _talk_imap,
    "pop3": _talk_pop3,
    "sieve": _talk_sieve,
    "ftp": _talk_ftp,
    "nntp": _talk_nntp,
    "ldap": talk_ldap,
    "postgres": talk_postgres,
    "mysql": talk_mysql,
    "xmpp": talk_xmpp_client,
    "xmpp-server": talk_xmpp_server,
}
PROTOCOLS: t.Final = frozenset(_TALKS)
