# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Deployments that are killed or asked to end at every stage, and what the next one makes of it; readers meanwhile."""

from __future__ import annotations

import collections
import contextlib
import pathlib
import threading
import time
import typing as t

import pytest
from ansible_collections.certops.rotation.tests.support import disk, pki
from ansible_collections.certops.rotation.tests.support.fork_server import ModuleServer
from ansible_collections.certops.rotation.tests.support.interrupted_host import spread
from ansible_collections.certops.rotation.tests.support.interruption import InterruptedRun, Interruptions, Place
from ansible_collections.certops.rotation.tests.support.pki import CertificateAuthority, IssuedCertificate
from ansible_collections.certops.rotation.tests.support.receiver import LoadingService, Receiver, lineage_files, put

A, B = "a.example.com", "b.example.com"
#: How often each test kills one.
KILLS = {"renewals": 24, "first": 10, "plain": 10, "wrong": 18}


@pytest.fixture(scope="module")
def authority() -> CertificateAuthority:
    return CertificateAuthority("Test Intermediate", parent=CertificateAuthority())


@pytest.fixture(scope="module")
def interruptions() -> t.Iterator[Interruptions]:
    made = Interruptions("certificate_deploy")
    yield made
    made.close()


class Host:
    """A receiver whose deployments are interrupted. A service loads what it is told of: see LoadingService."""

    def __init__(self, modules: ModuleServer, interruptions: Interruptions, root: pathlib.Path) -> None:
        self.receiver = Receiver(modules, root / "host", settle="0")
        self.service = LoadingService(root / "one", self.receiver.live / A)
        self.receiver.args["services"] = [self.service.definition()]
        self.hit: collections.Counter[str] = collections.Counter()
        self.issued: dict[str, IssuedCertificate] = {}
        self.before: dict[str, IssuedCertificate] = {}
        self._interruptions = interruptions

    def stage(self, *issued: IssuedCertificate, named: bool = True) -> None:
        for each in issued:
            name = each.names[0]
            self.receiver.stage(each, named=named)
            if name in self.issued:
                self.before[name] = self.issued[name]
            self.issued[name] = each

    def run(self, *signals: str, at: t.Collection[Place] = ()) -> InterruptedRun:
        return self._interruptions.run(self.receiver.args, {}, signals=signals, places=at)

    def kill(self, place: Place) -> None:
        run = self.run("SIGKILL", at=[place])
        if run.signalled:
            assert run.returncode == -9
            self.hit.update(point.stage for point in run.signalled)

    def assert_nothing_is_lost(self) -> None:
        """Whenever: what is live is an old or a new one, whole; and a new one that is not live is still staged."""
        staged = " ".join(self.receiver.staged())
        for name, issued in self.issued.items():
            live = self.receiver.fingerprints().get(name)
            known = {one[name].fingerprint_sha256 for one in (self.issued, self.before) if name in one}
            assert live in known or (live is None and name not in self.before)
            if live != issued.fingerprint_sha256:
                assert name in staged or ".taken-" in staged

    def assert_the_next_run_converges(self) -> None:
        result = self.receiver.deployed()
        receiver = self.receiver
        assert receiver.fingerprints() == {name: one.fingerprint_sha256 for name, one in self.issued.items()}, result
        assert self.service.loaded == self.issued[A].fingerprint_sha256
        for name, issued in self.issued.items():
            receipt = receiver.receipt(name)
            assert (receipt["state"], receipt["fingerprint_sha256"]) == ("deployed", issued.fingerprint_sha256)
        assert receiver.staged() == []
        assert receiver.left_over() == []
        left = receiver.unfinished()
        assert not left.get("pending")
        assert not left.get("receipts")
        told = len(self.service.told)
        assert receiver.deployed()["changed"] is False
        assert len(self.service.told) == told
        self.before = dict(self.issued)


@pytest.fixture
def host(modules: ModuleServer, interruptions: Interruptions, tmp_path: pathlib.Path) -> Host:
    return Host(modules, interruptions, tmp_path)


def test_killed_at_renewals(host: Host, authority: CertificateAuthority) -> None:
    def stir() -> None:
        host.stage(authority.issue(A), authority.issue(B))

    for _turn in range(2):
        stir()
        host.assert_the_next_run_converges()
    stir()
    places = spread(host.run().points, KILLS["renewals"])
    for place in places:
        stir()
        host.kill(place)
        host.assert_nothing_is_lost()
        host.assert_the_next_run_converges()
    assert {"write", "activate", "record"} <= set(host.hit)
    assert host.hit.total() >= KILLS["renewals"] - 2


