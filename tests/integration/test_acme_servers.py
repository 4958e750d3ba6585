# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The ACME servers that the tests of issuing talk to, and what can go wrong with them, do what they promise."""

from __future__ import annotations

import datetime
import time
import typing as t

import dns.message
import dns.query
import dns.rcode
import dns.tsig
import dns.update
import pytest
import requests
from acme import messages
from ansible_collections.certops.rotation.plugins.module_utils._core.x509.examine import Examination, examine
from ansible_collections.certops.rotation.tests.support.acme_client import AcmeClient
from ansible_collections.certops.rotation.tests.support.acme_dns import AwsWithDns
from ansible_collections.certops.rotation.tests.support.acme_faults import AcmeFaults
from ansible_collections.certops.rotation.tests.support.pebble import Pebble
from ansible_collections.certops.rotation.tests.support.rfc2136_server import DnsUpdateServer
from ansible_collections.certops.rotation.tests.support.second_ca import SecondCa
from cryptography import x509

NOW = datetime.datetime(2026, 11, 26, tzinfo=datetime.timezone.utc)


def publish_in(aws: AwsWithDns, zone: str) -> t.Callable[[str, str], None]:
    return lambda name, value: aws.put_record(zone, name, "TXT", [value])


class TestPebble:
    @pytest.mark.parametrize("version", ["2.6", "2.10"])
    def test_validates_what_the_dns_says(self, aws_dns: AwsWithDns, version: str) -> None:
        """By way of a CNAME into another zone; a wildcard and its apex with one record set. Nothing is always valid."""
        zone, validation = aws_dns.zone("example.com"), aws_dns.zone("validation.example")
        aws_dns.put_record(zone, "_acme-challenge.www.example.com", "CNAME", ["www.validation.example"])
        published: dict[str, list[str]] = {}

        def publish(name: str, value: str) -> None:
            if name == "_acme-challenge.www.example.com":
                aws_dns.put_record(validation, "www.validation.example", "TXT", [value])
            else:
                published.setdefault(name, []).append(value)
                aws_dns.put_record(zone, name, "TXT", published[name])

        with Pebble(aws_dns.nameservers[0], version, validity=8 * 86400) as pebble:
            client = AcmeClient(pebble.directory_url, pebble.ca_bundle)
            names = ["example.com", "*.example.com", "www.example.com"]
            chain = x509.load_pem_x509_certificates(client.issue(names, publish, "classic").encode())
            found = chain[0].extensions.get_extension_for_class(x509.SubjectAlternativeName).value
            assert sorted(found.get_values_for_type(x509.DNSName)) == sorted(names)
            chain[0].verify_directly_issued_by(x509.load_pem_x509_certificate(pebble.intermediate().encode()))
            days = 8 if version == "2.6" else 90
            assert round((chain[0].not_valid_after_utc - chain[0].not_valid_before_utc).total_seconds() / 86400) == days
            assert pebble.status_of(chain[0].serial_number)["Status"] == "Valid"
            with pytest.raises(messages.Error, match="unauthorized"):
                _issue_failing(client, ["no.example.com"])
            counts = pebble.counts()
            assert (counts["orders"], counts["certificates"]) == (2, 1)
            assert counts["requests"] >= 10
            root = pebble.root_name()
            pebble.restart()
            assert pebble.root_name() != root
            AcmeClient(pebble.directory_url, pebble.ca_bundle)

    def test_profiles_external_accounts_and_identities(self, aws_dns: AwsWithDns) -> None:
        secret = "zWNDZM6eQGHWpSRTPal5eIUYFTu7EajVIoguysqZ9wG44nMEtx3MUAsUDkMTQ12W"
        zone = aws_dns.zone("example.com")

        with Pebble(
            aws_dns.nameservers[0],
            "2.10",
            external_accounts={"kid-1": secret},
            external_account_required=True,
            caa_identities=["ca.example"],
            alternate_roots=1,
        ) as pebble:
            with pytest.raises(messages.Error, match="externalAccountRequired"):
                AcmeClient(pebble.directory_url, pebble.ca_bundle)
            client = AcmeClient(pebble.directory_url, pebble.ca_bundle, ("kid-1", secret))
            assert client.acme.directory.meta.caa_identities == ("ca.example",)
            short = x509.load_pem_x509_certificate(
                client.issue(["a.example.com"], publish_in(aws_dns, zone), "shortlived").encode()
            )
            assert round((short.not_valid_after_utc - short.not_valid_before_utc).total_seconds() / 3600) == 160
            assert pebble.root_name(0) != pebble.root_name(1)
            with pytest.raises(messages.Error, match="invalidProfile"):
                client.order(["a.example.com"], "unheard-of")


def _issue_failing(client: AcmeClient, names: list[str]) -> None:
    """The order is invalid as its names have no TXT record; raises the error of the CA."""
    order = client.order(names)
    body = next(body for body in order.authorizations[0].body.challenges if body.chall.typ == "dns-01")
    client.acme.answer_challenge(body, body.response(client.key))
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        polled, _response = client.acme.poll(order.authorizations[0])
        failed = [challenge.error for challenge in polled.body.challenges if challenge.error]
        if failed:
            raise failed[0]
        time.sleep(0.2)


