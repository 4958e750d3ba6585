# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t
from datetime import datetime, timedelta, timezone

import pytest
from ansible_collections.certops.rotation.plugins.module_utils._core.acme.reissue_clock import read_clock
from ansible_collections.certops.rotation.plugins.module_utils._errors import InvalidOption

NOW = datetime(2027, 1, 31, 12, tzinfo=timezone.utc)


def lines(since: t.Any = "", limits: t.Any = (), left: int = 0, last: datetime | None = None) -> list[str]:
    return read_clock(since, limits, NOW).lines(left, last)


def test_done_in_time_and_after() -> None:
    assert lines("2027-01-30T11:00:00Z") == [
        "1d end at 2027-01-31T11:00:00Z: done.",
        "5d end at 2027-02-04T11:00:00Z: done, 3 days before.",
    ]


def test_not_done() -> None:
    assert lines("2027-01-30T11:00:00Z", left=2) == [
        "1d end at 2027-01-31T11:00:00Z, 60 minutes ago: 2 not done.",
        "5d end at 2027-02-04T11:00:00Z: 3 days left for 2 not done.",
    ]


def test_the_limits_of_the_authority_are_too_narrow() -> None:
    late = NOW + timedelta(days=2)
    (first, second) = lines(left=2, last=late)
    assert first.endswith("only, which is too late.")
    assert "too late" not in second


def test_without_an_instant_it_is_counted_from_now() -> None:
    assert lines(limits=["90m"], left=1) == [
        "1h30m end at 2027-01-31T13:30:00Z, counted from this run: 90 minutes left for 1 not done."
    ]


@pytest.mark.parametrize("limits", [["5d", "24h"], ["24h", "1d", "5d"], None])
def test_each_limit_once_and_the_shortest_first(limits: t.Any) -> None:
    assert [line.partition(" ")[0] for line in lines(limits=limits)] == ["1d", "5d"]


def test_a_limit_without_an_end() -> None:
    assert lines(limits=["9999999d"], left=1)[0].endswith("never ends.")


@pytest.mark.parametrize(
    ("since", "limits", "named"),
    [
        ("yesterday", [], "reissue_since"),
        ("2027-02-01T12:00:00Z", [], "still to come"),
        ("", ["soon"], "reissue_limits"),
        ("", ["0"], "reissue_limits"),
        ("", [24], "reissue_limits"),
    ],
)
def test_what_is_not_understood_is_named(since: str, limits: t.Any, named: str) -> None:
    with pytest.raises(InvalidOption, match=named):
        read_clock(since, limits, NOW)
