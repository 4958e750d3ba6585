# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""TXT values of a batch in Route53's zones, over HTTP by boto3, seen by real DNS servers that answer from them."""

from __future__ import annotations

import threading
import time
import typing as t

import boto3
import pytest
from ansible_collections.certops.rotation.plugins.module_utils._core.acme.dns import TxtRecord
from ansible_collections.certops.rotation.plugins.module_utils._core.acme.txt import txt_records
from ansible_collections.certops.rotation.plugins.module_utils._core.acme.zones import challenge_name
from ansible_collections.certops.rotation.plugins.module_utils._flows.issue import dns
from ansible_collections.certops.rotation.plugins.module_utils._flows.issue.dns import DnsPublisher
from ansible_collections.certops.rotation.plugins.module_utils._ports.dns.resolver import DnsResolver
from ansible_collections.certops.rotation.plugins.module_utils._ports.dns.route53 import CLIENT_CONFIG, Route53
from ansible_collections.certops.rotation.tests.support.acme_dns import AwsWithDns
from botocore.config import Config

NAME = "_acme-challenge.example.com"


def provider(aws: AwsWithDns, credentials: t.Mapping[str, t.Any] | None = None, **more: t.Any) -> Route53:
    given = credentials or {"AccessKeyId": "test", "SecretAccessKey": "emulated-secret-key"}
    client = boto3.client(
        "route53",
        endpoint_url=aws.endpoint_url,
        region_name="eu-central-1",
        aws_access_key_id=given["AccessKeyId"],
        aws_secret_access_key=given["SecretAccessKey"],
        aws_session_token=given.get("SessionToken"),
        config=Config(**CLIENT_CONFIG),
    )
    return Route53(client, **more)


def publisher(aws: AwsWithDns, *providers: Route53, warn: t.Callable[[str], None] = print) -> DnsPublisher:
    return DnsPublisher(providers or [provider(aws, warn=warn)], DnsResolver(aws.nameservers), warn)


def publish(made: DnsPublisher, names: t.Mapping[str, t.Sequence[str]], timeout: float = 60) -> tuple[TxtRecord, ...]:
    """The values at each identifier, located, placed and waited for; all must succeed."""
    located = made.locate(challenge_name(name) for name in names)
    assert located.failures == {}
    records = txt_records(
        (located.records[challenge_name(name)], value) for name, values in names.items() for value in values
    )
    placed = made.place(records)
    assert made.wait(placed, timeout) == {}
    return records


def test_a_hundred_names_cost_four_calls(aws_dns: AwsWithDns) -> None:
    zone = aws_dns.zone("example.com")
    aws_dns.forget()
    made = publisher(aws_dns)
    records = publish(made, {f"n{number}.example.com": ["v" * 43] for number in range(100)})
    assert len(aws_dns.txt(zone)) == 100
    aws_dns.forget()
    assert made.withdraw(records) == {}
    assert aws_dns.txt(zone) == {}


def test_the_calls_of_a_whole_round(aws_dns: AwsWithDns) -> None:
    aws_dns.zone("example.com")
    aws_dns.forget()
    made = publisher(aws_dns)
    records = publish(made, {f"n{number}.example.com": ["v" * 43] for number in range(100)})
    made.withdraw(records)
    assert aws_dns.operations() == {"ListHostedZones": 1, "ChangeResourceRecordSets": 2, "GetChange": 1}


def test_wildcard_and_apex_and_what_others_have_there(aws_dns: AwsWithDns) -> None:
    zone = aws_dns.zone("example.com")
    theirs = ["two words", '"in" "parts"', r'"\"quoted\" \303\274"']
    aws_dns.put_record(zone, NAME, "TXT", theirs, ttl=300)
    before = aws_dns.client("route53").list_resource_record_sets(HostedZoneId=zone)["ResourceRecordSets"]
    made = publisher(aws_dns)
    records = publish(made, {"example.com": ["apex"], "*.example.com": ["wildcard"]})
    assert {"apex", "wildcard"} <= set(aws_dns.txt(zone)[NAME])
    assert len(aws_dns.txt(zone)[NAME]) == 5
    assert made.withdraw(records) == {}
    assert aws_dns.client("route53").list_resource_record_sets(HostedZoneId=zone)["ResourceRecordSets"] == before


