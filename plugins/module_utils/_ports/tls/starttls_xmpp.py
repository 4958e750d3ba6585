# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""STARTTLS of XMPP (RFC 6120, 5.4), to servers by clients and by other servers."""

from __future__ import annotations

import html
import typing as t
from xml.parsers import expat

from ..._core.x509.names import unicode_labels
from .starttls_stream import Conversation, ServerStream, UpgradeRefused, shown

_STREAMS: t.Final = "http://etherx.jabber.org/streams"
_TLS: t.Final = "urn:ietf:params:xml:ns:xmpp-tls"
_ERRORS: t.Final = "urn:ietf:params:xml:ns:xmpp-streams"


def talk_xmpp_client(stream: ServerStream, name: str) -> Conversation[None]:
    yield from _talk(stream, name, "jabber:client")


def talk_xmpp_server(stream: ServerStream, name: str) -> Conversation[None]:
    yield from _talk(stream, name, "jabber:server")


def _talk(stream: ServerStream, name: str, namespace: str) -> Conversation[None]:
    yield (
        f"<?xml version='1.0'?><stream:stream to=\"{html.escape(_domain(name))}\" xmlns='{namespace}'"
        f" xmlns:stream='{_STREAMS}' version='1.0'>"
    ).encode()
    document = _Document()
    yield from document.read_until(stream, f"{_STREAMS} features")
    if f"{_TLS} starttls" not in document.ended:
        raise UpgradeRefused("server does not offer TLS")
    yield f"<starttls xmlns='{_TLS}'/>".encode()
    yield from document.read_until(stream, f"{_TLS} proceed")
    if not document.is_between_elements:
        raise UpgradeRefused("server sent more than its answer before TLS")


def _domain(name: str) -> str:
    """XMPP has international names as people read them (RFC 7622, 3.2)."""
    return unicode_labels(name)


class _Document:
    """The server's half of the stream: one XML document that never ends.

    ended: names of the elements that have ended, as "namespace name".
    """

    def __init__(self) -> None:
        self.ended: set[str] = set()
        self.is_between_elements = True
        self._parser = expat.ParserCreate(namespace_separator=" ")
        self._parser.EndElementHandler = self.ended.add
        # Forbidden (RFC 6120, 11.1), and the way to make a parser work for hours.
        self._parser.StartDoctypeDeclHandler = self._refuse_declaration

    def read_until(self, stream: ServerStream, wanted: str) -> Conversation[None]:
        """Until that element has ended. Raises UpgradeRefused when the stream ends with an error instead."""
        while wanted not in self.ended:
            data = yield from stream.more()
            self.is_between_elements = data.endswith(b">")
            try:
                self._parser.Parse(data, False)
            except expat.ExpatError:
                raise UpgradeRefused("server does not speak XMPP") from None
            if f"{_TLS} failure" in self.ended:
                raise UpgradeRefused("server answered 'failure' to starttls")
            if f"{_STREAMS} error" in self.ended:
                raise UpgradeRefused(self._error())

    def _error(self) -> str:
        conditions = sorted(ended.partition(" ")[2] for ended in self.ended if ended.startswith(f"{_ERRORS} "))
        condition = next((each for each in conditions if each != "text"), "an error")
        hint = " (server_name has to be the XMPP domain)" if condition == "host-unknown" else ""
        return f"server answered {shown(condition)} to the stream{hint}"

    def _refuse_declaration(self, *_declaration: t.Any) -> None:
        raise UpgradeRefused("server does not speak XMPP")
