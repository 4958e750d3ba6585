# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later


"""The push queue under SIGKILL: before each call to the system that changes something, and by chance."""

from __future__ import annotations

import contextlib
import itertools
import os
import pathlib
import random
import signal
import subprocess
import sys
import time
import typing as t

import pytest
from ansible_collections.certops.rotation.plugins.module_utils._core.push.entries import Confirmation, OwedEntry
from ansible_collections.certops.rotation.plugins.module_utils._ports.queue.push_queue import PushQueue, QueueContent

AT = "2026-11-26T12:00:00Z"
KEY = ("web1", "example.com")
CHANGING = ("open", "write", "rename", "link", "unlink", "mkdir", "fsync", "fchmod")


class Killed(BaseException):
    """In the place of SIGKILL: no handler takes it for something else."""


class Reaper:
    """Ends the process before its nth call that changes something. From then on it can do nothing any more, but the
    kernel closes its files."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._left: int | None = None
        self.is_dead = False
        for name in CHANGING:
            monkeypatch.setattr(os, name, self._counting(getattr(os, name), name))

    def _counting(self, call: t.Callable[..., t.Any], name: str) -> t.Callable[..., t.Any]:
        def counted(*arguments: t.Any, **named: t.Any) -> t.Any:
            changes = name != "open" or arguments[1] & os.O_CREAT
            if self._left is not None and changes:
                self.is_dead = self.is_dead or self._left == 0
                self._left -= 1
                if self.is_dead:
                    raise Killed
            return call(*arguments, **named)

        return counted

    @contextlib.contextmanager
    def after(self, calls: int) -> t.Iterator[None]:
        self._left, self.is_dead = calls, False
        try:
            with contextlib.suppress(Killed):
                yield
        finally:
            self._left = None


def entry(number: int = 1, **more: t.Any) -> OwedEntry:
    return OwedEntry(*KEY, f"{number:064x}", AT, **more)


def number_of(each: OwedEntry | Confirmation) -> int:
    return int(each.fingerprint_sha256, 16)


def put_back(queue: PushQueue) -> None:
    with queue.claim("web1") as claim:
        assert claim is not None
        for each in claim.entries:
            claim.put_back(entry(number_of(each), attempts=1))


def confirm(queue: PushQueue) -> None:
    with queue.claim("web1") as claim:
        assert claim is not None
        for each in claim.entries:
            claim.confirm(Confirmation(*KEY, each.fingerprint_sha256, AT, "upload"))


def give_up(queue: PushQueue) -> None:
    with queue.claim("web1") as claim:
        assert claim is not None
        for each in claim.entries:
            claim.give_up(each)


STEPS: dict[str, t.Callable[[PushQueue], object]] = {
    "enqueue": lambda queue: queue.enqueue([entry(1)]),
    "renew": lambda queue: queue.enqueue([entry(2)]),
    "put back": put_back,
    "confirm": confirm,
    "give up": give_up,
    "requeue": lambda queue: queue.requeue([KEY], now=AT),
    "set aside": lambda queue: queue.set_damaged_aside(),
}
#: What was done before -> what is killed -> what there may be afterwards: the numbers owed, dead, confirmed.
SCENES: list[tuple[list[str], str, list[tuple[str, int]]]] = [
    ([], "enqueue", [("nothing", 0), ("owed", 1)]),
    (["enqueue"], "renew", [("owed", 1), ("owed", 2)]),
    (["enqueue"], "put back", [("owed", 1)]),
    (["enqueue"], "confirm", [("owed", 1), ("confirmed", 1)]),
    (["enqueue"], "give up", [("owed", 1), ("dead", 1)]),
    (["enqueue", "give up"], "requeue", [("owed", 1), ("dead", 1)]),
    (["enqueue", "give up"], "renew", [("owed", 2), ("dead", 1)]),
    (["enqueue", "confirm"], "renew", [("confirmed", 1), ("owed", 2)]),
    (["enqueue", "confirm", "renew"], "confirm", [("owed", 2), ("confirmed", 2)]),
]


def state(content: QueueContent) -> tuple[str, int]:
    """Of the one lineage: what it is in first of all."""
    for kind, found in (
        ("owed", content.owed),
        ("claimed", content.claimed),
        ("dead", content.dead),
        ("confirmed", content.confirmed),
    ):
        if found:
            return kind, number_of(found[0])
    return "nothing", 0


@pytest.mark.parametrize(("before", "step", "possible"), SCENES, ids=str)
def test_a_kill_at_any_call_leaves_a_step_undone_or_done(
    tmp_path: pathlib.Path,
    monkeypatch: pytest.MonkeyPatch,
    before: list[str],
    step: str,
    possible: list[tuple[str, int]],
) -> None:
    reaper = Reaper(monkeypatch)
    seen = set()
    for calls in itertools.count():
        queue = PushQueue(str(tmp_path / str(calls)))
        for each in before:
            STEPS[each](queue)
        with reaper.after(calls):
            STEPS[step](queue)
        content = queue.content()
        seen.add(state(content))
        assert (content.claimed, content.damaged, content.foreign) == ((), (), ())
        # Whoever comes next is not hung, sees the same, and can end it.
        put_back(queue)
        assert state(queue.content()) == state(content)
        STEPS["renew"](queue)
        confirm(queue)
        assert state(queue.content()) == ("confirmed", 2)
        assert queue.content().owed == ()
        if not reaper.is_dead:
            break
    assert calls > 5
    assert seen == set(possible)


SCRIPT = """
import dataclasses, os, random, sys
from ansible_collections.certops.rotation.plugins.module_utils._core.push.entries import Confirmation, OwedEntry
from ansible_collections.certops.rotation.plugins.module_utils._ports.queue.push_queue import PushQueue