def test_many_runs_at_once_on_one_zone_harm_nobodys_values(aws_dns: AwsWithDns) -> None:
    zone = aws_dns.zone("example.com")
    aws_dns.put_record(zone, NAME, "TXT", ["theirs"])
    aws_dns.configure(busy=0.02)
    problems: list[object] = []

    def run(number: int) -> None:
        try:
            made = publisher(aws_dns)
            records = [TxtRecord(NAME, (f"run-{number}",)), TxtRecord(f"_acme-challenge.r{number}.example.com", ("x",))]
            for _again in range(3):
                placed = made.place(records)
                problems.extend(placed.failures.values())
                if f"run-{number}" not in aws_dns.txt(zone)[NAME]:
                    problems.append(f"run-{number} is not there")
                problems.extend(made.withdraw(records).values())
        except BaseException as error:  # noqa: BLE001  # of a thread
            problems.append(error)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert problems == []
    assert aws_dns.txt(zone) == {NAME: ["theirs"]}


def test_a_cname_leads_into_another_zone_of_another_account(aws_dns: AwsWithDns) -> None:
    first = aws_dns.zone("example.com")
    assumed = aws_dns.client("sts").assume_role(RoleArn="arn:aws:iam::999999999999:role/dns", RoleSessionName="dns")
    other = aws_dns.client_of(assumed["Credentials"], "route53")
    second = aws_dns.zone("validation.net", client=other)
    aws_dns.put_record(first, NAME, "CNAME", ["example.com.validation.net"])
    made = publisher(aws_dns, provider(aws_dns), provider(aws_dns, assumed["Credentials"]))
    located = made.locate([NAME, "_acme-challenge.www.example.com"])
    assert located.records[NAME] == "example.com.validation.net"
    records = publish(made, {"example.com": ["value"], "www.example.com": ["other"]})
    pages = other.list_resource_record_sets(HostedZoneId=second)["ResourceRecordSets"]
    assert [found["ResourceRecords"][0]["Value"] for found in pages if found["Type"] == "TXT"] == ['"value"']
    assert aws_dns.txt(first) == {"_acme-challenge.www.example.com": ["other"]}
    assert made.withdraw(records) == {}
    assert aws_dns.txt(first) == {}


def test_a_private_zone_of_the_same_name_is_left_alone(aws_dns: AwsWithDns) -> None:
    private = aws_dns.zone("example.com", private=True)
    public = aws_dns.zone("example.com")
    publish(publisher(aws_dns), {"example.com": ["value"]})
    assert (aws_dns.txt(private), aws_dns.txt(public)) == ({}, {NAME: ["value"]})


def test_the_longest_zone_and_one_of_many(aws_dns: AwsWithDns) -> None:
    aws_dns.zone("example.com")
    below = aws_dns.zone("sub.example.com")
    for number in range(120):
        aws_dns.zone(f"z{number}.test")
    publish(publisher(aws_dns), {"a.b.sub.example.com": ["value"]})
    assert aws_dns.txt(below) == {"_acme-challenge.a.b.sub.example.com": ["value"]}


def test_a_missing_zone_is_out_alone(aws_dns: AwsWithDns) -> None:
    aws_dns.zone("example.com")
    located = publisher(aws_dns).locate([NAME, "_acme-challenge.www.example.org"])
    assert list(located.records) == [NAME]
    text = located.failures["_acme-challenge.www.example.org"].message
    assert text.startswith("www.example.org: the CA will look for a TXT record at _acme-challenge.www.example.org")
    assert "There are: example.com." in text
    # The emulated servers refuse what they do not hold.
    assert "could not be learned" in text
    located = publisher(aws_dns, provider(aws_dns, hosted_zone_ids=[aws_dns.zone("example.net")])).locate([NAME])
    assert located.failures[NAME].message.startswith("example.com: the CA will look for a TXT record at")
    assert "There are: example.net." in located.failures[NAME].message


def test_one_of_two_servers_lags(aws_dns: AwsWithDns) -> None:
    aws_dns.zone("example.com")
    aws_dns.configure(lags=(0.0, 2.0), pending=0.3)
    begun = time.monotonic()
    publish(publisher(aws_dns), {"example.com": ["value"], "www.example.com": ["value"]})
    assert time.monotonic() - begun > 2
    queries = aws_dns.queries("TXT")
    # The one that has them is not asked again.
    assert sum(server == 0 for server, _name, _kind in queries) == 2
    assert sum(server == 1 for server, _name, _kind in queries) > 4


