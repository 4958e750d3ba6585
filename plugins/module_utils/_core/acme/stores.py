# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Where issued certificates are kept, as the flows see it."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

if t.TYPE_CHECKING:
    from ..x509.bundle import CertificateBundle
    from .wanted import WantedCertificate

#: What a store says of a certificate: absent; another one than the truth's; the truth's; cannot be told.
StoreStandingKind = t.Literal["absent", "other", "current", "unknown"]


@dataclass(frozen=True)
class StoreStanding:
    """kind: see StoreStandingKind; arn: of the entry in ACM, or the s3:// address, None when absent; why: for unknown
    and other, for people."""

    kind: StoreStandingKind
    arn: str | None = None
    why: str | None = None


class CertificateStore(t.Protocol):
    """A store beside the truth: ACM or S3. Methods raise RotationError; what concerns one certificate is its own."""

    @property
    def name(self) -> str:
        """As results call it: acm, s3, or the name that the user gave."""

    def look(
        self, wanted: t.Mapping[str, tuple[WantedCertificate, CertificateBundle | None]]
    ) -> t.Mapping[str, StoreStanding]:
        """Of each by name, in few calls, without writing. The bundle is what the truth holds."""

    def why_not(self, wanted: WantedCertificate, standing: StoreStanding, profile: str | None) -> str | None:
        """Why a certificate with this key type and profile could not be put there, before anything is ordered."""

    def put(self, wanted: WantedCertificate, bundle: CertificateBundle, standing: StoreStanding) -> str:
        """Returns the ARN or address. The same entry as before, whatever has changed."""