@pytest.fixture(scope="module")
def pebble(aws_dns_server: AwsWithDns) -> t.Iterator[Pebble]:
    with Pebble(aws_dns_server.nameservers[0]) as server:
        yield server


@pytest.fixture
def proxy(pebble: Pebble) -> t.Iterator[AcmeFaults]:
    with AcmeFaults(pebble.directory_url, pebble.ca_bundle) as faults:
        yield faults


class TestFaults:
    """By way of the proxy; requests without a signature show what any client gets."""

    def get(self, proxy: AcmeFaults, **more: t.Any) -> requests.Response:
        return requests.get(proxy.directory_url, verify=proxy.ca_bundle, **{"timeout": 30, **more})

    def test_passes_on_and_counts(self, aws_dns: AwsWithDns, proxy: AcmeFaults) -> None:
        zone = aws_dns.zone("example.com")
        client = AcmeClient(proxy.directory_url, proxy.ca_bundle)
        client.issue(["a.example.com", "b.example.com"], publish_in(aws_dns, zone))
        counts = proxy.counts()
        once = ("directory", "newNonce", "newAccount", "newOrder", "finalize", "certificate")
        assert {kind: counts[kind] for kind in once} == dict.fromkeys(once, 1)
        assert counts["challenge"] == 2
        assert counts["authorization"] >= 4
        assert counts["order"] >= 1
        assert "other" not in counts
        (order,) = proxy.payloads("newOrder")
        assert order["identifiers"] == [{"type": "dns", "value": name} for name in ("a.example.com", "b.example.com")]

    def test_answers_instead(self, proxy: AcmeFaults) -> None:
        when = datetime.datetime(2030, 1, 2, 3, 4, 5, tzinfo=datetime.timezone.utc)
        proxy.answer("directory", 503, times=1)
        proxy.answer("directory", 429, "rateLimited", retry_after=when, more={"instance": "https://ca/1"}, times=1)
        proxy.answer("directory", 429, retry_after=7, skip=1, times=1)
        replies = [self.get(proxy) for _number in range(4)]
        assert [reply.status_code for reply in replies] == [503, 429, 200, 429]
        assert replies[1].headers["Retry-After"] == "Wed, 02 Jan 2030 03:04:05 GMT"
        assert replies[1].json()["type"] == "urn:ietf:params:acme:error:rateLimited"
        assert replies[1].json()["instance"] == "https://ca/1"
        assert replies[3].headers["Retry-After"] == "7"
        client = AcmeClient(proxy.directory_url, proxy.ca_bundle)
        proxy.answer("newOrder", 403, "rejectedIdentifier", times=1, when=lambda seen: "a.b" in str(seen.payload))
        client.order(["b.example.com"])
        with pytest.raises(messages.Error, match="rejectedIdentifier"):
            client.order(["a.b.example.com"])

    def test_does_not_answer(self, pebble: Pebble, proxy: AcmeFaults) -> None:
        proxy.hang("directory", times=1)
        with pytest.raises(requests.exceptions.Timeout):
            self.get(proxy, timeout=0.5)
        proxy.drop("directory", times=1)
        with pytest.raises(requests.exceptions.ConnectionError):
            self.get(proxy)
        client = AcmeClient(proxy.directory_url, proxy.ca_bundle)
        before = pebble.counts()["orders"]
        proxy.drop("newOrder", late=True)
        with pytest.raises(requests.exceptions.ConnectionError):
            client.order(["a.example.com"])
        assert pebble.counts()["orders"] == before + 1, "made, but nobody has been told"
        proxy.heal()
        assert self.get(proxy).json()["newOrder"].startswith(proxy.address)

    def test_answers_badly(self, proxy: AcmeFaults) -> None:
        proxy.garbage("directory", times=1)
        with pytest.raises(ValueError, match="Expecting value"):
            self.get(proxy).json()
        proxy.endless("directory", times=1)
        reply = self.get(proxy, stream=True)
        assert len(next(reply.iter_content(1 << 20))) == 1 << 20
        reply.close()
        proxy.drip("directory", interval=0.1, times=1)
        reply = self.get(proxy, stream=True)
        chunks = [next(reply.iter_content(1)) for _number in range(3)]
        assert b"".join(chunks).strip().startswith(b"{")
        reply.close()
        proxy.header("newNonce", "Replay-Nonce", None, times=1)
        url = self.get(proxy).json()["newNonce"]
        headers = [requests.head(url, verify=proxy.ca_bundle, timeout=30).headers for _number in range(2)]
        assert ["Replay-Nonce" in found for found in headers] == [False, True]

    def test_says_something_else(self, aws_dns: AwsWithDns, proxy: AcmeFaults) -> None:
        zone = aws_dns.zone("example.com")
        proxy.directory(without=["renewalInfo"], meta={"caaIdentities": ["ca.example"]})
        assert "renewalInfo" not in self.get(proxy).json()
        proxy.renewal_info(NOW, NOW + datetime.timedelta(days=1), retry_after=5, explanation_url="https://ca/why")
        directory = self.get(proxy).json()
        assert directory["meta"]["caaIdentities"] == ["ca.example"]
        told = requests.get(f"{directory['renewalInfo']}/some.certificate", verify=proxy.ca_bundle, timeout=30)
        assert (told.headers["Retry-After"], told.json()["explanationURL"]) == ("5", "https://ca/why")
        assert told.json()["suggestedWindow"]["start"] == "2026-11-26T00:00:00+00:00"
        assert proxy.counts()["renewalInfo"] == 1
        proxy.more_challenges("novel-01")
        proxy.processing(3)
        client = AcmeClient(proxy.directory_url, proxy.ca_bundle)
        client.issue(["c.example.com"], publish_in(aws_dns, zone))
        order = client.order(["d.example.com"])
        offered = [challenge.chall.to_json()["type"] for challenge in order.authorizations[0].body.challenges]
        assert offered[0] == "novel-01"
        assert "dns-01" in offered
        assert proxy.counts()["order"] >= 4

    def test_server_down(self, aws_dns: AwsWithDns) -> None:
        with Pebble(aws_dns.nameservers[0]) as server, AcmeFaults(server.directory_url, server.ca_bundle) as proxy:
            assert self.get(proxy).status_code == 200
            server.stop()
            assert self.get(proxy).status_code == 502
            server.start()
            assert self.get(proxy).status_code == 200


