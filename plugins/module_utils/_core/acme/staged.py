# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A certificate that was issued and waits for its promotion: whether another one is ordered all the same, and what
became of the one that an earlier run has staged. Pure."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, field

from ..promotion import CURRENT, PREVIOUS, candidate_of, version_of
from .when import due

if t.TYPE_CHECKING:
    from datetime import datetime

    from ..promotion import Versions
    from .reissue import Incident
    from .wanted import HeldCertificate, Issuer, WantedCertificate
    from .when import RenewalPolicy

#: waiting: for its promotion; withdrawn: without having been current; over: promoted, or another version has its place.
StagedEnd = t.Literal["waiting", "withdrawn", "over"]


@dataclass(frozen=True)
class StagedSecret:
    """What a secret has beside its current version.

    label: of candidates; versions: all that have a label; candidate: the one that counts, None when there is none; why:
    why that cannot be told, None when it can.
    """

    label: str
    versions: Versions = field(default_factory=dict)
    candidate: HeldCertificate | None = None
    why: str | None = None

    def waits(
        self,
        wanted: WantedCertificate,
        *,
        now: datetime,
        issuers: t.Sequence[Issuer],
        policy: RenewalPolicy,
        incident: Incident | None = None,
    ) -> str | None:
        """Why nothing is ordered, for people: a candidate is as it is wanted. None when there is no such one."""
        candidate = self.candidate
        if candidate is None or candidate.bundle is None or (incident and incident.concerns(candidate)):
            return None
        if due(wanted, candidate, now=now, issuers=issuers, policy=policy).is_due(now):
            return None
        return f"The next one is staged as {self.label} (version {candidate.version_id}), and waits for its promotion."

    def ended(self, version_id: str) -> StagedEnd:
        """Of a version that an earlier run has staged."""
        labels = self.versions.get(version_id)
        if not labels:
            return "over" if version_of(self.versions, self.label) else "withdrawn"
        if CURRENT in labels or PREVIOUS in labels:
            return "over"
        found = candidate_of(self.versions, self.label)
        return "waiting" if found.counts and found.version_id == version_id else "over"
