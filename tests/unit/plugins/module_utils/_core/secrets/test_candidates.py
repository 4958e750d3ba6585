# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.certops.rotation.plugins.module_utils._core.promotion import candidate_of
from ansible_collections.certops.rotation.plugins.module_utils._core.secrets.candidates import (
    CandidateMove,
    check_candidate_moves,
    fresh_version,
    is_unlabelling,
    plan_candidate,
    plan_promotion,
    plan_withdrawal,
)
from ansible_collections.certops.rotation.plugins.module_utils._core.secrets.plan import Request, WantedSecret
from ansible_collections.certops.rotation.plugins.module_utils._errors import InvalidOption, RotationError

ON = "CANDIDATE-ON-"
WANTED = WantedSecret("web/a", "the value", label="CANDIDATE", base="v1")
STAGED = {"v1": ["AWSCURRENT"], "v2": ["CANDIDATE", f"{ON}v1"]}
MOVE = CandidateMove("web/a", "v2", "v1")


def described(versions: dict[str, list[str]], **more: t.Any) -> dict[str, t.Any]:
    arn = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:web/a-AbCdEf"
    return {"Name": "web/a", "ARN": arn, "VersionIdsToStages": versions, **more}


def told(requests: t.Iterable[Request]) -> list[str]:
    """For people: what each request does to labels."""
    lines = []
    for request in requests:
        given = request.parameters
        if request.operation == "put_secret_value":
            lines.append(f"put {given['ClientRequestToken'][:8]} {' '.join(given['VersionStages'])}")
        elif request.operation == "update_secret_version_stage":
            ways = (given.get("RemoveFromVersionId", "-"), given.get("MoveToVersionId", "-"))
            lines.append(f"{given['VersionStage']} {' to '.join(ways)}")
        else:
            lines.append(request.operation)
    return lines


def carry_out(versions: dict[str, list[str]], requests: t.Iterable[Request]) -> t.Iterator[dict[str, list[str]]]:
    """What AWS has after each."""
    now = {version: list(labels) for version, labels in versions.items()}
    for request in requests:
        given = request.parameters
        wanted = given.get("VersionStages") or [given["VersionStage"]]
        target = given.get("ClientRequestToken") or given.get("MoveToVersionId")
        left = next((version for version, labels in now.items() if wanted[0] in labels), None)
        assert request.operation == "put_secret_value" or given.get("RemoveFromVersionId") == left
        for labels in now.values():
            labels[:] = [label for label in labels if label not in wanted]
        if target:
            now.setdefault(target, []).extend(wanted)
        if wanted == ["AWSCURRENT"] and left:
            for labels in now.values():
                labels[:] = [label for label in labels if label != "AWSPREVIOUS"]
            now[left].append("AWSPREVIOUS")
        yield {version: list(labels) for version, labels in now.items() if labels}


def test_both_labels_at_once() -> None:
    (request,) = plan_candidate(described({"v1": ["AWSCURRENT"]}), WANTED, same_content=False)
    assert request.operation == "put_secret_value"
    assert request.parameters["VersionStages"] == ["CANDIDATE", f"{ON}v1"]
    assert request.parameters["SecretString"] == "the value"


def test_nothing_to_do() -> None:
    there = {"v1": ["AWSCURRENT"], WANTED.token: ["CANDIDATE", f"{ON}v1"]}
    assert plan_candidate(described(there), WANTED, same_content=False) == []
    assert plan_candidate(described(STAGED), WANTED, same_content=True) == []


def test_what_earlier_candidates_have_left_goes() -> None:
    """Before there is one more, as far as nobody reads by it; the label of the one that is replaced afterwards."""
    versions = {
        "v1": ["AWSCURRENT"],
        "v0": ["AWSPREVIOUS", f"{ON}v00"],
        "vx": [f"{ON}v000", "OTHER", "OTHER-ON-v1"],
        "v2": ["CANDIDATE", f"{ON}v0"],
    }
    requests = plan_candidate(described(versions), WANTED, same_content=False)
    put = f"put {WANTED.token[:8]} CANDIDATE {ON}v1"
    assert told(requests) == [f"{ON}v00 v0 to -", f"{ON}v000 vx to -", put, f"{ON}v0 v2 to -"]
    assert [is_unlabelling(request) for request in requests] == [True, True, False, True]
    *_before, after = carry_out(versions, requests)
    assert after == {
        "v1": ["AWSCURRENT"],
        "v0": ["AWSPREVIOUS"],
        "vx": ["OTHER", "OTHER-ON-v1"],
        WANTED.token: ["CANDIDATE", f"{ON}v1"],
    }


def test_a_second_candidate_on_the_same_base() -> None:
    requests = plan_candidate(described(STAGED), WANTED, same_content=False)
    assert told(requests) == [f"put {WANTED.token[:8]} CANDIDATE {ON}v1"]


@pytest.mark.parametrize(
    "labels", [["AWSPREVIOUS"], [], ["CANDIDATE", f"{ON}v0"], ["CANDIDATE"], ["AWSPREVIOUS", "CANDIDATE", f"{ON}v1"]]
)
def test_a_candidate_is_a_version_of_its_own(labels: list[str]) -> None:
    versions = {"v1": ["AWSCURRENT"], WANTED.token: labels}
    fresh = fresh_version(described(versions), WANTED)
    assert fresh.token not in versions
    assert (len(fresh.token), fresh.document) == (64, WANTED.document)
    requests = plan_candidate(described(versions), fresh, same_content=False)
    *_before, after = carry_out(versions, requests)
    assert candidate_of(after, "CANDIDATE") == ("staged", fresh.token, "v1", "v1")
    assert fresh_version(described(after), WANTED).token == fresh.token