class TestSecondCa:
    def test_issues_and_remembers(self, aws_dns: AwsWithDns) -> None:
        """Behind the proxy, too, which it takes for itself."""
        secret = "zWNDZM6eQGHWpSRTPal5eIUYFTu7EajVIoguysqZ9wG44nMEtx3MUAsUDkMTQ12W"
        zone = aws_dns.zone("example.com")
        with (
            SecondCa(
                aws_dns.nameservers[0], days=30, caa_identities=["second.example"], external_accounts={"kid-1": secret}
            ) as second,
            AcmeFaults(second.directory_url, second.ca_bundle) as proxy,
        ):
            with pytest.raises(messages.Error, match="externalAccountRequired"):
                AcmeClient(second.directory_url, second.ca_bundle)
            client = AcmeClient(proxy.directory_url, proxy.ca_bundle, ("kid-1", secret))
            assert client.acme.directory.meta.caa_identities == ("second.example",)
            chain = client.issue(["a.example.com", "*.b.example.com"], publish_in(aws_dns, zone))
            leaf = x509.load_pem_x509_certificates(chain.encode())[0]
            leaf.verify_directly_issued_by(second.authority.certificate)
            assert leaf.not_valid_after_utc - leaf.not_valid_before_utc == datetime.timedelta(days=30)
            problems = examine(
                Examination(
                    chain,
                    trust_anchors=second.root(),
                    certificate_chain=second.authority.chain_pem,
                    server_names=("a.example.com", "x.b.example.com"),
                    at=datetime.datetime.now(datetime.timezone.utc),
                )
            )
            assert [problem for problem in problems if problem.severity == "error"] == []
            assert second.counts() == {"orders": 1, "certificates": 1}
            assert proxy.counts()["finalize"] == 1
            second.stop()
            second.start()
            client.order(["c.example.com"])
            assert second.counts() == {"orders": 2, "certificates": 1}


class TestDnsUpdates:
    @pytest.mark.parametrize("algorithm", ["hmac-sha256", "hmac-sha512"])
    def test_accepts_signed_updates_only(self, algorithm: str) -> None:
        with DnsUpdateServer(["example.com", "validation.example"], algorithm) as server:
            server.add("example.com", "_acme-challenge.www.example.com", "CNAME", "www.validation.example.")
            server.add("validation.example", "www.validation.example", "TXT", "one", '"two words"')
            assert server.txt("validation.example") == {"www.validation.example": ["one", "two words"]}
            query = dns.message.make_query("www.validation.example", "TXT")
            assert len(dns.query.udp(query, "127.0.0.1", port=server.port, timeout=10).answer[0]) == 2
            unsigned = dns.update.UpdateMessage("example.com")
            unsigned.add("x.example.com.", 60, "TXT", "value")
            signed_by_reader = dns.update.UpdateMessage("example.com", keyring=server.reader.key)
            signed_by_reader.add("x.example.com.", 60, "TXT", "value")
            refused = dns.query.tcp(unsigned, "127.0.0.1", port=server.port, timeout=10)
            assert refused.rcode() == dns.rcode.NOTAUTH
            with pytest.raises(dns.tsig.PeerBadKey):
                dns.query.tcp(signed_by_reader, "127.0.0.1", port=server.port, timeout=10)
            server.stop()
            server.start()
            assert server.txt("validation.example") == {"www.validation.example": ["one", "two words"]}
            assert ("x.example.com", "TXT") not in server.records("example.com")

    def test_pebble_asks_it(self) -> None:
        with DnsUpdateServer() as server, Pebble(server.nameserver) as pebble:
            client = AcmeClient(pebble.directory_url, pebble.ca_bundle)
            client.issue(["a.example.com"], lambda name, value: server.add("example.com", name, "TXT", value))
