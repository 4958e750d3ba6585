# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Pusher, receiver, or both, killed a hundred times at random points: nothing is lost, no reader sees a mixed pair, no
debt is forgotten, and no service is left with an old certificate."""

from __future__ import annotations

import collections
import contextlib
import json
import os
import pathlib
import random
import signal
import subprocess
import threading
import time
import typing as t

import pytest
from ansible_collections.certops.rotation.tests.support.fork_server import ModuleServer
from ansible_collections.certops.rotation.tests.support.forking import Running
from ansible_collections.certops.rotation.tests.support.lineages import CertbotSteps
from ansible_collections.certops.rotation.tests.support.pki import CertificateAuthority, IssuedCertificate
from ansible_collections.certops.rotation.tests.support.ssh_hosts import SshHost, ssh_hosts
from ansible_collections.certops.rotation.tests.support.systemd_host import become

LINEAGES: t.Final = ("www.example.com", "mail.example.com")
KILLS: t.Final = 100
#: So many kills, then all is brought to its end and looked at.
KILLS_IN_A_ROW: t.Final = 5
#: Of pushes and deployments, each time both, until nothing is left to do.
MOST_PASSES: t.Final = 4
_SERVICE = """#!/bin/sh
cd "$1" || exit
for lineage in *; do cat "$lineage/cert.pem" >"$2/$lineage.new" && mv "$2/$lineage.new" "$2/$lineage"; done
"""


class Receiver:
    """A host with what serves there: a service that notes the certificate it has been told of, and a reader."""

    def __init__(self, host: SshHost, directory: pathlib.Path, trust_anchors: str) -> None:
        self.host, self.directory = host, directory
        self.server = ModuleServer()
        self.live, self.told = directory / "live", directory / "told"
        for path in (directory, self.live, self.told):
            path.mkdir(mode=0o755)
        self._service = directory / "service"
        self._service.write_text(_SERVICE)
        self._service.chmod(0o755)
        self._trust_anchors = trust_anchors
        subprocess.run([*become(), "chown", str(os.geteuid()), str(host.receipts)], check=True)

    def start(self) -> Running:
        arguments = [str(self.live), str(self.told)]
        options = {
            "source": str(self.host.staging),
            "path": str(self.live),
            "receipts": str(self.host.receipts),
            "trust_anchors": self._trust_anchors,
            "services": [{"type": "script", "name": str(self._service), "arguments": arguments}],
        }
        return self.server.start("certificate_deploy", options)

    def end(self, running: Running) -> None:
        """AssertionError when it fails."""
        run = self.server.result("certificate_deploy", running)
        assert not run.failed, run.result

    def fingerprint_files(self, directory: pathlib.Path, file: str) -> dict[str, str]:
        """Lineage -> the certificate that is there, as PEM."""
        paths = {name: directory / name / file if file else directory / name for name in LINEAGES}
        return {name: path.read_text() for name, path in paths.items() if path.exists()}


class Scene:
    """One pusher, and hosts that get all lineages."""

    def __init__(self, directory: pathlib.Path, hosts: t.Sequence[SshHost]) -> None:
        self.certbot = CertbotSteps(directory / "letsencrypt")
        self.queue = directory / "queue"
        self.server = ModuleServer()
        self._authority = CertificateAuthority(parent=CertificateAuthority())
        root = self._authority.root_pem
        self.receivers = [Receiver(host, directory / f"receiver-{host.name}", root) for host in hosts]
        self.issued: dict[str, list[IssuedCertificate]] = {name: [] for name in LINEAGES}

    def close(self) -> None:
        self.server.close()
        for receiver in self.receivers:
            receiver.server.close()

    def renew(self, name: str) -> None:
        issued = self._authority.issue(name)
        self.issued[name].append(issued)  # a reader may see it at once
        self.certbot.issue(name, issued)

    def start(self, *, wait: bool = False) -> Running:
        targets = [
            {
                "name": host.name,
                "address": host.address,
                "port": host.port,
                "user": host.user,
                "host_key": list(host.host_keys),
                "private_key_file": str(host.private_key_file),
                "domains": ["*"],
                "retries": 0,
                "receipt_timeout": 30 if wait else 0,
            }
            for host in (receiver.host for receiver in self.receivers)
        ]
        options = {"queue": str(self.queue), "lineages": str(self.certbot.live), "targets": targets}
        return self.server.start("certificate_push", {**options, "mode": "parallel", "wait": wait})

    def push(self) -> dict[str, t.Any]:
        """To its end. What it returned: it fails while something is owed."""
        return self.server.result("certificate_push", self.start()).result

    # What must always be true

    def assert_nothing_wrong(self, where: object) -> None:
        """Whenever it is looked: what counts as confirmed is live, and what is live is whole."""
        for receiver in self.receivers:
            for name in LINEAGES:
                path = self.queue / "confirmed" / receiver.host.name / f"{name}.json"
                if not path.exists():
                    continue
                confirmed = json.loads(path.read_text())["fingerprint_sha256"]
                known = [issued.fingerprint_sha256 for issued in self.issued[name]]
                live = (receiver.live / name / "cert.pem").read_text()
                (number,) = (n for n, issued in enumerate(self.issued[name]) if issued.certificate_pem == live)
                assert known.index(confirmed) <= number, (
                    f"{where}: {receiver.host.name} {name} is not what is confirmed"
                )
        assert not list(self.queue.glob("bad/**/*.json")), where
        assert not list(self.queue.glob("dead/**/*.json")), where

    def converge(self, where: object) -> None:
        """Runs that nobody kills. AssertionError when something is left over or forgotten."""
        for _pass in range(MOST_PASSES):
            result = self.push()
            if not self.unpaid():
                break
            for receiver, running in [(receiver, receiver.start()) for receiver in self.receivers]:
                receiver.end(running)
        assert not self.unpaid(), f"{where}: it does not come to an end: {result}"
        assert not result.get("failed"), f"{where}: {result}"
        self.assert_nothing_wrong(where)
        for receiver in self.receivers:
            newest = {name: issued[-1].certificate_pem for name, issued in self.issued.items()}
            assert receiver.fingerprint_files(receiver.live, "cert.pem") == newest, f"{where}: {receiver.host.name}"
            assert receiver.fingerprint_files(receiver.told, "") == newest, f"{where}: a service was not told"
            left = [path.name for path in receiver.host.staging.iterdir() if not path.name.startswith(".")]
            assert not left, f"{where}: staging is not empty: {left}"
        assert not self.debris(), where

    def unpaid(self) -> list[str]:
        """What the queue still has to do."""
        return [str(path) for state in ("owed", "claimed") for path in self.queue.glob(f"{state}/*/*.json")]

    def debris(self) -> list[str]:
        """Temporary files that nobody will need."""
        found = []
        for directory in (self.queue, *(receiver.live for receiver in self.receivers)):
            found += [str(path) for path in directory.rglob("*.tmp*")]
        return found


class Reader:
    """Reads chain and key of each lineage again and again, as a service does that starts at any moment."""

    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._read, daemon=True)
        self.reads = 0
        self.wrong: list[str] = []

    def __enter__(self) -> Reader:
        self._thread.start()
        return self

    def __exit__(self, *_exception: object) -> None:
        self._ending.set()
        self._thread.join()

    def _read(self) -> None:
        seen: set[pathlib.Path] = set()
        while not self._ending.wait(0.003):
            for receiver in self._scene.receivers:
                for name in LINEAGES:
                    self._look(receiver.live / name, name, seen)

    def _look(self, path: pathlib.Path, name: str, seen: set[pathlib.Path]) -> None:
        try:
            directory = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
        except FileNotFoundError:
            if path in seen:
                self.wrong.append(f"{path} is gone")
            return
        try:
            chain, key = (_content(directory, file) for file in ("fullchain.pem", "privkey.pem"))
        except OSError as error:
            self.wrong.append(f"{path}: {error}")
            return
        finally:
            os.close(directory)
        seen.add(path)
        self.reads += 1
        if not any(
            chain == issued.certificate_pem + issued.chain_pem and key == issued.private_key_pem
            for issued in self._scene.issued[name][::-1]
        ):
            self.wrong.append(f"{path} holds a mixed pair")


def _content(directory: int, file: str) -> str:
    descriptor = os.open(file, os.O_RDONLY, dir_fd=directory)
    with os.fdopen(descriptor, encoding="ascii") as stream:
        return stream.read()


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> t.Iterator[Scene]:
    directory = tmp_path_factory.mktemp("kills")
    with ssh_hosts(directory / "hosts", 2) as hosts, contextlib.ExitStack() as life:
        scene = Scene(directory, hosts)
        life.callback(scene.close)
        yield scene


def timed(start: t.Callable[[], Running]) -> float:
    """Seconds from start to end."""
    begin = time.monotonic()
    start().wait()
    return time.monotonic() - begin


def kill_at_random(chance: random.Random, running: t.Sequence[tuple[Running, float]]) -> int:
    """Each at a point of its own. running: with the seconds that it would take. How many were at work still."""
    for process, at in sorted(
        ((process, chance.uniform(0, seconds)) for process, seconds in running), key=lambda x: x[1]
    ):
        time.sleep(max(0.0, process.started + at - time.monotonic()))
        process.kill()
    return sum(process.wait()[0] == -signal.SIGKILL for process, _seconds in running)


def test_a_hundred_kills(scene: Scene) -> None:
    seed = random.randrange(10**6)
    chance = random.Random(seed)
    for name in LINEAGES:
        scene.renew(name)
    push_seconds = timed(scene.start)
    deploy_seconds = max(timed(receiver.start) for receiver in scene.receivers)
    scene.converge("at first")
    killed: collections.Counter[str] = collections.Counter()
    with Reader(scene) as reader:
        while sum(killed.values()) < KILLS:
            for _kill in range(KILLS_IN_A_ROW):
                who = chance.choice(("pusher", "receiver", "both"))
                where = f"seed {seed}, {dict(killed)}, {who}"
                scene.renew(chance.choice(LINEAGES))
                if who == "receiver":
                    scene.push()
                victims = [] if who == "receiver" else [(scene.start(wait=who == "both"), push_seconds)]
                if who != "pusher":
                    victims += [(receiver.start(), deploy_seconds) for receiver in scene.receivers]
                killed[who] += kill_at_random(chance, victims)
                scene.assert_nothing_wrong(where)
            scene.converge(where)
    assert set(killed) == {"pusher", "receiver", "both"}
    assert not reader.wrong, f"seed {seed}: {collections.Counter(reader.wrong)}"
    assert reader.reads > KILLS
