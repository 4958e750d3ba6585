# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is decided on the controller before certificates go back; hosts may say anything."""

from __future__ import annotations

import pytest
from ansible_collections.certops.rotation.plugins.module_utils._core.secrets.way_back import (
    expected,
    moves,
    obstacles,
    strangers,
)

MOVE = {"name": "arn:aws:secretsmanager:eu-central-1:123456789012:secret:web/a-AbCdEf", "version_id": "1"}
READY = {"certificates": [{"name": "web/a"}], "stage_moves": [MOVE]}


def test_each_host_that_cannot_go_back_is_named_with_its_reason() -> None:
    plans = {"one": READY, "new": {"msg": "web/a: there is no version before"}, "empty": {"certificates": []}}
    assert obstacles(plans) == ["new: web/a: there is no version before", "empty: nothing would go back."]
    assert obstacles({"one": READY}) == []


@pytest.mark.parametrize("said", [None, "", [], {"certificates": None}, {"certificates": [], "msg": None}])
def test_a_host_that_says_nothing_cannot_go_back(said: object) -> None:
    assert obstacles({"odd": said}) == ["odd: nothing would go back."]
    assert moves([said]) == []


@pytest.mark.parametrize("said", ["web/a", 7, ["web/a"], [{}], {"name": "web/a"}])
def test_a_host_that_talks_nonsense_moves_nothing(said: object) -> None:
    assert moves([{"stage_moves": said}]) == []
    assert strangers({"stage_moves": said}, {}) == []


def test_what_several_hosts_need_is_done_once() -> None:
    other = {**MOVE, "version_id": "2"}
    assert moves([READY, {"stage_moves": [MOVE, other]}]) == [MOVE, other]


def test_what_the_operator_named_may_get_the_version_before_or_the_one_that_is_named() -> None:
    assert expected(["web/a", "web/b"], {"web/b": "v7"}) == {"web/a": "", "web/b": "v7"}


def test_other_secrets_than_those_are_strangers() -> None:
    named = expected(["web/a"], {})
    assert strangers(READY, named) == []
    assert strangers({"stage_moves": [MOVE, {"name": "db/password"}]}, named) == ["db/password"]
    assert strangers({"stage_moves": [{"name": MOVE["name"].replace("web/a", "web/ab")}]}, named) == ["web/ab"]
