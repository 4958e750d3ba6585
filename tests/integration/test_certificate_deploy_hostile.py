# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""certificate_deploy and whoever may write in the staging directory: he harms nothing but his own uploads."""

from __future__ import annotations

import os
import pathlib
import shutil
import tempfile
import threading
import typing as t

import pytest
from ansible_collections.certops.rotation.plugins.module_utils._ports.staging import receipts
from ansible_collections.certops.rotation.tests.support import disk, hostile, pki
from ansible_collections.certops.rotation.tests.support.fork_server import ModuleServer
from ansible_collections.certops.rotation.tests.support.pki import CertificateAuthority
from ansible_collections.certops.rotation.tests.support.receiver import Receiver, put

BAD = "bad.example.com"


@pytest.fixture(scope="module")
def authority() -> CertificateAuthority:
    return CertificateAuthority("Test Intermediate", parent=CertificateAuthority())


@pytest.fixture
def receiver(modules: ModuleServer, tmp_path: pathlib.Path) -> Receiver:
    return Receiver(modules, tmp_path / "host")


@pytest.fixture
def victim(tmp_path: pathlib.Path) -> pathlib.Path:
    directory = tmp_path / "victim"
    directory.mkdir()
    put(directory / "file", "precious")
    return directory


def contents(directory: pathlib.Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in directory.rglob("*") if path.is_file()}


@pytest.mark.parametrize(("lineages", "uploads"), [(1, 300), (80, 1)])
def test_many_uploads(receiver: Receiver, authority: CertificateAuthority, lineages: int, uploads: int) -> None:
    """As large as they may be, and of no blocks on the disk. They cost a run neither memory nor time, and are gone."""
    for number in range(lineages * uploads):
        directory = receiver.staging / f"{BAD}{number % lineages}@{number:064x}"
        directory.mkdir()
        for part in ("cert", "chain", "fullchain", "privkey"):
            with (directory / f"{part}.pem").open("wb") as stream:
                stream.truncate(1 << 18)
    good = authority.issue("good.example.com")
    receiver.stage(good)
    status, memory = receiver.modules.start("certificate_deploy", receiver.args).wait()
    assert status == 1
    assert memory < 128 << 10, "KiB"
    assert receiver.fingerprints() == {"good.example.com": good.fingerprint_sha256}
    assert receiver.staged() == []
    assert receiver.receipt(f"{BAD}0")["state"] == "refused"


@pytest.mark.parametrize("plant", hostile.PLANTS)
@pytest.mark.parametrize("place", ["lineage", "privkey.pem", "cert.pem", "plain", "upload"])
def test_what_is_no_upload(
    receiver: Receiver, authority: CertificateAuthority, victim: pathlib.Path, plant: str, place: str
) -> None:
    """Nothing is followed, waited for or filled; the others go on, and what was planted is gone."""
    good, bad = authority.issue("good.example.com"), authority.issue(BAD)
    receiver.stage(good)
    directory = receiver.stage(bad)
    target = {
        "lineage": directory,
        "plain": directory.with_name(BAD),
        "upload": directory.with_name(".upload-1"),
    }.get(place, directory / place)
    if place in ("lineage", "plain", "upload"):
        shutil.rmtree(directory)
    elif target.exists():
        target.unlink()
    hostile.PLANTS[plant](target, victim)
    before = contents(victim)
    is_no_upload = place == "upload" or (place == "plain" and plant != "directory")
    run = receiver.deploy(settle="0")
    assert run.failed is not is_no_upload, run.result
    assert receiver.fingerprints() == {"good.example.com": good.fingerprint_sha256}
    assert contents(victim) == before
    if is_no_upload:
        assert receiver.staged() == [target.name]
        return
    assert receiver.staged() == []
    assert receiver.receipt(BAD)["state"] == "refused"
    assert "upload cannot be used" in receiver.receipt(BAD)["message"]
    assert not receiver.deploy().failed


def test_a_file_of_ten_gigabytes(receiver: Receiver, authority: CertificateAuthority) -> None:
    directory = receiver.stage(authority.issue(BAD))
    os.truncate(directory / "fullchain.pem", 10 << 30)
    run = receiver.deploy()
    assert "it has more than" in run.result["msg"]
    assert receiver.staged() == []


