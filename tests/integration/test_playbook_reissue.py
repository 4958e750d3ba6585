# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The playbook reissue: a fire drill, then certificates replaced, proven by a real HAProxy, and what is left told."""

from __future__ import annotations

import datetime
import time
import typing as t

import pytest
from ansible_collections.certops.rotation.tests.support import pki, rotation
from ansible_collections.certops.rotation.tests.support.acme_dns import AwsWithDns
from ansible_collections.certops.rotation.tests.support.haproxy import HaproxyInstance
from ansible_collections.certops.rotation.tests.support.pebble import Pebble
from ansible_collections.certops.rotation.tests.support.playbook import PlaybookRun
from ansible_collections.certops.rotation.tests.support.role_issue import IssueScene

REISSUE = "certops.rotation.reissue"
NAMES = ("a.example.com", "b.example.com", "c.example.com")
WANTED = [{"domains": name} for name in NAMES]


class Drill:
    """Three certificates, two of them served."""

    def __init__(self, scene: IssueScene, served: rotation.Scene) -> None:
        self.scene = scene
        self.served = served
        selection = {"haproxy_certificates_name_prefix": "", "haproxy_certificates_names": ",".join(NAMES[:2])}
        self.hosts = {**served.variables, **selection}
        self.run(playbook="certops.rotation.issue", issue_rotate="true")

    def run(self, *, playbook: str = REISSUE, check: bool = False, code: int = 0, **extra: t.Any) -> PlaybookRun:
        run = self.scene.issue(
            playbook=playbook, check=check, list=WANTED, hosts=["host"], inventory=self.hosts, extra=extra
        )
        assert run.returncode == code, run.output[-4000:]
        return run

    def fingerprints(self) -> dict[str, str]:
        return {name: self.scene.fingerprint(name) for name in NAMES}


def told(run: PlaybookRun) -> list[str]:
    (task,) = [task for task in run.tasks if task.task == "Tell how far it is"]
    return list(task.result["msg"])


def rows(run: PlaybookRun) -> list[str]:
    """Of the table: without the lines of the clock, and the summary."""
    return [line for line in told(run)[:-1] if not line.startswith(("1d end", "5d end", "The one that began"))]


def now() -> str:
    """An instant that is later than all that was issued before: certificates have whole seconds."""
    time.sleep(1.1)
    return datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


@pytest.fixture(scope="module")
def pebble(aws_dns_server: AwsWithDns) -> t.Iterator[Pebble]:
    with Pebble(aws_dns_server.nameservers[0]) as server:
        yield server


@pytest.fixture
def drill(aws_dns: AwsWithDns, pebble: Pebble) -> t.Iterator[Drill]:
    scene, authority = IssueScene(aws_dns, pebble), pki.CertificateAuthority()
    with HaproxyInstance({"default.pem": authority.issue("default.example.com").combined_pem}) as haproxy:
        yield Drill(scene, rotation.Scene(aws_dns, haproxy, authority))


