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
#: How late a host may be with its answer, and with the services that it has announced. Its clock may differ from ours.
_GRACE: t.Final = datetime.timedelta(hours=1)
#: No host may put off its services for longer (update_delay): a certificate would expire while nobody is told.
_LONGEST_DELAY: t.Final = datetime.timedelta(days=30)
#: For so long an endpoint may show another certificate before the lineage is uploaded once more.
_FIRST_PATIENCE: t.Final = datetime.timedelta(days=1)


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


def uploaded_since(entry: OwedEntry, fingerprint: str | None, now: datetime.datetime) -> datetime.datetime:
    """When it was uploaded first, of what waits since then. now: aware, for what did not lie there before; a clock that
    was wrong counts from now."""
    if not entry.uploaded_at or entry.uploaded != fingerprint:
        return now
    return min(parse_isoformat_utc(entry.uploaded_at), now)


def postponed_for(verdict: PushVerdict, attempts: int) -> datetime.timedelta | None:
    """How long the next runs leave it alone: what a host took back has told its services twice, and would again. None:
    not at all. attempts: in vain so far."""
    if verdict.fault != "taken_back":
        return None
    return min(LONGEST_POSTPONEMENT, datetime.timedelta(hours=2 ** min(max(attempts - 1, 0), 10)))


def verdict_on(
    delivery: Delivery, entry: OwedEntry, fingerprint: str, target: PushTarget, now: datetime.datetime, *, waited: bool
) -> PushVerdict:
    """Before any endpoint is asked. fingerprint: of what was delivered; waited: for the receipt, as long
    as the target says. What nobody waits for is no failure, for as long as a host that is well may take.
    """
    since = uploaded_since(entry, fingerprint, now)
    if delivery.error:
        lies_there = delivery.uploaded or entry.uploaded == fingerprint
        return failed(delivery.error, delivery.fault, fingerprint if lies_there else None)
    if target.protocol == "directory":
        return PushVerdict("confirmed", evidence="upload", uploaded=fingerprint)
    receipt = delivery.receipt
    if receipt is None or not _is_about(receipt, fingerprint):
        if waited or now - since > _GRACE:
            limit = f"within {target.receipt_timeout:g} s" if waited else f"since {isoformat_utc(since)}"
            return failed(
                f"It was uploaded, and {target.name} gave no receipt {limit}. See there that certificate_deploy runs"
                " after an upload. The next run asks again.",
                "no_receipt",
                fingerprint,
            )
        return PushVerdict("waiting", "It was uploaded, and waits for the receipt.", "pending", uploaded=fingerprint)
    if receipt.state in FINAL_STATES:
        return PushVerdict("confirmed", evidence="receipt", uploaded=fingerprint)
    if receipt.state == "pending":
        return _pending(receipt, fingerprint, target, since, now)
    what = "refused it" if receipt.state == "refused" else "took it back"
    return failed(f"{target.name} {what}: {receipt.message or 'it did not say why.'}", receipt.state)


def not_served(
    verdict: PushVerdict, wrong: str, entry: OwedEntry, target: PushTarget, now: datetime.datetime, *, waited: bool
) -> PushVerdict:
    """What was confirmed so far, but an endpoint does not show it. wrong: what it shows.

    A host may have lost it since, and nobody would notice: after a day it is uploaded once more. Then after two, four
    and so on, for each upload may begin the delay of the services there anew.
    """
    since = uploaded_since(entry, verdict.uploaded, now)
    if target.protocol == "directory" and not waited and now - since <= _FIRST_PATIENCE:
        return PushVerdict("waiting", wrong, "pending", uploaded=verdict.uploaded)
    patience = max(_FIRST_PATIENCE, since - parse_isoformat_utc(entry.queued_at))
    return failed(wrong, "endpoint", verdict.uploaded if now - since <= patience else None)


def _is_about(receipt: Receipt, fingerprint: str) -> bool:
    """One without a fingerprint is about content of which none could be read."""
    return receipt.fingerprint_sha256 == fingerprint or (receipt.state == "refused" and not receipt.fingerprint_sha256)


def _pending(
    receipt: Receipt, fingerprint: str, target: PushTarget, since: datetime.datetime, now: datetime.datetime
) -> PushVerdict:
    due = _instant(receipt.due)
    if receipt.message and due is None:
        return failed(
            f"It is live on {target.name}, and something is wrong there: {receipt.message}", "pending", fingerprint
        )
    said = _instant(receipt.at)
    expected = due or (max(since, said) if said and said <= now else since)
    if now - _GRACE > expected or now - _LONGEST_DELAY - _GRACE > since:
        return failed(
            f"It is live on {target.name}, but its services were not told of it, though they should have been at"
            f" {isoformat_utc(expected)}. See there that certificate_deploy runs.",
            "overdue",
            fingerprint,
        )
    if expected > now + _LONGEST_DELAY + _GRACE:
        return failed(
            f"It is live on {target.name}, but its services are told only at {isoformat_utc(expected)}. Set"
            f" update_delay there to {_LONGEST_DELAY.days} days at most, and see that its clock is right.",
            "overdue",
            fingerprint,
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
