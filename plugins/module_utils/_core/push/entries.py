# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the queue keeps: what is owed, what has been confirmed. Names, fingerprints and times; no settings, no keys."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass
from datetime import datetime

from ..instants import is_ahead, parse_isoformat_utc

#: What a confirmation rests on: the receiver's receipt, a TLS handshake, or no more than that the upload ended well.
Evidence = t.Literal["receipt", "handshake", "upload"]


@dataclass(frozen=True)
class OwedEntry:
    """One lineage that is owed to one host. All times are ISO 8601, UTC.

    fingerprint_sha256: of what was owed when this was written: what is pushed is what the lineage holds then. attempts:
    failed ones since it is owed;
    last_error: of the last one; next_attempt: not before, None for at once; uploaded: fingerprint that lies at the host
    and waits for its receipt; forced: it is owed even where the host has confirmed this fingerprint; uploaded_at: when
    that was uploaded first; earlier_receipt: mark of the receipt that was there before (receipt_mark), which is no
    answer.
    """

    host: str
    lineage: str
    fingerprint_sha256: str
    queued_at: str
    attempts: int = 0
    last_error: str = ""
    next_attempt: str | None = None
    uploaded: str | None = None
    forced: bool = False
    uploaded_at: str | None = None
    earlier_receipt: str | None = None


@dataclass(frozen=True)
class Confirmation:
    """The host has it. at: ISO 8601, UTC."""

    host: str
    lineage: str
    fingerprint_sha256: str
    at: str
    evidence: Evidence

    def settles(self, entry: OwedEntry, now: datetime) -> bool:
        """Whether an entry that is still there is owed no more. What was queued after this is owed once more: the host
        may have got something else in between. One of the future settles nothing: a clock was wrong, and what is queued
        from now on would be settled by it, too."""
        at = parse_isoformat_utc(self.at)
        return (
            entry.fingerprint_sha256 == self.fingerprint_sha256
            and not is_ahead(at, now)
            and parse_isoformat_utc(entry.queued_at) <= at
        )
