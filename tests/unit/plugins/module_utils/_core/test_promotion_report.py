# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is not promoted fails the run, and is told last."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.certops.rotation.plugins.module_utils._core.promotion_report import (
    hosts_behind,
    promotion_report,
)


def verdict(name: str, kind: str) -> dict[str, t.Any]:
    return {"name": name, "arn": f"arn:{name}", "verdict": kind, "reason": f"why {kind}", "current_version_id": "old"}


PROMOTED, HELD, WITHDRAWN = verdict("web/a", "promote"), verdict("web/b", "hold"), verdict("web/c", "withdraw")


def back(**more: t.Any) -> dict[str, t.Any]:
    item = {"name": "web/c", "arn": "arn:web/c", "version_id": "old", "action": "unchanged", "proven": True, **more}
    return {"certificates": [item], "proven": []}


def test_each_ends_in_its_way() -> None:
    told = promotion_report([HELD, WITHDRAWN, PROMOTED])
    assert (told["promoted"], told["held"], told["withdrawn"], told["failed"]) == (["web/a"], ["web/b"], ["web/c"], [])
    assert [line.split()[0] for line in told["table"]] == ["promoted", "withdrawn", "held"]
    assert told["summary"] == "3 candidates: 1 promoted, 1 withdrawn, 1 held."
    assert told["msg"].endswith(told["summary"])


@pytest.mark.parametrize(
    ("verdicts", "more", "fails"),
    [
        ([], {}, False),
        ([PROMOTED], {}, False),
        ([HELD], {}, True),
        ([WITHDRAWN], {}, True),
        ([WITHDRAWN], {"asked_to_withdraw": True}, False),
        ([WITHDRAWN], {"asked_to_withdraw": True, "canaries": {"one": back()}}, False),
        ([WITHDRAWN], {"asked_to_withdraw": True, "canaries": {"one": back(version_id="new")}}, True),
        ([WITHDRAWN], {"asked_to_withdraw": True, "canaries": {"one": back(proven=False)}}, True),
        (
            [WITHDRAWN],
            {"asked_to_withdraw": True, "canaries": {"one": {**back(proven=False), "proven": ["web/c"]}}},
            False,
        ),
        ([WITHDRAWN], {"asked_to_withdraw": True, "canaries": {"one": {}}}, True),
        ([WITHDRAWN], {"asked_to_withdraw": True, "canaries": {"one": {"certificates": []}}}, False),
        ([PROMOTED], {"done": [{"name": "web/a", "arn": "arn:web/a", "action": "failed", "message": "denied"}]}, True),
        ([PROMOTED], {"done": [{"name": "web/a", "arn": "arn:web/a", "action": "promoted"}]}, False),
        ([PROMOTED], {"check_mode": True}, False),
        ([HELD], {"check_mode": True}, True),
    ],
)
def test_the_exit_code_is_true(verdicts: list[dict[str, t.Any]], more: dict[str, t.Any], fails: bool) -> None:
    assert bool(promotion_report(verdicts, **more)["msg"]) is fails


MOVED = {**PROMOTED, "version_id": "new"}
ARN = "arn:aws:secretsmanager:a-1:111122223333:secret:web/a-AbCdEf"


def follower(version: str | None = "old", **more: t.Any) -> dict[str, t.Any]:
    item = {"name": "web/a", "arn": "arn:web/a", "version_id": version, "action": "unchanged", "label": "AWSCURRENT"}
    other = {**item, "name": "web/z", "arn": "arn:web/z"}
    return {"certificates": [other, {**item, **more}]}


@pytest.mark.parametrize(
    ("verdict", "host", "is_behind"),
    [
        (MOVED, follower(), True),
        (MOVED, follower(label=None), True),
        (MOVED, follower(arn=None), True),
        (MOVED, follower("new", action="updated"), False),
        (MOVED, follower("newer"), False),  # somebody has stored another one since then
        (MOVED, follower(label="FROZEN"), False),
        (MOVED, follower(action="refused"), False),  # which the rotation fails for
        (MOVED, follower(action="removed"), False),
        (MOVED, follower(arn="arn:other"), False),
        ({**MOVED, "arn": ARN}, follower(arn=ARN.replace("a-1", "b-1")), True),  # reads a replica
        (MOVED, {"certificates": []}, False),
        (MOVED, {}, False),
        ({**MOVED, "current_version_id": "new"}, follower("older"), True),  # moved by a run that was killed then
        ({**MOVED, "current_version_id": "new"}, follower("new"), False),
        ({**MOVED, "verdict": "hold"}, follower(), False),
    ],
)
def test_who_of_the_fleet_has_not_seen_it(verdict: dict[str, t.Any], host: dict[str, t.Any], is_behind: bool) -> None:
    followers = {"lb2": host, "lb3": follower("new")}
    assert hosts_behind([verdict], followers) == ["lb2"] * is_behind
    told = promotion_report([verdict], followers=followers)
    assert told["behind"] == ["lb2"] * is_behind
    assert ("not seen yet by lb2, for" in told["certificates"][0]["reason"]) is is_behind
    assert bool(told["msg"]) is (is_behind or verdict["verdict"] == "hold")


def test_one_that_could_not_be_promoted_leaves_nobody_behind() -> None:
    failed = [{"name": "web/a", "arn": "arn:web/a", "action": "failed", "message": "denied"}]
    assert promotion_report([MOVED], failed, followers={"lb2": follower()})["behind"] == []


def test_a_canary_that_reads_a_replica_goes_back_too() -> None:
    arn = "arn:aws:secretsmanager:a-1:111122223333:secret:web/c-AbCdEf"
    replica = back(version_id="new", arn=arn.replace("a-1", "b-1"))
    told = promotion_report([{**WITHDRAWN, "arn": arn}], canaries={"two": replica}, asked_to_withdraw=True)
    assert "two is not back at the current version" in told["msg"]


def test_words() -> None:
    late = promotion_report([MOVED], followers={"lb2": follower(), "lb3": follower()})
    assert late["summary"] == "1 candidate: 1 promoted. 2 hosts have not seen yet what was promoted."
    assert promotion_report([])["summary"] == "There is nothing to promote."
    foreseen = promotion_report([PROMOTED], check_mode=True)
    assert foreseen["table"] == ["would be promoted  web/a  why promote"]
    assert foreseen["summary"] == "1 candidate: 1 would be promoted. Nothing was changed."
    failed = promotion_report([PROMOTED], [{"name": "web/a", "arn": None, "action": "failed", "message": "denied"}])
    assert failed["table"] == ["failed  web/a  promote: denied"]