def test_killed_at_the_first_deployment(
    modules: ModuleServer, interruptions: Interruptions, authority: CertificateAuthority, tmp_path: pathlib.Path
) -> None:
    """Each time another host."""
    first = Host(modules, interruptions, tmp_path / "first")
    first.stage(authority.issue(A))
    for number, place in enumerate(spread(first.run().points, KILLS["first"])):
        host = Host(modules, interruptions, tmp_path / str(number))
        host.stage(authority.issue(A), named=bool(number % 2))
        host.kill(place)
        host.assert_nothing_is_lost()
        host.assert_the_next_run_converges()


def test_killed_while_a_plain_directory_is_taken_over(
    modules: ModuleServer, interruptions: Interruptions, authority: CertificateAuthority, tmp_path: pathlib.Path
) -> None:
    """What was there before can be gone back to, whenever it was killed."""

    def made(name: str) -> tuple[Host, IssuedCertificate]:
        host, old = Host(modules, interruptions, tmp_path / name), authority.issue(A)
        directory = host.receiver.live / A
        directory.mkdir(parents=True)
        put(directory / "fullchain.pem", old.certificate_pem + old.chain_pem)
        put(directory / "privkey.pem", old.private_key_pem)
        host.stage(authority.issue(A))
        return host, old

    first, _old = made("first")
    for number, place in enumerate(spread(first.run().points, KILLS["plain"], {"write", "opened", "end"})):
        host, old = made(str(number))
        host.kill(place)
        assert (host.receiver.live / A / "privkey.pem").exists()
        host.assert_the_next_run_converges()
        back = host.receiver.rollback(names=[A]).result["certificates"]
        assert [one["fingerprint_sha256"] for one in back] == [old.fingerprint_sha256]


def test_killed_on_the_way_back(host: Host, authority: CertificateAuthority) -> None:
    """The service goes on with the old one: that is live again in the end, and the pusher knows."""
    host.stage(authority.issue(A))
    host.assert_the_next_run_converges()
    old = host.issued[A]
    host.service.stuck.touch()
    with host.service.serving() as port:
        host.receiver.args["services"] = [host.service.definition(port, prove_within=0.1)]
        new = authority.issue(A)
        host.receiver.stage(new)
        places = spread(host.run().points, KILLS["wrong"], {"write", "activate", "go_back", "record", "end"})
        for place in places:
            new = authority.issue(A)
            host.receiver.stage(new)
            host.kill(place)
            live = host.receiver.fingerprint(A)
            assert live in (old.fingerprint_sha256, new.fingerprint_sha256)
            host.receiver.deploy()
            assert host.receiver.fingerprint(A) == old.fingerprint_sha256
            receipt = host.receiver.receipt(A)
            assert (receipt["state"], receipt["fingerprint_sha256"]) == ("taken_back", new.fingerprint_sha256)
            assert host.receiver.staged() == []
            assert host.receiver.left_over() == []
            assert host.service.loaded == old.fingerprint_sha256
            told = len(host.service.told)
            assert host.receiver.deployed()["changed"] is False
            assert len(host.service.told) == told
    assert {"activate", "go_back", "record"} <= set(host.hit)


@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP", "SIGINT"])
def test_asked_to_end(host: Host, authority: CertificateAuthority, name: str) -> None:
    """Before its first change it ends at once; from then on it goes on to its end."""
    for _turn in range(2):
        host.stage(authority.issue(A))
        host.assert_the_next_run_converges()
    host.stage(authority.issue(A))
    points = host.run().points
    ended = collections.Counter[bool]()
    for place in spread(points, 6):
        host.stage(authority.issue(A))
        run = host.run(name, at=[place])
        if run.returncode == 0:
            went_on = host.receiver.fingerprint(A) == host.issued[A].fingerprint_sha256
            assert went_on, run.output
            assert f"{name} came while" in run.output or place.stage == "end"
            assert host.receiver.staged() == []
        else:
            assert f"{name} came before anything was changed" in run.output or place.stage in ("begin", "end")
            if place.stage != "end":
                assert host.receiver.fingerprint(A) == host.before[A].fingerprint_sha256
        ended[run.returncode == 0] += 1
        host.assert_the_next_run_converges()
    assert ended[True]
    assert ended[False]


# Readers


