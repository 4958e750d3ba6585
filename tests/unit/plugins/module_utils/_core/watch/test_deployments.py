# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import dataclasses
import json
import typing as t
from datetime import datetime, timedelta, timezone

import pytest
from ansible_collections.certops.rotation.plugins.module_utils._core.watch.deployments import (
    DeploymentFinding,
    deployment_fields,
    deployments_of_status,
    hold_against_wire,
    told_deployments,
)
from ansible_collections.certops.rotation.plugins.module_utils._core.watch.endpoints import WatchedEndpoint
from ansible_collections.certops.rotation.plugins.module_utils._core.watch.registering import (
    given_deployments,
    given_hosts,
    hosts_that_changed,
)
from ansible_collections.certops.rotation.plugins.module_utils._core.watch.registry import EndpointView, FleetDeployment
from ansible_collections.certops.rotation.plugins.module_utils._core.watch.sightings import AddressState
from ansible_collections.certops.rotation.plugins.module_utils._errors import InvalidOption

NOW = datetime(2027, 1, 31, 12, tzinfo=timezone.utc)
HOUR = timedelta(hours=1)
NEW, OLD, OTHER = "a" * 64, "b" * 64, "c" * 64
SHOP = ("shop.example.com", 443)


def deployment(
    layers: t.Mapping[str, str | None] | None = None, endpoints: t.Any = (SHOP,), host: str = "lb1", **more: t.Any
) -> FleetDeployment:
    return FleetDeployment(
        **{
            "host": host,
            "certificate": "prod/shop",
            "layers": layers or {"file": NEW},
            "endpoints": endpoints,
            "at": NOW,
            **more,
        }
    )


def view(
    *seen: str | None,
    key: tuple[str, int] = SHOP,
    since: datetime = NOW - HOUR,
    last_seen: datetime = NOW + HOUR,
    **more: t.Any,
) -> EndpointView:
    states = tuple(
        AddressState(
            key,
            f"192.0.2.{number}",
            "served" if fingerprint else "unreachable",
            since,
            last_seen,
            fingerprint_sha256=fingerprint or NEW,
        )
        for number, fingerprint in enumerate(seen, 1)
    )
    return EndpointView(WatchedEndpoint("Shop", *key, **more), NOW - 9 * HOUR, states)


def kinds(deployments: t.Sequence[FleetDeployment], *views: EndpointView) -> list[str]:
    return [finding.kind for finding in hold_against_wire(deployments, views)]


def test_served_as_deployed_is_nothing() -> None:
    assert kinds([deployment()], view(NEW, NEW)) == []


def test_a_reload_that_kept_the_old_one_is_seen() -> None:
    (finding,) = hold_against_wire([deployment()], [view(NEW, OLD)])
    assert finding == DeploymentFinding(
        "not_served",
        "Shop (shop.example.com:443) at 192.0.2.2 serves bbbbbbbbbbbbbbbb..., and prod/shop was deployed for it on lb1"
        " (aaaaaaaaaaaaaaaa...): see that the service has been told, and what else may answer there.",
        ("lb1",),
        ("prod/shop",),
        SHOP,
        "192.0.2.2",
        (NEW,),
        OLD,
    )
    assert finding.severity == "critical"


def test_what_nobody_deployed_is_seen() -> None:
    other = view(OTHER, key=("mail.example.com", 25))
    (finding,) = hold_against_wire([deployment()], [view(NEW), other])
    assert (finding.kind, finding.endpoint, finding.seen) == ("not_managed", ("mail.example.com", 25), OTHER)
    # A name of the load balancer's, whose certificate is managed.
    assert kinds([deployment()], view(NEW), view(NEW, key=("alias.example.com", 443))) == []
    # Without any record nobody could say what is managed.
    assert kinds([], view(OTHER)) == []


def test_two_key_types_and_two_hosts_are_right_each() -> None:
    both = [deployment(), deployment({"file": OTHER}, certificate="prod/shop-ecdsa")]
    assert kinds(both, view(NEW)) == kinds(both, view(OTHER)) == kinds(both, view(NEW, OTHER)) == []
    assert kinds(both, view(OLD)) == ["not_served"]
    hosts = [deployment(), deployment({"file": OLD}, host="lb2")]
    assert kinds(hosts, view(NEW, OLD)) == []


def test_what_was_not_asked_since_says_nothing() -> None:
    assert kinds([deployment()], view(OLD, last_seen=NOW - timedelta(seconds=1))) == []
    assert kinds([deployment()], view(OLD, last_seen=NOW)) == ["not_served"]
    assert kinds([deployment()], view(None)) == []
    assert kinds([deployment()], view(OLD, enabled=False)) == []


def test_a_record_older_than_the_change_accuses_nobody() -> None:
    (finding,) = hold_against_wire([deployment()], [view(OTHER, since=NOW + timedelta(seconds=1))])
    assert (finding.kind, finding.severity) == ("record_outdated", "info")
    assert "since 2027-01-31T12:00:01Z, and the record of lb1 is older: read it again" in finding.message


