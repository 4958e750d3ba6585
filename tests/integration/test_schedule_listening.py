# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The program that waits for events outlives what may happen to its queue, its credentials and the network."""

from __future__ import annotations

import json
import os
import pathlib
import re
import subprocess
import sys
import time
import typing as t

import pytest
from ansible_collections.certops.rotation.tests.support.aws_faults import AwsFaults
from ansible_collections.certops.rotation.tests.support.event_queue import EventQueue
from ansible_collections.certops.rotation.tests.support.listening import FILES
from ansible_collections.certops.rotation.tests.support.ministack import MinistackServer
from ansible_collections.certops.rotation.tests.support.ports import free_port
from ansible_collections.certops.rotation.tests.support.waiting import eventually


class Waiting:
    """The program as a process, for secrets below web/. env: its environment."""

    def __init__(self, folder: pathlib.Path, queue: str, env: t.Mapping[str, str], **settings: t.Any) -> None:
        folder.mkdir(exist_ok=True)
        self.directory = folder / "events"
        self._log = folder / "log"
        self._settings = folder / "events.json"
        document = {"queue": queue, "aws": {}, "directory": str(self.directory), "gap": 0, "spread": 0, **settings}
        document["is_all"] = True
        document["variables"] = {"haproxy_certificates_name_prefix": "web/"}
        self._settings.write_text(json.dumps(document))
        self._env = {**os.environ, **env}
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Waiting:
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(self._command(), env=self._env, stdout=log, stderr=log)
        return self

    def __exit__(self, *_exception: object) -> None:
        assert self._process
        is_alive = self._process.poll() is None
        self._process.kill()
        self._process.wait(30)
        assert is_alive, self.said

    def _command(self, *options: str) -> list[str]:
        return [sys.executable, str(FILES / "events.py"), *options, str(self._settings)]

    def once(self) -> int:
        """As cron runs it."""
        with self._log.open("ab") as log:
            return subprocess.run(
                self._command("--once"), env=self._env, stdout=log, stderr=log, check=False, timeout=60
            ).returncode

    @property
    def said(self) -> str:
        return self._log.read_text()

    @property
    def told(self) -> pathlib.Path:
        return self.directory / "told"

    def woken(self) -> None:
        """Wait for a drop, and take it as a run does."""
        eventually(self.told.exists, 90)
        self.told.unlink()

    def memory(self) -> int:
        """kB."""
        assert self._process
        status = pathlib.Path(f"/proc/{self._process.pid}/status").read_text()
        return int(re.search(r"VmRSS:\s+(\d+)", status)[1])


def test_a_queue_by_name_arn_and_url_and_not_for_others(aws_events: MinistackServer, tmp_path: pathlib.Path) -> None:
    """A queue of one's own each: what one has read is gone for the others."""
    queues = [EventQueue(aws_events, f"host-{number}", sns="enveloped" if number == 1 else None) for number in range(3)]
    names = [queues[0].name, queues[1].arn, queues[2].url]
    everybody = [Waiting(tmp_path / str(number), name, aws_events.env) for number, name in enumerate(names)]
    with everybody[0], everybody[1], everybody[2]:
        aws_events.put_secret("api/other", "x")
        aws_events.put_secret("web/a", "1")
        aws_events.put_secret("web/a", "2")
        for waiting, queue in zip(everybody, queues):
            waiting.woken()
            eventually(lambda queue=queue: queue.size == 0)
            assert "web/a has changed (AWSCURRENT)" in waiting.said
            assert "api/other" not in waiting.said


def test_a_queue_that_is_deleted_and_made_again(aws_events: MinistackServer, tmp_path: pathlib.Path) -> None:
    queue = EventQueue(aws_events, "host")
    aws_events.put_secret("web/a", "0")
    with Waiting(tmp_path, "host", aws_events.env) as waiting:
        aws_events.put_secret("web/a", "1")
        waiting.woken()
        queue.delete()
        eventually(lambda: "Events do not come through" in waiting.said)
        queue.make()
        aws_events.put_secret("web/a", "2")
        waiting.woken()
        eventually(lambda: "Events come through again." in waiting.said)
        assert waiting.said.count("do not come through") == 1


