# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""certificate_sync under SIGKILL, on a full disk, beside readers and beside itself: nothing is ever seen by half."""

from __future__ import annotations

import fcntl
import json
import os
import pathlib
import random
import threading
import time
import typing as t

import pytest
from ansible_collections.certops.rotation.tests.support import disk, pki
from ansible_collections.certops.rotation.tests.support.fork_server import ModuleServer
from ansible_collections.certops.rotation.tests.support.moto import MotoServer
from ansible_collections.certops.rotation.tests.support.pki import CertificateAuthority
from ansible_collections.certops.rotation.tests.support.sync import SyncTarget, actions, assert_loadable, problem_codes

NAMES = [f"kill/{index}" for index in range(5)]
LINEAGE_PARTS = ("fullchain.pem", "privkey.pem")


def renew(aws: MotoServer, authority: CertificateAuthority, names: t.Iterable[str]) -> dict[str, str]:
    """New versions for these secrets. Returns stem -> fingerprint."""
    fingerprints = {}
    for name in names:
        certificate = authority.issue([f"{name.replace('/', '-')}.example.com"])
        aws.put_secret(name, certificate.secret_document())
        fingerprints[name.replace("/", "_")] = certificate.fingerprint_sha256
    return fingerprints


def assert_nothing_torn(target: SyncTarget, layout: str) -> dict[str, str]:
    """Every live certificate is whole and readable by its owner alone. Returns stem -> fingerprint."""
    found = {}
    for path in target.path.iterdir() if target.path.exists() else ():
        if path.name.startswith("."):
            continue
        content = (
            path.read_bytes() if layout == "haproxy" else b"".join((path / part).read_bytes() for part in LINEAGE_PARTS)
        )
        found[path.name.removesuffix(".pem")] = assert_loadable(content)
    for path in target.path.rglob("*"):
        if path.is_file():
            assert path.stat().st_mode & 0o077 == 0, f"{path} can be read by others"
    return found


@pytest.mark.parametrize("layout", ["haproxy", "lineage"])
def test_killed_at_any_moment(
    aws: MotoServer, modules: ModuleServer, tmp_path: pathlib.Path, intermediate: CertificateAuthority, layout: str
) -> None:
    """Fifty runs for each layout, killed at moments spread over the whole of a run's real duration."""
    target = SyncTarget(modules, aws.env, tmp_path / "certs")
    arguments = target.arguments(name_prefix="kill/", layout=layout)
    durations = []
    for _measurement in range(3):
        current = renew(aws, intermediate, NAMES)
        running = modules.start("certificate_sync", arguments, env=aws.env)
        assert running.wait()[0] == 0
        durations.append(time.monotonic() - running.started)
    rounds, killed, previous = 50, 0, current
    for number in range(rounds):
        current = renew(aws, intermediate, NAMES)
        running = modules.start("certificate_sync", arguments, env=aws.env)
        moment = (number + random.random()) / rounds * min(durations) * 1.1
        time.sleep(max(0.0, moment - (time.monotonic() - running.started)))
        running.kill()
        was_killed = running.wait()[0] != 0
        killed += was_killed
        if not was_killed:  # the machine is less busy by now
            durations.append(moment / 1.1)
        for stem, fingerprint in assert_nothing_torn(target, layout).items():
            assert fingerprint in (previous[stem], current[stem])
        run = target.sync(name_prefix="kill/", layout=layout)
        assert not run.failed, run.result
        assert assert_nothing_torn(target, layout) == current, f"not converged after a kill at {moment:.3f} s"
        assert target.temporaries() == []
        versions = list((target.path / ".certops" / "versions").iterdir())
        assert len(versions) <= 2 * len(NAMES), "versions are left behind"
        previous = current
    assert killed > rounds // 2, f"only {killed} runs were killed before they ended"
    assert target.sync(name_prefix="kill/", layout=layout).result["changed"] is False


@pytest.mark.parametrize("layout", ["haproxy", "lineage"])
def test_full_disk(
    aws: MotoServer, modules: ModuleServer, tmp_path: pathlib.Path, intermediate: CertificateAuthority, layout: str
) -> None:
    with disk.tiny_file_system(tmp_path) as mount:
        target = SyncTarget(modules, aws.env, mount / "certs")
        arguments = {"name_prefix": "kill/", "layout": layout}
        renew(aws, intermediate, NAMES)
        target.sync(**arguments)
        old = target.live_files()
        ballast = disk.fill(mount)
        current = renew(aws, intermediate, NAMES)
        run = target.sync(**arguments)
        assert run.failed
        assert problem_codes(run) == {name: ["write_failed"] for name in NAMES}
        assert set(actions(run).values()) == {"failed"}, "nothing is wrong with the content"
        assert run.result["failures_by_cause"]["host"] == run.result["failures"]
        for name in NAMES:
            assert f"{name}: Cannot write certificate {name}" in run.result["msg"]
        assert "No space left on device" in run.result["msg"]
        assert "Free space" in run.result["msg"]
        assert target.live_files() == old
        assert target.temporaries() == []
        ballast.unlink()
        again = target.sync(**arguments)
        assert set(actions(again).values()) == {"updated"}, again.result.get("msg")
        assert assert_nothing_torn(target, layout) == current


