# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What one scan saw of one address of an endpoint, and what the registry knows of that address. Pure."""

from __future__ import annotations

import dataclasses
import typing as t
from datetime import datetime

#: ``served``: it presented a certificate; ``unreachable``: it did not, for whatever reason.
Reach = t.Literal["served", "unreachable"]
#: The trust_error of a certificate whose staple says so.
REVOKED: t.Final = "its OCSP response says that it has been revoked"


@dataclasses.dataclass(frozen=True)
class SeenCertificate:
    """A certificate as a server sent it. Times are aware; a field is None (or empty) where the bytes do not tell.

    fingerprint_sha256, fingerprint_sha1, fingerprint_md5: of the DER; key_sha256: of the SubjectPublicKeyInfo; all in
    lower-case hexadecimal. subject, issuer: as RFC 4514 writes them. key_type: such as "rsa 2048", "ecdsa P-256".
    odd: what is wrong with its bytes, None for nothing.
    """

    fingerprint_sha256: str
    fingerprint_sha1: str
    fingerprint_md5: str
    der: bytes
    key_sha256: str | None = None
    not_before: datetime | None = None
    not_after: datetime | None = None
    subject: str | None = None
    issuer: str | None = None
    serial_number: str | None = None
    subject_alternative_names: tuple[str, ...] = ()
    key_type: str | None = None
    odd: str | None = None


@dataclasses.dataclass(frozen=True)
class Sighting:
    """One address of one endpoint at one instant.

    address: the IP address that was asked; None when the name did not resolve (then there is one Sighting).
    chain: as sent, the leaf first; empty when unreachable. error: why no certificate came, or what came after it.
    trusted: None when nobody asked. needed_until: the earliest end in the shortest valid path, None without one: an
    expired cross-sign beside a valid path does not count. chain_notes: odd but harmless facts of the chain, in words
    that stay the same ("a root is sent, too", "sent in another order").
    staple: state of the OCSP staple: "good", "revoked", "unknown", "stale", "none"; None when nobody asked.
    key_type: which certificate was asked for: "any" for what clients of today get, else "rsa" or "ecdsa", where an
    address has a further one of that type. Each of them has a life of its own.
    """

    endpoint: tuple[str, int]
    address: str | None
    at: datetime
    chain: tuple[SeenCertificate, ...] = ()
    error: str | None = None
    trusted: bool | None = None
    trust_error: str | None = None
    needed_until: datetime | None = None
    chain_notes: tuple[str, ...] = ()
    protocol: str | None = None
    cipher: str | None = None
    key_type_ignored: bool = False
    staple: str | None = None
    key_type: str = "any"

    @property
    def leaf(self) -> SeenCertificate | None:
        return self.chain[0] if self.chain else None

    @property
    def reach(self) -> Reach:
        return "served" if self.chain else "unreachable"


@dataclasses.dataclass(frozen=True)
class AddressState:
    """What is known of one address of one endpoint: the open interval of its history, and what has been told.

    key_type: see Sighting; most addresses have one certificate, so that there is "any" alone.

    since, last_seen: first and last instant at which exactly this was seen. fingerprint_sha256: of the leaf that is
    served, or was served last (it survives being unreachable). failures: scans in a row without a certificate.
    told: the conditions that have been told and last: event kind -> what was told (for ``expiring`` the threshold in
    seconds, else ""); such a kind is told again only after its condition has ended. Further keys are the own notes of
    _core.watch.changes: whoever keeps a state keeps them, and reads nothing into them.
    """

    endpoint: tuple[str, int]
    address: str | None
    reach: Reach
    since: datetime
    last_seen: datetime
    fingerprint_sha256: str | None = None
    trusted: bool | None = None
    trust_error: str | None = None
    error: str | None = None
    failures: int = 0
    told: t.Mapping[str, str] = dataclasses.field(default_factory=dict)
    key_type: str = "any"
