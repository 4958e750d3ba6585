# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which way costs less, and what is kept of what it took."""

from __future__ import annotations

import json
import typing as t

import pytest
from ansible_collections.certops.rotation.plugins.module_utils._core.haproxy.update_cost import (
    FASTER,
    FEW,
    GAIN,
    Measured,
    Shown,
    UpdateWay,
    choose_way,
    estimate_update,
    is_telling,
    keep_costs,
    read_costs,
)
from hypothesis import given
from hypothesis import strategies as st

SLOW = Measured(100, 100.0)


def choose(number: int, shown: Shown, **options: t.Any) -> UpdateWay:
    usual = {"update_by": "cost", "can_update": True, "can_reload": True}
    return choose_way(number, shown, **{**usual, **options})


@pytest.mark.parametrize(
    ("number", "shown", "options", "expected"),
    [
        (0, Shown(100), {"update_by": "reload"}, ("none", "none")),
        (1, Shown(1), {}, ("hot_update", "few")),
        (FEW - 1, Shown(5000, hot_update=SLOW), {}, ("hot_update", "few")),
        (FEW, Shown(FEW), {}, ("hot_update", "cheaper")),
        (FEW, Shown(FEW, hot_update=SLOW), {}, ("reload", "cheaper")),
        (1000, Shown(1000), {}, ("hot_update", "cheaper")),
        (5000, Shown(5000), {}, ("reload", "cheaper")),
        (100, Shown(5000), {}, ("hot_update", "cheaper")),
        (5000, Shown(5000, reload=Measured(5000, 60.0)), {}, ("hot_update", "cheaper")),
        (5000, Shown(5000, free_mb=100.0), {}, ("hot_update", "memory")),
        (5000, Shown(5000, free_mb=1000.0), {}, ("reload", "cheaper")),
        (5000, Shown(5000, worker_mb=900.0, free_mb=1000.0), {}, ("hot_update", "memory")),
        (5000, Shown(5000), {"timeout": 5.0}, ("hot_update", "timeout")),
        (1, Shown(1), {"needs_reload": True}, ("reload", "reload_needed")),
        (1, Shown(1, free_mb=0.0), {"needs_reload": True}, ("reload", "reload_needed")),
        (1, Shown(1), {"needs_reload": True, "can_reload": False}, ("hot_update", "no_reload")),
        (5000, Shown(5000), {"can_reload": False}, ("hot_update", "no_reload")),
        (1, Shown(1), {"can_update": False}, ("reload", "no_socket")),
        (1, Shown(1), {"can_update": False, "update_by": "hot_update"}, ("reload", "no_socket")),
        (1, Shown(1), {"update_by": "reload"}, ("reload", "asked")),
        (5000, Shown(5000), {"update_by": "hot_update", "needs_reload": True}, ("hot_update", "asked")),
    ],
)
def test_the_way(number: int, shown: Shown, options: dict[str, t.Any], expected: tuple[str, str]) -> None:
    assert choose(number, shown, **options)[:2] == expected


measured = st.none() | st.builds(Measured, st.integers(1, 100_000), st.floats(0.001, 10_000))


@given(
    st.integers(FEW, 20_000),
    st.builds(Shown, st.integers(0, 20_000), measured, measured, st.none(), st.none() | st.floats(0, 1e5)),
)
def test_a_reload_is_worth_it(number: int, shown: Shown) -> None:
    """It saves what it is to save, fits, and is never missed."""
    way = choose(number, shown)
    estimate = way.estimate
    saves = estimate.hot_update_seconds - estimate.reload_seconds >= GAIN
    is_worth_it = saves and estimate.hot_update_seconds >= FASTER * estimate.reload_seconds and estimate.fits
    assert (way.way == "reload") is is_worth_it
    json.dumps(way.as_result(), allow_nan=False)


def test_what_it_took_here_counts() -> None:
    """With any other number of certificates, too."""
    usual = estimate_update(1000, Shown(1000))
    slow = Shown(1000, Measured(500, 2 * estimate_update(500, Shown(1000)).hot_update_seconds))
    assert estimate_update(1000, slow).hot_update_seconds == pytest.approx(2 * usual.hot_update_seconds)
    slow = Shown(1000, reload=Measured(100, 3 * estimate_update(1, Shown(100)).reload_seconds))
    assert estimate_update(1000, slow).reload_seconds == pytest.approx(3 * usual.reload_seconds)
    assert estimate_update(1000, slow).hot_update_seconds == usual.hot_update_seconds


def test_one_slow_moment_does_not_decide() -> None:
    kept = keep_costs({}, {"reload": Measured(100, 1.0)})
    assert kept == {"reload": {"certificates": 100, "seconds": 1.0}}
    kept = keep_costs(kept, {"reload": Measured(100, 9.0), "hot_update": Measured(60, 0.5)})
    assert kept == {
        "hot_update": {"certificates": 60, "seconds": 0.5},
        "reload": {"certificates": 100, "seconds": 5.0},
    }
    assert keep_costs(kept, {}) == kept
    # As slow as before, but with other numbers: no slower.
    kept = keep_costs(None, {"hot_update": Measured(100, 10.0)})
    again = estimate_update(1000, Shown(0, **read_costs(kept))).hot_update_seconds
    kept = keep_costs(kept, {"hot_update": Measured(1000, again)})
    assert kept["hot_update"] == {"certificates": 1000, "seconds": pytest.approx(again, abs=0.001)}


@pytest.mark.parametrize(
    "value",
    [
        None,
        "",
        [],
        {"certificates": 100},
        {"certificates": "100", "seconds": 1},
        {"certificates": 0, "seconds": 1},
        {"certificates": True, "seconds": 1},
        {"certificates": 100, "seconds": -1},
        {"certificates": 100, "seconds": float("nan")},
        {"certificates": 100, "seconds": float("inf")},
        {"certificates": 100, "seconds": 10**400},
        {"certificates": 10**400, "seconds": 1},
        {"certificates": 1, "seconds": 1e308},
        {"certificates": 1e300, "seconds": 1},
    ],
)
def test_a_damaged_state_says_nothing(value: object) -> None:
    assert read_costs({"reload": value}) == {}
    way = choose(5000, Shown(5000, **read_costs({"reload": value, "hot_update": value})))
    json.dumps(way.as_result(), allow_nan=False)
    assert read_costs(value) == {}
    assert keep_costs({"reload": value}, {"reload": Measured(100, 1.0)}) == keep_costs(
        {}, {"reload": Measured(100, 1.0)}
    )


def test_few_updates_say_nothing_of_others() -> None:
    assert not is_telling("hot_update", Measured(FEW - 1, 1.0))
    assert is_telling("hot_update", Measured(FEW, 1.0))
    assert is_telling("reload", Measured(1, 1.0))


def test_it_is_told() -> None:
    few = choose(2, Shown(40))
    assert (
        few.message
        == "hot update for 2 changes, for they are few (by hot update about 0.0 s, by reload about 0.6 s and 7 MB)"
    )
    assert not few.is_notable
    many = choose(5000, Shown(5000, free_mb=9000.0))
    assert many.message.startswith("one reload for 5000 changes, for that is cheaper (by hot update about 17.5 s")
    assert many.message.endswith("of 9000 MB free)")
    assert many.is_notable
    assert choose(1, Shown(1), update_by="reload").message.startswith("one reload for 1 change, for update_by says so")
    assert choose(0, Shown(1)).message == ""
