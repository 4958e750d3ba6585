# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The clock of an incident: within how long an authority has to revoke, and what is still to do by then. Pure.

The Baseline Requirements of the CA/Browser Forum give 24 hours where a key got out or control of a name was never
shown, and five days for most other reasons (section 4.9.1.1). What is not replaced by then is revoked while it is
served.
"""

from __future__ import annotations

import typing as t
from dataclasses import dataclass
from datetime import datetime, timedelta

from ..._errors import InvalidOption
from ..instants import format_duration, isoformat_utc, parse_duration, parse_isoformat_utc, spoken_duration

#: As the Baseline Requirements have them.
LIMITS: t.Final = ("24h", "5d")


@dataclass(frozen=True)
class ReissueClock:
    """since: when it began to run; told: whether somebody has said so; limits: how long each runs, shortest first."""

    since: datetime
    limits: tuple[timedelta, ...]
    now: datetime
    told: bool = True

    def lines(self, left: int, last_order_at: datetime | None) -> list[str]:
        """One for each limit. left: certificates that are not done; last_order_at: when the authority's limits allow
        the last one, None when nobody can tell or nothing is to be ordered."""
        return [self._line(limit, left, last_order_at) for limit in self.limits]

    def _line(self, limit: timedelta, left: int, last_order_at: datetime | None) -> str:
        try:
            until = self.since + limit
        except OverflowError:
            return f"{format_duration(limit)}: it never ends."
        begun = "" if self.told else ", counted from this run"
        text = f"{format_duration(limit)} end at {isoformat_utc(until)}{begun}"
        remaining = until - self.now
        is_over = remaining <= timedelta(0)
        if not left:
            return f"{text}: done" + ("." if is_over else f", {spoken_duration(remaining)} before.")
        if is_over:
            return f"{text}, {spoken_duration(-remaining)} ago: {left} not done."
        late = (
            f" The authority's limits allow the last order at {isoformat_utc(last_order_at)} only, which is too late."
            if last_order_at is not None and last_order_at > until
            else ""
        )
        return f"{text}: {spoken_duration(remaining)} left for {left} not done.{late}"


def read_clock(since: t.Any, limits: t.Any, now: datetime) -> ReissueClock:
    """since: an instant, "" for now; limits: durations, none for those of the Baseline Requirements.

    Raises InvalidOption, also for an instant that is still to come.
    """
    text = str(since or "").strip()
    try:
        begun = parse_isoformat_utc(text) if text else now
    except InvalidOption as error:
        raise InvalidOption(f"reissue_since: {error.message}") from None
    if begun > now + timedelta(minutes=5):
        raise InvalidOption(f"reissue_since: {text} is still to come. It is when the clock began to run.")
    try:
        durations = sorted({parse_duration(str(each)) for each in (limits or LIMITS)})
    except InvalidOption as error:
        raise InvalidOption(f"reissue_limits: {error.message}") from None
    if durations[0] <= timedelta(0):
        raise InvalidOption("reissue_limits: each is a duration such as 24h.")
    return ReissueClock(begun, tuple(durations), now, told=bool(text))