def test_a_hundred_thousand_entries(modules: ModuleServer, authority: CertificateAuthority) -> None:
    with tempfile.TemporaryDirectory(dir="/dev/shm") as in_memory:
        receiver = Receiver(modules, pathlib.Path(in_memory))
        receiver.stage(authority.issue("good.example.com"))
        directory = receiver.stage(authority.issue(BAD))
        for place, count in ((receiver.staging, 100_000), (directory, 1_000)):
            descriptor = os.open(place, os.O_RDONLY)
            for number in range(count):
                os.mknod(f"!{number}", dir_fd=descriptor)
            os.close(descriptor)
        result = receiver.deployed()
        assert set(receiver.fingerprints()) == {"good.example.com", BAD}
        (warning,) = [text for text in map(str, result["warnings"]) if "no lineage" in text]
        assert len(warning) < 1000
        assert not [name for name in receiver.staged() if not name.startswith("!")]


@pytest.mark.parametrize(
    "name",
    ["a\nb.example.com", "-rf", "a b", "\x1b[2Jx", "a@b", "a@" + "0" * 63, "@" + "0" * 64, "%s", "x" * 255, "é"],
)
def test_names_that_no_lineage_has(receiver: Receiver, authority: CertificateAuthority, name: str) -> None:
    """They stay, and are told of, without what a terminal obeys."""
    good = authority.issue("good.example.com")
    receiver.stage(good)
    receiver.stage(authority.issue(BAD)).rename(receiver.staging / name)
    result = receiver.deployed()
    assert receiver.fingerprints() == {"good.example.com": good.fingerprint_sha256}
    (warning,) = [text for text in map(str, result["warnings"]) if "no lineage" in text]
    assert "\x1b" not in warning
    assert receiver.staged() == [name]


