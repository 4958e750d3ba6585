# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json

import pytest
from ansible_collections.certops.rotation.plugins.module_utils._core.events.patterns import (
    CALLS,
    EventChoice,
    event_patterns,
)
from ansible_collections.certops.rotation.plugins.module_utils._errors import InvalidOption
from ansible_collections.certops.rotation.tests.support.event_source import secret_events


def pattern(choice: EventChoice, kind: str) -> dict:
    return json.loads(event_patterns(choice)[kind])


def test_labels_and_beginnings_of_names() -> None:
    choice = EventChoice(("label",), ("CANDIDATE", "AWSCURRENT", "AWSCURRENT"), ("web/", "api/"))
    assert pattern(choice, "label") == {
        "source": ["aws.secretsmanager"],
        "detail-type": ["Secret Label Updated"],
        "detail": {"labelUpdated": ["AWSCURRENT", "CANDIDATE"], "name": [{"prefix": "api/"}, {"prefix": "web/"}]},
    }


def test_all_calls_that_the_source_understands_come() -> None:
    """But what is no call: Secrets Manager's own word that a rotation has ended."""
    assert set(secret_events._CALLS) - {"RotationSucceeded"} <= set(CALLS)


def test_all_names_are_no_condition() -> None:
    assert "name" not in pattern(EventChoice(("label",), ("AWSCURRENT",)), "label")["detail"]


def test_only_the_kinds_that_are_asked_for() -> None:
    choice = EventChoice(("object", "expiring", "call"), (), objects=("bucket",))
    assert list(event_patterns(choice)) == ["call", "expiring", "object"]


@pytest.mark.parametrize(
    ("objects", "detail"),
    [
        (("bucket",), {"bucket": {"name": ["bucket"]}}),
        (("bucket/",), {"bucket": {"name": ["bucket"]}}),
        (("bucket/live/a",), {"bucket": {"name": ["bucket"]}, "object": {"key": [{"prefix": "live/a"}]}}),
        (("b", "a"), {"$or": [{"bucket": {"name": ["a"]}}, {"bucket": {"name": ["b"]}}]}),
    ],
)
def test_objects(objects: tuple[str, ...], detail: dict) -> None:
    assert pattern(EventChoice(("object",), (), objects=objects), "object")["detail"] == detail


@pytest.mark.parametrize(
    ("choice", "says"),
    [
        (EventChoice(("label",), ("AWSPENDING",)), "no event when AWSPENDING moves"),
        (EventChoice(("label",), ("AWSCURRENT", "AWSPREVIOUS")), "no event when AWSPREVIOUS moves"),
        (EventChoice(("label",), ()), "labels: name at least one"),
        (EventChoice(("object",), ()), "objects: name the buckets"),
        (EventChoice(("object",), (), objects=("/key",)), "'/key' names no bucket"),
        (EventChoice(("label",), ("A",), tuple(f"{n}/" * 20 for n in range(60))), "name_prefix: the pattern"),
        (EventChoice(("object",), (), objects=tuple(f"{n}" * 30 for n in range(60))), "objects: the pattern"),
    ],
)
def test_what_cannot_be_told(choice: EventChoice, says: str) -> None:
    with pytest.raises(InvalidOption, match=says):
        event_patterns(choice)
