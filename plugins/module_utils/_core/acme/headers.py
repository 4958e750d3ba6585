# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the headers of HTTP answers say. Pure."""

from __future__ import annotations

import datetime
import re
import typing as t
from email.utils import parsedate_to_datetime

#: Seconds. The longest that any CA's limits last; who asks for more is asked again after a week.
LONGEST_RETRY_AFTER: t.Final = 7 * 86400.0
_SECONDS = re.compile(r"[0-9]+", re.ASCII)
_LONGEST_HEADER: t.Final = 100


def parse_retry_after(value: str | None, date: str | None, now: datetime.datetime) -> float | None:
    """Seconds to wait, from 0 to LONGEST_RETRY_AFTER (RFC 9110 section 10.2.3); None for none, and for what is none.

    date: the answer's own Date, by which an instant is counted where it is told: clocks differ; else now.
    """
    text = (value or "").strip()
    if not text or len(text) > _LONGEST_HEADER:
        return None
    if _SECONDS.fullmatch(text):
        return min(float(text), LONGEST_RETRY_AFTER)
    until = _instant(text)
    if until is None:
        return None
    since = _instant((date or "").strip()[:_LONGEST_HEADER]) or now
    return min(max((until - since).total_seconds(), 0.0), LONGEST_RETRY_AFTER)


def _instant(text: str) -> datetime.datetime | None:
    try:
        instant = parsedate_to_datetime(text)
        # "-0000" and no zone at all give one without, which is UTC.
        aware = instant if instant.tzinfo else instant.replace(tzinfo=datetime.timezone.utc)
        return aware.astimezone(datetime.timezone.utc)
    except (TypeError, ValueError, IndexError, OverflowError):  # TypeError before Python 3.10
        return None
