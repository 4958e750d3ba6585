# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""issuance_info, an incident, and the metrics of issuing, with a real ACME server, real DNS and AWS over HTTP."""

from __future__ import annotations

import json
import pathlib
import time
import typing as t
from datetime import datetime, timedelta, timezone

import pytest
from ansible_collections.certops.rotation.plugins.module_utils._core.instants import (
    isoformat_utc,
    parse_isoformat_utc,
)
from ansible_collections.certops.rotation.tests.support.acme_dns import AwsWithDns, aws_with_dns
from ansible_collections.certops.rotation.tests.support.acme_faults import AcmeFaults
from ansible_collections.certops.rotation.tests.support.fork_server import ModuleServer
from ansible_collections.certops.rotation.tests.support.issuing_scene import PROGRAM, Scene, actions, items, pebble_for
from ansible_collections.certops.rotation.tests.support.prometheus import promtool, samples

NAMES = ["www.example.com", "api.example.com"]
WRITES = ("Create", "Put", "Update", "Delete", "Import", "Tag", "Restore", "Change")
#: Of certificate_issue alone.
OF_ORDERS = ("terms_agreed", "nameservers", "timeout")


@pytest.fixture(scope="module")
def real_aws() -> t.Iterator[AwsWithDns]:
    with aws_with_dns() as server:
        yield server


@pytest.fixture(scope="module")
def server() -> t.Iterator[ModuleServer]:
    made = ModuleServer(PROGRAM)
    yield made
    made.close()


@pytest.fixture(scope="module")
def ca(real_aws: AwsWithDns) -> t.Iterator[AcmeFaults]:
    with pebble_for(real_aws) as pebble, AcmeFaults(pebble.directory_url, pebble.ca_bundle) as faults:
        yield faults


@pytest.fixture
def scene(real_aws: AwsWithDns, server: ModuleServer, ca: AcmeFaults) -> t.Iterator[Scene]:
    made = Scene(real_aws, server, ca)
    made.begin()
    ca.heal()
    yield made
    made.assert_clean()


def info(
    scene: Scene, server: ModuleServer, certificates: t.Sequence[t.Any] = (*NAMES,), **more: t.Any
) -> dict[str, t.Any]:
    """Its result. It writes nothing, whether in check mode or not, and both tell the same."""
    args = {name: value for name, value in scene.args(certificates, **more).items() if name not in OF_ORDERS}
    results = []
    for check in (True, False):
        run = server.run("issuance_info", args, check=check, env=scene.aws.env)
        assert not run.failed, run.result["msg"]
        assert not [call for call in run.result["api_calls"] if call.startswith(WRITES)]
        assert run.result["changed"] is False
        results.append(run.result)
    told = [[(each["name"], each["action"], each["trigger"]) for each in result["certificates"]] for result in results]
    assert told[0] == told[1]
    return results[1]


def issued(scene: Scene, certificates: t.Sequence[t.Any] = (*NAMES,), **more: t.Any) -> dict[str, dict[str, t.Any]]:
    run = scene.issue(certificates, **more)
    assert not run.failed, run.result["msg"]
    return items(run)


def test_what_is_due_is_what_certificate_issue_would_do(scene: Scene, server: ModuleServer, ca: AcmeFaults) -> None:
    before = info(scene, server)
    assert before["due"] == NAMES
    assert [(each["is_due"], each["trigger"], each["due"] is not None) for each in before["certificates"]] == [
        (True, "absent", True)
    ] * 2
    assert (before["acme_requests"], ca.seen) == (0, []), "no CA is asked"
    predicted = scene.issue(NAMES, check=True)
    told = {each["name"]: (each["action"], each["reason"], each["stores"]) for each in before["certificates"]}
    assert told == {name: (item["action"], item["reason"], item["stores"]) for name, item in items(predicted).items()}

    done = issued(scene)
    ca.heal()
    after = info(scene, server)
    assert (after["due"], after["held"], after["journal"], ca.seen) == ([], [], [], [])
    for each in after["certificates"]:
        assert each["fingerprint_sha256"] == done[each["name"]]["fingerprint_sha256"]
        assert (each["action"], each["is_due"], each["due"]) == ("unchanged", False, done[each["name"]]["due"])
    assert after["next_due"] == min(each["due"] for each in after["certificates"])
    assert after["limits"][0]["account_url"].startswith(ca.address)
    assert after["limits"][0]["orders_left"] is None, "of this CA no limit is known"

    more = [{"name": "www.example.com", "domains": "www.example.com, w.example.com"}]
    (changed,) = info(scene, server, more)["certificates"]
    assert (changed["action"], changed["trigger"]) == ("renewed", "names")
    other = [{"name": "www.example.com", "domains": "www.example.com", "key_type": "rsa2048"}]
    (refused,) = info(scene, server, other)["certificates"]
    assert (refused["action"], refused["trigger"]) == ("failed", "key_type"), "its entry in ACM keeps its kind of key"
    assert "acm" in refused["problem"].lower()