def test_promotion_in_every_state_that_a_death_leaves() -> None:
    plan = plan_promotion(MOVE, described(STAGED), "CANDIDATE")
    assert told(plan.requests) == ["AWSCURRENT v1 to v2", "CANDIDATE v2 to -", f"{ON}v1 v2 to -"]
    assert (plan.current_version_id, plan.guarded) == ("v1", True)
    states = list(carry_out(STAGED, plan.requests))
    assert [candidate_of(state, "CANDIDATE").state for state in states] == ["promoted", "none", "none"]
    for done, state in enumerate(states, start=1):
        rest = plan_promotion(MOVE, described(state), "CANDIDATE")
        assert told(rest.requests) == told(plan.requests)[done:]
        assert not rest.guarded


def test_withdrawal_in_every_state_that_a_death_leaves() -> None:
    plan = plan_withdrawal(MOVE, described(STAGED), "CANDIDATE")
    assert told(plan.requests) == ["CANDIDATE v2 to -", f"{ON}v1 v2 to -"]
    states = list(carry_out(STAGED, plan.requests))
    assert [candidate_of(state, "CANDIDATE").state for state in states] == ["none", "none"]
    for done, state in enumerate(states, start=1):
        assert told(plan_withdrawal(MOVE, described(state), "CANDIDATE").requests) == told(plan.requests)[done:]


def test_of_that_version_only() -> None:
    """A second candidate was staged while the first one was looked at."""
    versions = {"v1": ["AWSCURRENT"], "v2": [], "v3": ["CANDIDATE", f"{ON}v1"]}
    assert plan_withdrawal(MOVE, described(versions), "CANDIDATE").requests == []
    with pytest.raises(
        RotationError, match="v2 is not the candidate with the label CANDIDATE: version v3 has the label"
    ):
        plan_promotion(MOVE, described(versions), "CANDIDATE")
    with pytest.raises(RotationError, match="no version has the label any more"):
        plan_promotion(MOVE, described({"v1": ["AWSCURRENT"]}), "CANDIDATE")


@pytest.mark.parametrize(
    ("versions", "current"),
    [
        ({"v1": ["AWSPREVIOUS"], "v3": ["AWSCURRENT"], "v2": ["CANDIDATE", f"{ON}v1"]}, "v1"),
        ({"v1": ["AWSPREVIOUS"], "v3": ["AWSCURRENT"], "v2": ["CANDIDATE", f"{ON}v1"]}, "v3"),
        ({"v1": ["AWSPREVIOUS"], "v3": ["AWSCURRENT"], "v2": ["CANDIDATE", f"{ON}v1"]}, None),
        ({"v1": ["AWSPREVIOUS"], "v3": ["AWSCURRENT"], "v2": ["CANDIDATE"]}, "v1"),
        ({"v1": ["AWSCURRENT"], "v2": ["CANDIDATE", f"{ON}v9"]}, "v1"),
        ({"v1": ["AWSCURRENT"], "v2": ["CANDIDATE", "AWSPREVIOUS"]}, "v1"),
        ({"v2": ["CANDIDATE"]}, None),
    ],
)
def test_superseded(versions: dict[str, list[str]], current: str | None) -> None:
    with pytest.raises(RotationError, match="version v2 is superseded"):
        plan_promotion(MOVE._replace(current_version_id=current), described(versions), "CANDIDATE")


def test_the_base_says_what_is_left_where_nobody_else_does() -> None:
    plan = plan_promotion(MOVE._replace(current_version_id=None), described(STAGED), "CANDIDATE")
    assert plan.requests[0].parameters["RemoveFromVersionId"] == "v1"
    pending = {"v1": ["AWSCURRENT"], "v2": ["AWSPENDING"]}
    plan = plan_promotion(MOVE._replace(current_version_id=None), described(pending), "AWSPENDING")
    assert told(plan.requests) == ["AWSCURRENT v1 to v2", "AWSPENDING v2 to -"]


def test_what_is_current_is_not_withdrawn() -> None:
    with pytest.raises(RotationError, match="it has been promoted"):
        plan_withdrawal(MOVE, described({"v2": ["AWSCURRENT", "CANDIDATE"]}), "CANDIDATE")


@pytest.mark.parametrize("plan", [plan_promotion, plan_withdrawal])
def test_secrets_that_nobody_can_change(plan: t.Callable[..., t.Any]) -> None:
    with pytest.raises(RotationError, match="there is no such secret"):
        plan(MOVE, None, "CANDIDATE")
    with pytest.raises(RotationError, match="marked for deletion"):
        plan(MOVE, described(STAGED, DeletedDate="today"), "CANDIDATE")
    with pytest.raises(RotationError, match="only its primary in region eu-central-1"):
        plan(MOVE, described(STAGED, PrimaryRegion="eu-central-1"), "CANDIDATE")


def test_each_secret_once() -> None:
    assert check_candidate_moves([MOVE, MOVE]) == [MOVE]
    with pytest.raises(InvalidOption, match="web/a is named twice, with version v2 and with v3"):
        check_candidate_moves([MOVE, MOVE._replace(version_id="v3")])
