# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What of a batch waits for its promotion, and what has become of what earlier runs have staged."""

from __future__ import annotations

import typing as t

from ..._core.promotion import CURRENT
from .report import Candidacy

if t.TYPE_CHECKING:
    from datetime import datetime

    from ..._core.acme.ledger import Ledger
    from ..._core.acme.staged import StagedSecret
    from ..._core.acme.wanted import HeldCertificate, WantedCertificate
    from .settings import IssueSettings, Truth


class Staging:
    """held: by name of the certificate, as the truth has it; found: what waits, of those that were looked at."""

    def __init__(
        self,
        settings: IssueSettings,
        truth: Truth,
        ledger: Ledger,
        held: t.Mapping[str, HeldCertificate],
        now: datetime,
    ) -> None:
        self.found: dict[str, StagedSecret] = {}
        self._settings = settings
        self._truth = truth
        self._ledger = ledger
        self._held = held
        self._now = now

    def look(self, names: t.Iterable[str]) -> None:
        """names: of those where it counts. The ledger learns what has become of the others, too."""
        ledger = self._ledger
        self.found = dict(self._truth.staged([name for name in names if name in self._held], now=self._now))
        for name, held in self._held.items():
            version = ledger.staged(name)
            if version is not None and (version == held.version_id or self._truth.label == CURRENT):
                ledger.note_promoted(name)
        for name, staged in self.found.items():
            version = ledger.staged(name)
            ended = staged.ended(version) if version and staged.why is None else "waiting"
            if version and ended == "withdrawn":
                ledger.note_withdrawn(name, version, self._now)
            elif version and ended == "over":
                ledger.note_promoted(name)

    def waits(self, wanted: WantedCertificate) -> str | None:
        """Why nothing is ordered, None when nothing waits."""
        staged, settings = self.found.get(wanted.name), self._settings
        if staged is None:
            return None
        return staged.waits(
            wanted, now=self._now, issuers=settings.issuers, policy=settings.policy, incident=settings.incident
        )

    def candidacy(self, name: str) -> Candidacy | None:
        """For results."""
        staged = self.found.get(name)
        if staged is None or staged.candidate is None:
            return None
        return Candidacy(staged.label, staged.candidate.version_id, staged.candidate.bundle)