def test_reader_never_sees_two_versions_mixed(
    aws: MotoServer, target: SyncTarget, intermediate: CertificateAuthority
) -> None:
    """A reader that opens a lineage's directory once reads four files of one version, whatever happens meanwhile."""
    renew(aws, intermediate, NAMES)
    target.sync(name_prefix="kill/", layout="lineage")
    stop, mixed, reads = threading.Event(), [], [0]

    def read_all_the_time() -> None:
        while not stop.is_set():
            for name in NAMES:
                directory = os.open(target.path / name.replace("/", "_"), os.O_RDONLY | os.O_DIRECTORY)
                try:
                    parts = [_read_at(directory, part) for part in LINEAGE_PARTS]
                finally:
                    os.close(directory)
                reads[0] += 1
                try:
                    assert_loadable(b"".join(parts))
                except (AssertionError, ValueError) as error:
                    mixed.append(str(error))

    reader = threading.Thread(target=read_all_the_time)
    reader.start()
    try:
        for _renewal in range(6):
            renew(aws, intermediate, NAMES)
            assert target.sync(name_prefix="kill/", layout="lineage", keep_previous=3).result["changed"] is True
    finally:
        stop.set()
        reader.join()
    assert mixed == []
    assert reads[0] > 100


def _read_at(directory: int, name: str) -> bytes:
    descriptor = os.open(name, os.O_RDONLY, dir_fd=directory)
    try:
        return os.read(descriptor, 1 << 20)
    finally:
        os.close(descriptor)


def test_lineage_stays_readable_while_a_lost_manifest_is_rebuilt(
    aws: MotoServer, target: SyncTarget, intermediate: CertificateAuthority
) -> None:
    renew(aws, intermediate, NAMES)
    target.sync(name_prefix="kill/", layout="lineage")
    before = target.snapshot()
    inodes = {path: path.stat().st_ino for path in target.path.glob("*/*.pem")}
    (target.path / ".certops" / "manifest.json").write_text("{")
    run = target.sync_four_times(name_prefix="kill/", layout="lineage")[1]
    assert set(actions(run).values()) == {"unchanged"}
    assert {path: path.stat().st_ino for path in target.path.glob("*/*.pem")} == inodes
    after = target.snapshot()
    manifests = [json.loads(snapshot.pop(".certops/manifest.json")[3]) for snapshot in (before, after)]
    assert after == before
    # What has been there before may have been served, which the lost manifest did not tell.
    assert {entry.pop("replaced") for entry in manifests[1]["certificates"]} == {True}
    assert {entry.pop("replaced") for entry in manifests[0]["certificates"]} == {False}
    assert manifests[0] == manifests[1]


def test_two_runs_at_once(aws: MotoServer, target: SyncTarget, intermediate: CertificateAuthority) -> None:
    """On a directory that does not exist yet, too."""
    current = renew(aws, intermediate, NAMES)
    other = ModuleServer()
    try:
        for _attempt in range(3):
            running = other.start("certificate_sync", target.arguments(name_prefix="kill/"), env=target.env)
            run = target.sync(name_prefix="kill/")
            assert running.wait()[0] == 0
            assert not run.failed, run.result
            assert assert_nothing_torn(target, "haproxy") == current
            current = renew(aws, intermediate, NAMES)
            target.path.rename(target.path.with_name(f"done-{_attempt}"))
    finally:
        other.close()


def test_lock_that_is_held_too_long(aws: MotoServer, target: SyncTarget, intermediate: CertificateAuthority) -> None:
    renew(aws, intermediate, NAMES)
    target.sync(name_prefix="kill/")
    with (target.path / ".certops" / "lock").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        started = time.monotonic()
        for module, arguments in {
            "certificate_sync": {"name_prefix": "kill/"},
            "certificate_rollback": {},
            "rotation_record": {"outcome": "proven"},
        }.items():
            run = target.module(module, lock_timeout="1s", **arguments)
            assert run.failed
            assert "did not finish within 1 s" in run.result["msg"]
            assert "raise lock_timeout" in run.result["msg"]
        assert time.monotonic() - started < 30
    assert not target.sync(name_prefix="kill/", lock_timeout="1s").failed, "a lock file without its holder is no lock"


def test_directories_that_cannot_be_used(
    aws: MotoServer, target: SyncTarget, intermediate: CertificateAuthority, tmp_path: pathlib.Path
) -> None:
    renew(aws, intermediate, NAMES)
    file = tmp_path / "file"
    file.write_text("not a directory")
    for path, message in {
        str(tmp_path / "missing" / "certs"): "No such file or directory",
        str(file): "Not a directory",
        str(file / "certs"): "Not a directory",
        "/proc/certs": "Cannot make the directory /proc/certs",
    }.items():
        run = target.sync(name_prefix="kill/", path=path)
        assert run.failed
        assert message in run.result["msg"]
    assert file.read_text() == "not a directory"


def test_five_thousand_certificates(
    aws: MotoServer, modules: ModuleServer, tmp_path: pathlib.Path, intermediate: CertificateAuthority
) -> None:
    certificate = intermediate.issue(["shared.example.com"], key=pki.shared_key())
    document = certificate.secret_string()
    client = aws.client()
    for index in range(5000):
        client.create_secret(Name=f"bulk/{index:04}", SecretString=document)
    target = SyncTarget(modules, aws.env, tmp_path / "certs")
    running = modules.start("certificate_sync", target.arguments(name_prefix="bulk/"), env=aws.env)
    status, peak_kib = running.wait()
    assert status == 0
    assert peak_kib < 400 * 1024
    assert len(target.live_files()) == 5000
    again = target.sync(name_prefix="bulk/")
    assert again.result["changed"] is False
    assert again.result["api_calls"] == {"ListSecrets": 50}
