# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""When services are told."""

from __future__ import annotations

import typing as t
from datetime import datetime, timedelta, timezone

import pytest
from ansible_collections.certops.rotation.plugins.module_utils._core.services.debounce import (
    debounce,
    parse_update_delay,
)
from ansible_collections.certops.rotation.plugins.module_utils._core.services.pending import PendingLineage
from ansible_collections.certops.rotation.plugins.module_utils._errors import InvalidOption

NOW = datetime(2026, 11, 26, 12, tzinfo=timezone.utc)
HOUR = timedelta(hours=1)


def pushed(minutes_ago: float, name: str = "example.com") -> PendingLineage:
    return PendingLineage(name, "00", NOW - timedelta(minutes=minutes_ago))


@pytest.mark.parametrize(
    ("pending", "delay", "due", "at"),
    [
        ([], HOUR, False, None),
        ([pushed(0)], HOUR, False, NOW + HOUR),
        ([pushed(59.99)], HOUR, False, NOW + timedelta(minutes=0.01)),
        ([pushed(60)], HOUR, True, NOW),
        ([pushed(0)], timedelta(0), True, NOW),
        # Each push restarts it, whichever lineage it brings.
        ([pushed(90), pushed(10, "b")], HOUR, False, NOW + timedelta(minutes=50)),
        ([pushed(10, "b"), pushed(90)], HOUR, False, NOW + timedelta(minutes=50)),
        ([pushed(90), pushed(61, "b")], HOUR, True, NOW - timedelta(minutes=1)),
        # The clock was ahead when it was pushed.
        ([pushed(-60 * 24 * 365)], HOUR, True, NOW + timedelta(days=365) + HOUR),
        ([pushed(0)], timedelta.max, False, datetime.max.replace(tzinfo=timezone.utc)),
    ],
)
def test_it_is_due_when_the_last_push_is_long_enough_ago(
    pending: list[PendingLineage], delay: timedelta, due: bool, at: datetime | None
) -> None:
    assert debounce(pending, NOW, delay) == (due, at)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (None, 0),
        ("", 0),
        (0, 0),
        ("0", 0),
        (False, 0),
        ("null", 0),
        ("1h", 3600),
        ("1w2d3h4m5s", 788645),
        ("1.5h", 5400),
        (" 2H ", 7200),
    ],
)
def test_a_delay_is_a_duration(value: t.Any, seconds: float) -> None:
    assert parse_update_delay(value).total_seconds() == seconds


@pytest.mark.parametrize("value", ["1y", 60, "60", "-1h", "5s1m", True, [], "1 h"])
def test_what_is_no_duration_is_refused_by_the_options_name(value: t.Any) -> None:
    with pytest.raises(InvalidOption, match=r"^update_delay: "):
        parse_update_delay(value)
