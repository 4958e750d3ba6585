# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How endpoints stand: by what they serve now, and to the second."""

from __future__ import annotations

import dataclasses
import typing as t
from datetime import datetime, timedelta, timezone

import pytest
from ansible_collections.certops.rotation.plugins.module_utils._core.watch.endpoints import WatchedEndpoint
from ansible_collections.certops.rotation.plugins.module_utils._core.watch.policy import WatchPolicy
from ansible_collections.certops.rotation.plugins.module_utils._core.watch.registry import (
    EndpointView,
    HistoryEntry,
    present_states,
)
from ansible_collections.certops.rotation.plugins.module_utils._core.watch.sightings import (
    AddressState,
    SeenCertificate,
    Sighting,
)
from ansible_collections.certops.rotation.plugins.module_utils._core.watch.standing import (
    CONDITIONS,
    AddressStanding,
    count_by_condition,
    standings,
)
from ansible_collections.certops.rotation.plugins.module_utils._core.watch.urgency import address_urgencies

NOW = datetime(2026, 11, 26, 12, tzinfo=timezone.utc)
DAY, SECOND = timedelta(days=1), timedelta(seconds=1)
KEY = ("www.example.com", 443)
ADDRESS = "192.0.2.1"
LEAF = SeenCertificate("aa" * 32, "bb" * 20, "cc" * 16, b"", not_before=NOW - 50 * DAY, not_after=NOW + 40 * DAY)
STATE = AddressState(KEY, ADDRESS, "served", NOW - DAY, NOW, LEAF.fingerprint_sha256, trusted=True)
SIGHTING = Sighting(KEY, ADDRESS, NOW, (LEAF,))


def view(
    *states: AddressState, leaf: SeenCertificate = LEAF, history: t.Sequence[HistoryEntry] = (), **endpoint: t.Any
) -> EndpointView:
    watched = WatchedEndpoint("web", *KEY, **endpoint)
    return EndpointView(watched, NOW - 90 * DAY, states, tuple(history), {leaf.fingerprint_sha256: leaf})


def standing(state: AddressState = STATE, within: timedelta | None = None, **facts: t.Any) -> AddressStanding:
    leaf = dataclasses.replace(LEAF, **{name: facts.pop(name) for name in ("not_before", "not_after") if name in facts})
    (found,) = standings([view(state, leaf=leaf, **facts)], NOW, within)
    return found


@pytest.mark.parametrize(
    ("left", "condition"),
    [
        (30 * DAY + SECOND, "good"),
        (30 * DAY, "expiring"),
        (SECOND, "expiring"),
        (timedelta(0), "expired"),
        (-SECOND, "expired"),
    ],
)
def test_the_boundary_of_thirty_days(left: timedelta, condition: str) -> None:
    assert standing(within=30 * DAY, not_after=NOW + left).condition == condition


def test_the_notice_is_relative_to_the_lifetime() -> None:
    six_days = {"not_before": NOW - 2 * DAY, "not_after": NOW + 4 * DAY}
    assert standing(**six_days).condition == "good"
    assert standing(**six_days).renewal == NOW + DAY
    assert standing(not_before=NOW - 4 * DAY, not_after=NOW + 2 * DAY).condition == "expiring"


def test_dates_may_be_any() -> None:
    """A server chooses what its certificate says, and is one of thousands on a dashboard."""
    first = datetime(1, 1, 1, tzinfo=timezone.utc)
    for leaf in ({"not_after": first}, {"not_before": first, "not_after": first + DAY}):
        assert standing(within=30 * DAY, **leaf).condition == "expired"
        watched = view(STATE, leaf=dataclasses.replace(LEAF, **leaf))
        for policy in (WatchPolicy(), WatchPolicy(expiring_within=(30 * DAY, 3_000_000 * DAY))):
            assert [each.condition for each in address_urgencies(watched, policy, NOW)] == ["expired"]


def test_addresses_that_a_name_no_longer_has_are_no_part_of_the_present() -> None:
    def seen_before(hours: float, **fields: t.Any) -> AddressState:
        return dataclasses.replace(STATE, **{"last_seen": NOW - timedelta(hours=hours), **fields})

    gone, beside = seen_before(24, address="192.0.2.2"), seen_before(2, address="192.0.2.3")
    weekly, unresolved = seen_before(150, key_type="rsa"), seen_before(-99, address=None)
    assert present_states([STATE, gone, beside, weekly]) == [STATE, beside, weekly]
    assert present_states([gone, unresolved]) == [gone, unresolved]
    assert present_states([]) == []


def test_only_the_present_certificate_counts() -> None:
    """A renewed endpoint is no longer listed, whatever its history holds."""
    old = dataclasses.replace(LEAF, fingerprint_sha256="dd" * 32, not_after=NOW - DAY)
    before = HistoryEntry(ADDRESS, NOW - 60 * DAY, NOW - DAY, False, Sighting(KEY, ADDRESS, NOW - DAY, (old,)))
    shown = view(STATE, history=[before])
    shown = dataclasses.replace(shown, certificates={**shown.certificates, old.fingerprint_sha256: old})
    (found,) = standings([shown], NOW, 30 * DAY)
    assert (found.condition, found.ends) == ("good", LEAF.not_after)


def test_an_intermediate_that_ends_first() -> None:
    seen = dataclasses.replace(SIGHTING, needed_until=NOW + 10 * DAY)
    found = standing(history=[HistoryEntry(ADDRESS, NOW - DAY, NOW, True, seen)], within=30 * DAY)
    assert (found.condition, found.ends) == ("expiring", NOW + 10 * DAY)
    other = [HistoryEntry("192.0.2.2", NOW - DAY, NOW, True, seen)]
    assert standing(history=other, within=30 * DAY).condition == "good", "that is another address"


@pytest.mark.parametrize(
    ("facts", "condition"),
    [
        ({"reach": "unreachable", "error": "no answer"}, "unreachable"),
        ({"trusted": False}, "untrusted"),
        ({"trusted": None}, "good"),
        ({"fingerprint_sha256": None}, "unread"),
        ({"fingerprint_sha256": "ee" * 32}, "unread"),
    ],
)
def test_the_other_conditions(facts: dict[str, t.Any], condition: str) -> None:
    assert standing(dataclasses.replace(STATE, **facts)).condition == condition


def test_one_for_each_address_and_none_of_disabled_endpoints() -> None:
    second = dataclasses.replace(STATE, address="2001:db8::1", reach="unreachable")
    found = list(standings([view(STATE, second), view(), view(STATE, enabled=False)], NOW))
    assert [each.condition for each in found] == ["good", "unreachable", "unseen"]
    counts = count_by_condition(found)
    assert tuple(counts) == CONDITIONS
    assert (counts["good"], counts["unreachable"], counts["unseen"], counts["expired"]) == (1, 1, 1, 0)


@pytest.mark.parametrize(("left", "days"), [(DAY, 1), (DAY - SECOND, 0), (-SECOND, -1)])
def test_days_are_rounded_down(left: timedelta, days: int) -> None:
    assert standing(not_after=NOW + left).as_result(NOW)["days_left"] == days


def test_a_result_holds_json_values_only() -> None:
    result = standing().as_result(NOW)
    assert result["not_after"] == "2027-01-05T12:00:00Z"
    assert {type(value) for value in result.values()} <= {str, int, type(None)}
    (unseen,) = standings([view()], NOW)
    assert {value for name, value in unseen.as_result(NOW).items() if name not in ("name", "host", "port")} == {
        None,
        "unseen",
    }
