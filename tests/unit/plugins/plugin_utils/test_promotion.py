# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the role promotion is told by variables of any type, and by hosts that may say anything."""

from __future__ import annotations

import time
import typing as t

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.certops.rotation.plugins.filter._promotion import promotion
from ansible_collections.certops.rotation.plugins.module_utils._core.secrets.candidates import (
    CandidateMove,
    check_candidate_moves,
)

RULES = {"label": "CANDIDATE", "soak": "10m", "deadline": "24h", "withdraw": False}
STAGED = {
    "name": "web/a",
    "arn": "arn:a",
    "state": "staged",
    "version_id": "new",
    "current_version_id": "old",
    "created_at": None,
    "not_after": None,
}
ITEM = {"name": "web/a", "arn": "arn:a", "version_id": "new", "action": "unchanged", "proven": True}


def told(**host: t.Any) -> dict[str, t.Any]:
    return dict(promotion(host, "told"))


def kinds(**host: t.Any) -> list[str]:
    found = promotion([STAGED], "verdicts", canaries={"lb1": told(**host)}, rules=RULES)
    return [each["verdict"] for each in found]


def test_facts_of_a_host() -> None:
    assert kinds(haproxy_certificates_result={"certificates": [ITEM]}) == ["promote"]
    for odd in ({"certificates": [5]}, {"certificates": "x"}, {"certificates": [ITEM], "proven": 5}, {"msg": "x"}, {}):
        assert kinds(haproxy_certificates_result=odd) == ["hold"]
    assert told() == {"labels": ["AWSCURRENT"]}


def test_a_host_that_nobody_could_reach_says_why() -> None:
    facts = told(haproxy_certificates_result={"unreachable": True, "msg": "No route to host"})
    (found,) = promotion([STAGED], "verdicts", canaries={"lb1": facts}, rules=RULES)
    assert found["reason"] == "lb1 could not be asked: No route to host"


def test_how_long_to_wait_for_a_listing() -> None:
    behind = {**ITEM, "version_id": "old", "label": "AWSCURRENT"}
    late = {
        "haproxy_certificates_result": {"certificates": [behind]},
        "haproxy_certificates_labels": "CANDIDATE,AWSCURRENT",
    }
    there = {**late, "haproxy_certificates_result": {"certificates": [ITEM]}}

    def wait(host: dict[str, t.Any], lag: str, waited: t.Any = 0, phase: str = "forth") -> int:
        found = [STAGED] if phase == "forth" else [{**STAGED, "verdict": "withdraw"}, {**STAGED, "verdict": "promote"}]
        how = {"rules": RULES, "lag": lag, "phase": phase, "waited": waited}
        return int(promotion(found, "wait", canaries={"lb1": host}, **how))

    assert [wait(late, "5m"), wait(late, "5m", "290"), wait(late, "5m", 300), wait(late, "0")] == [15, 10, 0, 0]
    assert wait(there, "5m") == 0
    assert (wait(there, "5m", phase="back"), wait(late, "5m", phase="back")) == (15, 0)


def test_when_each_listing_has_to_know() -> None:
    now = time.time()
    assert promotion("5m", "rest", since=now - 299.5) == 1
    assert promotion("5m", "rest", since=str(now)) == 300
    assert promotion("5m", "rest", since=now - 301) == promotion("0", "rest", since=now) == 0


def test_two_secrets_of_one_name_move_each_on_its_own() -> None:
    """One of them is another account's, which AWS knows by its ARN alone."""
    other = {**STAGED, "arn": "arn:b", "version_id": "theirs"}
    items = [ITEM, {**ITEM, "arn": "arn:b", "version_id": "theirs"}]
    canaries = {f"lb{number}": {"result": {"certificates": [item]}} for number, item in enumerate(items)}

    def found(**more: t.Any) -> list[dict[str, t.Any]]:
        return list(promotion([STAGED, other], "verdicts", canaries=canaries, rules=RULES, **more))

    told = found()
    moves = [CandidateMove(*move.values()) for move in promotion(told, "moves", verdict="promote")]
    assert check_candidate_moves(moves) == [
        CandidateMove("arn:a", "new", "old"),
        CandidateMove("arn:b", "theirs", "old"),
    ]
    assert [each["name"] for each in told] == ["web/a", "web/a"]
    (alone,) = promotion([{**told[0], "arn": None}], "moves", verdict="promote")
    assert alone["name"] == "web/a"
    failed = found(failed_tasks={promotion(other, "identifier"): "Look: failed"})
    assert [each["verdict"] for each in failed] == ["promote", "withdraw"]


@pytest.mark.parametrize(
    ("given", "hosts", "expected"),
    [
        ({"names": "web/a, web/b", "name_prefix": "", "tags": {}}, [], [["web/a", "web/b"], "", {}]),
        ({"names": [], "tags": '{"env": "prod"}'}, [], [[], "", {"env": "prod"}]),
        ({}, [{"name_prefix": "web/"}, {"name_prefix": "web/", "names": []}], [[], "web/", {}]),
    ],
)
def test_which_secrets(given: dict[str, t.Any], hosts: list[dict[str, t.Any]], expected: list[t.Any]) -> None:
    (found,) = promotion(given, "selections", hosts=hosts)
    assert [found["names"], found["name_prefix"], found["tags"]] == expected


def test_what_has_no_meaning_is_named() -> None:
    with pytest.raises(AnsibleFilterError, match="say which"):
        promotion({}, "selections", hosts=[{}])
    with pytest.raises(AnsibleFilterError, match=r"promotion_soak: .* is not a duration"):
        promotion([STAGED], "verdicts", canaries={}, rules={**RULES, "soak": "ten"})
    with pytest.raises(AnsibleFilterError, match="promotion_names is to be a list"):
        promotion({"names": {"a": 1}}, "selections", hosts=[])
    with pytest.raises(AnsibleFilterError, match="promotion_checks, item 1"):
        promotion([{}], "checks")
