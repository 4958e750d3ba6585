# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""certificate_issue and the DNS: few calls, the right zone, one bad name alone, and what others have there stays."""

from __future__ import annotations

import time
import typing as t

import pytest
from ansible_collections.certops.rotation.tests.support.acme_dns import AwsWithDns
from ansible_collections.certops.rotation.tests.support.acme_faults import AcmeFaults
from ansible_collections.certops.rotation.tests.support.fork_server import ModuleServer
from ansible_collections.certops.rotation.tests.support.issuing_scene import FOREIGN, Scene, actions, items, pebble_for
from ansible_collections.certops.rotation.tests.support.module import ModuleRun

A, B = "a.example.com", "b.example.com"


@pytest.fixture(scope="module")
def ca(issuing_aws: AwsWithDns) -> t.Iterator[AcmeFaults]:
    with pebble_for(issuing_aws) as pebble, AcmeFaults(pebble.directory_url, pebble.ca_bundle) as faults:
        yield faults


@pytest.fixture
def scene(issuing_aws: AwsWithDns, issuing: ModuleServer, ca: AcmeFaults) -> t.Iterator[Scene]:
    made = Scene(issuing_aws, issuing, ca)
    made.begin()
    ca.heal()
    yield made
    issuing_aws.forget()
    made.assert_clean()


def good(run: ModuleRun) -> ModuleRun:
    assert not run.failed, run.result["msg"]
    return run


def test_100_names_cost_few_requests(scene: Scene) -> None:
    """lego 2180 and certbot 6982: one batch, one wait, zones listed once."""
    run = good(scene.issue([f"n{number}.example.com" for number in range(100)], stores=[]))
    assert set(actions(run).values()) == {"issued"}
    calls = scene.aws.operations()
    assert calls["ListHostedZones"] == 1
    assert calls["ChangeResourceRecordSets"] == 2
    assert calls["GetChange"] == 1
    route53 = ("ListHostedZones", "ChangeResourceRecordSets", "GetChange", "ListResourceRecordSets")
    assert sum(calls.get(operation, 0) for operation in route53) <= 6
    assert run.result["acme_requests"] <= 800
    again = scene.issue([f"n{number}.example.com" for number in range(100)], stores=[])
    third = scene.issue([f"n{number}.example.com" for number in range(100)], stores=[])
    assert not again.result["changed"]
    assert third.result["acme_requests"] == 0
    assert sum(third.result["api_calls"].values()) <= 15


def test_memory_grows_little_with_the_number_of_certificates(scene: Scene, issuing: ModuleServer) -> None:
    used = []
    for prefix, count in (("few", 5), ("many", 80)):
        args = scene.args([f"{prefix}{number}.example.com" for number in range(count)], stores=[])
        status, memory = issuing.start("certificate_issue", args, env=scene.aws.env).wait()
        assert status == 0
        used.append(memory)
    assert used[1] - used[0] < 48 * 1024, f"{used} KiB"


def test_one_certificate_of_46_names_waits_once(scene: Scene) -> None:
    good(scene.issue([[f"n{number}.example.com" for number in range(46)]], stores=[]))
    assert scene.aws.operations()["GetChange"] == 1
    assert scene.aws.operations()["ChangeResourceRecordSets"] == 2


def test_one_failing_name_of_ten_is_named_and_the_others_are_issued(scene: Scene) -> None:
    """boulder 3276: a bad name sinks its own order only. Somebody takes its value away before the CA looks."""
    wrong = "wrong.example.com"

    def sabotage(handler: t.Any, _seen: t.Any) -> bool:
        values = scene.aws.txt(scene.zone).get(f"_acme-challenge.{wrong}")
        if values:
            scene.aws.change(scene.zone, "DELETE", f"_acme-challenge.{wrong}", "TXT", values, ttl=10)
        return False

    scene.ca.rule("challenge", sabotage, times=1)
    names = [*[f"n{number}.example.com" for number in range(9)], wrong]
    run = scene.issue([{"name": "ten", "domains": names}, A], stores=[])
    assert actions(run) == {"ten": "failed", A: "issued"}
    assert wrong in items(run)["ten"]["problem"]
    assert "n1.example.com" not in items(run)["ten"]["problem"]


