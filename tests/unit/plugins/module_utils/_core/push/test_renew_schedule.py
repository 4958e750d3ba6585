# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""When the program that renews is run: what systemd and cron are told, and what the last run decides."""

from __future__ import annotations

import zoneinfo
from datetime import datetime, timedelta, timezone

import pytest
from ansible_collections.certops.rotation.plugins.module_utils._core.push.renew_schedule import (
    UNITS,
    WEEKDAYS,
    renew_command,
    renew_schedule,
)
from ansible_collections.certops.rotation.plugins.module_utils._errors import InvalidOption

ZONE = zoneinfo.ZoneInfo("Europe/Berlin")

TIMES = {
    (1, "day", None): ("*-*-* 00:00:00", "0 0 * * *", True),
    (1, "day", "15:00"): ("*-*-* 15:00:00", "0 15 * * *", True),
    (2, "day", "15:00"): ("*-*-* 15:00:00", "0 15 * * *", False),
    (1, "monday", None): ("Mon *-*-* 00:00:00", "0 0 * * 1", True),
    (1, "sunday", "09:05"): ("Sun *-*-* 09:05:00", "5 9 * * 0", True),
    (1, "week", "23:59"): ("Mon *-*-* 23:59:00", "59 23 * * 1", True),
    (3, "week", None): ("Mon *-*-* 00:00:00", "0 0 * * 1", False),
    (1, "hour", ":15"): ("*-*-* 0/1:15:00", "15 */1 * * *", True),
    (6, "hour", None): ("*-*-* 0/6:00:00", "0 */6 * * *", True),
    (5, "hour", ":30"): ("*-*-* 0/1:30:00", "30 */1 * * *", False),
    (36, "hour", None): ("*-*-* 0/12:00:00", "0 */12 * * *", False),
    (24, "hour", ":07"): ("*-*-* 00:07:00", "7 0 * * *", True),
    (48, "hour", None): ("*-*-* 00:00:00", "0 0 * * *", False),
    (1, "minute", None): ("*-*-* *:0/1:00", "*/1 * * * *", True),
    (15, "minute", ""): ("*-*-* *:0/15:00", "*/15 * * * *", True),
    (7, "minute", None): ("*-*-* *:0/1:00", "*/1 * * * *", False),
    (90, "minute", None): ("*-*-* *:0/30:00", "*/30 * * * *", False),
    (60, "minute", None): ("*-*-* *:00:00", "0 * * * *", True),
}


@pytest.mark.parametrize(("given", "said"), TIMES.items(), ids=str)
def test_what_systemd_and_cron_are_told(given, said):
    schedule = renew_schedule(*given)
    assert (schedule.on_calendar, schedule.cron, schedule.is_exact) == said


def runs(schedule, looks, last=None):
    """At which of the times to look it is run."""
    done = []
    for look in looks:
        if schedule.is_due(last, look):
            done.append(look)
            last = look
    return done


def days(first, count, **time):
    return [datetime(2027, 3, 1, tzinfo=ZONE).replace(**time) + timedelta(days=first + day) for day in range(count)]


def test_every_second_day_at_three():
    """Over the change of the clocks on 28 March."""
    looks = days(20, 14, hour=15)
    assert runs(renew_schedule(2, "day", "15:00"), looks) == looks[::2]


def test_a_day_that_was_missed_is_made_up_for_and_shifts_the_rest():
    looks = days(0, 2, hour=15)[:1] + days(3, 1, hour=8, minute=12) + days(3, 4, hour=15)
    done = runs(renew_schedule(2, "day", "15:00"), looks)
    assert [(look.day, look.hour) for look in done] == [(1, 15), (4, 8), (6, 15)]


def test_a_run_that_is_a_little_late_does_not_shift_the_next():
    late = datetime(2027, 3, 1, 15, 40, tzinfo=ZONE)
    assert renew_schedule(2, "day", "15:00").is_due(late, datetime(2027, 3, 3, 15, 0, 1, tzinfo=ZONE))
    five = renew_schedule(5, "hour", ":30")
    assert not five.is_due(late, datetime(2027, 3, 1, 19, 30, 1, tzinfo=ZONE))
    assert five.is_due(late, datetime(2027, 3, 1, 20, 30, 1, tzinfo=ZONE))


def test_weeks_begin_on_monday():
    mondays = [datetime(2027, 3, 1, tzinfo=ZONE) + timedelta(weeks=week) for week in range(7)]
    assert all(monday.weekday() == 0 for monday in mondays)
    assert runs(renew_schedule(3, "week"), mondays) == mondays[::3]
    made_up = datetime(2027, 3, 4, 11, tzinfo=ZONE)
    assert runs(renew_schedule(2, "week"), [made_up, *mondays[1:]])[1] == mondays[2]


