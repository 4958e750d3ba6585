# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Who needs a person: the worst of an endpoint's addresses, by thresholds that are exact to the second."""

from __future__ import annotations

import dataclasses
from datetime import datetime, timedelta, timezone

import pytest
from ansible_collections.certops.rotation.plugins.module_utils._core.watch.policy import WatchPolicy
from ansible_collections.certops.rotation.plugins.module_utils._core.watch.registry import EndpointView
from ansible_collections.certops.rotation.plugins.module_utils._core.watch.urgency import (
    UrgentStanding,
    address_urgencies,
    endpoint_urgency,
)
from ansible_collections.certops.rotation.tests.support.watched_fleet import DAY, Fleet, certificate

NOW = datetime(2026, 11, 26, 12, tzinfo=timezone.utc)
SECOND = timedelta(seconds=1)


def judged(view: EndpointView, policy: WatchPolicy | None = None, now: datetime = NOW) -> UrgentStanding:
    return endpoint_urgency(view, address_urgencies(view, policy or WatchPolicy(), now))


def ending(left: timedelta, days: float = 90) -> EndpointView:
    return Fleet(NOW).add("a.example.com", certificate(["a.example.com"], NOW + left - days * DAY, days))


@pytest.mark.parametrize(
    ("left", "condition", "urgency"),
    [
        (timedelta(0), "expired", "critical"),
        (SECOND, "expiring", "critical"),
        (10 * DAY, "expiring", "critical"),
        (10 * DAY + SECOND, "expiring", "warning"),
        (30 * DAY, "expiring", "warning"),
        (30 * DAY + SECOND, "good", "none"),
    ],
)
def test_by_the_lifetime(left: timedelta, condition: str, urgency: str) -> None:
    found = judged(ending(left))
    assert (found.condition, found.urgency) == (condition, urgency)
    assert (found.ends, found.notice, found.urgent) == (NOW + left, NOW + left - 30 * DAY, NOW + left - 10 * DAY)
    assert bool(found.why) == (urgency != "none")


@pytest.mark.parametrize(
    ("within", "left", "urgency"),
    [
        ((14 * DAY, 40 * DAY), 40 * DAY, "warning"),
        ((14 * DAY, 40 * DAY), 14 * DAY, "critical"),
        ((14 * DAY, 40 * DAY), 40 * DAY + SECOND, "none"),
        # as the seed: 30 days, and nobody has said what is late
        ((30 * DAY,), 30 * DAY, "warning"),
        ((30 * DAY,), 10 * DAY, "critical"),
    ],
)
def test_by_days(within: tuple[timedelta, ...], left: timedelta, urgency: str) -> None:
    assert judged(ending(left, 365), WatchPolicy(expiring_within=within)).urgency == urgency


def test_a_short_lived_one() -> None:
    assert judged(ending(3.1 * DAY, 6)).urgency == "none"
    assert judged(ending(2.9 * DAY, 6)).urgency == "warning"
    assert judged(ending(0.9 * DAY, 6)).urgency == "critical"


def test_a_silence_is_believed_as_often_as_the_policy_says() -> None:
    for failures, urgency in ((1, "warning"), (2, "critical")):
        view = Fleet(NOW).add("a.example.com", None, error="Connection refused.", failures=failures)
        found = judged(view)
        assert (found.condition, found.urgency, found.why) == ("unreachable", urgency, "Connection refused.")


def test_what_was_told_stays_told() -> None:
    view = Fleet(NOW).add("a.example.com", None, error="Connection refused.", failures=1)
    view = dataclasses.replace(view, states=(dataclasses.replace(view.states[0], told={"unreachable": ""}),))
    assert judged(view).urgency == "critical"


def test_an_intermediate_that_ends_first_counts() -> None:
    leaf = certificate(["a.example.com"], NOW - DAY, 90)
    view = Fleet(NOW).add("a.example.com", leaf, needed_until=NOW - SECOND)
    found = judged(view)
    assert (found.condition, found.ends) == ("expired", NOW - SECOND)
    assert found.why == "An intermediate certificate that it needs expired at 2026-11-26 11:59 UTC."


def test_the_worst_address_speaks_and_the_earliest_end_counts() -> None:
    fleet = Fleet(NOW)
    good = fleet.add("a.example.com", certificate(["a"], NOW - DAY, 80), addresses=("192.0.2.1",))
    bad = fleet.add(
        "a.example.com", certificate(["a"], NOW - DAY, 90), addresses=("192.0.2.2",), trusted=False, trust_error="no"
    )
    view = EndpointView(
        good.endpoint,
        good.added,
        good.states + bad.states,
        good.history + bad.history,
        {**good.certificates, **bad.certificates},
    )
    found = judged(view)
    assert (found.condition, found.why) == ("untrusted", "192.0.2.2: No.")
    assert found.ends == NOW + 79 * DAY


def test_what_all_addresses_have_in_common_is_said_once() -> None:
    addresses = ("192.0.2.1", "192.0.2.2")
    view = Fleet(NOW).add("a.example.com", None, error="connection refused", failures=2, addresses=addresses)
    assert judged(view).why == "Connection refused."


def test_what_nobody_asks_needs_nobody() -> None:
    view = ending(-DAY)
    paused = dataclasses.replace(view, endpoint=dataclasses.replace(view.endpoint, enabled=False))
    assert (judged(paused).condition, judged(paused).urgency, judged(paused).why) == ("paused", "none", "")
    assert judged(paused).ends == NOW - DAY
    nothing = dataclasses.replace(view, states=(), history=())
    assert judged(nothing).condition == "unseen"
    assert judged(dataclasses.replace(nothing, endpoint=paused.endpoint)).condition == "paused"


def test_a_certificate_without_dates_is_named() -> None:
    view = Fleet(NOW).add("a.example.com", certificate(["a"], NOW, odd="Its validity cannot be read."))
    found = judged(view)
    assert (found.condition, found.urgency, found.why) == ("unread", "warning", "Its validity cannot be read.")


def test_each_kind_of_key_has_its_own_end() -> None:
    fleet = Fleet(NOW)
    ec = fleet.add("a.example.com", certificate(["a"], NOW - DAY, key_type="ecdsa P-256"))
    rsa = fleet.add("a.example.com", certificate(["a"], NOW - 85 * DAY, key_type="rsa 2048"))
    states = (ec.states[0], dataclasses.replace(rsa.states[0], key_type="rsa"))
    sighting = dataclasses.replace(rsa.history[0].sighting, key_type="rsa", needed_until=NOW + DAY)
    history = (ec.history[0], dataclasses.replace(rsa.history[0], sighting=sighting))
    view = EndpointView(ec.endpoint, ec.added, states, history, {**ec.certificates, **rsa.certificates})
    assert [each.ends for each in address_urgencies(view, WatchPolicy(), NOW)] == [NOW + 89 * DAY, NOW + DAY]
    assert judged(view).why.startswith("192.0.2.10 (rsa): An intermediate certificate")
