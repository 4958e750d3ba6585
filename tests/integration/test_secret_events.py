# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The source secret_events in a real ansible-rulebook, with real events and a real HAProxy: one lives through all.

The tests of this file share it, for it takes long to start, and since what it has been through must not matter.
"""

from __future__ import annotations

import pathlib
import random
import time
import typing as t

import pytest
from ansible_collections.certops.rotation.tests.support import rotation
from ansible_collections.certops.rotation.tests.support.aws_faults import AwsFaults
from ansible_collections.certops.rotation.tests.support.event_queue import EventQueue
from ansible_collections.certops.rotation.tests.support.ministack import MinistackServer
from ansible_collections.certops.rotation.tests.support.outage import Way
from ansible_collections.certops.rotation.tests.support.pki import IssuedCertificate
from ansible_collections.certops.rotation.tests.support.rulebook import Rulebook

SECRETS, VERSIONS, TIMES = 50, 20, 5
OUTAGE = 5  # seconds
MOST_RUNS = 60
MOST_GROWTH = 50 * 1024 * 1024
KEY = "AKIA{:016d}"


class Fleet(t.NamedTuple):
    """way: from rulebook and playbooks to AWS; faults: on it; credentials: the file that they read."""

    scene: rotation.Scene
    queue: EventQueue
    way: Way
    faults: AwsFaults
    credentials: pathlib.Path
    rulebook: Rulebook

    def serves(self, name: str, issued: IssuedCertificate) -> bool:
        return self.scene.served(name) == issued.fingerprint_sha256

    def rotates(self, name: str) -> IssuedCertificate:
        """A new version is served soon. All runs have ended then."""
        issued = self.scene.store(name)
        self.rulebook.wait(lambda: self.serves(name, issued), f"to serve the new {name}")
        told = sum(event["kind"] == "secret" for event in self.rulebook.told)
        self.rulebook.wait(lambda: self.rulebook.runs >= told, "to end all plays")
        return issued

    def use_key(self, access_key: str) -> None:
        lines = ("[default]", f"aws_access_key_id = {access_key}", "aws_secret_access_key = emulated-secret-key", "")
        other = self.credentials.with_suffix(".new")
        other.write_text("\n".join(lines))
        other.replace(self.credentials)

    def reads_with(self, access_key: str) -> bool:
        return any((one.operation, one.access_key) == ("ReceiveMessage", access_key) for one in self.faults.requests)

    def said(self, text: str) -> int:
        return self.rulebook.log.count(text)


@pytest.fixture(scope="module")
def fleet(ministack: MinistackServer, tmp_path_factory: pytest.TempPathFactory) -> t.Iterator[Fleet]:
    folder = tmp_path_factory.mktemp("rulebook")
    with rotation.scene(ministack) as scene:
        faults = AwsFaults(ministack.port, ministack.env)
        faults.start()
        port = int(faults.env["AWS_ENDPOINT_URL"].rpartition(":")[2])
        with Way(port) as way:
            credentials = folder / "credentials"
            env = {name: text for name, text in ministack.env.items() if "KEY" not in name}
            env["AWS_ENDPOINT_URL"] = f"http://127.0.0.1:{way.port}"
            env["AWS_SHARED_CREDENTIALS_FILE"] = str(credentials)
            rulebook = Rulebook(
                folder,
                {"queue": "certificates", "name_prefix": [rotation.PREFIX], "tick": 0, "at_most": 5},
                actions={"secret": {"run_playbook": {"name": "certops.rotation.rotate"}}},
                variables=scene.variables,
                env=env,
            )
            made = Fleet(scene, EventQueue(ministack), way, faults, credentials, rulebook)
            made.use_key(KEY.format(0))
            with rulebook:
                yield made
        faults.stop()


def test_a_new_version_is_served(fleet: Fleet) -> None:
    """The first version comes without an event (CreateSecret has none), the next one with it."""
    fleet.scene.store("a")
    fleet.rotates("a")
    (event,) = (event for event in fleet.rulebook.told if event["kind"] == "secret")
    (detail,) = event["details"]
    current = fleet.scene.aws.client().describe_secret(SecretId="web/a")
    assert current["VersionIdsToStages"][detail["version_id"]] == ["AWSCURRENT"]
    assert (detail["arn"], detail["is_known"], event["causes"]) == (current["ARN"], True, ["Secret Label Updated"])
    assert fleet.queue.size == 0


def test_it_wakes_for_its_own_secrets_alone(fleet: Fleet) -> None:
    """And for no garbage, which is removed."""
    runs = fleet.rulebook.runs
    for number in range(2):
        fleet.scene.aws.put_secret("mail/a", str(number))
    fleet.queue.send("garbage", "garbage", {"detail-type": "Odd", "source": "odd", "detail": {}}, '{"a": ' * 1000)
    fleet.rotates("a")
    assert fleet.rulebook.names() == {"web/a"}
    assert fleet.rulebook.runs == runs + 1
    assert fleet.queue.size == 0
    assert fleet.said("'no JSON'") == fleet.said("'odd: Odd'") == 1


def test_an_endpoint_that_is_gone(fleet: Fleet) -> None:
    """Nobody listens any more. What is new meanwhile is served when it is back, without anybody's help."""
    fleet.way.cut()
    fleet.rulebook.wait(lambda: fleet.said("cannot read the queue: EndpointConnectionError"), "to notice")
    issued = fleet.scene.store("a")
    time.sleep(OUTAGE)
    assert not fleet.serves("a", issued)
    fleet.way.mend()
    fleet.rulebook.wait(lambda: fleet.serves("a", issued), "to serve it")
    assert fleet.said("cannot read the queue") == fleet.said("reads the queue again, after") == 1


