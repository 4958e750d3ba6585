# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is to be done about each certificate: nothing, stores filled, an order finished or begun, or waiting."""

from __future__ import annotations

import dataclasses
import typing as t
from datetime import datetime, timedelta, timezone

from ..instants import isoformat_utc
from .holds import Hold
from .ledger import Ledger
from .when import same_directory

if t.TYPE_CHECKING:
    from .journal import JournalEntry
    from .ledger import AccountKey
    from .limits import RateLimits
    from .stores import StoreStanding
    from .wanted import HeldCertificate, WantedCertificate
    from .when import Due

#: none; store: stores lack what the truth has; wait: the next one is staged already; promote: it becomes
#: current, for what is current has ended; resume: finish the order in the
#: journal; renew, issue: order, to replace what is held, or the first one; hold: wait until it may be ordered; refuse:
#: nothing can be ordered until somebody has done something.
PlanAction = t.Literal["none", "store", "resume", "renew", "issue", "hold", "wait", "promote", "refuse"]


@dataclasses.dataclass(frozen=True)
class Considered:
    """All that the plan of one certificate follows from.

    standings: of the stores beside the truth that are to have it, by name; resumable: the journal's entry for it (see
    journal.resumption); waits: why nothing is ordered though it is due (see StagedSecret); refusals: why a new
    certificate could not be put into a store, or not be issued.
    """

    wanted: WantedCertificate
    held: HeldCertificate | None
    due: Due
    standings: t.Mapping[str, StoreStanding] = dataclasses.field(default_factory=dict)
    resumable: JournalEntry | None = None
    waits: str | None = None
    refusals: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class CertificatePlan:
    """stores: those to fill from what the truth holds now, whatever the action (an order fills all of them); why: for
    people; hold: of hold; problems: what keeps a store from being right, for people."""

    wanted: WantedCertificate
    action: PlanAction
    due: Due
    why: str
    stores: tuple[str, ...] = ()
    hold: Hold | None = None
    entry: JournalEntry | None = None
    problems: tuple[str, ...] = ()

    @property
    def orders(self) -> bool:
        """Whether a new order is placed."""
        return self.action in ("renew", "issue")

    @property
    def held_until(self) -> datetime | None:
        return self.hold.until if self.hold else None


def plan_batch(
    items: t.Sequence[Considered],
    ledger: Ledger,
    account: AccountKey,
    limits: RateLimits,
    now: datetime,
    *,
    force: bool = False,
) -> list[CertificatePlan]:
    """In the order given. account, limits: of the first issuer, which new orders go to.

    Where the CA does not allow as many orders as are due, those go first that end first. ledger is only asked: what is
    planned here is counted on the side.
    """
    counted = Ledger.from_json(ledger.to_json(now, max_bytes=1 << 30))[0]
    plans: dict[int, CertificatePlan] = {}
    for number in sorted(range(len(items)), key=lambda number: _urgency(items[number])):
        item = items[number]
        plan = plan_certificate(item, counted, account, limits, now, force=force)
        plans[number] = plan
        if plan.orders:
            counted.note_order(account, limits, now, exempt=is_exempt(item.due, item.held, account))
    return [plans[number] for number in range(len(items))]


def plan_certificate(
    item: Considered, ledger: Ledger, account: AccountKey, limits: RateLimits, now: datetime, *, force: bool = False
) -> CertificatePlan:
    due, usable = item.due, item.held is not None and item.held.bundle is not None
    missing = tuple(name for name, at in item.standings.items() if usable and at.kind in ("absent", "other"))
    problems = tuple(
        f"{name}: {at.why or 'what it holds cannot be told'}"
        for name, at in item.standings.items()
        if at.kind == "unknown"
    )

    def plan(action: PlanAction, why: str, **more: t.Any) -> CertificatePlan:
        return CertificatePlan(item.wanted, action, due, why, stores=missing, problems=problems, **more)

    entry = item.resumable
    if entry is not None and (entry.is_beyond_validation or due.is_due(now)):
        return plan("resume", f"An earlier run ordered it ({entry.progress}): {entry.order_url}", entry=entry)
    if not due.is_due(now):
        if missing:
            return plan("store", f"Its certificate is missing in {', '.join(missing)}, or is another one there.")
        return plan("none", due.text)
    if item.waits and not force and (due.code == "expired" or (item.held and item.held.has_ended)):
        return plan("promote", f"{due.text} Nothing that is served could be lost, so that is over: {item.waits}")
    if item.waits and not force:
        return plan("wait", item.waits)
    if item.refusals:
        return plan("refuse", f"{due.text} It is not ordered: {' '.join(item.refusals)}")
    hold = ledger.hold(
        account, item.wanted, limits, now, urgent=due.urgent, force=force, exempt=is_exempt(due, item.held, account)
    )
    if hold is not None:
        return plan("hold", f"{due.text} {_held_text(hold)}", hold=hold)
    return plan("renew" if usable else "issue", due.text)


def is_exempt(due: Due, held: HeldCertificate | None, account: AccountKey) -> bool:
    """Whether limits do not count: it replaces a certificate in the window of the CA that is asked (RFC 9773). What
    another CA has issued, in a failover, is a new certificate there."""
    issued_by = held.directory if held else None
    return due.code == "window" and issued_by is not None and same_directory(issued_by, account.directory)


def next_due(plans: t.Iterable[CertificatePlan], now: datetime) -> datetime | None:
    """When the next of them has to be ordered, after what is planned now has been done; None when nobody can tell."""
    coming = [plan.held_until if plan.action == "hold" else plan.due.at for plan in plans]
    return min((at for at in coming if at is not None and at > now), default=None)


def _held_text(hold: Hold) -> str:
    told = f"It is held until {isoformat_utc(hold.until)}" if hold.until else "It is held"
    page = f" See {hold.url}" if hold.url and hold.url not in hold.why else ""
    return f"{told}: {hold.why}{page}"


def _urgency(item: Considered) -> tuple[bool, bool, timedelta]:
    """Urgent ones, then those that are missing, then by their end."""
    bundle = item.held.bundle if item.held else None
    end = bundle.not_after if bundle else datetime.max.replace(tzinfo=timezone.utc)
    return not item.due.urgent, bundle is not None, end - datetime.min.replace(tzinfo=timezone.utc)
