# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Durations and instants, as options and results write them."""

from __future__ import annotations

import datetime
import re
import typing as t

from .._errors import InvalidOption

#: How far clocks may differ. What is further ahead than this was written by a clock that was wrong, or is wrong now.
CLOCK_SKEW: t.Final = datetime.timedelta(minutes=5)

_UNITS: t.Final = {"w": 604800, "d": 86400, "h": 3600, "m": 60, "s": 1}
_DURATION = re.compile(
    r"(?:(\d+(?:\.\d+)?)w)?(?:(\d+(?:\.\d+)?)d)?(?:(\d+(?:\.\d+)?)h)?(?:(\d+(?:\.\d+)?)m)?(?:(\d+(?:\.\d+)?)s)?"
)


def parse_duration(text: str) -> datetime.timedelta:
    """Read ``1w2d3h4m5s``: any of the units, largest first, decimals allowed; ``0`` is zero.

    Raises InvalidOption, also for a number without a unit, which could mean anything.
    """
    compact = text.strip().lower()
    if compact == "0":
        return datetime.timedelta(0)
    parts = _DURATION.fullmatch(compact) if compact.isascii() else None
    if not compact or not parts:
        hint = f" Add a unit, for instance '{compact}d'." if re.fullmatch(r"[0-9.]+", compact) else ""
        raise InvalidOption(
            f"{_quoted(text)} is not a duration.{hint} Write weeks, days, hours, minutes and seconds in this order, "
            "for instance '30d' or '1w2d3h4m5s'."
        )
    numbers = zip(parts.groups("0"), _UNITS.values())
    try:
        return datetime.timedelta(seconds=sum(float(number) * size for number, size in numbers))
    except OverflowError:
        raise InvalidOption(f"{_quoted(text)} is too long for a duration.") from None


def _quoted(text: str) -> str:
    """No more than any real one has: somebody may have given a private key."""
    return repr(text) if len(text) < 40 else "The text given"


def format_duration(duration: datetime.timedelta) -> str:
    """``1w2d3h4m5s``, rounded to seconds, without units that are zero; parse_duration reads it back.

    A negative duration gets a leading minus sign, for messages.
    """
    seconds = round(duration.total_seconds())
    if seconds < 0:
        return "-" + format_duration(-duration)
    parts = []
    for unit, size in _UNITS.items():
        count, seconds = divmod(seconds, size)
        if count:
            parts.append(f"{count}{unit}")
    return "".join(parts) or "0"


def spoken_duration(duration: datetime.timedelta) -> str:
    """For sentences, such as ``89 days``: in the greatest unit up to days of which there are two, the rest cut off.

    What is over has none left: a negative duration is ``0 seconds``.
    """
    seconds = max(int(duration.total_seconds()), 0)
    for unit, size in (("days", 86400), ("hours", 3600), ("minutes", 60)):
        if seconds >= 2 * size:
            return f"{seconds // size} {unit}"
    return "1 second" if seconds == 1 else f"{seconds} seconds"


def earlier(instant: datetime.datetime, duration: datetime.timedelta) -> datetime.datetime:
    """The instant (aware) that much earlier, or the first there is: dates of certificates may be any."""
    try:
        return instant - duration
    except OverflowError:
        return datetime.datetime.min.replace(tzinfo=datetime.timezone.utc)


def is_ahead(instant: datetime.datetime, now: datetime.datetime) -> bool:
    """Whether an instant at which something has happened lies in the future: when it did is not known then. Both are
    aware.
    """
    return instant - now > CLOCK_SKEW


def from_timestamp(seconds: float) -> datetime.datetime:
    """Seconds since 1970 as an aware datetime. Files may have any: the first or last there is for what lies beyond."""
    utc = datetime.timezone.utc
    try:
        return datetime.datetime(1970, 1, 1, tzinfo=utc) + datetime.timedelta(seconds=seconds)
    except OverflowError:
        return datetime.datetime.max.replace(tzinfo=utc) if seconds > 0 else datetime.datetime.min.replace(tzinfo=utc)


def isoformat_utc(instant: datetime.datetime) -> str:
    """``YYYY-MM-DDTHH:MM:SSZ`` of an aware datetime; fractions of a second are cut off."""
    if instant.tzinfo is None:
        raise ValueError("a datetime without a time zone has no place in results")
    utc = instant.astimezone(datetime.timezone.utc)
    # Not strftime: it neither pads years below 1000 on every platform, nor is it fast.
    return utc.replace(microsecond=0, tzinfo=None).isoformat() + "Z"


def parse_isoformat_utc(text: str) -> datetime.datetime:
    """The inverse of isoformat_utc, as an aware datetime. Raises InvalidOption."""
    text = text.strip()
    try:
        # Ten times faster than strptime, but it takes other forms, too.
        instant = datetime.datetime.fromisoformat(text[:-1]).replace(tzinfo=datetime.timezone.utc)
        if isoformat_utc(instant) != text:
            raise ValueError
        return instant
    except ValueError:
        raise InvalidOption(f"{_quoted(text)} is not an instant in UTC like '2027-01-31T12:00:00Z'.") from None
