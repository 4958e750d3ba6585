# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import collections
import threading
import time
import typing as t

import pytest
from ansible_collections.certops.rotation.plugins.module_utils._core.acme.dns import TxtRecord, Zone
from ansible_collections.certops.rotation.plugins.module_utils._core.acme.txt import TTL
from ansible_collections.certops.rotation.plugins.module_utils._errors import DnsError
from ansible_collections.certops.rotation.plugins.module_utils._ports.dns.route53 import Route53
from ansible_collections.certops.rotation.tests.support.route53_client import Route53Client, client_error

ZONE = Zone("example.com", "Z1")
OTHER_ZONE = Zone("example.net", "Z2")
NAME = "_acme-challenge.example.com"


@pytest.fixture
def aws() -> Route53Client:
    return Route53Client(("example.com", "Z1"), ("example.net", "Z2"))


@pytest.fixture
def route53(aws: Route53Client) -> Route53:
    return Route53(aws, sleep=lambda _seconds: None)


def record(name: str, *values: str) -> TxtRecord:
    return TxtRecord(name, values)


# Zones


def test_all_pages_of_zones_are_listed_once_and_private_ones_left_out() -> None:
    zones = [(f"z{number}.example", f"Z{number}") for number in range(5)]
    aws = Route53Client(*zones, private=["Z3"])
    route53 = Route53(aws)
    for _again in range(3):
        found = route53.zones()
    assert found == tuple(Zone(name, id_) for name, id_ in zones if id_ != "Z3")
    assert route53.api_calls == {"ListHostedZones": 3}