path, acknowledged, first = sys.argv[1], sys.argv[2], int(sys.argv[3])
AT = "2026-11-26T12:00:00Z"
queue = PushQueue(path)

def write(writer):
    file = os.open(acknowledged, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    number = first
    while True:
        number += 1
        keys = [(f"web{host}", f"n{writer}.{number % 3}.org") for host in range(3)]
        queue.enqueue([OwedEntry(*key, f"{number:064x}", AT) for key in keys])
        os.write(file, "".join(f"{host} {lineage} {number}\\n" for host, lineage in keys).encode())

def drain():
    while True:
        with queue.claim(f"web{random.randrange(3)}") as claim:
            for entry in claim.entries if claim else ():
                end = random.randrange(4)
                if end == 0:
                    claim.confirm(Confirmation(entry.host, entry.lineage, entry.fingerprint_sha256, AT, "upload"))
                elif end == 1:
                    claim.put_back(dataclasses.replace(entry, attempts=entry.attempts + 1))
                elif end == 2:
                    claim.give_up(entry)

children = []
for number in range(4):
    if os.fork() == 0:
        random.seed(number + first)
        write(number) if number < 2 else drain()
print("ready", flush=True)
os.wait()
"""


def until_unlocked(queue: PushQueue) -> None:
    """A process that ends closes its files one after the other."""
    deadline = time.monotonic() + 30
    while queue.content().claimed and time.monotonic() < deadline:
        time.sleep(0.01)


def test_what_was_acknowledged_is_never_lost(tmp_path: pathlib.Path) -> None:
    """CD52: 20 rounds of writers and drainers, all of which are killed at once."""
    queue, acknowledged = PushQueue(str(tmp_path / "queue")), tmp_path / "acknowledged"
    latest: dict[tuple[str, str], int] = {}
    for turn in range(20):
        command = [sys.executable, "-c", SCRIPT, queue.path, str(acknowledged), str(turn * 1_000_000)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, start_new_session=True, text=True) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            time.sleep(random.uniform(0.02, 0.3))
            os.killpg(process.pid, signal.SIGKILL)
            assert process.stdout.read() == ""  # when all of them have ended
        until_unlocked(queue)
        for line in acknowledged.read_text().splitlines() if acknowledged.exists() else ():
            host, lineage, number = line.split()
            latest[host, lineage] = max(int(number), latest.get((host, lineage), 0))
        content = queue.content()
        assert (content.damaged, content.bad, content.foreign, content.claimed) == ((), (), (), ())
        known: dict[tuple[str, str], int] = {}
        for each in (*content.owed, *content.dead, *content.confirmed):
            known[each.host, each.lineage] = max(number_of(each), known.get((each.host, each.lineage), 0))
        assert {key: number for key, number in latest.items() if known.get(key, 0) < number} == {}
    assert len(latest) == 18
    queue.requeue([(each.host, each.lineage) for each in queue.content().dead], now=AT)
    for host in range(3):
        with queue.claim(f"web{host}") as claim:
            assert claim is not None
            for each in claim.entries:
                claim.confirm(Confirmation(each.host, each.lineage, each.fingerprint_sha256, AT, "upload"))
    content = queue.content()
    assert (content.owed, content.dead) == ((), ())
    ledger = {(each.host, each.lineage): number_of(each) for each in content.confirmed}
    assert {key for key, number in latest.items() if ledger[key] < number} == set()
