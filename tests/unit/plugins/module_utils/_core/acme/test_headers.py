# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import datetime

import pytest
from ansible_collections.certops.rotation.plugins.module_utils._core.acme.headers import (
    LONGEST_RETRY_AFTER,
    parse_retry_after,
)

NOW = datetime.datetime(2026, 11, 26, 8, 0, 0, tzinfo=datetime.timezone.utc)
DATE = "Thu, 26 Nov 2026 08:00:00 GMT"


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("0", 0),
        (" 5 ", 5),
        ("120", 120),
        ("604800", 604800),
        ("604801", LONGEST_RETRY_AFTER),
        ("9" * 99, LONGEST_RETRY_AFTER),
        ("Thu, 26 Nov 2026 08:00:30 GMT", 30),
        ("Thursday, 26-Nov-26 08:00:30 GMT", 30),
        ("Thu Nov 26 08:00:30 2026", 30),
        ("Thu, 26 Nov 2026 10:00:30 +0200", 30),
        ("Thu, 26 Nov 2026 07:00:00 GMT", 0),
        ("Mon, 01 Jan 1900 00:00:00 GMT", 0),
        ("Fri, 31 Dec 9999 23:59:59 GMT", LONGEST_RETRY_AFTER),
    ],
)
@pytest.mark.parametrize("date", [None, DATE, "garbage"])
def test_seconds_and_dates(value: str, seconds: float, date: str | None) -> None:
    assert parse_retry_after(value, date, NOW) == seconds


@pytest.mark.parametrize(
    "value",
    [
        None,
        "",
        " ",
        "-5",
        "+5",
        "1.5",
        "soon",
        "5 seconds",
        "\u0665",
        "\u00b2",
        "9" * 101,
        "Thu, 99 Nov 2026 08:00:00 GMT",
        "\x00",
        "0x5",
    ],
)
def test_what_says_nothing(value: str | None) -> None:
    assert parse_retry_after(value, DATE, NOW) is None


def test_a_date_is_counted_by_the_cas_own_clock() -> None:
    """Whose clock is an hour ahead of ours."""
    assert parse_retry_after("Thu, 26 Nov 2026 09:00:10 GMT", "Thu, 26 Nov 2026 09:00:00 GMT", NOW) == 10