def test_an_endpoint_that_is_new_has_not_changed() -> None:
    """In the first run, what a host says is read before its endpoints are registered and asked."""
    second = timedelta(seconds=1)
    first = view(OLD, since=NOW + 2 * second, last_seen=NOW + 2 * second)
    assert kinds([deployment()], dataclasses.replace(first, added=NOW + second)) == ["not_served"]
    assert kinds([deployment()], dataclasses.replace(first, added=NOW)) == ["not_served"]
    assert kinds([deployment()], dataclasses.replace(first, added=NOW - second)) == ["record_outdated"]


@pytest.mark.parametrize(
    ("layers", "told"),
    [
        ({"source": NEW, "file": NEW, "memory": NEW, "wire": NEW}, None),
        ({"source": "", "file": NEW}, "source"),
        ({"file": NEW, "memory": ""}, "memory"),
        ({"file": NEW, "memory": None, "wire": None}, "memory and wire"),
        ({"file": NEW, "memory": OLD}, "memory"),
        ({"source": NEW, "file": ""}, "file"),
        ({"source": NEW, "file": None}, "file"),
    ],
)
def test_layers_that_differ(layers: dict[str, str | None], told: str | None) -> None:
    found = [one for one in hold_against_wire([deployment(layers)], [view(NEW)]) if one.kind == "layers_differ"]
    if told is None:
        assert not found
    else:
        assert found[0].message == (
            f"prod/shop on lb1: {told} has another one than what was deployed, or none. The playbook status tells more."
        )


def test_what_nobody_watches_is_told_last() -> None:
    unwatched = deployment(endpoints=(("api.example.com", 443),), certificate="prod/api")
    found = hold_against_wire([unwatched, deployment(endpoints=()), deployment()], [view(OLD)])
    assert [finding.kind for finding in found] == ["not_served", "not_watched", "not_watched"]
    assert found[1].message == "prod/api on lb1: no endpoint that is watched should serve it."


STATUS = {
    "certificates": [
        {
            "name": "prod/shop",
            "fingerprint_sha256": NEW,
            "layers": {"source": "differs", "disk": "ok", "memory": "absent", "wire": "unanswered"},
        },
        {"name": "prod/none", "fingerprint_sha256": None, "layers": {"disk": "unknown"}},
    ]
}
DISCOVERY = {
    "certificates": [
        {
            "fingerprint_sha256": NEW,
            "expected_at": ["shop.example.com:443", "[2001:db8::1]:8443", "shop.example.com:443"],
        },
        {"fingerprint_sha256": OTHER, "expected_at": ["other.example.com:443"]},
    ]
}


def test_of_status_and_discovery() -> None:
    shop, none = deployments_of_status("lb1", STATUS, DISCOVERY, NOW)
    assert shop == deployment(
        {"source": "", "file": NEW, "memory": None}, (("shop.example.com", 443), ("2001:db8::1", 8443))
    )
    assert (none.layers, none.endpoints) == ({}, ())
    fields = json.loads(json.dumps([deployment_fields(one) for one in (shop, none)]))
    assert given_deployments(fields, NOW + HOUR) == [shop, none]
    assert deployments_of_status("lb1", STATUS, {}, NOW)[0].endpoints == ()
    with pytest.raises(InvalidOption, match="lb1: it is no result of rotation_status_info"):
        deployments_of_status("lb1", {"msg": "unreachable"}, {}, NOW)


def test_a_wildcard_is_for_each_host_below_it() -> None:
    wild = deployment(endpoints=(("*.example.com", 443),), certificate="prod/wild")
    found = hold_against_wire(
        [wild], [view(OLD), view(OLD, key=("a.shop.example.com", 443)), view(OLD, key=("x", 443))]
    )
    assert [(finding.kind, finding.endpoint) for finding in found] == [
        ("not_served", SHOP),
        ("not_managed", ("a.shop.example.com", 443)),
        ("not_managed", ("x", 443)),
    ]
    assert kinds([wild], view(NEW)) == []
    assert kinds([wild], view(OLD, key=("192.0.2.1", 443), server_name="www.example.com")) == ["not_served"]
    assert kinds([wild], view(OLD, key=("shop.example.com", 8443))) == ["not_managed", "not_watched"]
    # One for the very name comes before it, as it does for HAProxy.
    assert kinds([wild, deployment({"file": OTHER})], view(NEW)) == ["not_served", "not_watched"]
    assert given_deployments([deployment_fields(wild)], NOW) == [wild]


def test_what_was_deployed_in_the_future_was_deployed_before_it_was_read() -> None:
    """Else nothing that is served would be held against it, until the time that a wrong clock has noted."""
    ahead = deployment(at=NOW + 10_000 * HOUR)
    assert given_deployments([deployment_fields(ahead)], NOW) == [deployment(at=NOW)]
    near = deployment(at=NOW + timedelta(minutes=4))
    assert given_deployments([deployment_fields(near)], NOW) == [near]


def test_a_host_that_has_nothing_any_more_is_told_so() -> None:
    """Else what it had would be missed on the wire for ever."""
    told = told_deployments("lb1", {"certificates": []}, {}, NOW)
    assert told == [{"host": "lb1"}]
    assert (given_deployments(told, NOW), given_hosts(told)) == ([], ["lb1"])
    assert hosts_that_changed([deployment()], [], ["lb1"]) == ["lb1"]
    assert hosts_that_changed([deployment(host="lb2")], [], ["lb1"]) == []
    assert hosts_that_changed([deployment()], [deployment(at=NOW + HOUR)], ["lb1"]) == []
