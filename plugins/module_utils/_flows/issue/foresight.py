# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is due, why and when, what waits, and what the CAs allow: of an issuance that has looked and planned."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from ..._core.acme.limits import limits_of
from ..._core.acme.plan import is_exempt
from ..._core.acme.reissue import Replacement, estimate_reissue
from ..._core.instants import isoformat_utc
from ..._core.record.issuance import LimitLeft

if t.TYPE_CHECKING:
    from datetime import datetime

    from ..._core.acme.authority import RenewalWindow
    from ..._core.acme.journal import JournalEntry
    from ..._core.acme.ledger import AccountKey, Ledger
    from ..._core.acme.plan import CertificatePlan
    from ..._core.acme.wanted import HeldCertificate
    from .report import IssueReport


@dataclass(frozen=True)
class Foresight:
    """By name of the certificate: plans, held, windows. accounts: of the issuers, in order; entries: of the journal, as
    it was found."""

    plans: t.Mapping[str, CertificatePlan]
    held: t.Mapping[str, HeldCertificate]
    windows: t.Mapping[str, RenewalWindow]
    ledger: Ledger
    accounts: t.Sequence[AccountKey]
    entries: t.Sequence[JournalEntry]
    now: datetime

    def limits_left(self) -> list[LimitLeft]:
        """Of the issuers whose limits are known."""
        found = []
        for account in self.accounts:
            limits = limits_of(account.directory)
            left = self.ledger.orders_left(account, limits, self.now)
            if left is not None and limits.orders is not None:
                found.append(LimitLeft(account.directory, "orders", left, limits.orders.count))
        return found

    def reissue(self, report: IssueReport) -> dict[str, t.Any]:
        """How far the replacement of what an incident concerns is, and how long the CA's limits make the rest."""
        states = {outcome.name: outcome.reissue_state for outcome in report.outcomes}
        to_do = [plan for name, plan in self.plans.items() if states.get(name) == "to do"]
        to_do.sort(key=lambda plan: (not plan.due.urgent, self._end(plan.wanted.name)))
        account = self.accounts[0]
        estimate = estimate_reissue(
            [Replacement(plan.wanted, is_exempt(plan.due, self.held.get(plan.wanted.name), account)) for plan in to_do],
            self.ledger,
            account,
            limits_of(account.directory),
            self.now,
        )
        return {
            "concerned": sum(state is not None for state in states.values()),
            "replaced": sum(state == "replaced" for state in states.values()),
            "staged": sum(state == "staged" for state in states.values()),
            "to_do": len(to_do),
            "at_once": estimate.at_once,
            "hours": estimate.hours(self.now),
            "earlier": [
                {
                    "began_at": isoformat_utc(each.began),
                    "seconds": round((each.ended - each.began).total_seconds()),
                    "certificates": each.certificates,
                }
                for each in self.ledger.incidents()
            ],
            "last_order_at": isoformat_utc(estimate.last_at) if estimate.last_at else None,
        }

    def certificates(self, report: IssueReport) -> list[dict[str, t.Any]]:
        """Each as results have it, with what only who looks wants to know."""
        return [
            {**_without(outcome.as_result(self.now), "message", "status"), **self._more(outcome.name)}
            for outcome in report.outcomes
        ]

    def limits(self) -> list[dict[str, t.Any]]:
        """Of each issuer. Null where a limit is not known: what the CA answers counts."""
        known = {each.directory: each for each in self.limits_left()}
        return [
            {
                "directory": account.directory,
                "account_url": account.account_url or None,
                "orders_left": known[account.directory].left if account.directory in known else None,
                "orders_allowed": known[account.directory].most if account.directory in known else None,
            }
            for account in self.accounts
        ]

    def journal(self) -> list[dict[str, t.Any]]:
        """What has begun and has not ended."""
        return [_journalled(entry) for entry in self.entries]

    def _more(self, name: str) -> dict[str, t.Any]:
        plan, held, window = self.plans.get(name), self.held.get(name), self.windows.get(name)
        bundle = held.bundle if held else None
        return {
            "is_due": plan.due.is_due(self.now) if plan else None,
            "urgent": plan.due.urgent if plan else None,
            "trigger": plan.due.code if plan else None,
            "failures": plan.hold.failures if plan and plan.hold else 0,
            "profile": held.profile if held else None,
            "serial_number": bundle.serial_number if bundle else None,
            "renewal_window": None if window is None else _window(window),
            "journal": next((_journalled(entry) for entry in self.entries if entry.name == name), None),
        }

    def _end(self, name: str) -> float:
        held = self.held.get(name)
        return held.bundle.not_after.timestamp() if held and held.bundle else 0.0


def _window(window: RenewalWindow) -> dict[str, t.Any]:
    return {
        "start": isoformat_utc(window.start),
        "end": isoformat_utc(window.end),
        "ask_again": isoformat_utc(window.ask_again),
        "explanation_url": window.explanation_url,
    }


def _journalled(entry: JournalEntry) -> dict[str, t.Any]:
    """Its key and its TXT values are nobody's business."""
    return {
        "name": entry.name,
        "progress": entry.progress,
        "directory": entry.directory,
        "order_url": entry.order_url,
        "created": isoformat_utc(entry.created),
        "expires": isoformat_utc(entry.expires) if entry.expires else None,
        "txt_records": sorted({value.record for value in entry.values}),
    }


def _without(result: dict[str, t.Any], *names: str) -> dict[str, t.Any]:
    return {name: value for name, value in result.items() if name not in names}
