# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A pusher that is ended at any point: nothing owed is lost, and nothing counts as confirmed that the host has not."""

from __future__ import annotations

import contextlib
import json
import os
import pathlib
import signal
import time
import typing as t

import pytest
from ansible_collections.certops.rotation.plugins.module_utils._core.push.delivery import Delivery
from ansible_collections.certops.rotation.plugins.module_utils._core.push.lineage import Lineage
from ansible_collections.certops.rotation.plugins.module_utils._core.push.receipt import Receipt
from ansible_collections.certops.rotation.plugins.module_utils._core.push.targets import PushTarget
from ansible_collections.certops.rotation.plugins.module_utils._core.push.turns import TurnRules
from ansible_collections.certops.rotation.plugins.module_utils._errors import PushError
from ansible_collections.certops.rotation.tests.support.fork_server import ModuleServer
from ansible_collections.certops.rotation.tests.support.module import parse_result
from ansible_collections.certops.rotation.tests.support.push_scene import PushScene, ScriptedReceiver, outcomes_of
from ansible_collections.certops.rotation.tests.support.pusher_machine import PusherMachine
from ansible_collections.certops.rotation.tests.support.ssh_hosts import SshHost, ssh_hosts

LINEAGES = ("a.example", "b.example")
#: What changes something that others see. Files are written under names that nobody looks at.
CALLS = ("mkdir", "rename", "link", "unlink")


class HostsOnDisk:
    """What hosts have outlives the pusher. Every host fails at its first connection."""

    def __init__(self, directory: pathlib.Path) -> None:
        self.directory = directory

    def deliver(
        self, target: PushTarget, lineages: t.Sequence[Lineage], *, uploaded: t.Mapping[str, str | None], wait: bool
    ) -> t.Sequence[Delivery]:
        host = self.directory / target.name
        if not host.exists():
            host.mkdir()
            raise PushError("not yet", "unreachable")
        for lineage in lineages:
            with (host / lineage.name).open("a") as file:
                file.write(f"{lineage.fingerprint_sha256}\n")
        return [
            Delivery(
                lineage.name,
                lineage.name not in uploaded,
                Receipt(lineage.name, lineage.fingerprint_sha256, "deployed", "2026-06-01T12:00:00Z"),
            )
            for lineage in lineages
        ]

    def cut(self) -> None:
        """Nothing here waits."""

    def had(self, host: str, lineage: str) -> list[str]:
        """Fingerprints, the last one is what it has."""
        path = self.directory / host / lineage
        return path.read_text().split() if path.exists() else []


class Pusher(PusherMachine):
    def __init__(self, directory: pathlib.Path) -> None:
        super().__init__(directory)
        hosts = directory / "hosts"
        hosts.mkdir()
        self.hosts = HostsOnDisk(hosts)
        for name in LINEAGES:
            self.issue(name)
        self.add("web1", "web2", retries=1, retry_interval=0)

    def killed_at(self, number: int) -> bool:
        """Whether a push came to its so-manieth call, and was killed there."""
        pid = os.fork()
        if pid == 0:
            try:
                _kill_at(number)
                self.push(rules=TurnRules(lanes=1))
            finally:
                os._exit(0)
        _pid, status = os.waitpid(pid, 0)
        return os.WIFSIGNALED(status)

    def assert_true(self, where: object) -> None:
        content = self.queue.content()
        for confirmation in content.confirmed:
            had = self.hosts.had(confirmation.host, confirmation.lineage)
            assert confirmation.fingerprint_sha256 in had, f"{where}: {confirmation} is not true"
        assert not content.damaged, where
        assert not content.bad, where
        assert not content.dead, where
        assert not content.claimed, where


def _kill_at(number: int) -> None:
    counted = iter(range(number))

    def counting(original: t.Callable[..., t.Any]) -> t.Callable[..., t.Any]:
        def call(*args: t.Any, **kwargs: t.Any) -> t.Any:
            if next(counted, None) is None:
                os.kill(os.getpid(), signal.SIGKILL)
            return original(*args, **kwargs)

        return call

    for name in CALLS:
        setattr(os, name, counting(getattr(os, name)))


@pytest.fixture
def no_waiting_for_disks(monkeypatch: pytest.MonkeyPatch) -> None:
    """No signal loses what the system has been given."""
    monkeypatch.setattr(os, "fsync", lambda _descriptor: None)


