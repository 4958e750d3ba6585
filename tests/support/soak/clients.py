# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Clients that share nothing with the collection: what a new TLS connection gets, to the last certificate."""

from __future__ import annotations

import contextlib
import hashlib
import socket
import typing as t

from ansible_collections.certops.rotation.tests.support import pki
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID
from OpenSSL import SSL

_TIMEOUT = 10.0  # seconds
_RSA = b"rsa_pss_rsae_sha256:rsa_pss_rsae_sha384:RSA+SHA256:RSA+SHA384"
_ECDSA = b"ECDSA+SHA256:ECDSA+SHA384"
#: What a client can do: versions of TLS from and to, the signatures that it understands, its ciphers for TLS 1.2.
KINDS: t.Final[dict[str, tuple[int, int, bytes, bytes]]] = {
    "any": (SSL.TLS1_2_VERSION, SSL.TLS1_3_VERSION, _ECDSA + b":" + _RSA, b"ECDHE+AESGCM"),
    "any 1.2": (SSL.TLS1_2_VERSION, SSL.TLS1_2_VERSION, _ECDSA + b":" + _RSA, b"ECDHE+AESGCM"),
    "rsa 1.2": (SSL.TLS1_2_VERSION, SSL.TLS1_2_VERSION, _RSA, b"ECDHE-RSA-AES128-GCM-SHA256"),
    "ecdsa 1.2": (SSL.TLS1_2_VERSION, SSL.TLS1_2_VERSION, _ECDSA, b"ECDHE-ECDSA-AES128-GCM-SHA256"),
    "rsa 1.3": (SSL.TLS1_3_VERSION, SSL.TLS1_3_VERSION, _RSA, b"ECDHE+AESGCM"),
    "ecdsa 1.3": (SSL.TLS1_3_VERSION, SSL.TLS1_3_VERSION, _ECDSA, b"ECDHE+AESGCM"),
}


class Place(t.NamedTuple):
    """Where to connect to: host and port, or a unix socket. proxied: a header of the PROXY protocol goes first."""

    host: str
    port: int
    unix_path: str = ""
    proxied: bool = False

    def __str__(self) -> str:
        return (self.unix_path or f"{self.host}:{self.port}") + (" (PROXY)" if self.proxied else "")


class Question(t.NamedTuple):
    """place: of a configuration, by its position; name: sent as SNI, None for none; kind: of KINDS."""

    place: int
    name: str | None
    kind: str

    def __str__(self) -> str:
        return f"{self.name or 'no SNI'} ({self.kind})"


#: SHA-256 of each certificate as sent, the leaf first; nothing where there was no handshake.
Chain = tuple[str, ...]


#: Whose certificates clients show to servers that ask for one.
CLIENTS = pki.CertificateAuthority("Soak Clients")


def _contexts() -> dict[str, SSL.Context]:
    made = {}
    usages = (ExtendedKeyUsageOID.CLIENT_AUTH,)
    own = {each: CLIENTS.issue("client", key_type=each, usages=usages) for each in ("ec", "rsa2048")}
    for kind, (lowest, highest, signatures, ciphers) in KINDS.items():
        context = SSL.Context(SSL.TLS_CLIENT_METHOD)
        context.set_min_proto_version(lowest)
        context.set_max_proto_version(highest)
        context.set_cipher_list(ciphers)
        # pyOpenSSL has no name for it.
        assert SSL._lib.SSL_CTX_set1_sigalgs_list(context._context, signatures) == 1
        shown = own["rsa2048" if signatures == _RSA else "ec"]
        context.use_certificate(shown.certificate)
        context.use_privatekey(shown.private_key)
        made[kind] = context
    return made


_CONTEXTS = _contexts()


def chain_of(der: t.Iterable[bytes]) -> Chain:
    return tuple(hashlib.sha256(certificate).hexdigest() for certificate in der)


def ask(place: Place, name: str | None, kind: str) -> Chain:
    """What one new connection gets; () when it gets no certificate. Raises OSError when nobody listens there."""
    family = socket.AF_UNIX if place.unix_path else socket.AF_INET6 if ":" in place.host else socket.AF_INET
    with socket.socket(family) as raw:
        raw.settimeout(_TIMEOUT)
        raw.connect(place.unix_path or (place.host, place.port))
        raw.settimeout(None)
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, int(_TIMEOUT).to_bytes(8, "little") + bytes(8))
        if not place.unix_path:
            raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if place.proxied:
            raw.sendall(b"PROXY TCP4 127.0.0.1 127.0.0.1 40000 443\r\n")
        connection = SSL.Connection(_CONTEXTS[kind], raw)
        if name is not None:
            connection.set_tlsext_host_name(name.encode())
        connection.set_connect_state()
        try:
            connection.do_handshake()
        except SSL.Error:
            return ()
        certificates = connection.get_peer_cert_chain(as_cryptography=True) or ()
        with contextlib.suppress(SSL.Error):
            connection.shutdown()
    return chain_of(certificate.public_bytes(Encoding.DER) for certificate in certificates)
