# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""certificate_issue with CAs of all kinds: what they offer, want, forget, and do wrong."""

from __future__ import annotations

import contextlib
import datetime
import http.server
import json
import threading
import time
import typing as t

import pytest
from ansible_collections.certops.rotation.plugins.module_utils._core.acme.account_secret import key_thumbprint
from ansible_collections.certops.rotation.tests.support.acme_dns import AwsWithDns
from ansible_collections.certops.rotation.tests.support.acme_faults import AcmeFaults
from ansible_collections.certops.rotation.tests.support.fork_server import ModuleServer
from ansible_collections.certops.rotation.tests.support.issuing_scene import FOREIGN, Scene, actions, items, pebble_for
from ansible_collections.certops.rotation.tests.support.module import ModuleRun
from ansible_collections.certops.rotation.tests.support.pebble import Pebble
from ansible_collections.certops.rotation.tests.support.second_ca import SecondCa
from cryptography import x509

A, B = "a.example.com", "b.example.com"


@pytest.fixture(scope="module")
def pebble(issuing_aws: AwsWithDns) -> t.Iterator[Pebble]:
    with pebble_for(issuing_aws, alternate_roots=1) as made:
        yield made


@pytest.fixture(scope="module")
def ca(pebble: Pebble) -> t.Iterator[AcmeFaults]:
    with AcmeFaults(pebble.directory_url, pebble.ca_bundle) as faults:
        yield faults


@pytest.fixture(scope="module")
def modern(issuing_aws: AwsWithDns) -> t.Iterator[Pebble]:
    """With profiles, dns-persist-01 and a name for CAA."""
    with pebble_for(issuing_aws, "2.10", caa_identities=["ca.example"]) as made:
        yield made


@pytest.fixture(scope="module")
def second(issuing_aws: AwsWithDns) -> t.Iterator[SecondCa]:
    with SecondCa(issuing_aws.nameservers[0]) as made:
        yield made


@pytest.fixture
def scene(issuing_aws: AwsWithDns, issuing: ModuleServer, ca: AcmeFaults) -> t.Iterator[Scene]:
    made = Scene(issuing_aws, issuing, ca)
    made.begin()
    ca.heal()
    yield made
    ca.heal()
    assert made.aws.txt(made.zone) == FOREIGN


def good(run: ModuleRun) -> ModuleRun:
    assert not run.failed, run.result["msg"]
    return run


def chain(document: t.Mapping[str, t.Any]) -> list[x509.Certificate]:
    return x509.load_pem_x509_certificates((document["certificate"] + document["certificate_chain"]).encode())


# What it wants


@pytest.mark.parametrize("percent", [5, 50])
def test_nonces_are_refused(issuing_aws: AwsWithDns, scene: Scene, percent: int) -> None:
    with pebble_for(issuing_aws, bad_nonces=percent) as picky:
        scene.ca = picky
        names = [f"n{number}.example.com" for number in range(20)]
        assert set(actions(good(scene.issue(names))).values()) == {"issued"}


@pytest.mark.parametrize("form", ["seconds", "date"])
def test_processing_and_asked_when_the_ca_says_so(scene: Scene, ca: AcmeFaults, form: str) -> None:
    ca.processing(2)
    after = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=9)
    ca.header("order", "Retry-After", "3" if form == "seconds" else after.strftime("%a, %d %b %Y %H:%M:%S GMT"))
    began = time.monotonic()
    assert actions(good(scene.issue([A]))) == {A: "issued"}
    asked = [seen.at for seen in ca.seen if seen.kind == "order"]
    assert asked
    assert len(asked) <= 5
    if form == "seconds":
        assert all(later - earlier > 2.9 for earlier, later in zip(asked[1:], asked[2:]))
    else:
        assert time.monotonic() - began > 6


def test_challenges_of_unknown_kinds_are_passed_over(scene: Scene, ca: AcmeFaults) -> None:
    """AcmeSwift 22."""
    ca.more_challenges("tls-alpn-99", "dns-account-07")
    assert actions(good(scene.issue([A]))) == {A: "issued"}


