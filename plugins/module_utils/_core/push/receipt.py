# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The receipt: what a receiving host says of a lineage that was uploaded to it. JSON, in <receipts>/<lineage>.json."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

#: ``pending``: it is live, its services wait for their delay or their turn; ``deployed``: it is live, and no service
#: had to be told, or all were; ``proven``: moreover a handshake got it; ``refused``: it was never live; ``taken_back``:
#: it was, and the one before it is again.
ReceiptState = t.Literal["pending", "deployed", "proven", "refused", "taken_back"]

FINAL_STATES: t.Final = frozenset({"deployed", "proven"})


@dataclass(frozen=True)
class Receipt:
    """lineage: name; fingerprint_sha256: of the uploaded leaf, "" where none could be read; message: for the pusher's
    user, why not; at: ISO 8601, UTC;
    due: when services are run, for pending."""

    lineage: str
    fingerprint_sha256: str
    state: ReceiptState
    at: str
    message: str = ""
    due: str | None = None