def test_windows_are_asked_for_on_request_only(scene: Scene, server: ModuleServer, ca: AcmeFaults) -> None:
    issued(scene)
    silent = info(scene, server)
    assert [each["renewal_window"] for each in silent["certificates"]] == [None, None]
    ca.heal()
    asked = info(scene, server, ask=True)
    assert asked["acme_requests"] > 0
    assert {seen.kind for seen in ca.seen} <= {"directory", "renewalInfo"}
    for each in asked["certificates"]:
        window = each["renewal_window"]
        assert window["start"] <= each["due"] <= window["end"]
        assert each["trigger"] == "window"
    scene.issue(NAMES)
    known = info(scene, server)
    assert [each["renewal_window"] for each in known["certificates"]] == [
        {**each["renewal_window"], "ask_again": found["renewal_window"]["ask_again"]}
        for each, found in zip(asked["certificates"], known["certificates"])
    ], "what certificate_issue was told is known without asking"


def test_what_waits_and_until_when(scene: Scene, server: ModuleServer, ca: AcmeFaults) -> None:
    ca.answer("newOrder", 429, "rateLimited", "too many orders", retry_after=7200)
    run = scene.issue(NAMES)
    assert set(actions(run).values()) == {"held"}
    ca.heal()
    found = info(scene, server)
    assert (found["held"], found["due"], ca.seen) == (NAMES, [], [])
    for each in found["certificates"]:
        until = parse_isoformat_utc(each["held_until"])
        assert timedelta(minutes=90) < until - datetime.now(timezone.utc) <= timedelta(hours=2)
        assert "too many orders" in each["reason"]


def test_what_the_journal_has(scene: Scene, server: ModuleServer, ca: AcmeFaults) -> None:
    ca.answer("finalize", 500)
    assert scene.issue(["www.example.com"], timeout=20).failed
    (kept,) = scene.journal()
    found = info(scene, server, ["www.example.com"])
    (entry,) = found["journal"]
    assert (entry["name"], entry["order_url"]) == ("www.example.com", kept["order_url"])
    assert kept["key"] not in json.dumps(found)
    (one,) = found["certificates"]
    assert (one["action"], one["journal"]) == ("resumed", entry)
    assert len(scene.journal()) == 1, "it is left there"
    ca.heal()
    assert issued(scene, ["www.example.com"])["www.example.com"]["action"] == "resumed"


def next_second() -> str:
    """An instant that lies after all that has been issued."""
    time.sleep(1.1)
    return isoformat_utc(datetime.now(timezone.utc))


def test_an_incident(scene: Scene, server: ModuleServer) -> None:
    """Fire drill, run, and once more: each is replaced once."""
    old = issued(scene)
    incident = {"reissue": {"issuer": scene.ca.directory_url, "issued_before": next_second()}}
    drill = info(scene, server, **incident)
    assert drill["due"] == NAMES
    assert [(each["reissue"], each["trigger"]) for each in drill["certificates"]] == [("to do", "forced")] * 2
    wanted = {"concerned": 2, "replaced": 0, "to_do": 2, "at_once": 2, "hours": 0.0}
    assert drill["reissue"].items() >= wanted.items()
    check = scene.issue(NAMES, check=True, **incident)
    assert check.result["reissue"].items() >= wanted.items()
    assert set(actions(check).values()) == {"renewed"}

    run = scene.issue(NAMES, **incident)
    assert set(actions(run).values()) == {"renewed"}
    assert run.result["reissue"].items() >= {"concerned": 2, "replaced": 2, "to_do": 0}.items()
    for name, item in items(run).items():
        assert (item["reissue"], item["fingerprint_sha256"] != old[name]["fingerprint_sha256"]) == ("replaced", True)
        assert "to be replaced" in item["reason"]
    again = scene.issue(NAMES, **incident)
    assert (again.result["changed"], set(actions(again).values())) == (False, {"unchanged"})
    assert again.result["reissue"].items() >= {"concerned": 2, "replaced": 2, "to_do": 0}.items()