def test_many_threads_list_once(aws: Route53Client, route53: Route53) -> None:
    threads = [threading.Thread(target=route53.zones) for _each in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert aws.asked == ["ListHostedZones"]


def test_zones_named_by_id_need_no_right_to_list(aws: Route53Client) -> None:
    aws.denied.add("ListHostedZones")
    route53 = Route53(aws, hosted_zone_ids=["Z2", "/hostedzone/Z2"])
    assert route53.zones() == (Zone("example.net", "Z2"),)
    assert aws.asked == ["GetHostedZone"]


def test_who_may_not_list_is_told_of_the_option(aws: Route53Client, route53: Route53) -> None:
    aws.denied.add("ListHostedZones")
    with pytest.raises(DnsError, match=r"Allow route53:ListHostedZones .* or give hosted_zone_ids"):
        route53.zones()


def test_a_private_zone_named_by_id_is_refused() -> None:
    aws = Route53Client(("example.com", "Z1"), private=["Z1"])
    with pytest.raises(DnsError, match="private zone"):
        Route53(aws, hosted_zone_ids=["Z1"]).zones()


def test_a_zone_that_is_not_there(aws: Route53Client) -> None:
    with pytest.raises(DnsError, match=r"NoSuchHostedZone.*Z9.*Check hosted_zone_ids"):
        Route53(aws, hosted_zone_ids=["Z9"]).zones()


def test_names_of_zones_are_unescaped_and_in_lower_case() -> None:
    aws = Route53Client(("EXAMPLE.com", "Z1"), (r"a\057b.example", "Z2"))
    assert [zone.name for zone in Route53(aws).zones()] == ["example.com", "a/b.example"]


# Adding and removing


def test_free_names_cost_one_request(aws: Route53Client, route53: Route53) -> None:
    records = [record(f"_acme-challenge.n{number}.example.com", f"value-{number}") for number in range(100)]
    assert route53.add(ZONE, records) == ["/change/C1"]
    route53.wait(["/change/C1"], 10)
    route53.remove(ZONE, records)
    assert aws.record_sets["Z1"] == {}
    assert aws.asked == ["ChangeResourceRecordSets", "GetChange", "ChangeResourceRecordSets"]
    assert route53.api_calls == {"ChangeResourceRecordSets": 2, "GetChange": 1}


def test_others_values_survive_as_they_are_written(aws: Route53Client, route53: Route53) -> None:
    others = ['"one" "two"', r'"with \"quotes\" and \\ and \303\274"']
    aws.put("Z1", NAME, *others, ttl=77)
    route53.add(ZONE, [record(NAME, "ours"), record("_acme-challenge.a.example.com", "free")])
    assert aws.values("Z1", NAME) == [*others, '"ours"']
    assert aws.record_sets["Z1"][(f"{NAME}.", "TXT")][0] == 77
    assert aws.values("Z1", "_acme-challenge.a.example.com") == ['"free"']
    route53.remove(ZONE, [record(NAME, "ours"), record("_acme-challenge.a.example.com", "free")])
    assert aws.values("Z1", NAME) == others
    assert aws.values("Z1", "_acme-challenge.a.example.com") is None


def test_only_names_that_exist_are_read(aws: Route53Client, route53: Route53) -> None:
    aws.put("Z1", "_acme-challenge.n7.example.com", '"theirs"')
    route53.add(ZONE, [record(f"_acme-challenge.n{number}.example.com", "x") for number in range(100)])
    assert collections.Counter(aws.asked) == {"ChangeResourceRecordSets": 2, "ListResourceRecordSets": 1}


def test_what_is_there_already_is_no_error_and_no_change(aws: Route53Client, route53: Route53) -> None:
    aws.put("Z1", NAME, '"ours"', '"theirs"')
    assert route53.add(ZONE, [record(NAME, "ours")]) == []
    assert aws.requests == []


def test_what_is_gone_already_is_no_error(aws: Route53Client, route53: Route53) -> None:
    route53.remove(ZONE, [record(NAME, "ours")])
    aws.put("Z1", NAME, '"theirs"')
    route53.remove(ZONE, [record(NAME, "ours")])
    assert aws.values("Z1", NAME) == ['"theirs"']
    assert aws.requests == []


def test_values_that_a_killed_run_left_in_part_are_removed(aws: Route53Client, route53: Route53) -> None:
    aws.put("Z1", NAME, '"first"', ttl=TTL)
    aws.put("Z1", "_acme-challenge.b.example.com", '"second"', '"theirs"', ttl=TTL)
    records = [
        record(NAME, "first", "never-written"),
        record("_acme-challenge.b.example.com", "second"),
        record("_acme-challenge.c.example.com", "third"),
    ]
    route53.remove(ZONE, records)
    assert aws.values("Z1", NAME) is None
    assert aws.values("Z1", "_acme-challenge.b.example.com") == ['"theirs"']


def test_two_runs_on_one_name_keep_each_others_values(aws: Route53Client) -> None:
    """Both read before either writes: with UPSERT, the later one would overwrite what the earlier one has added."""
    aws.put("Z1", NAME, '"theirs"')
    runs = [Route53(aws) for _each in range(2)]
    both = threading.Barrier(2, timeout=20)
    arrivals = {"left": 4}

    def together() -> None:
        # The first guess, then the union: two requests of each run meet.
        if arrivals["left"] > 0:
            arrivals["left"] -= 1
            both.wait()

    aws.before_change = together
    threads = [
        threading.Thread(target=run.add, args=(ZONE, [record(NAME, f"run-{number}")]))
        for number, run in enumerate(runs)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert sorted(aws.values("Z1", NAME) or ()) == ['"run-0"', '"run-1"', '"theirs"']
    aws.before_change = lambda: None
    runs[0].remove(ZONE, [record(NAME, "run-0")])
    assert sorted(aws.values("Z1", NAME) or ()) == ['"run-1"', '"theirs"']


def test_somebody_who_keeps_writing_ends_it(aws: Route53Client, route53: Route53) -> None:
    count = iter(range(1000))
    aws.before_change = lambda: aws.put("Z1", NAME, f'"{next(count)}"')
    with pytest.raises(DnsError, match=f"Somebody else kept changing {NAME} in zone example.com") as caught:
        route53.add(ZONE, [record(NAME, "ours")])
    assert caught.value.names == (NAME,)
    assert len(aws.asked) < 20


def test_a_name_that_cannot_have_the_record_does_not_stop_the_others(aws: Route53Client, route53: Route53) -> None:
    aws.put("Z1", NAME, "elsewhere.example.net.", kind="CNAME")
    good = "_acme-challenge.a.example.com"
    with pytest.raises(DnsError, match=f"refused to change {NAME} .*conflicting RRSet of type CNAME") as caught:
        route53.add(ZONE, [record(NAME, "bad"), record(good, "good")])
    assert caught.value.names == (NAME,)
    assert aws.values("Z1", good) == ['"good"']


def test_records_with_a_routing_policy_are_not_touched(aws: Route53Client, route53: Route53) -> None:
    aws.put("Z1", NAME, '"theirs"', SetIdentifier="blue", Weight=1)
    with pytest.raises(DnsError, match="routing policy") as caught:
        route53.add(ZONE, [record(NAME, "ours"), record("_acme-challenge.a.example.com", "good")])
    assert caught.value.names == (NAME,)
    assert aws.values("Z1", NAME) == ['"theirs"']
    assert aws.values("Z1", "_acme-challenge.a.example.com") == ['"good"']


def test_a_refusal_that_names_nobody_is_narrowed_down(
    aws: Route53Client, route53: Route53, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = aws.change_resource_record_sets

    def refusing(**request: t.Any) -> dict[str, t.Any]:
        names = [change["ResourceRecordSet"]["Name"] for change in request["ChangeBatch"]["Changes"]]
        if any("bad" in name for name in names):
            raise client_error("InvalidChangeBatch", "The batch is invalid", "ChangeResourceRecordSets")
        return real(**request)

    monkeypatch.setattr(aws, "change_resource_record_sets", refusing)
    names = ["_acme-challenge.bad.example.com", "_acme-challenge.a.example.com", "_acme-challenge.b.example.com"]
    with pytest.raises(DnsError, match="The batch is invalid") as caught:
        route53.add(ZONE, [record(name, "x") for name in names])
    assert caught.value.names == (names[0],)
    assert aws.values("Z1", names[1]) == aws.values("Z1", names[2]) == ['"x"']


def test_limits_of_a_request_are_kept(aws: Route53Client, route53: Route53) -> None:
    many = [record(f"_acme-challenge.n{number}.example.com", "v" * 43) for number in range(800)]
    assert len(route53.add(ZONE, many)) == 2
    assert len(aws.record_sets["Z1"]) == 800
    route53.remove(ZONE, many)
    assert aws.record_sets["Z1"] == {}
    assert len(aws.requests) == 4


def test_one_zone_has_one_writer_at_a_time_and_two_zones_have_two(aws: Route53Client, route53: Route53) -> None:
    """Route53 may refuse a change while another one of the zone is under way."""
    writing: collections.Counter[str] = collections.Counter()
    most: dict[str, int] = {}
    both_zones = threading.Barrier(2, timeout=20)
    real = aws.change_resource_record_sets

    def change(**request: t.Any) -> dict[str, t.Any]:
        zone = request["HostedZoneId"]
        writing[zone] += 1
        most[zone] = max(most.get(zone, 0), writing[zone])
        if most[zone] == 1 and len(aws.requests) < 1:
            both_zones.wait()
        time.sleep(0.005)
        reply = real(**request)
        writing[zone] -= 1
        return reply

    aws.change_resource_record_sets = change  # type: ignore[method-assign]
    work = [(zone, f"_acme-challenge.n{number}.{zone.name}") for number in range(6) for zone in (ZONE, OTHER_ZONE)]
    threads = [threading.Thread(target=route53.add, args=(zone, [record(name, "x")])) for zone, name in work]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert most == {"Z1": 1, "Z2": 1}
    assert len(aws.requests) == 12


# Waiting


def test_each_change_is_asked_for_until_it_is_in_sync(aws: Route53Client, route53: Route53) -> None:
    aws.pending = 3
    route53.wait(["/change/C1", "/change/C2", "/change/C1"], 60)
    assert aws.asked == ["GetChange"] * 5


def test_a_denied_question_is_an_error_at_once(aws: Route53Client, route53: Route53) -> None:
    aws.denied.add("GetChange")
    with pytest.raises(DnsError, match="Allow route53:GetChange in the IAM policy"):
        route53.wait(["/change/C1"], 3600)
    assert aws.asked == ["GetChange"]


def test_a_change_that_is_never_in_sync_ends_with_the_time(aws: Route53Client) -> None:
    aws.pending = 10**9
    with pytest.raises(DnsError, match="has not published 1 changes"):
        Route53(aws).wait(["/change/C1"], 0.2)


def test_denied_changes_name_the_right_and_the_names(aws: Route53Client) -> None:
    aws.denied.add("ChangeResourceRecordSets")
    with pytest.raises(DnsError, match=r"Allow route53:ChangeResourceRecordSets") as caught:
        Route53(aws, account="role arn:aws:iam::2:role/dns").add(ZONE, [record(NAME, "x")])
    assert "of role arn:aws:iam::2:role/dns" in caught.value.message
    assert caught.value.names == (NAME,)


@pytest.mark.parametrize("code", ["Throttling", "PriorRequestNotComplete"])
def test_throttling_is_told_once(aws: Route53Client, code: str) -> None:
    told: list[str] = []
    route53 = Route53(aws, warn=told.append)
    for _again in range(3):
        aws.throttle("ChangeResourceRecordSets", code)
    route53.zones()
    assert len(told) == 1
    assert f"ChangeResourceRecordSets with {code}" in told[0]
