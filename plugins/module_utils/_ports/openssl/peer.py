# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""OpenSSL, asked whether a peer believes a certificate: by a whole TLS handshake between two ends in memory.

Nothing but OpenSSL itself knows which of several authorities of one name it takes for the issuer, and whether it minds
an extension, a constraint, a short key or a revocation list. Peers are HAProxy and others that use it.
"""

from __future__ import annotations

import contextlib
import ssl
import typing as t

from ..._core.x509.paths import Purpose
from .loadable import as_files

#: X509_V_FLAG_NO_CHECK_TIME of OpenSSL, which the module ssl has no name for: dates are judged by judge.py, at an
#: instant that is given.
_NO_CHECK_TIME: t.Final = 0x200000
_FLAGS: t.Final = ssl.VERIFY_X509_TRUSTED_FIRST | _NO_CHECK_TIME
_LIST: t.Final = b"-----BEGIN X509 CRL-----"  # as HAProxy does with crl-file, each authority needs one then
_MOST_TURNS: t.Final = 10  # a handshake takes three


def why_refused(identity: bytes, purpose: Purpose, trust: bytes) -> str | None:
    """As WhyRefused of the core. The bytes are shown to OpenSSL without being stored."""
    server, client = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.check_hostname = False
    client.verify_mode = ssl.CERT_NONE
    judge = client if purpose == "server" else server
    judge.verify_mode = ssl.CERT_REQUIRED
    judge.verify_flags = ssl.VerifyFlags(_FLAGS | (ssl.VERIFY_CRL_CHECK_CHAIN if _LIST in trust else 0))
    try:
        with as_files(identity) as (certificate, key):
            # A server has to have a certificate: where it is the one that judges, nobody looks at this one.
            server.load_cert_chain(certificate, key, password=lambda: b"")
        if purpose == "client":
            with as_files(identity) as (certificate, key):
                client.load_cert_chain(certificate, key, password=lambda: b"")
        with as_files(trust) as (path, _other):
            judge.load_verify_locations(cafile=path)
        _shake_hands(server, client)
    except ssl.SSLCertVerificationError as error:
        return error.verify_message
    except (ssl.SSLError, ValueError) as error:
        return (getattr(error, "reason", None) or "it gives no reason").replace("_", " ").lower()
    return None


def _shake_hands(server: ssl.SSLContext, client: ssl.SSLContext) -> None:
    """Raises ssl.SSLError when one of them refuses the other."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = [client.wrap_bio(to_client, to_server), server.wrap_bio(to_server, to_client, server_side=True)]
    for _turn in range(_MOST_TURNS):
        for end in list(ends):
            with contextlib.suppress(ssl.SSLWantReadError):
                end.do_handshake()
                ends.remove(end)
        if not ends:
            return
    raise ssl.SSLError("the handshake does not end")