@pytest.mark.parametrize("zone", ["Europe/Berlin", "Asia/Kathmandu", "UTC"])
def test_hours_and_minutes_that_divide_nothing(zone):
    here = zoneinfo.ZoneInfo(zone)
    start = datetime(2027, 3, 27, 20, 30, tzinfo=here).astimezone(timezone.utc)  # the clocks change in the night
    looks = [(start + timedelta(hours=hour, seconds=hour % 3)).astimezone(here) for hour in range(30)]
    assert runs(renew_schedule(5, "hour", ":30"), looks) == looks[::5]
    looks = [(start + timedelta(minutes=minute, seconds=minute % 2)).astimezone(here) for minute in range(100)]
    assert runs(renew_schedule(7, "minute"), looks) == looks[::7]


@pytest.mark.parametrize("given", TIMES, ids=str)
def test_when_to_look_is_the_same_for_a_program_that_stays(given):
    schedule = renew_schedule(*given)
    fields = [_numbers(field, most) for field, most in zip(schedule.cron.split(), (60, 24, 0, 0, 7))]
    start = datetime(2027, 3, 1, tzinfo=timezone.utc)
    for minute in range(8 * 24 * 60):
        now = start + timedelta(minutes=minute)
        said = now.minute in fields[0] and now.hour in fields[1] and now.isoweekday() % 7 in fields[4]
        assert schedule.is_look(now) == said, now


def _numbers(field, most):
    """Of crontab(5)."""
    if field.startswith("*"):
        return range(0, most, int(field.partition("/")[2] or 1))
    return [int(field)]


def test_a_wrong_clock_does_not_end_it():
    now = datetime(2027, 3, 1, 15, tzinfo=ZONE)
    assert renew_schedule(2, "day").is_due(now + timedelta(days=4000), now)
    assert renew_schedule(2, "day").is_due(None, now)
    assert renew_schedule(1, "day").is_due(now, now), "whoever says it exactly is believed"


def test_whether_the_time_matters():
    assert not renew_schedule(1, "day").has_time
    assert renew_schedule(1, "day", "15:00").has_time
    assert renew_schedule(6, "hour").has_time


@pytest.mark.parametrize("unit", [*UNITS, " Monday ", "DAY"])
def test_units_are_taken_however_they_are_written(unit):
    assert renew_schedule(1, unit).unit == unit.strip().lower()


REFUSED = [
    ((0, "day", None), "renew_every is to be a whole number greater than 0, not 0"),
    ((-1, "day", None), "renew_every is to be"),
    ((True, "day", None), "renew_every is to be a whole number greater than 0, not True"),
    (("monday", "day", None), "renew_every is to be a whole number greater than 0, not 'monday'"),
    ((1.5, "day", None), "renew_every is to be"),
    ((None, "day", None), "renew_every is to be"),
    ((1, "days", None), "renew_unit is to be minute, hour, day, week"),
    ((1, "weekday", None), "renew_unit is to be"),
    ((1, "month", None), "renew_unit is to be"),
    ((1, "", None), "renew_unit is to be"),
    ((1, None, None), "renew_unit is to be"),
    ((1, "day", "9:00"), "renew_at is to be HH:MM"),
    ((1, "day", "24:00"), "renew_at is to be HH:MM"),
    ((1, "day", "12:60"), "renew_at is to be HH:MM"),
    ((1, "day", "12:00\n"), None),
    ((1, "day", "12:00;x"), "renew_at is to be HH:MM"),
    ((1, "day", ":30"), "renew_at is to be HH:MM"),
    ((1, "day", 900), "YAML reads 15:00 as the number 900"),
    ((1, "hour", "12:30"), "renew_at is to be :MM"),
    ((5, "minute", "12:30"), "renew_at (12:30) has no meaning"),
    *(((2, day, None), f"renew_unit is not to be a weekday ({day}) where renew_every is 2") for day in WEEKDAYS),
]


@pytest.mark.parametrize(("given", "said"), REFUSED, ids=str)
def test_what_does_not_go_together_is_refused_by_name(given, said):
    if said is None:
        assert renew_schedule(*given).hour == 12
        return
    with pytest.raises(InvalidOption) as refused:
        renew_schedule(*given)
    assert refused.value.message.startswith(said.partition(" ")[0]) or said in refused.value.message
    assert said in refused.value.message


def test_any_program_and_arguments():
    assert renew_command("/opt/a b", ["renew", 5, "--x=$(y)"]) == ["/opt/a b", "renew", "5", "--x=$(y)"]


@pytest.mark.parametrize(
    ("executable", "arguments", "said"),
    [
        ("", ["renew"], "renew_exec"),
        (None, ["renew"], "renew_exec"),
        ("a\0b", [], "renew_exec"),
        ("certbot", "renew", "renew_args is to be a list"),
        ("certbot", None, "renew_args is to be a list"),
        ("certbot", ["renew", None], "renew_args[1]"),
        ("certbot", [True], "renew_args[0]"),
        ("certbot", [["renew"]], "renew_args[0]"),
    ],
)
def test_what_is_no_command_is_refused_by_name(executable, arguments, said):
    with pytest.raises(InvalidOption) as refused:
        renew_command(executable, arguments)
    assert refused.value.message.startswith(said)
