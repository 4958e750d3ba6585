# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a sync has to do: a pure function of what is desired and what is observed."""

from __future__ import annotations

import datetime
import typing as t
from dataclasses import dataclass

import pytest
from ansible_collections.certops.rotation.plugins.module_utils._core.pipeline.plan import (
    date_problems,
    plan_sync,
    vanished,
)

NOW = datetime.datetime(2026, 11, 22, tzinfo=datetime.timezone.utc)


@dataclass(frozen=True)
class Secret:
    name: str
    version_id: str = "v1"


@dataclass
class Deployed:
    stem: str
    version_id: str = "v1"
    layout: str = "haproxy"
    rules: str = "r1"


def plan(secrets: list[Secret], deployed: dict[str, Deployed], intact: bool = True, **options: str) -> t.Any:
    settings = {"layout": "haproxy", "rules": "r1", **options}
    return plan_sync(secrets, deployed, intact=lambda name: intact, **settings)


def test_same_version_rules_layout_and_files_are_unchanged() -> None:
    secret = Secret("a")
    assert plan([secret], {"a": Deployed("a")}).unchanged == [secret]


@pytest.mark.parametrize(
    ("deployed", "options", "intact"),
    [
        ({}, {}, True),
        ({"a": Deployed("a", version_id="v0")}, {}, True),
        ({"a": Deployed("a", rules="r0")}, {}, True),
        ({"a": Deployed("a")}, {"layout": "lineage"}, True),
        ({"a": Deployed("a")}, {}, False),
        ({"b": Deployed("a")}, {}, True),
    ],
)
def test_anything_else_is_read(deployed: dict[str, Deployed], options: dict[str, str], intact: bool) -> None:
    secret = Secret("a")
    result = plan([secret], deployed, intact, **options)
    assert (result.fetch, result.unchanged, result.refused) == ([secret], [], [])


def test_files_are_looked_at_only_when_all_else_is_equal() -> None:
    def fail(name: str) -> bool:
        raise AssertionError(name)

    plan_sync([Secret("a", "v2")], {"a": Deployed("a")}, layout="haproxy", rules="r1", intact=fail)


def test_secrets_for_one_file_are_refused_with_both_names() -> None:
    result = plan([Secret("a/b"), Secret("c"), Secret("a:b")], {"a/b": Deployed("a_b")})
    assert [secret.name for secret, _problem in result.refused] == ["a/b", "a:b"]
    for _secret, problem in result.refused:
        assert (problem.code, problem.severity) == ("file_name_collision", "error")
        assert "a/b and a:b" in problem.message
    assert result.fetch == [Secret("c")]


def test_vanished() -> None:
    assert vanished(["c", "b", "a"], {"a"}, set()) == ["b", "c"]
    assert vanished(["c", "b", "a"], {"a"}, {"b"}) == ["c"]
    assert vanished(["a"], set(), set()) == [], "an empty discovery proves nothing"


@pytest.mark.parametrize(
    ("summary", "min_remaining", "codes"),
    [
        ({}, 0, []),
        ({"not_after": "2026-11-22T00:00:00Z"}, 0, ["expired"]),
        ({"not_after": "2026-11-22T00:00:01Z"}, 0, []),
        ({"not_after": "2026-11-22T23:59:59Z"}, 1, ["expires_too_soon"]),
        ({"not_after": "2026-11-23T00:00:00Z"}, 1, []),
        ({"not_after": "2027-01-01T00:00:00Z", "chain_not_after": "2026-11-22T00:00:00Z"}, 0, ["intermediate_expired"]),
        ({"not_after": "2027-01-01T00:00:00Z", "chain_not_after": "2026-11-22T00:00:01Z"}, 0, []),
        ({"not_after": None}, 1, []),
    ],
)
def test_dates(summary: dict[str, t.Any], min_remaining: int, codes: list[str]) -> None:
    problems = date_problems(summary, now=NOW, min_remaining=datetime.timedelta(days=min_remaining))
    assert [problem.code for problem in problems] == codes
    assert all(problem.severity == "error" for problem in problems)
