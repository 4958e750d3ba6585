# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The emulated AWS with a DNS, on which the tests of issuing stand, does what it promises."""

from __future__ import annotations

import threading
import time
import typing as t
from concurrent.futures import ThreadPoolExecutor

import dns.message
import dns.query
import dns.rcode
import pytest
from ansible_collections.certops.rotation.tests.support.acme_dns import AwsWithDns
from botocore.exceptions import ClientError


def ask(aws: AwsWithDns, name: str, kind: str = "TXT", server: int = 0, tcp: bool = False) -> tuple[str, list[str]]:
    """The answer's code and its records, as "name TYPE value"."""
    host, port = aws.nameservers[server].split(":")
    query = dns.message.make_query(name, kind)
    reply = (dns.query.tcp if tcp else dns.query.udp)(query, host, port=int(port), timeout=10)
    found = [
        f"{rrset.name.to_text(omit_final_dot=True)} {dns.rdatatype.to_text(rrset.rdtype)} {record.to_text()}"
        for rrset in reply.answer
        for record in rrset
    ]
    return dns.rcode.to_text(reply.rcode()), sorted(found)


class TestDns:
    def test_records_of_all_kinds(self, aws_dns: AwsWithDns) -> None:
        zone = aws_dns.zone("example.com")
        aws_dns.put_record(zone, "www.example.com", "A", ["127.0.0.1", "127.0.0.2"])
        aws_dns.put_record(zone, "www.example.com", "AAAA", ["::1"])
        aws_dns.put_record(zone, "example.com", "CAA", ['0 issue "ca.example; accounturi=https://ca.example/1"'])
        aws_dns.put_record(zone, "t.example.com", "TXT", ["one", '"two" "parts"', '"with \\"marks\\""'])
        assert ask(aws_dns, "www.EXAMPLE.com", "A")[1] == ["www.example.com A 127.0.0.1", "www.example.com A 127.0.0.2"]
        assert ask(aws_dns, "www.example.com", "AAAA")[1] == ["www.example.com AAAA ::1"]
        assert ask(aws_dns, "example.com", "CAA")[1] == [
            'example.com CAA 0 issue "ca.example; accounturi=https://ca.example/1"'
        ]
        assert ask(aws_dns, "t.example.com")[1] == [
            't.example.com TXT "one"',
            't.example.com TXT "two" "parts"',
            't.example.com TXT "with \\"marks\\""',
        ]
        assert ask(aws_dns, "example.com", "NS")[1] == [
            "example.com NS ns1.example.com.",
            "example.com NS ns2.example.com.",
        ]
        assert ask(aws_dns, "ns2.example.com", "A")[1] == ["ns2.example.com A 127.0.0.2"]
        assert ask(aws_dns, "example.com", "SOA")[1][0].startswith("example.com SOA ns1.example.com.")
        listed = aws_dns.client("route53").get_hosted_zone(Id=zone)["DelegationSet"]["NameServers"]
        assert listed == ["ns1.example.com", "ns2.example.com"]

    def test_nothing_there(self, aws_dns: AwsWithDns) -> None:
        zone = aws_dns.zone("example.com")
        aws_dns.put_record(zone, "a.b.example.com", "A", ["127.0.0.1"])
        for name, code in (
            ("no.example.com", "NXDOMAIN"),
            ("a.b.example.com", "NOERROR"),
            ("b.example.com", "NOERROR"),
        ):
            reply = dns.query.udp(dns.message.make_query(name, "TXT"), "127.0.0.1", port=aws_dns.dns_port, timeout=10)
            assert (dns.rcode.to_text(reply.rcode()), reply.answer) == (code, [])
            assert reply.authority[0].rdtype == dns.rdatatype.SOA
            assert reply.authority[0].name.to_text() == "example.com."
        assert ask(aws_dns, "example.org", "A") == ("REFUSED", [])

    def test_aliases_are_followed_into_other_zones_and_accounts(self, aws_dns: AwsWithDns) -> None:
        zone = aws_dns.zone("example.com")
        assumed = aws_dns.client("sts").assume_role(RoleArn="arn:aws:iam::999999999999:role/dns", RoleSessionName="dns")
        other = aws_dns.client_of(assumed["Credentials"], "route53")
        validation = aws_dns.zone("validation.example", client=other)
        aws_dns.put_record(zone, "_acme-challenge.www.example.com", "CNAME", ["one.example.com"])
        aws_dns.put_record(zone, "one.example.com", "CNAME", ["www.validation.example"])
        aws_dns.put_record(validation, "www.validation.example", "TXT", ["value"], client=other)
        assert ask(aws_dns, "_acme-challenge.www.example.com")[1] == [
            "_acme-challenge.www.example.com CNAME one.example.com.",
            "one.example.com CNAME www.validation.example.",
            'www.validation.example TXT "value"',
        ]
        assert aws_dns.zone_names() == ["example.com"], "the other account's zone is not this one's"
        aws_dns.put_record(zone, "loop.example.com", "CNAME", ["loop.example.com"])
        assert len(ask(aws_dns, "loop.example.com")[1]) == 1, "a loop ends"

    def test_wildcards(self, aws_dns: AwsWithDns) -> None:
        zone = aws_dns.zone("example.com")
        aws_dns.put_record(zone, "*.example.com", "CNAME", ["www.example.com"])
        aws_dns.put_record(zone, "www.example.com", "A", ["127.0.0.1"])
        aws_dns.put_record(zone, "below.there.example.com", "A", ["127.0.0.1"])
        answers = ["any.thing.example.com CNAME www.example.com.", "www.example.com A 127.0.0.1"]
        assert ask(aws_dns, "any.thing.example.com", "A")[1] == answers
        assert ask(aws_dns, "www.example.com", "TXT") == ("NOERROR", []), "a name that is there is no wildcard's"
        assert ask(aws_dns, "there.example.com", "A") == ("NOERROR", []), "nor is one with names below it"
        assert ask(aws_dns, "x.there.example.com", "A") == ("NXDOMAIN", []), "which hides it from those, too (RFC 4592)"
        listed = aws_dns.client("route53").list_resource_record_sets(HostedZoneId=zone)["ResourceRecordSets"]
        assert "\\052.example.com." in {found["Name"] for found in listed}, "as AWS writes it"

    def test_the_longest_public_zone_answers(self, aws_dns: AwsWithDns) -> None:
        aws_dns.put_record(aws_dns.zone("example.com"), "www.sub.example.com", "TXT", ["outer"])
        aws_dns.put_record(aws_dns.zone("sub.example.com", private=True), "www.sub.example.com", "TXT", ["private"])
        assert ask(aws_dns, "www.sub.example.com")[1] == ['www.sub.example.com TXT "outer"']
        aws_dns.put_record(aws_dns.zone("sub.example.com"), "www.sub.example.com", "TXT", ["inner"])
        assert ask(aws_dns, "www.sub.example.com")[1] == ['www.sub.example.com TXT "inner"']

    def test_large_answers_come_by_tcp(self, aws_dns: AwsWithDns) -> None:
        zone = aws_dns.zone("example.com")
        aws_dns.put_record(zone, "t.example.com", "TXT", [f"{number:043}" for number in range(120)])
        reply = dns.query.udp(dns.message.make_query("t.example.com", "TXT"), "127.0.0.1", port=aws_dns.dns_port)
        assert reply.flags & dns.flags.TC
        assert len(ask(aws_dns, "t.example.com", tcp=True)[1]) == 120

    def test_many_questions_at_once(self, aws_dns: AwsWithDns) -> None:
        """As a CA asks that validates a hundred names: none is lost."""
        zone = aws_dns.zone("example.com")
        aws_dns.put_record(zone, "*.example.com", "TXT", ["value"])
        with ThreadPoolExecutor(50) as pool:
            answers = list(pool.map(lambda number: ask(aws_dns, f"w{number}.example.com"), range(500)))
        assert [len(found) for _code, found in answers] == [1] * 500
        assert len(aws_dns.queries("TXT")) == 500

    def test_a_server_that_lags(self, aws_dns: AwsWithDns) -> None:
        zone = aws_dns.zone("example.com")
        aws_dns.configure(lags=(0, 600))
        aws_dns.put_record(zone, "t.example.com", "TXT", ["value"])
        assert ask(aws_dns, "t.example.com", server=0)[0] == "NOERROR"
        assert ask(aws_dns, "t.example.com", server=1)[0] == "NXDOMAIN"
        aws_dns.configure(lags=(0.3, 0))
        aws_dns.put_record(zone, "u.example.com", "TXT", ["value"])
        assert ask(aws_dns, "u.example.com", server=1)[0] == "NOERROR"
        deadline = time.monotonic() + 30
        while ask(aws_dns, "u.example.com", server=0)[0] == "NXDOMAIN":
            assert time.monotonic() < deadline
        assert (1, "t.example.com.", "TXT") in aws_dns.queries("TXT")


