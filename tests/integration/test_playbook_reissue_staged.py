# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A revocation fire drill over a fleet of real HAProxys: found, issued by a real authority, staged, proven by canaries,
promoted, served by all, and told with the clock."""

from __future__ import annotations

import datetime
import time
import typing as t

import pytest
from ansible_collections.certops.rotation.tests.support.acme_dns import AwsWithDns
from ansible_collections.certops.rotation.tests.support.pebble import Pebble
from ansible_collections.certops.rotation.tests.support.playbook import PlaybookRun
from ansible_collections.certops.rotation.tests.support.promotion_fleet import (
    CANARIES,
    FLEET,
    PromotionFleet,
    promotion_fleet,
)
from ansible_collections.certops.rotation.tests.support.role_issue import IssueScene

NAMES = ("a.example.com", "b.example.com")


class Drill:
    """Two certificates that three hosts serve, two of which are canaries."""

    def __init__(self, scene: IssueScene, fleet: PromotionFleet) -> None:
        self.scene = scene
        self.fleet = fleet

    def run(self, playbook: str, *, check: bool = False, code: int = 0, **extra: t.Any) -> PlaybookRun:
        run = self.scene.issue(
            playbook=f"certops.rotation.{playbook}",
            check=check,
            list=[{"domains": name} for name in NAMES],
            stores=[{"type": "secrets_manager", "prefix": "web/"}, {"type": "acm"}],
            hosts=FLEET,
            inventory=self.fleet.inventory(),
            extra={"promotion_canaries": ",".join(CANARIES), "promotion_soak": "0", "promotion_lag": "0", **extra},
        )
        assert run.returncode == code, run.output[-6000:]
        return run

    def current(self) -> dict[str, str]:
        return {name: self.scene.fingerprint(f"web/{name}") for name in NAMES}

    def served(self, host: str) -> dict[str, str]:
        return {name: self.fleet.served(name.partition(".")[0])[FLEET.index(host)] for name in NAMES}

    def orders(self) -> int:
        return int(self.scene.pebble.counts()["orders"])


def told(run: PlaybookRun) -> list[str]:
    (task,) = [task for task in run.tasks if task.task == "Tell how far it is"]
    return list(task.result["msg"])


@pytest.fixture
def drill(aws_dns: AwsWithDns) -> t.Iterator[Drill]:
    with Pebble(aws_dns.nameservers[0]) as pebble, promotion_fleet(aws_dns) as fleet:
        made = Drill(IssueScene(aws_dns, pebble), fleet)
        made.run("issue", issue_rotate="true")
        yield made


def test_found_staged_proven_promoted_and_told_with_the_clock(drill: Drill) -> None:
    before, orders = drill.current(), drill.orders()
    assert {host: drill.served(host) for host in FLEET} == dict.fromkeys(FLEET, before)
    time.sleep(1.1)  # certificates have whole seconds
    now = datetime.datetime.now(datetime.timezone.utc)
    since = now - datetime.timedelta(hours=2)
    incident = {
        "reissue_all": "true",
        "reissue_issued_before": f"{now:%Y-%m-%dT%H:%M:%SZ}",
        "reissue_since": f"{since:%Y-%m-%dT%H:%M:%SZ}",
        "reissue_stage": "true",
    }

    # The drill: nothing changes.
    drilled = told(drill.run("reissue", check=True, **incident))
    assert [line.split()[:3] for line in drilled[:2]] == [["to", "do", name] for name in NAMES]
    assert [line.partition(": ")[2] for line in drilled[2:4]] == [
        "21 hours left for 2 not done.",
        "4 days left for 2 not done.",
    ]
    assert drill.current() == before
    assert drill.orders() == orders

    # A canary is down: it is issued, and nothing moves. What is not done is told, and fails the run.
    drill.fleet.down = ["lb2"]
    held = drill.run("reissue", code=4, **incident)
    assert [line.split()[:2] for line in told(held)[:2]] == [["staged", name] for name in NAMES]
    assert "2 staged, and not promoted" in told(held)[-1]
    assert told(held)[2].startswith("Nothing is known of lb2")
    assert "left for 2 not done" in told(held)[3]
    assert "lb2 could not be asked" in held.error
    assert drill.current() == before
    assert drill.served("lb3") == before
    assert drill.orders() == orders + 2
    in_acm = drill.scene.in_acm()
    assert sorted(in_acm.values()) == sorted(before.values())

    # It is back: the next run goes on, without another order.
    drill.fleet.down = []
    done = drill.run("reissue", **incident)
    after = drill.current()
    assert not set(after.values()) & set(before.values())
    assert {host: drill.served(host) for host in FLEET} == dict.fromkeys(FLEET, after)
    assert told(done)[:2] == [f"proven      {name}  {', '.join(FLEET)}" for name in NAMES]
    assert [line.partition(": ")[2].partition(",")[0] for line in told(done)[2:4]] == ["done", "done"]
    assert told(done)[-1] == "Of 2 certificates that are concerned, 2 are replaced, 2 of them proven on the wire."
    assert drill.orders() == orders + 2
    assert sorted(drill.scene.in_acm().values()) == sorted(after.values())
    assert drill.scene.in_acm().keys() == in_acm.keys(), "load balancers keep their entries"

    last = told(drill.run("reissue", check=True, **incident))
    assert last[:2] == told(done)[:2]
    assert "for 2 certificates." in last[-2], "how long it took"

    # By its serial number, which is gone after the promotion; what -e says of force counts for one order.
    serial = f"{drill.scene.leaf(f'web/{NAMES[0]}').serial_number:x}"
    forced = drill.run("reissue", reissue_serial_numbers=serial, reissue_stage="true", acme_certificates_force=True)
    assert told(forced)[0] == f"proven      {NAMES[0]}  {', '.join(FLEET)}"
    assert told(forced)[-1] == "Of 1 certificate that is concerned, 1 is replaced, 1 of them proven on the wire."
    assert drill.orders() == orders + 4
    assert drill.served("lb3") == drill.current() != after