def test_an_order_that_is_ready_at_once_needs_no_dns(issuing_aws: AwsWithDns, scene: Scene) -> None:
    """AWS's own ACME endpoints do that always: domains are approved beforehand."""
    with (
        pebble_for(issuing_aws, reuse_authorizations=100) as lenient,
        AcmeFaults(lenient.directory_url, lenient.ca_bundle) as faults,
    ):
        scene.ca = faults
        good(scene.issue([A]))
        faults.heal()
        scene.aws.forget()
        good(scene.issue([{"name": "another", "domains": [A]}]))
        assert "challenge" not in faults.counts()
        assert "ChangeResourceRecordSets" not in scene.aws.operations()


def test_external_account_binding_is_used_once(issuing_aws: AwsWithDns, scene: Scene) -> None:
    """cert-manager 2882: key and URL of the account are kept, and the binding is not needed again."""
    key = "zWNDZM6eQGHWpSRTPal5eIUYFTu7EajVIoguysqZ9wG44nMEtx3MUAsUDkMTQ12W"
    with (
        pebble_for(issuing_aws, external_accounts={"kid-1": key}, external_account_required=True) as strict,
        AcmeFaults(strict.directory_url, strict.ca_bundle) as faults,
    ):
        scene.ca = faults
        refused = scene.issue([A])
        assert refused.failed
        assert "eab_secret" in refused.result["msg"]
        scene.aws.put_secret("eab", json.dumps({"kid": "kid-1", "hmac_key": key}))
        issuer = scene.issuer(eab_secret="eab")
        faults.heal()
        run = good(scene.issue([A], issuers=[issuer]))
        assert key not in run.output
        bound = [payload for payload in faults.payloads("newAccount") if "externalAccountBinding" in payload]
        assert len(bound) == 1
        scene.aws.client().delete_secret(SecretId="eab", ForceDeleteWithoutRecovery=True)
        faults.heal()
        assert actions(good(scene.issue([A, B], issuers=[issuer]))) == {A: "unchanged", B: "issued"}
        assert not any("externalAccountBinding" in payload for payload in faults.payloads("newAccount"))


def test_terms_that_nobody_agreed_to(scene: Scene) -> None:
    run = scene.issue([A], terms_agreed=False)
    assert run.failed
    assert "terms_agreed" in run.result["msg"]
    assert "newOrder" not in scene.ca.counts()


def test_the_ca_is_told_whom_to_write_to(scene: Scene) -> None:
    good(scene.issue([A], contacts=["ops@example.com", "mailto:second@example.com"], stores=[]))
    told = [payload for payload in scene.ca.payloads("newAccount") if "contact" in payload]
    assert [payload["contact"] for payload in told] == [["mailto:ops@example.com", "mailto:second@example.com"]]


def test_an_account_that_the_ca_has_lost_is_registered_anew(issuing_aws: AwsWithDns, scene: Scene) -> None:
    with pebble_for(issuing_aws) as forgetful:
        scene.ca = forgetful
        good(scene.issue([A], stores=[]))
        forgetful.restart()
        assert actions(good(scene.issue([A, B], stores=[]))) == {A: "unchanged", B: "issued"}


# What it offers


def test_the_chain_that_is_preferred(scene: Scene, pebble: Pebble) -> None:
    good(scene.issue([A]))
    usual = chain(scene.secret(A))[-1].issuer.rfc4514_string()
    assert pebble.root_name(0) in usual
    preferred = [scene.issuer(preferred_chain=pebble.root_name(1))]
    good(scene.issue([B], issuers=preferred))
    assert pebble.root_name(1) in chain(scene.secret(B))[-1].issuer.rfc4514_string()
    unknown = [scene.issuer(preferred_chain="Nobody's root")]
    good(scene.issue(["c.example.com"], issuers=unknown))