def test_an_incident_of_one_serial_number(scene: Scene, server: ModuleServer) -> None:
    issued(scene)
    number = next(each["serial_number"] for each in info(scene, server)["certificates"] if each["name"] == NAMES[1])
    run = scene.issue(NAMES, reissue={"serial_numbers": [number.upper()]})
    assert actions(run) == {NAMES[0]: "unchanged", NAMES[1]: "renewed"}
    assert scene.issue(NAMES, reissue={"serial_numbers": [number]}).result["changed"] is False


def test_an_incident_without_an_instant_is_refused(scene: Scene) -> None:
    run = scene.issue(NAMES, reissue={"all": True})
    assert run.failed
    assert "issued_before" in run.result["msg"]


def test_an_incident_at_a_ca_that_allows_less(scene: Scene, ca: AcmeFaults) -> None:
    """What the CA refuses waits, is told, and is the next run's."""
    issued(scene)
    incident = {"reissue": {"all": True, "issued_before": next_second()}}
    ca.answer("newOrder", 429, "rateLimited", "enough for now", retry_after=1, skip=1)
    first = scene.issue(NAMES, concurrency=1, **incident)
    assert sorted(actions(first).values()) == ["held", "renewed"]
    assert first.result["reissue"].items() >= {"concerned": 2, "replaced": 1, "to_do": 1}.items()
    ca.heal()
    time.sleep(2.1)
    second = scene.issue(NAMES, **incident)
    assert sorted(actions(second).values()) == ["renewed", "unchanged"]
    assert second.result["reissue"].items() >= {"concerned": 2, "replaced": 2, "to_do": 0}.items()


def test_metrics(scene: Scene, ca: AcmeFaults, tmp_path: pathlib.Path) -> None:
    textfile = tmp_path / "issuance.prom"
    scene.issue(NAMES, check=True, metrics_textfile=str(textfile))
    assert not textfile.exists()
    done = issued(scene, metrics_textfile=str(textfile))
    text = textfile.read_text()
    assert promtool("check", "metrics", text=text) == (0, "")
    found = samples(text)
    own = 'journal="certops/issuance/journal"'
    assert found[f"certops_issuance_last_run_success{{{own}}}"] == 1
    assert found[f'certops_issuance_certificates_total{{action="issued",{own}}}'] == 2
    end = parse_isoformat_utc(done[NAMES[0]]["not_after"]).timestamp()
    assert found[f'certops_issuance_certificate_not_after_timestamp_seconds{{{own},secret="{NAMES[0]}"}}'] == end
    due = parse_isoformat_utc(done[NAMES[0]]["due"]).timestamp()
    assert found[f'certops_issuance_certificate_due_timestamp_seconds{{{own},secret="{NAMES[0]}"}}'] == due
    assert found[f"certops_issuance_acme_requests_total{{{own}}}"] > 0

    # A run that fails before it has looked is counted, and nothing else changes.
    assert scene.issue(NAMES, metrics_textfile=str(textfile), timeout=0).failed
    later = samples(textfile.read_text())
    assert later[f'certops_issuance_runs_total{{{own},status="error"}}'] == 1
    assert later[f"certops_issuance_last_run_success{{{own}}}"] == 0
    assert later[f'certops_issuance_certificate_not_after_timestamp_seconds{{{own},secret="{NAMES[0]}"}}'] == end


def test_a_textfile_that_cannot_be_written(scene: Scene, tmp_path: pathlib.Path) -> None:
    """Certificates are issued all the same."""
    run = scene.issue(NAMES, metrics_textfile=str(tmp_path / "nowhere" / "issuance.prom"))
    assert run.failed
    assert "The metrics were not written" in run.result["msg"]
    assert set(actions(run).values()) == {"issued"}
