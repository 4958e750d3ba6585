# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Why a certificate is not ordered now: it has failed, the CA said so, a limit is near, or what was issued last was
withdrawn. Pure, over parts of a ledger's document."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone

from .ledger_document import instant_of
from .limits import RateLimits, available_at, is_below, left, likely_registered_domain, names_digest

if t.TYPE_CHECKING:
    from .wanted import WantedCertificate

#: Seconds to wait after the first, second ... failure in a row.
BACK_OFF: t.Final = (0, 300, 3600, 6 * 3600, 86400)
#: So many failures in a row, and nobody tries any more until the names change or the user forces it.
GIVE_UP_AFTER: t.Final = 10
#: Days to wait after the first, second ... withdrawal of what was issued: a CA allows five of the same names a week.
WITHDRAWN_DAYS: t.Final = (1, 2, 4, 7)
LONGEST_HOLD: t.Final = 31 * 86400  # a CA that says next century is not believed
#: Instants further ahead than they can be were written by a clock that is wrong, and do not count.
CLOCKS_DIFFER: t.Final = 3600


@dataclass(frozen=True)
class Hold:
    """Why a certificate is not ordered now. until: None for ever; by_ca: whether the CA said so itself; url: the CA's
    page for people."""

    until: datetime | None
    why: str
    by_ca: bool = False
    url: str | None = None
    failures: int = 0


def failure_hold(failure: dict[str, t.Any] | None, wanted: WantedCertificate, at: float, urgent: bool) -> Hold | None:
    if failure is None or failure["names"] != names_digest(wanted.identifiers):
        return None
    count, why, url = int(failure["count"]), failure["why"], failure.get("url")
    given_up = count >= GIVE_UP_AFTER
    wait = BACK_OFF[min(count, len(BACK_OFF)) - 1]
    until = float(failure["at"]) + wait
    if given_up and not urgent:
        text = f"It has failed {count} times in a row, and is not tried again until its domains change or force: {why}"
        return Hold(None, text, url=url, failures=count)
    if not at < until <= at + wait + CLOCKS_DIFFER:
        return None
    return Hold(instant_of(until), f"It has failed {count} times in a row: {why}", url=url, failures=count)


def said_hold(held: t.Mapping[str, t.Any], wanted: WantedCertificate, at: float, exempt: bool) -> Hold | None:
    """By the CA. The hold that lasts longest counts."""
    found = []
    for key, hold in held.items():
        scope, _colon, name = key.partition(":")
        concerns = (
            scope == "account"
            or (scope == "certificate" and name == wanted.name)
            or (scope == "domain" and not exempt and any(is_below(each, name) for each in wanted.identifiers))
        )
        if concerns and at < float(hold["until"]) <= at + LONGEST_HOLD + CLOCKS_DIFFER:
            found.append(Hold(instant_of(hold["until"]), hold["why"], by_ca=True, url=hold.get("url")))
    return max(found, key=lambda hold: hold.until or datetime.max.replace(tzinfo=timezone.utc), default=None)


def near_hold(
    known: t.Mapping[str, t.Any], wanted: WantedCertificate, limits: RateLimits, at: float, foreseen: bool
) -> Hold | None:
    same_names = known["names"].get(names_digest(wanted.identifiers), 0)
    buckets = [
        (known["orders"], limits.orders, "orders of this account"),
        (same_names, limits.same_names, "certificates for exactly these names"),
    ]
    for domain in sorted(set(map(likely_registered_domain, wanted.identifiers))) if foreseen else ():
        buckets.append((known["domains"].get(domain, 0), limits.certificates, f"certificates for {domain}"))
    for full_at, limit, what in buckets:
        if limit is not None and left(float(full_at), limit, at) < 1:
            period = str(timedelta(seconds=limit.period)).removesuffix(", 0:00:00").removesuffix(":00")
            text = f"The CA allows {limit.count} {what} in {period}, and so many have been ordered."
            return Hold(instant_of(available_at(float(full_at), limit, at)), text)
    return None


def withdrawn_hold(
    staged: t.Mapping[str, t.Any] | None, wanted: WantedCertificate, at: float, urgent: bool
) -> Hold | None:
    """staged: see Ledger.note_staged. What is urgent waits for a day at most."""
    if staged is None or not staged["withdrawn"] or staged["names"] != names_digest(wanted.identifiers):
        return None
    count = int(staged["count"])
    days = WITHDRAWN_DAYS[min(count, len(WITHDRAWN_DAYS)) - 1]
    wait = 86400 * (1 if urgent else days)
    until = float(staged["withdrawn"]) + wait
    if not at < until <= at + wait + CLOCKS_DIFFER:
        return None
    which = "What was issued last" if count == 1 else f"What was issued last, {count} times in a row,"
    text = (
        f"{which} was staged and withdrawn (version {staged['version']}). Look why: another one of the same kind may"
        " end the same way. It is issued again after that instant, or now with force."
    )
    return Hold(instant_of(until), text)
