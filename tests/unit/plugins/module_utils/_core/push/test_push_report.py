# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.certops.rotation.plugins.module_utils._core.push.push_report import (
    LineageReport,
    PushReport,
    TargetReport,
)


def report(*targets: tuple[str, list[LineageReport]], **more: t.Any) -> PushReport:
    return PushReport(
        {name: TargetReport(name, {each.lineage: each for each in those}) for name, those in targets}, **more
    )


def lineage(outcome: t.Any, name: str = "example.com", **more: t.Any) -> LineageReport:
    return LineageReport(name, outcome, "ab" * 32, **more)


def test_a_host_is_as_bad_as_the_worst_of_its_lineages() -> None:
    found = report(
        ("a", [lineage("confirmed"), lineage("unchanged", "b")]),
        ("b", [lineage("confirmed"), lineage("owed", "b")]),
        ("c", [lineage("owed"), lineage("dead", "b")]),
        ("d", [lineage("unchanged")]),
        ("e", []),
    )
    assert {name: each.outcome for name, each in found.targets.items()} == {
        "a": "confirmed",
        "b": "owed",
        "c": "dead",
        "d": "unchanged",
        "e": "unchanged",
    }
    assert found.as_result()["counts"] == {"confirmed": 1, "owed": 1, "dead": 1, "unchanged": 2}


def test_what_is_owed_afterwards_fails_the_run() -> None:
    assert "no route" in report(("a", [lineage("owed", error="no route")])).failure


def test_what_waits_at_the_host_does_not() -> None:
    assert not report(("a", [lineage("owed", waiting=True)])).failure


def test_what_is_given_up_fails_the_run_that_gives_it_up_and_no_later_one() -> None:
    assert report(("a", [lineage("dead", error="x")])).failure
    assert not report(("a", [lineage("dead", error="x", was_dead=True)])).failure


def test_the_failure_names_each_host_and_lineage_and_each_reason_once() -> None:
    found = report(
        ("a", [lineage("owed", error="no route"), lineage("owed", "b", error="no route")]),
        ("b", [lineage("owed", error="no route")]),
        ("c", [lineage("owed", error="denied")]),
        problems=["x cannot be read"],
    )
    assert found.failure.splitlines() == [
        "x cannot be read",
        "a (example.com, b), b (example.com): no route",
        "c (example.com): denied",
    ]


def test_what_changes_something() -> None:
    assert report(("a", [lineage("confirmed")])).changed
    assert report(("a", [lineage("owed", uploaded=True)])).changed
    assert report(("a", [lineage("dead")])).changed
    assert not report(("a", [lineage("dead", was_dead=True), lineage("unchanged", "b")])).changed
    assert not report(("a", [lineage("owed")])).changed
    assert report(("a", [lineage("owed")]), predicted=True).changed


@pytest.mark.parametrize("fault", ["not_a_target", "expired", "taken_back", "canary"])
def test_a_prediction_fails_for_nothing_but_what_no_run_can_do(fault: str) -> None:
    assert not report(("a", [lineage("owed")]), predicted=True).failure
    predicted = report(("a", [lineage("owed", error="x", fault=fault)]), predicted=True)
    assert predicted.failure
    assert not predicted.changed
    assert predicted.diff() == {"before": {}, "after": {}}


def test_the_diff_has_fingerprints_of_what_changed() -> None:
    found = report(("a", [lineage("confirmed", before="cd" * 32), lineage("unchanged", "b")]), ("b", [lineage("owed")]))
    assert found.diff() == {"before": {"a": {"example.com": "cd" * 32}}, "after": {"a": {"example.com": "ab" * 32}}}
    assert set(report(("b", [lineage("owed")]), predicted=True).diff()["after"]) == {"b"}
