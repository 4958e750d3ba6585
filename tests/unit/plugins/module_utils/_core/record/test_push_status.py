# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The verdict on what is owed: what is an error, what is told only, and the table for people."""

from __future__ import annotations

import typing as t
from datetime import datetime, timedelta, timezone

import pytest
from ansible_collections.certops.rotation.plugins.module_utils._core.push.debts import Debt, Debts
from ansible_collections.certops.rotation.plugins.module_utils._core.push.entries import OwedEntry
from ansible_collections.certops.rotation.plugins.module_utils._core.record.push_status import PushStatus

NOW = datetime(2026, 11, 26, 8, tzinfo=timezone.utc)
PAID = Debts(paid=(Debt("web1", "a", "ab" * 32, ("a",)), Debt("web1", "b", "cd" * 32, ("b",))))
DOWN = OwedEntry("web2", "a", "ab" * 32, "2026-11-26T06:00:00Z", attempts=3, last_error="It does not answer.")


def status(**changed: t.Any) -> PushStatus:
    given: dict[str, t.Any] = {"hosts": ["web1", "web2"], "debts": PAID, "owed": (), "given_up": (), "now": NOW}
    return PushStatus(**{**given, **changed})


def codes(found: PushStatus) -> dict[str, str]:
    return {problem["code"]: problem["severity"] for problem in found.problems()}


def test_nothing_owed() -> None:
    result = status().as_result()
    assert result["healthy"]
    assert result["problems"] == []
    assert result["msg"].splitlines() == [
        "Healthy: 2 hosts, 0 lineages owed, 0 given up.",
        "host  confirmed  owed  given up",
        "web1  2          0     0",
        "web2  0          0     0",
    ]


def test_what_is_owed_is_told_and_wrong_when_it_lasts() -> None:
    assert codes(status(owed=[DOWN])) == {"owed": "warning"}
    assert codes(status(owed=[DOWN], max_age=timedelta(hours=3))) == {"owed": "warning"}
    late = status(owed=[DOWN], max_age=timedelta(hours=1))
    assert codes(late) == {"owed": "error"}
    (problem,) = late.problems()
    assert problem["message"] == "web2 has been owed a for 2h, 3 attempts failed: It does not answer."
    assert not late.as_result()["healthy"]
    assert "web2  0          1     0" in late.as_result()["msg"]


def test_times_in_the_future_are_not_known() -> None:
    ahead = NOW + timedelta(days=1000)
    known = {"knows_runs": True, "max_age": timedelta(hours=3), "ahead": ahead}
    assert codes(status(**known)) == {"time_in_future": "error"}
    assert codes(status(**known, last_success=NOW)) == {"time_in_future": "warning"}
    old = status(**known, last_success=NOW - timedelta(days=1))
    assert codes(old) == {"time_in_future": "warning", "last_success_too_old": "error"}
    owed = OwedEntry("web2", "a", "ab" * 32, "2029-11-26T06:00:00Z")
    assert codes(status(owed=[owed])) == {"owed": "warning"}
    late = status(owed=[owed], max_age=timedelta(hours=3))
    assert codes(late) == {"owed": "error"}
    assert "since a time in the future" in late.as_result()["msg"]


def test_what_was_given_up_is_wrong() -> None:
    found = status(given_up=[DOWN, OwedEntry("web2", "b", "cd" * 32, "2026-11-26T06:00:00Z")])
    assert codes(found) == {"given_up": "error"}
    (problem,) = found.problems()
    assert problem["message"].startswith(
        "a, b: not pushed to web2 any more, after 3 attempts: It does not answer. Mend"
    )
    assert found.as_result()["hosts"][1]["given_up"] == 2


@pytest.mark.parametrize(
    ("changed", "code", "severity"),
    [
        ({"debts": Debts(new=(Debt("web1", "a", "ab" * 32, ("a",)),))}, "not_queued", "warning"),
        ({"debts": Debts(strays=(("old", "a"),))}, "not_a_target", "warning"),
        ({"debts": Debts(idle=("web1",))}, "no_lineage", "warning"),
        ({"debts": Debts(expired=("a",))}, "lineage_expired", "error"),
        ({"bad": ["/q/bad/web1/a.json.owed.1"]}, "queue_damaged", "warning"),
        ({"woken": 1}, "not_woken", "warning"),
        ({"unreadable": {"a": "a: its key is that of another certificate."}}, "lineage_unreadable", "error"),
        ({"hosts": []}, "no_targets", "error"),
    ],
)
def test_problems(changed: dict[str, t.Any], code: str, severity: str) -> None:
    assert codes(status(**changed)) == {code: severity}


def test_what_a_removed_host_is_owed_is_told_once() -> None:
    stray = OwedEntry("old", "a", "ab" * 32, "2026-11-01T00:00:00Z")
    found = status(debts=Debts(strays=(("old", "a"),)), owed=[stray], max_age=timedelta(hours=1))
    assert codes(found) == {"not_a_target": "warning"}
    assert "old   0          1     0" in found.as_result()["msg"]


def test_the_age_of_the_last_run() -> None:
    limit = timedelta(days=1)
    assert codes(status(max_age=limit)) == {}, "nothing tells of runs"
    assert codes(status(max_age=limit, knows_runs=True)) == {"never_succeeded": "error"}
    old = status(max_age=limit, knows_runs=True, last_success=NOW - timedelta(days=2))
    assert codes(old) == {"last_success_too_old": "error"}
    assert codes(status(max_age=limit, knows_runs=True, last_success=NOW - timedelta(hours=2))) == {}
    assert codes(status(knows_runs=True, last_success=NOW - timedelta(days=900))) == {}, "no limit"


def test_the_worst_comes_first() -> None:
    lines = status(owed=[DOWN], unreadable={"b": "b is damaged."}).as_result()["msg"].splitlines()
    assert [line.partition(":")[0] for line in lines[:3]] == ["Not healthy, 1 problem", "error", "warning"]


def test_who_is_being_pushed_to() -> None:
    hosts = status(owed=[DOWN], claimed=["web2"]).as_result()["hosts"]
    assert [host["being_pushed"] for host in hosts] == [False, True]