def test_an_endpoint_that_goes_away(tmp_path: pathlib.Path) -> None:
    """It says so once, however often it has tried; and it begins without an endpoint, too."""
    server = MinistackServer(free_port())
    with Waiting(tmp_path, "host", server.env) as waiting:
        eventually(lambda: "do not come through" in waiting.said)
        server.start()
        try:
            EventQueue(server, "host")
            server.put_secret("web/a", "0")
            server.put_secret("web/a", "1")
            waiting.woken()
        finally:
            server.stop()
    assert waiting.said.count("Events come through again.") == 1


def test_credentials_that_expire_and_garbage(aws_events: MinistackServer, tmp_path: pathlib.Path) -> None:
    """Ten times; what is read anew is the file of credentials. Then messages that mean nothing, and memory."""
    queue = EventQueue(aws_events, "host")
    faults = AwsFaults(aws_events.port, aws_events.env)
    faults.start()
    credentials = tmp_path / "credentials"
    env = {name: value for name, value in faults.env.items() if not name.startswith("AWS_ACCESS")}
    del env["AWS_SECRET_ACCESS_KEY"]
    env["AWS_SHARED_CREDENTIALS_FILE"] = str(credentials)

    def renew(number: int) -> None:
        text = f"[default]\naws_access_key_id = key{number}\naws_secret_access_key = secret{number}\n"
        new = tmp_path / "new"
        new.write_text(text)
        new.replace(credentials)

    try:
        aws_events.put_secret("web/a", "new")
        renew(0)
        with Waiting(tmp_path / "host", queue.url, env) as waiting:
            for number in range(10):
                aws_events.put_secret("web/a", str(number))
                waiting.woken()
                faults.allow_only(f"key{number}", lambda _operation, _name: False)
                aws_events.put_secret("web/a", f"{number} again")
                renew(number + 1)
                waiting.woken()
            before = waiting.memory()
            for number in range(300):
                queue.send(f"nonsense {number}" * 100)
            eventually(lambda: queue.size == 0)
            aws_events.put_secret("web/a", "at last")
            waiting.woken()
            assert waiting.memory() - before < 20_000
            assert waiting.memory() < 90_000
            assert waiting.said.count("no JSON object") == 1
            assert "Traceback" not in waiting.said
            assert "secret1" not in waiting.said
    finally:
        faults.stop()


def test_for_cron_it_takes_what_is_there_and_ends(aws_events: MinistackServer, tmp_path: pathlib.Path) -> None:
    waiting = Waiting(tmp_path, "host", aws_events.env)
    assert [waiting.once(), waiting.once()] == [1, 1]
    assert waiting.said.count("do not come through") == 1, "each minute would be too often"
    queue = EventQueue(aws_events, "host")
    assert waiting.once() == 0
    assert not waiting.told.exists()
    for number in range(26):  # of the first, which is made, there is no event
        aws_events.put_secret("web/a", str(number))
    eventually(lambda: queue.size == 25)
    assert waiting.once() == 0
    assert waiting.told.exists()
    assert queue.size == 0
    assert waiting.said.count("come through again") == 1
    assert waiting.said.count("a run begins") <= 4


@pytest.mark.parametrize("queue", ["no such queue!", "http://", "arn:aws:sqs:x", "https://127.0.0.1:1/x"])
def test_nonsense_for_a_queue_is_no_end(queue: str, aws_events: MinistackServer, tmp_path: pathlib.Path) -> None:
    with Waiting(tmp_path, queue, aws_events.env) as waiting:
        eventually(lambda: "do not come through" in waiting.said)
        time.sleep(0.5)
    assert "Traceback" not in waiting.said
