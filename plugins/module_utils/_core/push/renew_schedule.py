# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""When certbot, or another program that renews, is run: every n minutes, hours, days or weeks, or on a weekday. Pure.

Neither a calendar expression of systemd nor a line of cron can say "every second day at 15:00". Where they cannot, they
say when to look, and `is_due` tells by the last run whether it is time.
"""

from __future__ import annotations

import math
import re
import typing as t
from dataclasses import dataclass
from datetime import datetime

from ..._errors import InvalidOption

#: As systemd.time(7) and crontab(5) count them.
WEEKDAYS: t.Final = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
UNITS: t.Final = ("minute", "hour", "day", "week", *WEEKDAYS)
_TIME: t.Final = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])")
_MINUTE: t.Final = re.compile(r":([0-5][0-9])")


@dataclass(frozen=True)
class RenewSchedule:
    """every: at least 1, and 1 for a weekday; unit: of UNITS; hour and minute: local time, 0 where none was given."""

    every: int
    unit: str
    hour: int = 0
    minute: int = 0

    @property
    def on_calendar(self) -> str:
        """For systemd: when to look, in local time."""
        if self.unit == "minute":
            return f"*-*-* *:{f'0/{self._step}' if self._step < 60 else '00'}:00"
        time = f"{self.hour:02}:{self.minute:02}:00"
        if self.unit == "hour":
            hours = f"0/{self._step}" if self._step < 24 else "00"
            return f"*-*-* {hours}:{self.minute:02}:00"
        return f"{self._weekday[:3].capitalize()} *-*-* {time}".lstrip() if self._weekday else f"*-*-* {time}"

    @property
    def cron(self) -> str:
        """The same for cron: five fields."""
        if self.unit == "minute":
            return f"{f'*/{self._step}' if self._step < 60 else 0} * * * *"
        if self.unit == "hour":
            return f"{self.minute} {f'*/{self._step}' if self._step < 24 else 0} * * *"
        weekday = str((WEEKDAYS.index(self._weekday) + 1) % 7) if self._weekday else "*"
        return f"{self.minute} {self.hour} * * {weekday}"

    @property
    def is_exact(self) -> bool:
        """Whether these two say it all, and each time to look is a time to run."""
        return self.unit in WEEKDAYS or self.every == (self._step if self.unit in ("minute", "hour") else 1)

    @property
    def has_time(self) -> bool:
        """Whether the minute matters to whoever wrote it."""
        return self.unit in ("minute", "hour") or (self.hour, self.minute) != (0, 0)

    def is_look(self, now: datetime) -> bool:
        """Whether its minute is one in which on_calendar and cron say to look. now: in the host's time zone."""
        if self.unit == "minute":
            return now.minute % self._step == 0
        if now.minute != self.minute:
            return False
        if self.unit == "hour":
            return now.hour % self._step == 0
        return now.hour == self.hour and (not self._weekday or WEEKDAYS[now.weekday()] == self._weekday)

    def is_due(self, last: datetime | None, now: datetime) -> bool:
        """last: when it was run last, None for never. Both in the host's time zone, as aware datetimes.

        What is counted are days, weeks from Monday, hours and minutes of the clock: a run that was a little late, or
        was made up for, does not shift those after it. A last run in the future was one by a wrong clock.
        """
        if self.is_exact or last is None or last > now:
            return True
        return self._count(now) - self._count(last) >= self.every

    @property
    def _weekday(self) -> str:
        if self.unit == "week":
            return WEEKDAYS[0]
        return self.unit if self.unit in WEEKDAYS else ""

    @property
    def _step(self) -> int:
        """Of minutes in an hour, or of hours in a day: the longest that meets all times that are to be met."""
        return math.gcd(self.every, 60 if self.unit == "minute" else 24)

    def _count(self, instant: datetime) -> int:
        """Of units since long ago."""
        if self.unit == "day":
            return instant.toordinal()
        if self.unit == "week":
            return (instant.toordinal() - 1) // 7  # 1 January of the year 1 was a Monday
        seconds = math.floor(instant.timestamp())
        if self.unit == "minute":
            return seconds // 60
        offset = instant.utcoffset()
        # A zone may be half an hour off. Whole hours of it are left out: they change twice a year.
        beside = (int(offset.total_seconds()) if offset else 0) % 3600
        return (seconds + beside - self.minute * 60) // 3600


def renew_schedule(every: int = 1, unit: str = "day", at: str | None = None) -> RenewSchedule:
    """Of what a user wrote: at is HH:MM, for hours :MM. Raises InvalidOption, whose text begins with the option's name:
    renew_every, renew_unit or renew_at."""
    if isinstance(every, bool) or not isinstance(every, int) or every < 1:
        raise InvalidOption(f"renew_every is to be a whole number greater than 0, not {every!r}.")
    name = unit.strip().lower() if isinstance(unit, str) else ""
    if name not in UNITS:
        raise InvalidOption(
            f"renew_unit is to be minute, hour, day, week, or a weekday such as monday, not {unit!r}. "
            "The number goes to renew_every."
        )
    if name in WEEKDAYS and every != 1:
        raise InvalidOption(
            f"renew_unit is not to be a weekday ({name}) where renew_every is {every}: "
            f"for every {every} weeks, write renew_unit: week."
        )
    hour, minute = _time(name, at)
    return RenewSchedule(every, name, hour, minute)


def _time(unit: str, at: str | None) -> tuple[int, int]:
    if at is None or at == "":
        return 0, 0
    if unit == "minute":
        raise InvalidOption(f"renew_at ({at}) has no meaning where renew_unit is minute: leave it out.")
    text = at.strip() if isinstance(at, str) else str(at)
    if unit == "hour":
        found = _MINUTE.fullmatch(text)
        if not found:
            raise InvalidOption(f"renew_at is to be :MM where renew_unit is hour, such as ':30', not {text!r}.")
        return 0, int(found[1])
    found = _TIME.fullmatch(text)
    if not found:
        raise InvalidOption(
            f"renew_at is to be HH:MM, such as '09:00' or '15:00', not {text!r}. Write it in quotes: "
            "YAML reads 15:00 as the number 900."
        )
    return int(found[1]), int(found[2])


def renew_command(executable: str, arguments: t.Sequence[t.Any]) -> list[str]:
    """The program and its arguments, each as text. Raises InvalidOption that begins with the option's name."""
    if not isinstance(executable, str) or not executable.strip() or "\0" in executable:
        raise InvalidOption("renew_exec is to be the name or path of a program, such as certbot.")
    if isinstance(arguments, str) or not isinstance(arguments, t.Sequence):
        raise InvalidOption("renew_args is to be a list, such as [renew, --quiet].")
    for number, argument in enumerate(arguments):
        if isinstance(argument, bool) or not isinstance(argument, (str, int, float)) or "\0" in str(argument):
            raise InvalidOption(f"renew_args[{number}] is to be text.")
    return [executable, *map(str, arguments)]