def test_profiles_and_another_one_is_issued_again(modern: Pebble, scene: Scene) -> None:
    scene.ca = modern
    classic, short = [scene.issuer(profile="classic")], [scene.issuer(profile="shortlived")]
    good(scene.issue([A], issuers=classic, stores=[]))
    assert scene.secret(A)["acme"]["profile"] == "classic"
    run = good(scene.issue([A], issuers=short, stores=[]))
    assert actions(run) == {A: "renewed"}
    lifetime = chain(scene.secret(A))[0]
    assert lifetime.not_valid_after_utc - lifetime.not_valid_before_utc < datetime.timedelta(days=7)
    assert not scene.issue([A], issuers=short, stores=[]).result["changed"]
    wrong = scene.issue([B], issuers=[scene.issuer(profile="unheard")], stores=[])
    assert wrong.failed
    assert "unheard" in wrong.result["msg"]


def test_25_names_and_26_with_tlsserver(modern: Pebble, scene: Scene) -> None:
    scene.ca = modern
    some = [f"n{number}.example.com" for number in range(25)]
    wanted = [
        {"name": "fits", "domains": some},
        {"name": "too-many", "domains": [*some, "n25.example.com"]},
    ]
    run = scene.issue(wanted, issuers=[scene.issuer(profile="tlsserver")], stores=[])
    assert actions(run) == {"fits": "issued", "too-many": "failed"}
    assert "25" in items(run)["too-many"]["problem"]


def test_dns_persist_needs_no_right_to_write(modern: Pebble, scene: Scene) -> None:
    scene.ca = modern
    told = scene.issue([["p.example.com", "*.p.example.com"]], challenge="dns-persist-01", stores=[])
    assert told.failed
    assert '_validation-persist.p.example.com. IN TXT "ca.example; accounturi=' in told.result["msg"]
    line = told.result["msg"].split("_validation-persist.p.example.com. IN TXT ")[-1]
    value = line.partition('"')[2].partition('"')[0]
    assert "policy=wildcard" in value
    scene.aws.put_record(scene.zone, "_validation-persist.p.example.com", "TXT", [value])
    scene.aws.forget()
    run = good(scene.issue([["p.example.com", "*.p.example.com"]], challenge="dns-persist-01", stores=[]))
    assert actions(run) == {"p.example.com": "issued"}
    assert not {"ChangeResourceRecordSets", "ListHostedZones"} & set(scene.aws.operations())
    scene.aws.change(scene.zone, "DELETE", "_validation-persist.p.example.com", "TXT", [value])


class _Thumbprint(http.server.BaseHTTPRequestHandler):
    """What a HAProxy with the account's thumbprint answers, whatever the token is."""

    thumbprint: t.ClassVar[t.Callable[[], str]]

    def do_GET(self) -> None:
        body = f"{self.path.rpartition('/')[2]}.{type(self).thumbprint()}".encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_arguments: t.Any) -> None:
        pass


def test_ip_addresses_by_http(issuing_aws: AwsWithDns, scene: Scene) -> None:
    def thumbprint() -> str:
        text = scene.aws.client().get_secret_value(SecretId=scene.issuer()["account_secret"])["SecretString"]
        return key_thumbprint(json.loads(text)["account_key"])

    handler = type("Bound", (_Thumbprint,), {"thumbprint": staticmethod(thumbprint)})
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    with contextlib.closing(server.socket), pebble_for(issuing_aws, http_port=server.server_address[1]) as numbers:
        scene.ca = numbers
        scene.aws.put_record(scene.zone, "h.example.com", "A", ["127.0.0.1"])
        scene.aws.forget()
        run = good(scene.issue([["127.0.0.1"], ["h.example.com"]], challenge="http-01", stores=[]))
        assert actions(run) == {"127.0.0.1": "issued", "h.example.com": "issued"}
        assert "ChangeResourceRecordSets" not in scene.aws.operations()
        by_dns = scene.issue([["127.0.0.2"]], stores=[])
        assert by_dns.failed
        assert "http-01" in by_dns.result["msg"]
        server.shutdown()


