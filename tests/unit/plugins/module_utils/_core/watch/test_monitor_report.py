# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a run of the role endpoint_monitor tells, and what it fails for."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.certops.rotation.plugins.module_utils._core.watch.monitor_report import monitor_report

PLAN: dict[str, t.Any] = {
    "alert": "fail",
    "unreachable_after": 2,
    "receivers": [],
    "silent": {},
    "selects_all": True,
    "unregistered": [],
}
SCANNED: dict[str, t.Any] = {
    "endpoints": 3,
    "addresses": 4,
    "states": {"expired": 1, "unreachable": 0, "good": 3},
    "events": {"renewed": 2, "expired": 0},
    "problems": [{"condition": "expired", "message": "shop has expired.", "failures": 0}],
    "more_problems": 0,
    "unfinished": [],
    "seconds": 1.26,
}


def report(
    plan: t.Mapping[str, t.Any] | None = None, predicted: bool = False, **results: t.Any
) -> dict[str, list[str]]:
    return monitor_report({**PLAN, **(plan or {})}, {"scanned": SCANNED, **results}, predicted)


def test_what_was_seen_and_told() -> None:
    assert report()["lines"] == ["3 endpoints, 4 addresses in 1.3 s: 1 expired, 3 good.", "Told: 2 renewed."]
    assert report(predicted=True)["lines"][1] == "Would be told: 2 renewed."
    assert report(scanned={"endpoints": 1, "addresses": 1, "states": {"good": 1}})["lines"] == [
        "1 endpoint, 1 address in 0.0 s: 1 good."
    ]


def test_that_nothing_is_watched_is_no_success() -> None:
    nothing = {"endpoints": 0, "addresses": 0}
    told = report(scanned=nothing)
    assert told["lines"] == ["0 endpoints, 0 addresses in 0.0 s: none."]
    assert told["failures"][0].startswith("Nothing is watched")
    assert report({"alert": "warn"}, scanned=nothing)["lines"][-1].startswith("Nothing is watched")
    assert report({"selects_all": False}, scanned=nothing)["failures"] == []
    assert report({"selects_all": True}, scanned={"failed": True})["failures"] == []


def test_what_check_mode_could_not_ask_is_told() -> None:
    new = {"registered": {"changed": True, "added": 2, "registered": 5}}
    assert report(predicted=True, **new)["lines"][-1] == "Would be registered, and asked from then on: 2."
    assert report({"unregistered": [{}, {}]}, predicted=True, **new)["lines"] == report(predicted=True)["lines"]
    assert report(**new)["lines"] == report()["lines"]
    assert report(predicted=True, scanned={"endpoints": 0}, **new)["failures"] == []


def test_what_a_person_has_to_look_at_is_a_failure_a_line_or_left_to_the_receivers() -> None:
    told = {alert: report({"alert": alert}) for alert in ("fail", "warn", "notify")}
    assert told["fail"]["failures"] == ["shop has expired."]
    assert told["warn"]["failures"] == told["notify"]["failures"] == []
    assert told["warn"]["lines"][-1] == "shop has expired."
    assert "shop has expired." not in told["fail"]["lines"] + told["notify"]["lines"]


@pytest.mark.parametrize(("failures", "alarms"), [(1, 0), (2, 1), (3, 1)])
def test_one_silence_is_no_alarm(failures: int, alarms: int) -> None:
    problem = {"condition": "unreachable", "message": "shop is not reached.", "failures": failures}
    assert len(report(scanned={**SCANNED, "problems": [problem]})["failures"]) == alarms


def test_problems_that_are_not_named_are_counted() -> None:
    failures = report(scanned={**SCANNED, "more_problems": 7})["failures"]
    assert failures[1].startswith("7 more need a person")


def test_whatever_could_not_be_done_fails_every_run_and_comes_first() -> None:
    receivers = [{"receiver": "chat"}, {"receiver": "log"}]
    found = report(
        {"alert": "notify", "receivers": receivers, "silent": {"lb1": "no route to host"}},
        registered={"failed": True, "msg": "*.example.com stands for many hosts."},
        scanned={**SCANNED, "unfinished": ["slow.example.com:443"], "more_unfinished": 2},
        delivered={"results": [{"failed": True, "msg": "connection refused"}, {"delivered": 2}], "failed": True},
        shown={"failed": True, "msg": "No space left on device"},
    )
    assert [failure.partition(":")[0] for failure in found["failures"]] == [
        "What is watched is not as it should be",
        "lb1 has not said what it serves",
        "3 endpoints were not asked within endpoint_monitor_deadline, slow.example.com",
        "chat",
        "The dashboard was not written",
    ]
    assert found["undelivered"] == ["chat: connection refused"]


def test_tasks_that_were_skipped_have_not_failed() -> None:
    skipped = {"skipped": True, "changed": False}
    assert report({"alert": "warn"}, registered=skipped, delivered=skipped, shown=skipped)["failures"] == []


def test_a_delivery_that_could_not_be_begun_is_no_success() -> None:
    delivered = {"failed": True, "msg": "a template could not be rendered"}
    assert report({"alert": "notify"}, delivered=delivered)["failures"] == [
        "No receiver was told: a template could not be rendered"
    ]
