# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import datetime

import pytest
from ansible_collections.certops.rotation.plugins.module_utils._core.instants import (
    earlier,
    format_duration,
    from_timestamp,
    is_ahead,
    isoformat_utc,
    parse_duration,
    parse_isoformat_utc,
    spoken_duration,
)
from ansible_collections.certops.rotation.plugins.module_utils._errors import InvalidOption
from hypothesis import given
from hypothesis import strategies as st

UTC = datetime.timezone.utc


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0", 0),
        ("0s", 0),
        ("30d", 30 * 86400),
        ("1w2d3h4m5s", 7 * 86400 + 2 * 86400 + 3 * 3600 + 4 * 60 + 5),
        ("1.5h", 5400),
        (" 12H ", 43200),
        ("1w1s", 604801),
        ("90m", 5400),
    ],
)
def test_durations_are_read(text: str, seconds: float) -> None:
    assert parse_duration(text).total_seconds() == seconds


@pytest.mark.parametrize(
    "text", ["", "30", "1.5", "d", "-1d", "1d2w", "1d1d", "1y", "1 d", "1e3s", "one day", "1.d", ".5d", "٣d", "00"]
)
def test_what_is_not_a_duration_is_refused(text: str) -> None:
    with pytest.raises(InvalidOption, match="not a duration"):
        parse_duration(text)


def test_a_bare_number_gets_a_hint() -> None:
    with pytest.raises(InvalidOption, match="Add a unit, for instance '30d'"):
        parse_duration("30")


def test_a_duration_beyond_all_calendars_is_refused() -> None:
    with pytest.raises(InvalidOption, match="too long"):
        parse_duration("9" * 30 + "w")


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0"), (0.4, "0"), (59.6, "1m"), (788645, "1w2d3h4m5s"), (30 * 86400, "4w2d"), (-90, "-1m30s")],
)
def test_durations_are_written(seconds: float, text: str) -> None:
    assert format_duration(datetime.timedelta(seconds=seconds)) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        *((-5, "0 seconds"), (1.9, "1 second"), (119, "119 seconds"), (120, "2 minutes"), (7199, "119 minutes")),
        *((7200, "2 hours"), (172799, "47 hours"), (172800, "2 days"), (89.9999 * 86400, "89 days")),
    ],
)
def test_durations_are_spoken(seconds: float, text: str) -> None:
    assert spoken_duration(datetime.timedelta(seconds=seconds)) == text


@given(st.integers(min_value=0, max_value=10**9))
def test_a_written_duration_reads_back(seconds: int) -> None:
    duration = datetime.timedelta(seconds=seconds)
    assert parse_duration(format_duration(duration)) == duration


def test_instants_are_written_in_utc() -> None:
    berlin = datetime.timezone(datetime.timedelta(hours=1))
    assert isoformat_utc(datetime.datetime(2026, 11, 22, 1, 2, 3, 999999, tzinfo=berlin)) == "2026-11-22T00:02:03Z"
    assert isoformat_utc(datetime.datetime(1, 1, 1, tzinfo=UTC)) == "0001-01-01T00:00:00Z"


def test_an_instant_without_time_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="time zone"):
        isoformat_utc(datetime.datetime(2026, 11, 22))  # noqa: DTZ001


@given(st.datetimes(timezones=st.just(UTC)))
def test_a_written_instant_reads_back(instant: datetime.datetime) -> None:
    assert parse_isoformat_utc(isoformat_utc(instant)) == instant.replace(microsecond=0)


@pytest.mark.parametrize("text", ["", "2026-11-22", "2026-11-22T00:00:00", "2026-13-01T00:00:00Z", "now"])
def test_what_is_not_an_instant_is_refused(text: str) -> None:
    with pytest.raises(InvalidOption, match="not an instant"):
        parse_isoformat_utc(text)


def test_what_is_before_the_first_instant_is_that() -> None:
    """Certificates may have any dates."""
    first = datetime.datetime(1, 1, 1, tzinfo=UTC)
    assert earlier(first, datetime.timedelta(days=1)) == first
    assert earlier(first + datetime.timedelta(days=2), datetime.timedelta(days=1)) == first + datetime.timedelta(days=1)


def test_what_clocks_may_differ_by_is_not_ahead() -> None:
    now = datetime.datetime(2027, 1, 31, tzinfo=UTC)
    steps = [datetime.timedelta(minutes=minutes) for minutes in (-600, 0, 5)]
    assert not any(is_ahead(now + step, now) for step in steps)
    assert is_ahead(now + datetime.timedelta(minutes=5, seconds=1), now)
    assert is_ahead(datetime.datetime.max.replace(tzinfo=UTC), now)
    assert not is_ahead(datetime.datetime.min.replace(tzinfo=UTC), now)


def test_times_of_files_are_any() -> None:
    assert isoformat_utc(from_timestamp(1_800_000_000.5)) == "2027-01-15T08:00:00Z"
    assert from_timestamp(1e18).year == 9999
    assert from_timestamp(-1e18).year == 1
