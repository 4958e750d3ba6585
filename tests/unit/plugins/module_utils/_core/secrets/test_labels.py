# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.certops.rotation.plugins.module_utils._core.secrets.labels import (
    LabelMove,
    check_moves,
    plan_move,
)
from ansible_collections.certops.rotation.plugins.module_utils._core.secrets.plan import Request
from ansible_collections.certops.rotation.plugins.module_utils._errors import InvalidOption, RotationError

BACK = LabelMove("web/a", "v1", "v2")
DESCRIBED = {"Name": "web/a", "ARN": "arn", "VersionIdsToStages": {"v1": ["AWSPREVIOUS"], "v2": ["AWSCURRENT"]}}


def plan(move: LabelMove, described: dict[str, t.Any] | None, versions: t.Collection[str] = ()) -> Request | None:
    return plan_move(move, described, "AWSCURRENT", lambda: versions)


def test_each_secret_once() -> None:
    other = LabelMove("web/b", "v1")
    assert check_moves([BACK, other, BACK]) == [BACK, other]
    with pytest.raises(InvalidOption, match="from version v2 to v1, another one from v2 to v0"):
        check_moves([BACK, BACK._replace(version_id="v0")])
    with pytest.raises(InvalidOption, match="no earlier version of the secret is known"):
        check_moves([BACK._replace(version_id="")])


def test_a_move_names_the_version_that_is_left() -> None:
    request = {"SecretId": "arn", "VersionStage": "AWSCURRENT", "MoveToVersionId": "v1"}
    step = plan(BACK, DESCRIBED)
    assert step == Request("update_secret_version_stage", {**request, "RemoveFromVersionId": "v2"})
    assert plan(BACK._replace(from_version_id=None), DESCRIBED) == step
    unlabelled = {"ARN": "arn", "VersionIdsToStages": {"v2": ["AWSCURRENT"]}}
    assert plan(BACK, unlabelled, ["v0", "v1"]) == step
    nobody = {"ARN": "arn", "VersionIdsToStages": {"v1": ["AWSPREVIOUS"]}}
    assert plan(LabelMove("web/a", "v1"), nobody) == Request("update_secret_version_stage", request)


def test_there_already() -> None:
    assert plan(LabelMove("web/a", "v2", "v1"), DESCRIBED) is None


@pytest.mark.parametrize(
    ("move", "described", "reason"),
    [
        (BACK, None, "no such secret"),
        (BACK, {**DESCRIBED, "DeletedDate": "today"}, "marked for deletion"),
        (BACK._replace(from_version_id="v9"), DESCRIBED, "AWSCURRENT is at version v2, and not at v9"),
        (BACK._replace(version_id="v0"), DESCRIBED, "version v0 does not exist any more"),
    ],
)
def test_refused(move: LabelMove, described: dict[str, t.Any] | None, reason: str) -> None:
    with pytest.raises(RotationError, match=reason):
        plan(move, described, ["v1", "v2"])