def test_from_the_fire_drill_to_the_last_proof(drill: Drill) -> None:
    before, instant = drill.fingerprints(), now()
    everything = {"reissue_all": "true", "reissue_issued_before": instant}
    orders = drill.scene.pebble.counts()["orders"]
    drilled = drill.run(check=True, **everything)
    assert told(drilled)[-1] == (
        "Of 3 certificates that are concerned, 0 are replaced."
        " 3 to do, which the limits allow within 0.0 hours, 3 of them now."
    )
    assert [line.split()[:3] for line in rows(drilled)] == [["to", "do", name] for name in NAMES]
    assert [line.partition(": ")[2] for line in told(drilled)[-3:-1]] == [
        "23 hours left for 3 not done.",
        "4 days left for 3 not done.",
    ]
    assert drill.fingerprints() == before
    assert drill.scene.pebble.counts()["orders"] == orders

    # One of them first, by its serial number.
    serial = f"{drill.scene.leaf(NAMES[0]).serial_number:x}"
    one = drill.run(reissue_serial_numbers=serial)
    assert told(one)[0].split() == ["proven", NAMES[0], "host"]
    after = drill.fingerprints()
    assert {name for name in NAMES if after[name] != before[name]} == {NAMES[0]}
    assert drill.served.served("a") == after[NAMES[0]]

    # A CA for which the DNS cannot be changed: nothing is lost, the exit code says that there is something to do.
    drill.scene.aws.fail("ChangeResourceRecordSets", "AccessDenied", status=403)
    failed = drill.run(code=2, **everything)
    denied = drill.fingerprints()
    # Of the names whose proofs it is told to forget, this CA remembers one in a hundred.
    left = [name for name in NAMES if denied[name] == before[name]]
    assert left
    assert f"{len(left)} to do" in told(failed)[-1]
    assert [name for name in NAMES if name in failed.error] == left
    assert denied[NAMES[0]] == after[NAMES[0]]

    drill.scene.aws.forget()
    done = drill.run(**everything, acme_certificates_force=False)
    assert told(done)[-1] == "Of 3 certificates that are concerned, 3 are replaced, 2 of them proven on the wire."
    assert [line.split()[0] for line in rows(done)] == ["replaced", "proven", "proven"]
    last = drill.fingerprints()
    assert last[NAMES[0]] == after[NAMES[0]], "what was issued after the instant is not issued again"
    assert drill.served.served("b") == last[NAMES[1]]
    again = drill.run(**everything)
    assert told(again)[-1] == told(done)[-1]
    (first_limit,) = [line for line in told(again) if line.startswith("1d end at ")]
    assert ": done, " in first_limit
    ended = [line.rpartition(" for ")[2] for line in told(again) if line.startswith("The one that began at ")]
    assert sorted(ended) == ["1 certificate.", "3 certificates."], told(again)
    assert drill.fingerprints() == last


def test_a_host_that_does_not_serve_it_is_named_where_hosts_are_asked(drill: Drill) -> None:
    everything = {"reissue_all": "true", "reissue_issued_before": now()}
    run = drill.run(code=2, **everything, haproxy_certificates_activate=False)
    assert f"not proven  {NAMES[0]}  host has not been seen to serve it" in told(run)
    assert "2 not proven" in run.error
    assert drill.run(**everything).returncode == 0

    # Without the rotation.
    run = drill.run(reissue_older_than="0s", reissue_rotate="false")
    assert "haproxy_rotation" not in run.modules
    assert told(run)[-1].startswith(
        "Of 3 certificates that are concerned, 3 are replaced, 0 of them proven on the wire."
    )


@pytest.mark.parametrize(
    ("extra", "named"),
    [
        ({}, "reissue_issued_before"),
        ({"reissue_all": "true"}, "issued_before"),
        ({"reissue_serial_numbers": "xyz"}, "serial_numbers"),
        ({"reissue_all": "perhaps"}, "reissue_all"),
        ({"reissue_older_than": "1d", "reissue_rotate": "perhaps"}, "reissue_rotate"),
        ({"reissue_older_than": "1d", "reissue_stage": "true"}, "no host is a canary"),
        (
            {
                "reissue_older_than": "1d",
                "reissue_stage": "true",
                "promotion_canaries": "localhost",
                "promotion_fleet": "haproxi",
            },
            "promotion_fleet matches no host (haproxi)",
        ),
        (
            {
                "reissue_older_than": "1d",
                "reissue_stage": "true",
                "promotion_canaries": "localhost",
                "acme_certificates_stage": "AWSCURRENT",
            },
            "says that what is issued is not staged",
        ),
        ({"reissue_older_than": "1d", "reissue_since": "yesterday"}, "reissue_since"),
        ({"reissue_older_than": "1d", "reissue_limits": "24"}, "reissue_limits"),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_what_is_not_said_is_asked_for(
    aws_dns: AwsWithDns, pebble: Pebble, extra: dict[str, t.Any], named: str
) -> None:
    scene = IssueScene(aws_dns, pebble)
    run = scene.issue(playbook=REISSUE, list=WANTED, extra=extra, retries=0)
    assert run.returncode == 2
    assert named in run.error
    assert scene.names() == []