def test_a_missing_zone_sinks_its_certificate_before_any_order(scene: Scene) -> None:
    run = scene.issue([A, "www.elsewhere.net"], stores=[])
    assert actions(run) == {A: "issued", "www.elsewhere.net": "failed"}
    assert "www.elsewhere.net" in items(run)["www.elsewhere.net"]["problem"]
    assert "Create the zone" in items(run)["www.elsewhere.net"]["problem"]
    assert scene.ca.counts()["newOrder"] == 1


def test_a_cname_leads_into_another_zone(scene: Scene) -> None:
    """lego 2058."""
    other = scene.aws.zone("validation.test")
    scene.aws.put_record(scene.zone, f"_acme-challenge.{A}", "CNAME", ["a.validation.test."])
    good(scene.issue([A, B], stores=[]))
    changed = [batch["zone"].rstrip(".") for batch in scene.aws.batches()]
    assert {"validation.test", "example.com"} <= set(changed)
    assert scene.aws.txt(other) == {}
    scene.aws.change(scene.zone, "DELETE", f"_acme-challenge.{A}", "CNAME", ["a.validation.test."])


def test_a_private_zone_of_the_same_name_is_left_alone(scene: Scene) -> None:
    """lego 192."""
    private = scene.aws.zone("example.com", private=True)
    good(scene.issue([A], stores=[]))
    assert scene.aws.txt(private) == {}


def test_others_values_at_the_same_name_survive(scene: Scene) -> None:
    """terraform-provider-acme 318, caddy 5093: union, and only ours are removed."""
    good(scene.issue([["example.com", "*.example.com"]], stores=[]))
    assert scene.aws.txt(scene.zone) == FOREIGN


def test_throttled_and_told(scene: Scene) -> None:
    """acme.sh 2382."""
    scene.aws.fail("ChangeResourceRecordSets", "Throttling", times=2)
    good(scene.issue([A], stores=[]))


def test_getchange_denied_is_an_error_at_once(scene: Scene) -> None:
    """cert-manager 538: not a wait until the time-out."""
    scene.aws.fail("GetChange", "AccessDenied", status=403)
    began = time.monotonic()
    run = scene.issue([A], stores=[])
    assert run.failed
    assert "GetChange" in run.result["msg"]
    assert time.monotonic() - began < 30


def test_zones_that_cannot_be_listed_are_told_of_all(scene: Scene) -> None:
    scene.aws.fail("ListHostedZones", "AccessDenied", status=403)
    run = scene.issue([A, B], stores=[])
    assert set(actions(run).values()) == {"failed"}
    assert "ListHostedZones" in run.result["msg"]
    assert "newOrder" not in scene.ca.counts()


def test_every_server_is_waited_for(scene: Scene) -> None:
    scene.aws.configure(lags=(0.0, 3.0))
    began = time.monotonic()
    good(scene.issue([A], stores=[]))
    assert time.monotonic() - began >= 3


@pytest.mark.parametrize("rule", ["refuse", "warn", "ignore"])
def test_caa_is_looked_at_before_ordering(issuing_aws: AwsWithDns, scene: Scene, rule: str) -> None:
    """cert-manager 211."""
    with (
        pebble_for(issuing_aws, "2.10", caa_identities=["ca.example"]) as careful,
        AcmeFaults(careful.directory_url, careful.ca_bundle) as faults,
    ):
        scene.ca = faults
        scene.aws.put_record(scene.zone, "a.example.com", "CAA", ['0 issue "another.example"'])
        run = scene.issue([A, B], caa=rule, stores=[])
        assert actions(run)[B] == "issued", items(run)[B]["problem"]
        warned = any("CAA" in str(warning) for warning in run.result.get("warnings", []))
        if rule == "refuse":
            assert actions(run)[A] == "failed"
            assert 'a.example.com. CAA 0 issue "ca.example"' in run.result["msg"].replace("com CAA", "com. CAA")
            assert faults.counts()["newOrder"] == 1
        else:
            assert faults.counts()["newOrder"] == 2
            assert warned == (rule == "warn")
        scene.aws.change(scene.zone, "DELETE", "a.example.com", "CAA", ['0 issue "another.example"'])