def test_some_refused_names_are_remembered_and_not_all(
    receiver: Receiver, authority: CertificateAuthority, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(receipts, "_MOST_REFUSED", 10)
    receiver.stage(authority.issue("good.example.com"))
    receiver.deployed()
    for number in range(30):
        (receiver.staging / f"{number}.example.com@{0:064x}").mkdir()
    assert len(receiver.deploy_here(now=pki.now())["failures"]) == 30
    assert len(list(receiver.receipts.iterdir())) == 11
    assert receiver.receipt("good.example.com")["state"] == "deployed"
    assert receiver.staged() == []


def test_a_name_in_another_encoding(receiver: Receiver, authority: CertificateAuthority) -> None:
    (receiver.staging / os.fsdecode(b"\xff\xfe")).mkdir()
    receiver.stage(authority.issue("good.example.com"))
    assert "no lineage" in str(receiver.deployed()["warnings"])


def test_a_tree_of_any_depth_is_removed(receiver: Receiver, authority: CertificateAuthority) -> None:
    directory = receiver.stage(authority.issue(BAD))
    (directory / "privkey.pem").unlink()
    descriptor = os.open(directory, os.O_RDONLY)
    for _level in range(3000):
        os.mkdir("d", dir_fd=descriptor)
        os.mknod("f", dir_fd=descriptor)
        below = os.open("d", os.O_RDONLY, dir_fd=descriptor)
        os.close(descriptor)
        descriptor = below
    os.close(descriptor)
    assert receiver.deploy().failed
    assert receiver.staged() == []


def test_who_renames_meanwhile(receiver: Receiver, authority: CertificateAuthority, victim: pathlib.Path) -> None:
    """He exchanges files, links and directories as fast as he can while lineages are deployed: what is live is always
    one certificate with its key, and of those that he had."""
    good, other = authority.issue("a.example.com"), authority.issue("a.example.com")
    secret = authority.issue("secret.example.com")
    for part, content in (
        ("fullchain", secret.certificate_pem + secret.chain_pem),
        ("privkey", secret.private_key_pem),
    ):
        put(victim / f"{part}.pem", content)
    before, over = contents(victim), threading.Event()
    place = receiver.staging / "a.example.com"

    def disturb() -> None:
        while not over.is_set():
            try:
                shutil.rmtree(receiver.staging / "x", ignore_errors=True)
                for issued in (good, other):
                    directory = receiver.staging / "x"
                    directory.mkdir()
                    put(directory / "privkey.pem", issued.private_key_pem)
                    put(directory / "fullchain.pem", issued.certificate_pem + issued.chain_pem)
                    directory.rename(place)
                    (place / "privkey.pem").unlink()
                    (place / "privkey.pem").symlink_to(victim / "privkey.pem")
                    place.rename(receiver.staging / "y")
                    place.symlink_to(victim)
                    place.unlink()
                    (receiver.staging / "y").rename(receiver.staging / "z")
                    shutil.rmtree(receiver.staging / "z")
            except OSError:
                shutil.rmtree(receiver.staging / "y", ignore_errors=True)
                shutil.rmtree(receiver.staging / "z", ignore_errors=True)

    thread = threading.Thread(target=disturb)
    thread.start()
    try:
        for _turn in range(40):
            receiver.deploy(settle="0", allow_changes=["all"])
            assert set(receiver.fingerprints().values()) <= {good.fingerprint_sha256, other.fingerprint_sha256}
    finally:
        over.set()
        thread.join()
    assert contents(victim) == before
    receiver.stage(good)
    receiver.deploy(settle="0", allow_changes=["all"])
    assert receiver.fingerprint("a.example.com") == good.fingerprint_sha256


def test_what_has_changed_since_it_was_read_stays(receiver: Receiver, authority: CertificateAuthority) -> None:
    """A newer upload over the one that is being deployed is not lost: the next run takes it."""
    first, second = authority.issue("a.example.com"), authority.issue("a.example.com")
    directory = receiver.stage(first, named=False)
    script = receiver.root / "upload"
    put(script, f"#!/bin/sh\ncp {receiver.root}/new/* {directory}/\n")
    script.chmod(0o700)
    (receiver.root / "new").mkdir()
    put(receiver.root / "new" / "privkey.pem", second.private_key_pem)
    put(receiver.root / "new" / "fullchain.pem", second.certificate_pem + second.chain_pem)
    service: dict[str, t.Any] = {"type": "script", "name": str(script)}
    receiver.deployed(services=[service])
    assert receiver.fingerprint("a.example.com") == first.fingerprint_sha256
    assert receiver.staged() == ["a.example.com"]
    receiver.deployed()
    assert receiver.fingerprint("a.example.com") == second.fingerprint_sha256
    assert receiver.staged() == []


@pytest.mark.parametrize("name", ["receipts", "live"])
def test_where_others_may_write_nothing_is_written(
    receiver: Receiver, authority: CertificateAuthority, name: str
) -> None:
    """And the upload waits until that is put right."""
    place = receiver.root / name
    place.mkdir()
    place.chmod(0o777)
    receiver.stage(authority.issue("a.example.com"))
    run = receiver.deploy()
    assert run.failed
    assert f"chmod go-w {place}" in run.result["msg"]
    assert list(place.iterdir()) == []
    assert len(receiver.staged()) == 1
    place.chmod(0o755)
    receiver.deployed()
    assert receiver.receipt("a.example.com")["state"] == "deployed"
    assert receiver.staged() == []


def test_staging_of_somebody_else_on_another_file_system(receiver: Receiver, authority: CertificateAuthority) -> None:
    issued = authority.issue("a.example.com")
    with disk.tiny_file_system(receiver.staging):
        receiver.stage(issued)
        hostile.as_root("chown", "-R", str(hostile.NOBODY), str(receiver.staging))
        run = hostile.run_module_as_root(receiver.modules, "certificate_deploy", receiver.args)
        assert not run.failed, run.result
        assert hostile.as_root("ls", "-A", str(receiver.staging)) == ""
        assert hostile.as_root("ls", str(receiver.live)) == "a.example.com\n"


def test_a_file_that_somebody_else_owns(receiver: Receiver, authority: CertificateAuthority) -> None:
    """Such as another user's key, of which a second name was made."""
    directory = receiver.stage(authority.issue(BAD))
    hostile.as_root("chown", str(hostile.NOBODY), str(directory / "privkey.pem"))
    run = hostile.run_module_as_root(receiver.modules, "certificate_deploy", receiver.args)
    assert run.failed
    assert "another user's" in run.result["msg"]
