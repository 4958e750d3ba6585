# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Ask a server for the OCSP response that it staples (RFC 6066, 8), which Python's own ssl cannot."""

from __future__ import annotations

import socket
import typing as t

from .connection import receive, send
from .loop import Talk

_MOST_RECEIVED: t.Final = 1 << 20
_LEGACY_SERVER_CONNECT: t.Final = 0x4  # SSL_OP_LEGACY_SERVER_CONNECT, SSL_CTX_set_options(3)
_CIPHERS: t.Final = {"any": b"ALL", "rsa": b"aRSA", "ecdsa": b"aECDSA"}


def ask_for_staple(connection: socket.socket, server_name: str | None, key_type: str) -> Talk[bytes]:
    """The response in DER, b"" when none is sent. connection: does not block. server_name: for SNI, None for none.

    key_type: see Endpoint. A handshake that fails after the response gives it all the same. Raises OSError.
    """
    from OpenSSL import SSL  # not above: probes of all kinds load this file, and cryptography is slow to load

    stapled = b""

    def keep(_connection: t.Any, response: bytes, _data: t.Any) -> bool:
        nonlocal stapled
        stapled = response
        return True

    context = SSL.Context(SSL.TLS_CLIENT_METHOD)
    context.set_options(_LEGACY_SERVER_CONNECT)
    context.set_cipher_list(_CIPHERS[key_type] + b":!aNULL:!eNULL:!PSK:!SRP:@SECLEVEL=0")
    if key_type != "any":
        context.set_max_proto_version(SSL.TLS1_2_VERSION)
    context.set_ocsp_client_callback(keep)
    tls = SSL.Connection(context, None)
    if server_name:
        tls.set_tlsext_host_name(server_name.encode("ascii"))
    tls.request_ocsp()
    tls.set_connect_state()
    received = 0
    while True:
        try:
            tls.do_handshake()
            break
        except SSL.WantReadError:
            yield from send(connection, _said(tls, SSL.WantReadError))
            data = yield from receive(connection)
            received += len(data)
            if not data or received > _MOST_RECEIVED:
                break
            tls.bio_write(data)
        except SSL.Error:
            break
    return stapled


def _said(tls: t.Any, nothing: type[Exception]) -> bytes:
    said = b""
    while True:
        try:
            said += tls.bio_read(16384)
        except nothing:
            return said
