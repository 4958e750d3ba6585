# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""docs/events.md as a reader follows it: each of its commands, in order, with its files, and its rulebooks, against an
emulated AWS that tells of secrets, and a real HAProxy.

Only the host of the inventory is another one: this machine.
"""

from __future__ import annotations

import contextlib
import json
import os
import pathlib
import signal
import subprocess
import sys
import time
import typing as t

import pytest
import yaml
from ansible_collections.certops.rotation.tests.support import documented, rotation, secrets_scan
from ansible_collections.certops.rotation.tests.support.ministack import MinistackServer
from ansible_collections.certops.rotation.tests.support.pki import IssuedCertificate

PAGE = "events.md"
COMMANDS = documented.commands(PAGE)
TEXT = (documented.ROOT / "docs" / PAGE).read_text(encoding="utf-8")
NAME = "web/www.example.com"
RULEBOOKS = documented.ROOT / "extensions" / "eda" / "rulebooks"
PATIENCE = 120  # seconds
ENDING = {
    "source": "aws.acm",
    "detail-type": "ACM Certificate Approaching Expiration",
    "account": "000000000000",
    "region": "eu-central-1",
    "resources": ["arn:aws:acm:eu-central-1:000000000000:certificate/1"],
    "detail": {"DaysToExpiry": 31, "CommonName": "www.example.com"},
}


class RunningRulebook:
    """Use it as a context. command: as the page has it, in a directory."""

    def __init__(self, command: str, directory: pathlib.Path, env: t.Mapping[str, str]) -> None:
        program, *arguments = command.split()
        self._log = directory / "rulebook.log"
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [pathlib.Path(sys.executable).with_name(program), *arguments],
                cwd=directory,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**os.environ, **env, "ANSIBLE_NOCOLOR": "true"},
                start_new_session=True,
            )

    def __enter__(self) -> RunningRulebook:
        return self

    def __exit__(self, *_exception: object) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGTERM)
        self._process.wait(PATIENCE)
        secrets_scan.assert_no_private_key(self.log)

    @property
    def log(self) -> str:
        return self._log.read_text(errors="replace")

    def wait(self, done: t.Callable[[], t.Any], what: str) -> None:
        end = time.monotonic() + PATIENCE
        while not done():
            assert time.monotonic() < end, f"waited for {what}:\n{self.log}"
            assert self._process.poll() is None, f"it has ended:\n{self.log}"
            time.sleep(0.1)


class Reader:
    """Who follows the page on the controller."""

    def __init__(self, directory: pathlib.Path, scene: rotation.Scene) -> None:
        self.directory, self.scene = directory, scene
        self.env = {**scene.aws.env, "ANSIBLE_COLLECTIONS_PATH": str(documented.ROOT / ".dev" / "collections")}
        self.sqs = scene.aws.client("sqs")
        self._done: list[str] = []
        for name, content in documented.files(PAGE).items():
            (directory / name).write_text(content)
        inventory = yaml.safe_load((directory / "inventory.yml").read_text())
        group = inventory["haproxy"]
        here = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
        canary = {"haproxy_certificates_labels": ["CANDIDATE", "AWSCURRENT"]}
        at_once = {"promotion_soak": "0", "promotion_lag": "0"}
        group["vars"] = {**scene.variables, **group["vars"], **here, **canary}
        inventory["all"] = {"vars": at_once}
        (directory / "inventory.yml").write_text(yaml.safe_dump(inventory))

    def next(self, beginning: str) -> str:
        """The next block of commands, which has to begin so."""
        block = COMMANDS[len(self._done)]
        assert block.startswith(beginning), f"{beginning} is to come, and there is: {block}"
        self._done.append(block)
        return block

    def follow(self, beginning: str) -> str:
        """What the next block of commands prints."""
        block = self.next(beginning)
        ended = documented.shell(block, self.directory, self.env)
        assert ended.returncode == 0, f"$ {block}\n{ended.stdout}"
        return ended.stdout

    def issue(self) -> IssuedCertificate:
        issued = self.scene.authority.issue("www.example.com")
        (self.directory / "fullchain.pem").write_text(issued.certificate_pem + self.scene.authority.chain_pem)
        (self.directory / "privkey.pem").write_text(issued.private_key_pem)
        return issued

    def queues(self) -> list[str]:
        return sorted(url.rpartition("/")[2] for url in self.sqs.list_queues().get("QueueUrls", []))

    def send(self, queue: str, message: t.Mapping[str, t.Any]) -> None:
        url = self.sqs.get_queue_url(QueueName=queue)["QueueUrl"]
        self.sqs.send_message(QueueUrl=url, MessageBody=json.dumps(message))

    @property
    def has_read_all(self) -> bool:
        return self._done == COMMANDS


@pytest.fixture
def reader(aws_events: MinistackServer, tmp_path: pathlib.Path) -> t.Iterator[Reader]:
    with rotation.scene(aws_events) as scene:
        scene.aws.put_secret(NAME, scene.authority.issue("www.example.com").secret_document())
        yield Reader(tmp_path, scene)


def test_the_page(reader: Reader) -> None:
    printed = reader.follow("ansible-playbook certops.rotation.events_setup -e events_name_prefix=web/ --check")
    assert printed.count("changed=1") == 2, "foreseen, and done"
    assert reader.queues() == ["certificates", "certificates-dead"]
    with RunningRulebook(
        reader.next("ansible-rulebook --rulebook certops.rotation.secrets"), reader.directory, reader.env
    ) as rulebook:
        rotates(reader, rulebook)
        reader.follow("ansible-playbook certops.rotation.events_setup -e events_name_prefix=web/ -e events_queues=")
        assert reader.queues() == ["certificates", "certificates-dead", "certificates-lb1", "certificates-lb2"]
        again = reader.issue()  # by way of the topic, the same rulebook is told
        reader.scene.aws.put_secret(NAME, again.secret_document())
        rulebook.wait(lambda: reader.scene.served("www") == again.fingerprint_sha256, "the topic")

    reader.follow("ansible-playbook certops.rotation.events_setup -e events_name=certificates-promote")
    reader.follow("ansible-playbook certops.rotation.events_setup -e events_name=certificates-expiring")
    the_others_are_told(reader)
    reader.send("certificates-dead", {"detail-type": "never taken"})
    assert "never taken" in reader.follow("ansible-playbook certops.rotation.events_setup --tags look")
    reader.follow("ansible-playbook certops.rotation.events_setup -e events_state=absent")
    others = ("certificates-expiring", "certificates-promote")
    assert reader.queues() == sorted([*others, *(f"{name}-dead" for name in others)]), (
        "sets whose names begin alike stay"
    )
    assert reader.has_read_all


def rotates(reader: Reader, rulebook: RunningRulebook) -> None:
    """At the start, and by the event of a new version."""
    rulebook.wait(lambda: rulebook.log.count("PLAY RECAP"), "the rotation at the start")
    issued = reader.issue()
    reader.follow("ansible-playbook store.yml")
    rulebook.wait(lambda: reader.scene.served("www") == issued.fingerprint_sha256, "the event")


def the_others_are_told(reader: Reader) -> None:
    """By the rulebook expiring the playbook issue starts, which says here what it lacks, and the rulebook waits for the
    next event. By the rulebook promote a candidate becomes current.

    In one process, as a rulebook may have several parts. Each reads the queue that the page has made for it unless
    told otherwise.
    """
    for name in ("promote", "expiring"):
        assert f"\nansible-rulebook --rulebook certops.rotation.{name} --inventory inventory.yml --vars " in TEXT
    parts = [yaml.safe_load((RULEBOOKS / f"{name}.yml").read_text()) for name in ("promote", "expiring")]
    (reader.directory / "both.yml").write_text(yaml.safe_dump([each for part in parts for each in part]))
    variables = yaml.safe_load((reader.directory / "promotion.yml").read_text())
    assert variables.pop("events_queue") == "certificates-promote"
    (reader.directory / "both_variables.yml").write_text(yaml.safe_dump(variables))
    command = "ansible-rulebook --rulebook both.yml --inventory inventory.yml --vars both_variables.yml"
    with RunningRulebook(command, reader.directory, reader.env) as rulebook:
        looking, issuing = "PLAY [Look for candidates]", "PLAY [Issue and renew certificates]"
        rulebook.wait(lambda: rulebook.log.count(looking), "the tick at the start")
        for day in ("21", "22"):
            before = rulebook.log.count(issuing)
            reader.send("certificates-expiring", {**ENDING, "id": day, "time": f"2026-11-{day}T00:00:00Z"})
            rulebook.wait(lambda before=before: rulebook.log.count(issuing) > before, "the playbook issue")
        issued, secrets = reader.scene.authority.issue("www.example.com"), reader.scene.aws.client()
        document = json.dumps(issued.secret_document())
        staged = secrets.put_secret_value(SecretId=NAME, SecretString=document, VersionStages=["CANDIDATE"])[
            "VersionId"
        ]
        rulebook.wait(lambda: secrets.get_secret_value(SecretId=NAME)["VersionId"] == staged, "the promotion")
        assert reader.scene.served("www") == issued.fingerprint_sha256
