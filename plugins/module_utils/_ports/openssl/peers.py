# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""OpenSSL, asked whether a peer believes a certificate: a handshake in memory, with what that peer will trust."""

from __future__ import annotations

import ssl

from ..._core.ca.trial import PeerQuestion
from .loadable import as_files

# What Debian, Ubuntu and Fedora ask for: no SHA-1 in signatures, RSA of at least 2048 bits.
_CIPHERS = "DEFAULT@SECLEVEL=2"
_NO_CHECK_TIME = 0x200000  # X509_V_FLAG_NO_CHECK_TIME: dates are judged by the core, at an instant that it is given
_MOST_ROUNDS = 20  # a handshake takes three


def why_not_believed(question: PeerQuestion) -> str | None:
    """As PeerVerdict of the core, by the rules of this host's OpenSSL. Nothing is stored in a file system.

    Raises OSError when OpenSSL cannot be asked.
    """
    try:
        _handshake(*_contexts(question))
    except ssl.SSLCertVerificationError as error:
        return error.verify_message
    except (ssl.SSLError, ValueError) as error:
        return (getattr(error, "reason", None) or "it gives no reason").replace("_", " ").lower()
    return None


def _contexts(question: PeerQuestion) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """Of the client and the server. The one that is judged by the other trusts anybody."""
    client, server = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    client.check_hostname = False
    judge, judged = (server, client) if question.purpose == "client" else (client, server)
    for context in (client, server):
        context.set_ciphers(_CIPHERS)
        context.verify_mode = ssl.CERT_REQUIRED if context is judge else ssl.CERT_NONE
    with as_files(question.trusted.encode()) as (path, _again):
        judge.load_verify_locations(path)
    judge.verify_flags |= _NO_CHECK_TIME
    if question.strict:
        judge.verify_flags |= ssl.VERIFY_X509_STRICT
    if question.crls == "all":
        judge.verify_flags |= ssl.VERIFY_CRL_CHECK_CHAIN
    elif question.crls == "issuer":
        judge.verify_flags |= ssl.VERIFY_CRL_CHECK_LEAF
    # A server needs a certificate, also where only its client is judged.
    for context in dict.fromkeys((judged, server)):
        with as_files(question.shown) as (certificate, key):
            context.load_cert_chain(certificate, key, password=lambda: b"")
    return client, server


def _handshake(client: ssl.SSLContext, server: ssl.SSLContext) -> None:
    """Raises SSLError."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    waiting = [
        client.wrap_bio(to_client, to_server),
        server.wrap_bio(to_server, to_client, server_side=True),
    ]
    for _round in range(_MOST_ROUNDS):
        waiting = [side for side in waiting if not _is_through(side)]
        if not waiting:
            return
    raise ssl.SSLError("the handshake does not end")


def _is_through(side: ssl.SSLObject) -> bool:
    try:
        side.do_handshake()
    except ssl.SSLWantReadError:
        return False
    return True
