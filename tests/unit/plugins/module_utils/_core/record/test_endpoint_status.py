# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The verdict on all endpoints: what is an error, what a warning, and what comes first."""

from __future__ import annotations

import dataclasses
import typing as t
from datetime import datetime, timedelta, timezone

import pytest
from ansible_collections.certops.rotation.plugins.module_utils._core.record.endpoint_status import EndpointStatus
from ansible_collections.certops.rotation.plugins.module_utils._core.watch.endpoints import WatchedEndpoint
from ansible_collections.certops.rotation.plugins.module_utils._core.watch.events import WatchEvent
from ansible_collections.certops.rotation.plugins.module_utils._core.watch.sightings import AddressState
from ansible_collections.certops.rotation.plugins.module_utils._core.watch.standing import (
    AddressCondition,
    AddressStanding,
)

NOW = datetime(2026, 11, 26, 12, tzinfo=timezone.utc)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


def standing(
    condition: AddressCondition, name: str = "web", ends: datetime = NOW + 40 * DAY, **facts: t.Any
) -> AddressStanding:
    endpoint = WatchedEndpoint(name, f"{name}.example.com")
    if condition == "unseen":
        return AddressStanding(endpoint, condition)
    reach: t.Any = "unreachable" if condition == "unreachable" else "served"
    state = AddressState(endpoint.key, "192.0.2.1", reach, NOW - DAY, NOW - HOUR, "ab" * 32, **facts)
    return AddressStanding(endpoint, condition, state, ends=ends)


def status(*found: AddressStanding, **more: t.Any) -> dict[str, t.Any]:
    return EndpointStatus(found, NOW, **more).as_result()


def told(result: dict[str, t.Any]) -> list[tuple[str, str]]:
    return [(problem["severity"], problem["code"]) for problem in result["problems"]]


def test_all_is_well() -> None:
    result = status(standing("good"), standing("good", "mail"), max_age=DAY)
    assert (result["healthy"], result["problems"], result["last_scan_at"]) == (True, [], "2026-11-26T11:00:00Z")
    assert result["msg"] == "Healthy: 2 endpoints, 2 addresses, last scan 60 minutes ago.\ngood: 2"
    assert result["conditions"]["good"] == 2


@pytest.mark.parametrize(
    ("found", "severity", "words"),
    [
        (
            standing("expired", ends=NOW - DAY),
            "error",
            "web (web.example.com:443, 192.0.2.1) serves what has expired at 2026-11-25T12:00:00Z.",
        ),
        (standing("untrusted", trust_error="self-signed."), "error", "is not trusted: self-signed."),
        (
            standing("unreachable", failures=3, error="No answer."),
            "error",
            "gave no certificate in 3 scans, since 2026-11-25T12:00:00Z: No answer.",
        ),
        (standing("unreachable", failures=1), "warning", "gave no certificate in 1 scan, since"),
        (standing("expiring", ends=NOW + DAY), "warning", "serves what ends at 2026-11-27T12:00:00Z"),
        (standing("unread"), "warning", "dates cannot be read"),
    ],
)
def test_what_an_address_may_have(found: AddressStanding, severity: str, words: str) -> None:
    result = status(standing("good"), found)
    assert told(result) == [(severity, found.condition)]
    assert words in result["problems"][0]["message"]
    assert words in result["msg"]
    assert result["healthy"] == (severity == "warning")


def test_nothing_is_watched() -> None:
    assert told(status()) == [("error", "no_endpoints")]
    assert told(status(standing("unseen"))) == [("error", "never_scanned")]
    assert told(status(standing("unseen"), standing("good"))) == [("warning", "unseen")]


@pytest.mark.parametrize(("age", "is_healthy"), [(HOUR, True), (HOUR - timedelta(seconds=1), False)])
def test_the_age_of_the_last_scan(age: timedelta, is_healthy: bool) -> None:
    result = status(standing("good"), max_age=age)
    assert result["healthy"] == is_healthy
    assert told(result) == ([] if is_healthy else [("error", "last_scan_too_old")])


def test_times_in_the_future_are_not_known() -> None:
    ahead = standing("good", "mail")
    assert ahead.state is not None
    ahead = dataclasses.replace(ahead, state=dataclasses.replace(ahead.state, last_seen=NOW + 1000 * DAY))
    alone = status(ahead, max_age=DAY)
    assert told(alone) == [("error", "time_in_future")]
    assert (alone["healthy"], alone["last_scan_at"]) == (False, None)
    assert "last scan not known" in alone["msg"]
    beside = status(ahead, standing("good"), max_age=DAY)
    assert (told(beside), beside["last_scan_at"]) == ([("warning", "time_in_future")], "2026-11-26T11:00:00Z")
    event = WatchEvent("e", "new", "info", NOW + 1000 * DAY, "web", "h", 443, None, "")
    assert told(status(standing("good"), undelivered={"chat": [event]}, max_age=DAY)) == [("error", "undelivered")]


def test_events_that_do_not_get_through() -> None:
    event = WatchEvent("e", "new", "info", NOW - 2 * HOUR, "web", "h", 443, None, "")
    waiting = {"chat": [event, event], "log": []}
    assert told(status(standing("good"), undelivered=waiting, max_age=3 * HOUR)) == [("warning", "undelivered")]
    late = status(standing("good"), undelivered=waiting, max_age=90 * timedelta(minutes=1))
    assert told(late) == [("error", "undelivered")]
    assert "chat has not got 2 events, the oldest one for 2 hours." in late["msg"]


def test_the_worst_first_and_not_too_many() -> None:
    many = [standing("expiring", f"n{number:03}", NOW + number * HOUR) for number in range(150, 0, -1)]
    result = status(*many, standing("untrusted", "self"), standing("expired", "old"))
    assert [problem["code"] for problem in result["problems"][:3]] == ["expired", "untrusted", "expiring"]
    assert "n001" in result["problems"][2]["message"], "the one that ends first"
    assert (len(result["problems"]), result["more_problems"]) == (100, 52)
    assert "And 52 more" in result["msg"]
    assert result["msg"].startswith("Not healthy, 2 problems: 152 endpoints, 152 addresses")
