# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What an attempt to push one lineage to one host has come to. Pure."""

from __future__ import annotations

import datetime
import typing as t
from dataclasses import dataclass

from ..._errors import InvalidOption
from ..instants import isoformat_utc, parse_isoformat_utc
from .receipt import FINAL_STATES

if t.TYPE_CHECKING:
    from .delivery import Delivery
    from .entries import Evidence, OwedEntry
    from .receipt import Receipt
    from .targets import PushTarget

#: What kind of error keeps a lineage owed: those of PushError, of the host's answer, and of this machine and run.
DebtFault = t.Literal[
    "unreachable",
    "host_key",
    "denied",
    "remote",
    "local",
    "refused",
    "taken_back",
    "no_receipt",
    "overdue",
    "pending",
    "endpoint",
    "lineage",
    "expired",
    "canary",
    "stopped",
    "ended",
    "busy",
    "not_a_target",
    "given_up",
    "",
]
#: What may go better after a moment.
_PASSING: t.Final = frozenset({"unreachable", "remote", "endpoint"})
LONGEST_POSTPONEMENT: t.Final = datetime.timedelta(days=1)
#: How late a host may be with the services that it has announced. Its clock may differ from ours.
_GRACE: t.Final = datetime.timedelta(hours=1)


@dataclass(frozen=True)
class PushVerdict:
    """Of one attempt. outcome: ``waiting``: it lies at the host, and that is all right so far; evidence: for confirmed;
    uploaded: fingerprint that lies there and is only asked about from now on; error, fault: why it is still owed."""

    outcome: t.Literal["confirmed", "waiting", "failed"]
    error: str = ""
    fault: DebtFault = ""
    evidence: Evidence | None = None
    uploaded: str | None = None

    @property
    def may_pass(self) -> bool:
        """Whether another attempt in this run makes sense."""
        return self.outcome == "failed" and self.fault in _PASSING


def failed(error: str, fault: str, uploaded: str | None = None) -> PushVerdict:
    """fault: of PushError, or one of ours."""
    known = t.get_args(DebtFault)
    return PushVerdict(
        "failed", error, t.cast("DebtFault", fault if fault in known and fault else "remote"), None, uploaded
    )


def postponed_for(verdict: PushVerdict, attempts: int) -> datetime.timedelta | None:
    """How long the next runs leave it alone: what a host took back has told its services twice, and would again. None:
    not at all. attempts: in vain so far."""
    if verdict.fault != "taken_back":
        return None
    return min(LONGEST_POSTPONEMENT, datetime.timedelta(hours=2 ** min(max(attempts - 1, 0), 10)))


def verdict_on(
    delivery: Delivery, entry: OwedEntry, fingerprint: str, target: PushTarget, now: datetime.datetime, *, waited: bool
) -> PushVerdict:
    """Before any endpoint is asked. fingerprint: of what was delivered; waited: for the receipt.

    What is said to lie there, and is answered by nothing, is looked at again the next time: a host may have been
    installed anew.
    """
    was_asked_only = entry.uploaded == fingerprint and not delivery.uploaded
    lies_there = None if was_asked_only else fingerprint
    if delivery.error:
        return failed(delivery.error, delivery.fault, entry.uploaded if was_asked_only else None)
    if target.protocol == "directory":
        return PushVerdict("confirmed", evidence="upload", uploaded=fingerprint)
    receipt = delivery.receipt
    if receipt is None or not _is_about(receipt, fingerprint):
        if waited:
            return failed(
                f"It was uploaded, and {target.name} gave no receipt within {target.receipt_timeout:g} s. See there"
                " that certificate_deploy runs after an upload. The next run asks again.",
                "no_receipt",
                lies_there,
            )
        return PushVerdict("waiting", "It was uploaded, and waits for the receipt.", "pending", uploaded=lies_there)
    if receipt.state in FINAL_STATES:
        return PushVerdict("confirmed", evidence="receipt", uploaded=fingerprint)
    if receipt.state == "pending":
        return _pending(receipt, fingerprint, target, now)
    what = "refused it" if receipt.state == "refused" else "took it back"
    return failed(f"{target.name} {what}: {receipt.message or 'it did not say why.'}", receipt.state)


def _is_about(receipt: Receipt, fingerprint: str) -> bool:
    """One without a fingerprint is about content of which none could be read."""
    return receipt.fingerprint_sha256 == fingerprint or (receipt.state == "refused" and not receipt.fingerprint_sha256)


def _pending(receipt: Receipt, fingerprint: str, target: PushTarget, now: datetime.datetime) -> PushVerdict:
    due = _instant(receipt.due)
    if due is not None and due + _GRACE < now:
        return failed(
            f"It is live on {target.name}, but its services were not told of it, though they should have been at"
            f" {isoformat_utc(due)}. See there that certificate_deploy runs.",
            "overdue",
            fingerprint,
        )
    if receipt.message and due is None:
        return failed(
            f"It is live on {target.name}, and something is wrong there: {receipt.message}", "pending", fingerprint
        )
    when = f" at {isoformat_utc(due)}" if due else ""
    return PushVerdict(
        "waiting",
        f"It is live on {target.name}. Its services are told{when}.",
        "pending",
        uploaded=fingerprint,
    )


def _instant(text: str | None) -> datetime.datetime | None:
    """Of a receipt, which anybody may have written."""
    try:
        return parse_isoformat_utc(text) if text else None
    except InvalidOption:
        return None