# What it does wrong


def test_a_ca_that_is_down_is_told_in_bounded_time(issuing_aws: AwsWithDns, scene: Scene) -> None:
    with pebble_for(issuing_aws) as gone:
        scene.ca = gone
        good(scene.issue([A]))
        gone.stop()
        began = time.monotonic()
        run = scene.issue([f"n{number}.example.com" for number in range(20)])
        assert run.failed
        assert gone.directory_url in run.result["msg"]
        assert time.monotonic() - began < 60


@pytest.mark.parametrize("kind", ["directory", "newOrder", "order", "finalize"])
def test_a_ca_that_stops_answering_ends_in_bounded_time(scene: Scene, ca: AcmeFaults, kind: str) -> None:
    good(scene.issue(["account.example.com"], stores=[]))
    ca.heal()
    ca.hang(kind)
    began = time.monotonic()
    run = scene.issue([A, B], timeout=8, stores=[])
    assert run.failed
    assert time.monotonic() - began < 40
    assert ca.directory_url in run.result["msg"] or "option timeout" in run.result["msg"]
    ca.heal()
    assert set(actions(good(scene.issue([A, B], stores=[]))).values()) <= {"issued", "resumed"}


def test_another_ca_steps_in(scene: Scene, ca: AcmeFaults, second: SecondCa) -> None:
    ca.answer(None, 503)
    issuers = [scene.issuer(), scene.issuer(second)]
    before = second.counts()["certificates"]
    run = good(scene.issue([A, B], issuers=issuers))
    assert {item["issuer"] for item in items(run).values()} == {second.directory_url}
    assert second.counts()["certificates"] == before + 2
    ca.heal()
    again = scene.issue([A, B], issuers=issuers)
    assert not again.result["changed"]


def test_another_ca_does_what_is_left(scene: Scene, ca: AcmeFaults, second: SecondCa) -> None:
    """In the same run, for what the first one broke off."""
    ca.answer("finalize", 500, "serverInternal", skip=1)
    run = good(scene.issue([A, B], issuers=[scene.issuer(), scene.issuer(second)], concurrency=1))
    assert {item["issuer"] for item in items(run).values()} == {ca.directory_url, second.directory_url}
    assert scene.journal() == []


def test_a_bad_name_fails_over_to_nobody(scene: Scene, ca: AcmeFaults, second: SecondCa) -> None:
    ca.answer("newOrder", 400, "rejectedIdentifier", "We do not issue for it")
    orders = second.counts()["orders"]
    run = scene.issue([A], issuers=[scene.issuer(), scene.issuer(second)])
    assert run.failed
    assert "We do not issue for it" in run.result["msg"]
    assert second.counts()["orders"] == orders


def test_rate_limited_is_held_and_the_ca_is_left_alone(scene: Scene, ca: AcmeFaults) -> None:
    ca.answer("newOrder", 429, "rateLimited", "too many new orders", retry_after=7200)
    run = good(scene.issue([A]))
    assert actions(run) == {A: "held"}
    assert not run.result["changed"]
    until = datetime.datetime.fromisoformat(items(run)[A]["held_until"])
    left = until - datetime.datetime.now(datetime.timezone.utc)
    assert datetime.timedelta(minutes=110) < left <= datetime.timedelta(minutes=121)
    ca.heal()
    assert actions(good(scene.issue([A]))) == {A: "held"}
    assert "newOrder" not in ca.counts()


def test_a_name_that_the_ca_has_paused_shows_its_page(scene: Scene, ca: AcmeFaults) -> None:
    page = "https://portal.ca.example/unpause?token=1"
    ca.answer("newOrder", 429, "rateLimited", f"Your account is temporarily prevented; unpause it: {page}")
    run = scene.issue([A])
    assert run.failed
    assert page in run.result["msg"]
    for _run in range(3):
        again = scene.issue([A])
    assert ca.counts()["newOrder"] == 1
    assert page in items(again)[A]["reason"]
