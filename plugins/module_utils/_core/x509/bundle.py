# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A verified certificate with its chain and key, and its form on disk."""

from __future__ import annotations

import dataclasses
import datetime
import typing as t

from ..instants import isoformat_utc
from .certificate import Certificate, load_certificate
from .layouts import Layout
from .pem import CERTIFICATE, parse_pem
from .problems import MaterialError
from .reading import material_errors


@dataclasses.dataclass(frozen=True)
class CertificateBundle:
    """leaf; intermediates: nearest issuer first, without the root; private_key_pem: canonical, unencrypted."""

    leaf: Certificate
    intermediates: tuple[Certificate, ...]
    private_key_pem: bytes = dataclasses.field(repr=False)

    @property
    def fingerprint_sha256(self) -> str:
        """Of the leaf: lower-case hex, no colons."""
        return self.leaf.fingerprint_sha256

    @property
    def not_before(self) -> datetime.datetime:
        return self.leaf.not_before

    @property
    def not_after(self) -> datetime.datetime:
        return self.leaf.not_after

    @property
    def subject_alternative_names(self) -> tuple[str, ...]:
        return self.leaf.subject_alternative_names

    @property
    def issuer(self) -> str:
        """RFC 4514."""
        return self.leaf.issuer

    @property
    def serial_number(self) -> str:
        """Lower-case hex."""
        return self.leaf.serial_number

    @property
    def key(self) -> str:
        """For people: "RSA 2048", "EC P-256"."""
        return self.leaf.key

    def render(self, layout: Layout) -> dict[str, bytes]:
        """The parts of LAYOUTS; the same bundle gives the same bytes for ever."""
        certificate = self.leaf.pem
        chain = b"".join([intermediate.pem for intermediate in self.intermediates])
        if layout == "haproxy":
            return {"pem": certificate + chain + self.private_key_pem}
        if layout == "lineage":
            return {
                "cert": certificate,
                "chain": chain,
                "fullchain": certificate + chain,
                "privkey": self.private_key_pem,
            }
        return {"key": self.private_key_pem, "pem": certificate + chain}

    def summary(self) -> dict[str, t.Any]:
        """What results show: public facts of the leaf."""
        return self.leaf.summary()

    def facts(self) -> dict[str, t.Any]:
        """The summary, and when the first of the intermediates ends: what is remembered of a certificate on disk."""
        if not self.intermediates:
            return self.summary()
        return {**self.summary(), "chain_not_after": isoformat_utc(min(each.not_after for each in self.intermediates))}


@material_errors()
def describe_pem(data: bytes) -> dict[str, t.Any]:
    """The summary of the certificate that HAProxy serves from a file. Raises MaterialError as first_certificate."""
    return first_certificate(data).summary()


def first_certificate(data: bytes) -> Certificate:
    """The first certificate of a file, which is the one that HAProxy serves.

    Raises MaterialError when the file holds no readable certificate.
    """
    for block in parse_pem(data):
        if block.label == CERTIFICATE:
            return load_certificate(block.der)
    raise MaterialError("certificate_missing", "The file holds no certificate.")