@pytest.mark.usefixtures("no_waiting_for_disks")
def test_killed_at_every_step_and_finished_by_the_next_run(tmp_path: pathlib.Path) -> None:
    number, kills = 0, 0
    while True:
        directory = tmp_path / str(number)
        directory.mkdir()
        pusher = Pusher(directory)
        if not pusher.killed_at(number):
            break
        kills += 1
        where = f"killed at call {number}"
        pusher.assert_true(where)
        report = pusher.push(rules=TurnRules(lanes=1))
        assert not report.failure, f"{where}: {report.failure}"
        pusher.assert_true(where)
        content = pusher.queue.content()
        assert content.owed == (), where
        assert {(each.host, each.lineage): each.fingerprint_sha256 for each in content.confirmed} == {
            (host, name): pusher.fingerprint(name) for host in ("web1", "web2") for name in LINEAGES
        }, where
        assert not pusher.push().changed, where
        number += 1
    assert kills > 30


@pytest.mark.usefixtures("no_waiting_for_disks")
def test_killed_again_and_again_without_a_run_between(tmp_path: pathlib.Path) -> None:
    """Each run comes a step further than the one before, and the renewals go on meanwhile."""
    pusher = Pusher(tmp_path)
    for number in range(0, 100, 2):
        if number % 10 == 0:
            pusher.issue("a.example")
        pusher.killed_at(number)
        pusher.assert_true(number)
    assert not pusher.push().failure
    for host in ("web1", "web2"):
        for name in LINEAGES:
            assert pusher.hosts.had(host, name)[-1] == pusher.fingerprint(name)


# The module, with real SSH servers


@pytest.fixture(scope="module")
def hosts(tmp_path_factory: pytest.TempPathFactory) -> t.Iterator[list[SshHost]]:
    with ssh_hosts(tmp_path_factory.mktemp("hosts"), 2) as hosts:
        yield hosts


@pytest.fixture
def scene(tmp_path: pathlib.Path, hosts: list[SshHost]) -> t.Iterator[PushScene]:
    scene = PushScene(tmp_path, hosts)
    for name in LINEAGES:
        scene.renew(name)
    yield scene
    for host in hosts:
        host.resume()
    scene.clean()


@pytest.fixture(scope="module")
def module_server() -> t.Iterator[ModuleServer]:
    server = ModuleServer()
    yield server
    server.close()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_asked_to_end_while_a_host_hangs(scene, module_server, number) -> None:
    """It ends soon, tells what it has come to, and leaves no claim and no ssh."""
    scene.hosts[0].hang()
    for target in scene.targets:
        target.update(timeout=300, retries=3, retry_interval=300)
    with ScriptedReceiver(scene.hosts[1]):
        running = module_server.start("certificate_push", scene.options())
        wait_until(lambda: len(scene.content.confirmed) == 2)
        os.kill(running.pid, number)
        asked = time.monotonic()
        status, _memory = running.wait()
    assert time.monotonic() - asked < 60
    run = parse_result("certificate_push", status, module_server._server.output)
    assert run.failed
    assert number.name in run.result["msg"]
    assert outcomes_of(run) == {"host1": "owed", "host2": "confirmed"}
    assert scene.content.claimed == ()
    assert [entry.attempts for entry in scene.content.owed] == [0, 0]
    assert not clients(scene.hosts[0])
    scene.hosts[0].resume()
    with ScriptedReceiver(scene.hosts[0]):
        assert outcomes_of(scene.push()) == {"host1": "confirmed", "host2": "unchanged"}


def test_killed_while_it_uploads(scene, module_server) -> None:
    """SIGKILL, so nobody could give back a claim: the next run takes it at once, and no ssh is left behind."""
    scene.hosts[0].hang()
    for target in scene.targets:
        target.update(timeout=300)
    running = module_server.start("certificate_push", scene.options(mode="parallel"))
    wait_until(lambda: len(scene.content.claimed) == 4)
    wait_until(lambda: bool(clients(scene.hosts[0])))
    os.kill(running.pid, signal.SIGKILL)
    running.wait()
    wait_until(lambda: not clients(scene.hosts[0]))
    assert scene.content.claimed == ()
    assert len(scene.content.owed) == 4
    scene.hosts[0].resume()
    begin = time.monotonic()
    with ScriptedReceiver(scene.hosts[0]), ScriptedReceiver(scene.hosts[1]):
        assert set(outcomes_of(scene.push()).values()) == {"confirmed"}
    assert time.monotonic() - begin < 60
    assert all(json.loads(path.read_text()) for path in pathlib.Path(scene.queue.path).rglob("*.json"))


def clients(host: SshHost) -> list[str]:
    """Command lines of the programs that talk to its SSH server."""
    found = []
    for path in pathlib.Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            words = path.read_text().split("\0")
            if words[0].endswith("ssh") and str(host.port) in words and host.address in words:
                found.append(" ".join(words))
    return found


def wait_until(condition: t.Callable[[], bool], seconds: float = 30) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)
