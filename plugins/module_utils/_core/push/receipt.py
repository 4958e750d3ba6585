# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The receipt: what a receiving host says of a lineage that was uploaded to it. JSON, in <receipts>/<lineage>.json."""

from __future__ import annotations

import json
import re
import typing as t
from dataclasses import dataclass

from ..._errors import InvalidOption
from ..instants import parse_isoformat_utc
from .staging import LINEAGE_NAME

#: ``pending``: it is live, its services wait for their delay or their turn; ``deployed``: it is live, and no service
#: had to be told, or all were; ``proven``: moreover a handshake got it; ``refused``: it was never live; ``taken_back``:
#: it was, and the one before it is again.
ReceiptState = t.Literal["pending", "deployed", "proven", "refused", "taken_back"]

FINAL_STATES: t.Final = frozenset({"deployed", "proven"})
STATES: t.Final[tuple[ReceiptState, ...]] = t.get_args(ReceiptState)
#: Bytes. More than any receipt has; whoever reads one need not take more.
LARGEST_RECEIPT: t.Final = 1 << 16
_MOST_OF_A_MESSAGE: t.Final = 4000  # characters
_FINGERPRINT: t.Final = re.compile(r"(?:[0-9a-f]{64})?")


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


def receipt_file_name(lineage: str) -> str:
    """In the directory of the receipts."""
    return f"{lineage}.json"


def receipt_mark(receipt: Receipt) -> str:
    """What tells it from the receipt for another upload, in one line."""
    return f"{receipt.at} {receipt.state} {receipt.fingerprint_sha256}".rstrip()


def receipt_to_json(receipt: Receipt) -> bytes:
    message = receipt.message
    if len(message) > _MOST_OF_A_MESSAGE:
        message = f"{message[:_MOST_OF_A_MESSAGE]}..."
    return (json.dumps({**vars(receipt), "message": message}, sort_keys=True) + "\n").encode()


def receipt_from_json(data: bytes) -> Receipt:
    """Raises ValueError for what receipt_to_json did not write. What a later version has added is left out."""
    try:
        document = json.loads(data)
        receipt = Receipt(**{name: document[name] for name in ("lineage", "fingerprint_sha256", "state", "at")})
        receipt = Receipt(**{**vars(receipt), "message": document.get("message", ""), "due": document.get("due")})
        texts = [receipt.lineage, receipt.fingerprint_sha256, receipt.state, receipt.at, receipt.message]
        if not all(isinstance(text, str) for text in (*texts, receipt.due or "")):
            raise ValueError("a field is no text")
        for instant in filter(None, (receipt.at, receipt.due)):
            parse_isoformat_utc(instant)
    except (AttributeError, KeyError, RecursionError, TypeError, InvalidOption) as error:
        raise ValueError(f"it is no receipt: {type(error).__name__}") from None
    if receipt.state not in STATES or not _FINGERPRINT.fullmatch(receipt.fingerprint_sha256):
        raise ValueError("it is no receipt: state or fingerprint")
    if not LINEAGE_NAME.match(receipt.lineage):
        raise ValueError("it is no receipt: lineage")
    return receipt