def test_readers_never_see_two_versions_mixed(host: Host, authority: CertificateAuthority) -> None:
    """Two hundred deployments, of which some are killed, while somebody resolves the lineage once and reads, again and
    again."""
    pairs = [[authority.issue(name) for name in (A, B)] for _number in range(4)]
    files = {
        (each.certificate_pem, each.chain_pem, each.certificate_pem + each.chain_pem, each.private_key_pem)
        for pair in pairs
        for each in pair
    }
    host.receiver.args.update(services=[], keep_previous=4, allow_changes=["all"])
    host.stage(*pairs[0])
    places = spread(host.run().points, 40, {"write", "opened", "record"})
    over, wrong, seen = threading.Event(), list[str](), set[tuple[str, ...]]()

    def read() -> None:
        while not over.is_set():
            for name in (A, B):
                try:
                    seen.add(lineage_files(host.receiver.live / name))
                except OSError as error:
                    wrong.append(f"{name}: {error!r}")
            time.sleep(0.0005)

    reader = threading.Thread(target=read)
    reader.start()
    killed = 0
    try:
        for turn in range(200):
            for issued in pairs[turn % len(pairs)]:
                with contextlib.suppress(OSError):  # what a killed one has left is of the same name
                    host.receiver.stage(issued)
            if turn % 5 == 4:
                killed += host.run("SIGKILL", at=[places[turn // 5]]).returncode == -9
            else:
                host.receiver.deploy_here(now=pki.now())
    finally:
        over.set()
        reader.join()
    assert wrong == []
    assert seen == files
    assert killed > 30


def test_two_at_once(host: Host, modules: ModuleServer, authority: CertificateAuthority) -> None:
    """The second waits for the first, and finds nothing left to do."""
    host.service.program.write_text(host.service.program.read_text() + "sleep 1\n")
    host.stage(authority.issue(A))
    other = ModuleServer()
    try:
        running = other.start("certificate_deploy", host.receiver.args)
        lock = host.receiver.live / ".certops" / "deployment.lock"
        end = time.monotonic() + 30
        while not (lock.exists() and host.service.told):
            assert time.monotonic() < end
            time.sleep(0.02)
        result = host.receiver.deployed()
        assert (result["changed"], result["lineages"]) == (False, [])
        assert running.wait()[0] == 0
    finally:
        other.close()
    impatient = host.receiver.deploy(lock_timeout="0s")
    assert not impatient.failed
    assert host.service.told == [A]


# Full disks


def test_a_full_disk_for_what_is_live(host: Host, authority: CertificateAuthority) -> None:
    receiver = host.receiver
    receiver.live.mkdir()
    with disk.tiny_file_system(receiver.live) as mount:
        host.stage(authority.issue(A), authority.issue(B))
        host.assert_the_next_run_converges()
        ballast = disk.fill(mount)
        old = receiver.fingerprints()
        host.stage(authority.issue(A), authority.issue(B))
        told = len(host.service.told)
        run = receiver.deploy()
        assert run.failed
        assert "No space left on device" in run.result["msg"]
        assert {item["action"] for item in run.result["lineages"]} == {"failed"}
        assert run.result["failures_by_cause"]["content"] == []
        assert receiver.fingerprints() == old
        assert len(host.service.told) == told
        assert len(receiver.staged()) == 2
        assert "stays staged" in receiver.receipt(A)["message"]
        ballast.unlink()
        host.assert_the_next_run_converges()


def test_a_full_disk_for_receipts(host: Host, authority: CertificateAuthority) -> None:
    """It is live and served; the pusher learns it when there is room again."""
    receiver = host.receiver
    receiver.receipts.mkdir(mode=0o755)
    with disk.tiny_file_system(receiver.receipts) as mount:
        receiver.receipts.chmod(0o755)
        ballast = disk.fill(mount)
        host.stage(authority.issue(A))
        run = receiver.deploy()
        assert run.failed
        assert "Cannot write receipts" in run.result["msg"]
        assert receiver.fingerprint(A) == host.service.loaded == host.issued[A].fingerprint_sha256
        ballast.unlink()
        host.assert_the_next_run_converges()
        assert host.service.told == [A]


def test_a_full_disk_for_what_is_staged(host: Host, authority: CertificateAuthority) -> None:
    """That it is emptied needs no room."""
    with disk.tiny_file_system(host.receiver.staging) as mount:
        host.stage(authority.issue(A))
        ballast = disk.fill(mount)
        host.receiver.deployed()
        assert host.receiver.staged() == ["ballast"]
        ballast.unlink()