def test_a_server_that_lags_too_long_is_told(aws_dns: AwsWithDns, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dns, "_LEAST_CHECK", 1.0)
    aws_dns.zone("example.com")
    aws_dns.configure(lags=(0.0, 600.0))
    made = publisher(aws_dns)
    placed = made.place([TxtRecord(NAME, ("value",))])
    failures = made.wait(placed, 1)
    assert aws_dns.nameservers[1].partition(":")[0] in failures[NAME].message
    assert made.withdraw([TxtRecord(NAME, ("value",))]) == {}


def test_throttling_and_a_busy_zone_are_waited_for_and_told(aws_dns: AwsWithDns) -> None:
    zone = aws_dns.zone("example.com")
    aws_dns.fail("ChangeResourceRecordSets", "Throttling", "Rate exceeded", times=2)
    aws_dns.fail("GetChange", "PriorRequestNotComplete", times=1)
    told: list[str] = []
    publish(publisher(aws_dns, warn=told.append), {"example.com": ["value"]})
    assert aws_dns.txt(zone) == {NAME: ["value"]}
    assert len(told) == 1
    assert "ChangeResourceRecordSets with Throttling" in told[0]


def test_a_change_whose_answer_is_lost_is_made_once(aws_dns: AwsWithDns) -> None:
    """botocore sends it again, and then the name is not free any more."""
    zone = aws_dns.zone("example.com")
    aws_dns.fail("ChangeResourceRecordSets", "ServiceUnavailable", status=503, times=1, late=True)
    made = publisher(aws_dns)
    records = publish(made, {"example.com": ["value"]})
    assert aws_dns.txt(zone) == {NAME: ["value"]}
    aws_dns.fail("ChangeResourceRecordSets", "ServiceUnavailable", status=503, times=1, late=True)
    assert made.withdraw(records) == {}
    assert aws_dns.txt(zone) == {}


def test_get_change_denied_is_told_at_once(aws_dns: AwsWithDns) -> None:
    zone = aws_dns.zone("example.com")
    aws_dns.fail("GetChange", "AccessDenied", "not authorized to perform: route53:GetChange", status=403)
    made = publisher(aws_dns)
    records = [TxtRecord(NAME, ("value",))]
    failures = made.wait(made.place(records), 600)
    assert "Allow route53:GetChange" in failures[NAME].message
    assert aws_dns.operations()["GetChange"] == 1
    made.withdraw(records)
    assert aws_dns.txt(zone) == {}


def test_a_zone_that_may_not_be_changed_does_not_stop_another(aws_dns: AwsWithDns) -> None:
    first, second = aws_dns.zone("example.com"), aws_dns.zone("example.net")
    aws_dns.fail("ChangeResourceRecordSets", "AccessDenied", "no", status=403, containing=first)
    made = publisher(aws_dns)
    placed = made.place([TxtRecord(NAME, ("a",)), TxtRecord("_acme-challenge.example.net", ("b",))])
    assert list(placed.failures) == [NAME]
    assert list(made.wait(placed, 30)) == [NAME]
    assert aws_dns.txt(second) == {"_acme-challenge.example.net": ["b"]}


def test_what_a_killed_run_left_is_removed_by_its_journal(aws_dns: AwsWithDns) -> None:
    zone = aws_dns.zone("example.com")
    aws_dns.put_record(zone, NAME, "TXT", ["left-1", "theirs"], ttl=300)
    aws_dns.put_record(zone, "_acme-challenge.www.example.com", "TXT", ["left-2"], ttl=10)
    aws_dns.put_record(zone, "_acme-challenge.other.example.com", "TXT", ["theirs-2"], ttl=10)
    journal = [
        TxtRecord(NAME, ("left-1", "never-written")),
        TxtRecord("_acme-challenge.www.example.com", ("left-2",)),
        TxtRecord("_acme-challenge.never.example.com", ("never",)),
    ]
    assert publisher(aws_dns).withdraw(journal) == {}
    assert aws_dns.txt(zone) == {NAME: ["theirs"], "_acme-challenge.other.example.com": ["theirs-2"]}
    assert publisher(aws_dns).withdraw(journal) == {}


@pytest.mark.parametrize(
    "identifier",
    ["EXAMPLE.com.", "b\u00fccher.example.com", "_x_.example.com", f"{'a' * 63}.{'b' * 63}.example.com"],
)
def test_odd_names(aws_dns: AwsWithDns, identifier: str) -> None:
    zone = aws_dns.zone("example.com")
    made = publisher(aws_dns)
    records = publish(made, {identifier: ["v" * 255]})
    assert aws_dns.txt(zone) == {challenge_name(identifier): ["v" * 255]}
    assert made.withdraw(records) == {}
    assert aws_dns.txt(zone) == {}
