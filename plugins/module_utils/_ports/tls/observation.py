# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a probe is asked to check, and what it saw."""

from __future__ import annotations

import dataclasses
import hashlib
import ssl
import typing as t

from .endpoint import Endpoint
from .handshake import verifying_context

QUEUE_FULL: t.Final = "its queue is full"  # of a unix socket


@dataclasses.dataclass(frozen=True)
class Trust:
    """What to check a chain against. anchors: PEM content; None: the system's store.

    identity: paths of our certificate and key, for servers that want one. Raises ProbeError on bad PEM.
    """

    anchors: str | None = None
    identity: tuple[str, str] | None = None

    def __post_init__(self) -> None:
        self.context(True, "any")

    def context(self, check_name: bool, key_type: str) -> ssl.SSLContext:
        return verifying_context(self.anchors, check_name, key_type, self.identity)


@dataclasses.dataclass(frozen=True)
class Observation:
    """What one probe saw.

    address: the IP address that answered. chain: certificates in DER as sent, leaf first (Python 3.13 and later show
    it themselves, earlier ones through OpenSSL's message callback). error: None, or why the handshake did not
    complete; both chain and error are set when the server sent its certificate and then wanted one of ours.
    trusted, trust_error: None when trust was not asked for. key_type_ignored: the server speaks TLS 1.3 only, where
    the handshake cannot be limited to one key type, so it was not. staple: the OCSP response that came along in DER,
    b"" for none; None when nobody asked, or it could not be asked for. signed: whether the server has shown that it has
    the key of its certificate; one that breaks off before may send anybody's.
    """

    endpoint: Endpoint
    address: str | None = None
    chain: tuple[bytes, ...] = ()
    error: str | None = None
    trusted: bool | None = None
    trust_error: str | None = None
    protocol: str | None = None
    cipher: str | None = None
    key_type_ignored: bool = False
    staple: bytes | None = None
    signed: bool = True

    @property
    def reachable(self) -> bool:
        """Whether the server presented a certificate."""
        return bool(self.chain)

    @property
    def silent(self) -> bool:
        """Whether the server let the time run out."""
        return not self.chain and (self.error or "").startswith("timeout")

    @property
    def turned_away(self) -> bool:
        """Whether the connection was refused, reset or closed before there was a certificate."""
        return not self.chain and (self.error or "").startswith(("connection ", QUEUE_FULL))

    @property
    def fingerprint_sha256(self) -> str | None:
        """Of the server's certificate; None also for one whose key it has not shown to have."""
        return hashlib.sha256(self.chain[0]).hexdigest() if self.chain and self.signed else None
