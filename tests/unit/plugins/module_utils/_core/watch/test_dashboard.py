# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the dashboard and its JSON tell: all that is known, each thing once, and only what is so now counts."""

from __future__ import annotations

import dataclasses
import json
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from ansible_collections.certops.rotation.plugins.module_utils._core.watch.dashboard import (
    DashboardSettings,
    dashboard_document,
)
from ansible_collections.certops.rotation.plugins.module_utils._core.watch.registry import FleetDeployment
from ansible_collections.certops.rotation.tests.support.watched_fleet import (
    DAY,
    Fleet,
    certificate,
    example_fleet,
    hostile,
    large_fleet,
)

NOW = datetime(2026, 11, 26, 12, tzinfo=timezone.utc)
READ = NOW - timedelta(hours=1)


def document(fleet: Fleet, **settings: Any) -> dict[str, Any]:
    made = dashboard_document(fleet.views, fleet.events, fleet.deployments, DashboardSettings(**settings), fleet.now)
    assert json.loads(json.dumps(made)) == made
    return made


def endpoint(made: dict[str, Any], name: str) -> dict[str, Any]:
    (found,) = [each for each in made["endpoints"] if each["name"] == name]
    return found


def test_the_summary_counts_each_endpoint_once() -> None:
    made = document(example_fleet(NOW))
    assert made["summary"]["conditions"] == {
        "expired": 1,
        "unserved": 1,
        "untrusted": 1,
        "unreachable": 1,
        "expiring": 3,
        "unread": 1,
        "unseen": 1,
        "paused": 1,
        "good": 7,
    }
    assert made["summary"]["endpoints"] == sum(made["summary"]["conditions"].values()) == 17
    assert (made["summary"]["critical"], made["summary"]["warning"]) == (5, 3)
    assert (made["generated"], made["scanned"]) == ("2026-11-26T12:00:00Z", "2026-11-26T11:56:00Z")


def test_only_the_present_certificate_counts() -> None:
    """A renewed endpoint is not listed for what it served before, nor twice."""
    fleet = Fleet(NOW)
    names = ["a.example.com"]
    old = [certificate(names, NOW - 91 * DAY, 90), certificate(names, NOW - 181 * DAY, 90)]
    fleet.add("a.example.com", certificate(names, NOW - DAY, 90), since=DAY, former=old)
    made = document(fleet)
    assert made["summary"]["conditions"]["good"] == made["summary"]["endpoints"] == 1
    found = endpoint(made, "a.example.com")
    assert found["ends"] == "2027-02-23T12:00:00Z"
    assert [entry.get("open", False) for entry in found["history"]] == [True, False, False]


def test_history_is_exact_and_bounded() -> None:
    fleet = example_fleet(NOW)
    whole = endpoint(document(fleet), "www.example.com")
    assert "older" not in whole
    assert whole["history"][0]["since"] == "2026-11-20T12:00:00Z"
    assert {entry["until"] for entry in whole["history"][2:4]} == {"2026-11-20T11:45:00Z"}
    some = endpoint(document(fleet, history=3), "www.example.com")
    assert some["history"] == whole["history"][:3]
    assert some["older"] == len(whole["history"]) - 3


def test_certificates_are_told_once_and_only_those_that_are_named() -> None:
    fleet = example_fleet(NOW)
    made = document(fleet, history=1)
    named = {
        fingerprint
        for each in made["endpoints"]
        for address in each.get("addresses", ())
        for fingerprint in (address.get("certificate"), *address.get("chain", ()))
    }
    named |= {entry.get("certificate") for each in made["endpoints"] for entry in each.get("history", ())}
    assert set(made["certificates"]) == named - {None}
    mail = endpoint(made, "imap.example.com")["addresses"][0]["certificate"]
    assert endpoint(made, "mail.example.com")["addresses"][0]["certificate"] == mail
    facts = made["certificates"][mail]
    assert facts["names"] == ["mail.example.com", "smtp.example.com", "imap.example.com"]
    assert len(facts["sha1"]) == 40
    assert len(facts["md5"]) == 32
    assert "der" not in facts


def test_an_unreachable_endpoint_keeps_its_certificate_and_its_error() -> None:
    found = endpoint(document(example_fleet(NOW)), "mail.example.com")
    assert (found["why"], found["addresses"][0]["error"]) == ("Connection refused.", "connection refused")
    assert found["addresses"][0]["failures"] == 5
    assert found["ends"] == "2027-01-06T12:00:00Z"
    assert "chain" not in found["addresses"][0]


# Deployments


def deployed(layers: dict[str, str | None], **served: Any) -> dict[str, Any]:
    fleet = Fleet(NOW)
    view = fleet.add("a.example.com", certificate(["a"], NOW - DAY), **served)
    now = view.states[0].fingerprint_sha256
    known = {layer: now if value == "now" else value for layer, value in layers.items()}
    fleet.deployments.append(FleetDeployment("lb1", "web/a", known, (view.endpoint.key,), READ))
    return endpoint(document(fleet), "a.example.com")


