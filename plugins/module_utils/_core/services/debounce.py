# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""When services are told: some time after the last push, so that many pushes cost one restart."""

from __future__ import annotations

import typing as t
from datetime import datetime, timedelta

from ..._errors import InvalidOption
from ..instants import parse_duration
from .pending import PendingLineage


class Debounced(t.NamedTuple):
    """due: whether services are told now; at: aware time at which they are, None where nothing is pending."""

    due: bool
    at: datetime | None = None


def debounce(pending: t.Iterable[PendingLineage], now: datetime, update_delay: timedelta) -> Debounced:
    """Each push restarts the delay, for all that is pending; a delay of zero runs at once.

    A push in the future (the clock has been set back since) is no reason to wait for its time to come.
    """
    pushes = [each.pushed_at for each in pending]
    if not pushes:
        return Debounced(False)
    last = max(pushes)
    try:
        at = last + update_delay
    except OverflowError:
        at = datetime.max.replace(tzinfo=last.tzinfo)
    return Debounced(at <= now or last > now, at)


def parse_update_delay(value: t.Any) -> timedelta:
    """``1w2d3h4m5s``; none for null, "" and 0. Raises InvalidOption that names the option update_delay."""
    if value is None or value is False or str(value).strip().lower() in ("", "null", "none"):
        return timedelta(0)
    try:
        return parse_duration(str(value))
    except InvalidOption as error:
        raise InvalidOption(f"update_delay: {error.message}") from None