class TestRoute53:
    def refusal(self, call: t.Callable[[], object]) -> tuple[str, str]:
        with pytest.raises(ClientError) as caught:
            call()
        return caught.value.response["Error"]["Code"], caught.value.response["Error"]["Message"]

    def batch(self, aws: AwsWithDns, zone: str, *changes: tuple[str, str, str, t.Sequence[str]]) -> t.Any:
        wanted: t.Any = [
            {
                "Action": action,
                "ResourceRecordSet": {
                    "Name": name,
                    "Type": kind,
                    "TTL": 60,
                    "ResourceRecords": [{"Value": value} for value in values],
                },
            }
            for action, name, kind, values in changes
        ]
        return aws.client("route53").change_resource_record_sets(HostedZoneId=zone, ChangeBatch={"Changes": wanted})

    def test_a_batch_is_done_or_not(self, aws_dns: AwsWithDns) -> None:
        zone = aws_dns.zone("example.com")
        self.batch(aws_dns, zone, ("CREATE", "a.example.com", "TXT", ['"1"']))
        create = ("CREATE", "a.example.com", "TXT", ['"2"'])
        code, message = self.refusal(
            lambda: self.batch(aws_dns, zone, ("UPSERT", "b.example.com", "TXT", ['"1"']), create)
        )
        assert code == "InvalidChangeBatch"
        assert (
            message == "[Tried to create resource record set [name='a.example.com.', type='TXT'] but it already exists]"
        )
        assert aws_dns.txt(zone) == {"a.example.com": ["1"]}
        self.batch(aws_dns, zone, ("DELETE", "a.example.com", "TXT", ['"1"']), create)
        assert aws_dns.txt(zone) == {"a.example.com": ["2"]}

    @pytest.mark.parametrize(
        ("change", "reason"),
        [
            (("DELETE", "no.example.com", "TXT", ['"1"']), "but it was not found"),
            (("DELETE", "a.example.com", "TXT", ['"1"']), "do not match the current values"),
            (("CREATE", "b.example.com", "TXT", ["1"]), "enclosed in quotation marks"),
            (("CREATE", "b.example.com", "TXT", [f'"{256 * "x"}"']), "Value is too long"),
            (("CREATE", "b.example.com", "TXT", ['"1"', '"1"']), "Duplicate Resource Record"),
            (("CREATE", "b.example.org", "TXT", ['"1"']), "is not permitted in zone example.com."),
            (("CREATE", "a.example.com", "CNAME", ["b.example.com"]), "conflicting RRSet of type CNAME"),
        ],
    )
    def test_refusals(self, aws_dns: AwsWithDns, change: tuple[str, str, str, list[str]], reason: str) -> None:
        zone = aws_dns.zone("example.com")
        self.batch(aws_dns, zone, ("CREATE", "a.example.com", "TXT", ['"1"', '"2"']))
        code, message = self.refusal(lambda: self.batch(aws_dns, zone, change))
        assert code == "InvalidChangeBatch"
        assert reason in message
        assert aws_dns.txt(zone) == {"a.example.com": ["1", "2"]}

    def test_the_size_of_a_call(self, aws_dns: AwsWithDns) -> None:
        zone = aws_dns.zone("example.com")

        def values(action: str, number: int, length: int = 8) -> list[tuple[str, str, str, list[str]]]:
            return [(action, f"{index}.example.com", "TXT", [f'"{index:0{length}}"']) for index in range(number)]

        self.batch(aws_dns, zone, *values("CREATE", 1000))
        assert "records limit" in self.refusal(lambda: self.batch(aws_dns, zone, *values("DELETE", 1001)))[1]
        self.batch(aws_dns, zone, *values("UPSERT", 500))
        assert "records limit" in self.refusal(lambda: self.batch(aws_dns, zone, *values("UPSERT", 501)))[1]
        self.batch(aws_dns, zone, *values("UPSERT", 355, 43))
        assert "characters limit" in self.refusal(lambda: self.batch(aws_dns, zone, *values("UPSERT", 356, 43)))[1]

    def test_one_change_of_a_zone_at_a_time(self, aws_dns: AwsWithDns) -> None:
        zone, other = aws_dns.zone("example.com"), aws_dns.zone("example.org")
        aws_dns.configure(busy=2)
        first = threading.Thread(target=lambda: aws_dns.put_record(zone, "a.example.com", "TXT", ["1"]))
        first.start()
        deadline = time.monotonic() + 1.5
        while not aws_dns.operations().get("ChangeResourceRecordSets"):
            assert time.monotonic() < deadline
        single = aws_dns.client_of(None, "route53", retries=0)
        code, _message = self.refusal(
            lambda: aws_dns.change(zone, "UPSERT", "b.example.com", "TXT", ["1"], client=single)
        )
        assert code == "PriorRequestNotComplete"
        aws_dns.change(other, "UPSERT", "b.example.org", "TXT", ["1"], client=single)
        first.join()
        assert aws_dns.txt(zone) == {"a.example.com": ["1"]}

    def test_a_change_is_pending_then_in_sync(self, aws_dns: AwsWithDns) -> None:
        zone = aws_dns.zone("example.com")
        route53 = aws_dns.client("route53")
        aws_dns.configure(pending=600)
        slow = aws_dns.change(zone, "CREATE", "a.example.com", "TXT", ["1"])
        aws_dns.configure(pending=0)
        fast = aws_dns.change(zone, "CREATE", "b.example.com", "TXT", ["1"])
        assert [route53.get_change(Id=number)["ChangeInfo"]["Status"] for number in (slow, fast)] == [
            "PENDING",
            "INSYNC",
        ]
        assert self.refusal(lambda: route53.get_change(Id="/change/C0"))[0] == "NoSuchChange"

    def test_faults_and_counts(self, aws_dns: AwsWithDns) -> None:
        zone = aws_dns.zone("example.com")
        single = aws_dns.client_of(None, "route53", retries=0)
        aws_dns.forget()
        aws_dns.fail("ChangeResourceRecordSets", "Throttling", times=1, containing="a.example.com")
        aws_dns.change(zone, "CREATE", "b.example.com", "TXT", ["1"], client=single)
        assert self.refusal(lambda: aws_dns.change(zone, "CREATE", "a.example.com", "TXT", ["1"], client=single)) == (
            "Throttling",
            "made up by a test",
        )
        aws_dns.fail("ChangeResourceRecordSets", "InternalFailure", times=1, status=500, late=True)
        refused = self.refusal(lambda: aws_dns.change(zone, "CREATE", "a.example.com", "TXT", ["1"], client=single))
        assert refused[0] == "InternalFailure"
        assert aws_dns.txt(zone) == {"a.example.com": ["1"], "b.example.com": ["1"]}, "done, but the answer was lost"
        aws_dns.fail("GetSecretValue", "AccessDeniedException")
        assert self.refusal(lambda: aws_dns.client().get_secret_value(SecretId="x"))[0] == "AccessDeniedException"
        s3 = aws_dns.client("s3")
        s3.create_bucket(Bucket="certificates", CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
        aws_dns.fail("PutObject", "AccessDenied", status=403)
        assert self.refusal(lambda: s3.put_object(Bucket="certificates", Key="certs/a", Body=b"1"))[0] == "AccessDenied"
        assert aws_dns.operations() == {
            "ChangeResourceRecordSets": 3,
            "ListResourceRecordSets": 1,
            "GetSecretValue": 1,
            "CreateBucket": 1,
            "PutObject": 1,
        }
        assert aws_dns.batches() == [{"zone": "example.com.", "CREATE": 1}] * 2