def test_credentials_that_expire_ten_times(fleet: Fleet) -> None:
    """Half of the times new ones are there only after those before were refused."""
    said = fleet.said("cannot read the queue")
    for number in range(10):
        before, after = KEY.format(number), KEY.format(number + 1)
        if number % 2:
            fleet.use_key(after)
        fleet.faults.expire(before)
        told = fleet.said("cannot read the queue")
        fleet.scene.store("a")  # ends the request that is under way
        if not number % 2:
            fleet.rulebook.wait(lambda told=told: fleet.said("cannot read the queue") > told, "to be refused")
            fleet.use_key(after)
        fleet.rulebook.wait(lambda after=after: fleet.reads_with(after), "to read with the new key")
    fleet.rotates("a")
    assert fleet.said("cannot read the queue") == fleet.said("reads the queue again") == said + 5
    assert not fleet.rulebook.has_ended


def test_a_queue_that_is_deleted_and_made_again(fleet: Fleet) -> None:
    said = fleet.said("cannot read the queue")
    fleet.queue.delete()
    fleet.rulebook.wait(lambda: fleet.said("cannot read the queue") > said, "to miss it")
    fleet.queue.make()
    fleet.rulebook.wait(lambda: fleet.said("reads the queue again") > said, "to find it")
    fleet.rotates("a")
    assert fleet.said("NonExistentQueue") + fleet.said("QueueDoesNotExist") == 1


def test_a_flood_in_disorder(fleet: Fleet) -> None:
    """All of 1,000 changes of 50 secrets, shuffled, and each five times."""
    names = [f"flood{number}" for number in range(SECRETS)]
    sent = EventQueue(fleet.scene.aws, "flood")
    last = {name: fleet.scene.store(name) for name in names}
    fleet.faults.fail("ReceiveMessage", "ThrottlingException")  # one flood, not what comes while it is being made
    for _version in range(VERSIONS - 1):
        for name in names:
            fleet.scene.aws.put_secret(f"web/{name}", last[name].secret_document())
    last.update({name: fleet.scene.store(name) for name in names})
    bodies: list[str] = []

    def is_all() -> bool:
        bodies.extend(sent.drain())
        return len(bodies) == SECRETS * VERSIONS

    fleet.rulebook.wait(is_all, "to know all events")
    fleet.queue.drain()
    bodies *= TIMES
    random.Random(5).shuffle(bodies)
    assert len(bodies) == 5000
    fleet.queue.send(*bodies)
    runs, memory = fleet.rulebook.runs, fleet.rulebook.memory
    fleet.faults.heal()
    fleet.rulebook.wait(lambda: fleet.queue.size == 0, "to read all")
    fleet.rulebook.wait(lambda: all(fleet.serves(name, issued) for name, issued in last.items()), "to serve the last")
    growth = fleet.rulebook.memory - memory
    assert 0 < fleet.rulebook.runs - runs <= MOST_RUNS
    assert growth < MOST_GROWTH
