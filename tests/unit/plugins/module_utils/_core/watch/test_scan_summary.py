# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import dataclasses
import json
import typing as t
from datetime import timedelta

import pytest
from ansible_collections.certops.rotation.plugins.module_utils._core.watch.endpoints import WatchedEndpoint
from ansible_collections.certops.rotation.plugins.module_utils._core.watch.policy import WatchPolicy
from ansible_collections.certops.rotation.plugins.module_utils._core.watch.scan_summary import (
    ScanSummary,
    condition_of,
)
from ansible_collections.certops.rotation.plugins.module_utils._core.watch.sightings import Sighting
from ansible_collections.certops.rotation.plugins.module_utils._core.watch.staple import with_revocation
from ansible_collections.certops.rotation.tests.support.watching import ADDRESS, DAY, START, WWW, Life, seen

A = seen("a", -10, 80)


def sighting(*chain: t.Any, day: float = 0, host: str = WWW.host, **fields: t.Any) -> Sighting:
    fields = {"trusted": True, **fields} if chain else {"error": "connection refused", **fields}
    return Sighting((host, 443), fields.pop("address", ADDRESS), START + day * DAY, chain, **fields)


@pytest.mark.parametrize(
    ("seen_at", "condition"),
    [
        (sighting(A), "good"),
        (sighting(A, trusted=None), "good"),
        (sighting(A, day=49.9), "good"),
        (sighting(A, day=50), "expiring"),
        (sighting(A, day=79.9), "expiring"),
        (sighting(A, day=80), "expired"),
        (sighting(A, day=80, trusted=False), "expired"),
        (sighting(A, day=50, trusted=False), "untrusted"),
        (sighting(A, needed_until=START + 3 * DAY), "expiring"),
        (sighting(A, seen("cross", -900, -5), needed_until=A.not_after), "good"),
        (sighting(), "unreachable"),
        (sighting(dataclasses.replace(A, not_before=None, not_after=None)), "unread"),
        (sighting(dataclasses.replace(A, not_before=None, not_after=None), trusted=False), "untrusted"),
    ],
)
def test_condition(seen_at: Sighting, condition: str) -> None:
    assert condition_of(seen_at, WatchPolicy()) == condition


def test_condition_by_days() -> None:
    policy = WatchPolicy(expiring_within=(timedelta(days=7), timedelta(days=60)))
    assert condition_of(sighting(A, day=20), policy) == "expiring"
    assert condition_of(sighting(A, day=19.9), policy) == "good"


def test_the_worst_first_and_hiccups_last() -> None:
    hosts = ["down", "hiccup", "soon", "sooner", "untrusted", "expired", "good", "odd"]
    endpoints = [WatchedEndpoint(host, host) for host in hosts]
    summary = ScanSummary(endpoints, WatchPolicy())
    lives = {host: Life(endpoint) for host, endpoint in zip(hosts, endpoints)}
    odd = dataclasses.replace(A, not_before=None, not_after=None, odd="its dates are no dates")
    for _scan in range(2):
        for each in [
            sighting(host="down"),
            sighting(A, day=60, host="soon"),
            sighting(seen("d", -10, 75), day=60, host="sooner"),
            sighting(A, host="untrusted", trusted=False, trust_error="self-signed certificate"),
            sighting(A, day=81, host="expired"),
            sighting(A, host="good"),
            sighting(odd, host="odd"),
            *([sighting(host="hiccup")] if _scan else []),
        ]:
            summary.see(each)
            summary.judge(each, lives[each.endpoint[0]].judge(each))
    result = summary.as_result()
    names = [problem["name"] for problem in result["problems"]]
    assert names == ["expired", "down", "untrusted", "sooner", "soon", "odd", "hiccup"]
    told = {problem["name"]: problem for problem in result["problems"]}
    assert (told["down"]["failures"], told["hiccup"]["failures"]) == (2, 1)
    assert told["down"]["message"] == (
        "down:443 (192.0.2.1) gave no certificate in 2 scans in a row, since 2026-01-01T00:00:00Z: connection refused."
    )
    assert told["hiccup"]["message"] == "hiccup:443 (192.0.2.1) gave no certificate: connection refused."
    assert told["odd"]["message"].endswith("serves a certificate whose end cannot be read: its dates are no dates.")
    assert told["untrusted"]["message"].endswith("do not trust: self-signed certificate.")
    assert (told["expired"]["days_left"], told["sooner"]["days_left"], told["soon"]["days_left"]) == (-1, 15, 20)
    assert summary.changed
    json.dumps(result)


def test_ten_thousand_are_a_hundred_and_a_number() -> None:
    endpoints = [WatchedEndpoint(f"n{number}", f"h{number}") for number in range(10_000)]
    for policy, more in [(WatchPolicy(unreachable_after=1), 9900), (WatchPolicy(), 0)]:  # once is not believed yet
        summary = ScanSummary(endpoints, policy)
        for endpoint in endpoints:
            summary.see(sighting(host=endpoint.host))
        assert summary.as_result()["more_problems"] == more
    for _key_type in range(3):  # each in no time: the deadline is over already
        summary.miss(endpoints)
    result = summary.as_result()
    assert len(result["problems"]) == 100
    assert (len(result["unfinished"]), result["more_unfinished"]) == (100, 9900)
    assert (result["states"]["unreachable"], result["addresses"], result["endpoints"]) == (10_000, 10_000, 10_000)
    assert len(json.dumps(result)) < 100_000


def test_what_earlier_scans_found_out_counts() -> None:
    """Not each scan asks for a staple, or for trust."""
    life = Life()
    summaries = []
    for day, fields in enumerate([{"staple": "revoked"}, {}, {"trusted": None}]):
        summary, seen_at = ScanSummary([WWW], WatchPolicy()), with_revocation(sighting(A, day=day, **fields))
        summary.see(seen_at)
        summary.judge(seen_at, life.judge(seen_at))
        summaries.append(summary.as_result())
    assert [(each["states"]["untrusted"], each["states"]["good"]) for each in summaries] == [(1, 0)] * 3
    assert all("has been revoked" in each["problems"][0]["message"] for each in summaries)


def test_names_of_others_are_text() -> None:
    """A peer chooses what its certificate says."""
    subject = "CN=\x1b[2J<script>\u202e\n@everyone" + "x" * 100_000
    life = Life()
    life.see(0, dataclasses.replace(A, subject=subject), trusted=False)
    message = life.events[0].message
    assert "'CN=\\x1b[2J<script>\\u202e @everyonexxx" in message
    assert len(message) < 400
    assert len(json.dumps(dict(life.events[0].details))) < 5000
    many = [seen(f"c{number}", -900, -5, subject=subject) for number in range(500)]
    life.see(0.5, A, *many)
    assert life.events[-1].kind == "chain_expiring"
    assert "and 495 more. Leave them out." in life.events[-1].message
    assert len(life.events[-1].message) < 2000
    assert life.see(1, error="STARTTLS refused: \x1b]0;owned\x07\r\nok") == []
    life.see(2, error="STARTTLS refused: \x1b]0;owned\x07\r\nok")
    assert life.events[-1].message.endswith("STARTTLS refused: \\x1b]0;owned\\x07 ok.")