def test_deployed_and_served() -> None:
    found = deployed({"source": "now", "file": "now", "memory": "now"})
    assert (found["condition"], found["deployments"][0]["verdict"]) == ("good", "served")
    assert "unmanaged" not in found


def test_deployed_but_not_served() -> None:
    found = deployed({"source": "f" * 64, "file": "f" * 64, "memory": "now"})
    assert (found["condition"], found["urgency"]) == ("unserved", "critical")
    assert found["deployments"][0]["verdict"] == "differs"
    assert "web/a was deployed for it on lb1" in found["why"]
    assert "memory has another one" in found["deployments"][0]["why"]


def test_one_address_that_serves_another_one_is_seen() -> None:
    fleet = Fleet(NOW)
    new, old = certificate(["a"], NOW - DAY), certificate(["a"], NOW - 50 * DAY)
    first = fleet.add("a.example.com", new, addresses=("192.0.2.1",))
    second = fleet.add("a.example.com", old, addresses=("192.0.2.2",))
    certificates = {**first.certificates, **second.certificates}
    both = dataclasses.replace(first, states=first.states + second.states, certificates=certificates)
    fleet.views = [both]
    fleet.deployments.append(
        FleetDeployment("lb1", "web/a", {"file": new.fingerprint_sha256}, (both.endpoint.key,), READ)
    )
    assert endpoint(document(fleet), "a.example.com")["condition"] == "unserved"


def test_several_certificates_at_one_port() -> None:
    """Of a host with one certificate for each name, this endpoint's name has one."""
    fleet = Fleet(NOW)
    view = fleet.add("a.example.com", certificate(["a"], NOW - DAY))
    served = view.states[0].fingerprint_sha256
    for name, fingerprint in (("web/b", "f" * 64), ("web/a", served)):
        fleet.deployments.append(FleetDeployment("lb1", name, {"file": fingerprint}, (view.endpoint.key,), READ))
    found = endpoint(document(fleet), "a.example.com")
    assert found["condition"] == "good"
    assert [each["verdict"] for each in found["deployments"]] == ["unknown", "served"]


def test_what_does_not_answer_is_unreachable_and_nothing_else() -> None:
    found = deployed({"file": "f" * 64}, error="Connection refused.", failures=3)
    assert (found["condition"], found["deployments"][0]["verdict"]) == ("unreachable", "unknown")


def test_served_but_not_managed() -> None:
    fleet = Fleet(NOW)
    fleet.add("a.example.com", certificate(["a"], NOW - DAY))
    assert "unmanaged" not in endpoint(document(fleet), "a.example.com")  # nobody has said what is
    fleet.deployments.append(FleetDeployment("lb1", "web/b", {"file": "f" * 64}, (("b.example.com", 443),), NOW))
    made = document(fleet)
    assert endpoint(made, "a.example.com")["unmanaged"] is True
    assert [each["certificate"] for each in made["unwatched"]] == ["web/b"]


# Odd ones


@pytest.mark.parametrize("text", ["\x1b[31mred", "a\u202eb", "line\nline\r", "\u0000", "<b>&amp;</b>", "\ud800"])
def test_texts_of_others_move_nothing(text: str) -> None:
    fleet = Fleet(NOW)
    hostile(text, fleet)
    written = json.dumps(document(fleet), ensure_ascii=False)
    assert not {"\x1b", "\u202e", "\r", "\u0000", "\ud800"} & set(written)


def test_times_in_the_future_are_not_known() -> None:
    """One scan by a wrong clock would make all look fresh, and one record keep what is served from being judged."""
    fleet = Fleet(NOW)
    view = fleet.add("a.example.com", certificate(["a"], NOW - DAY))
    (state,) = view.states
    ahead = dataclasses.replace(view, states=(dataclasses.replace(state, last_seen=NOW + 1000 * DAY),))
    fleet.views = [ahead]
    assert document(fleet)["scanned"] is None
    fleet.add("b.example.com", certificate(["b"], NOW - DAY))
    assert document(fleet)["scanned"] == "2026-11-26T11:56:00Z"
    asked = dataclasses.replace(state, last_seen=NOW)
    fleet.views = [dataclasses.replace(view, states=(asked,))]
    fleet.deployments.append(
        FleetDeployment("lb1", "web/a", {"file": "f" * 64}, (view.endpoint.key,), NOW + 1000 * DAY)
    )
    assert endpoint(document(fleet), "a.example.com")["condition"] == "unserved"


def test_nothing_is_known() -> None:
    made = document(Fleet(NOW))
    assert (made["endpoints"], made["scanned"], made["summary"]["endpoints"]) == ([], None, 0)


def test_ten_thousand_are_as_dear_each_as_a_hundred() -> None:
    few, many = (len(json.dumps(document(large_fleet(NOW, count)))) / count for count in (100, 1000))
    assert many == pytest.approx(few, rel=0.05)
    assert many < 2300


def test_it_is_out_of_date_after_what_was_said() -> None:
    assert document(Fleet(NOW), max_age=timedelta(hours=2))["max_age_seconds"] == 7200
