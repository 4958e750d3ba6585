# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""certificate_deploy where somebody else has put lineages before, as plain directories: they are taken over, and no
reader notices."""

from __future__ import annotations

import os
import pathlib
import threading
import typing as t

import pytest
from ansible_collections.certops.rotation.tests.support import hostile
from ansible_collections.certops.rotation.tests.support.fork_server import ModuleServer
from ansible_collections.certops.rotation.tests.support.pki import CertificateAuthority, IssuedCertificate
from ansible_collections.certops.rotation.tests.support.receiver import LoadingService, Receiver, put

A = "a.example.com"


@pytest.fixture(scope="module")
def authority() -> CertificateAuthority:
    return CertificateAuthority("Test Intermediate", parent=CertificateAuthority())


@pytest.fixture
def receiver(modules: ModuleServer, tmp_path: pathlib.Path) -> Receiver:
    return Receiver(modules, tmp_path / "host")


def plain(receiver: Receiver, issued: IssuedCertificate, *, parts: t.Sequence[str] = ("fullchain", "privkey")) -> None:
    """As certdeploy, or somebody with cp, has left it."""
    contents = {
        "cert": issued.certificate_pem,
        "chain": issued.chain_pem,
        "fullchain": issued.certificate_pem + issued.chain_pem,
        "privkey": issued.private_key_pem,
    }
    directory = receiver.live / issued.names[0]
    directory.mkdir(parents=True)
    for part in parts:
        put(directory / f"{part}.pem", contents[part])


@pytest.mark.parametrize("parts", [("fullchain", "privkey"), ("cert", "chain", "fullchain", "privkey")])
def test_what_was_there_is_the_version_before(
    receiver: Receiver, authority: CertificateAuthority, parts: tuple[str, ...]
) -> None:
    old, new = authority.issue(A), authority.issue(A)
    plain(receiver, old, parts=parts)
    put(receiver.live / A / "README", "by certbot")
    receiver.stage(new)
    before = receiver.deploy(check=True).result
    result = receiver.deployed()
    for each in (before, result):
        assert [item["action"] for item in each["lineages"]] == ["updated"], each["lineages"][0].get("message")
    assert receiver.fingerprints() == {A: new.fingerprint_sha256}
    assert (receiver.live / A).is_symlink()
    assert receiver.left_over() == []
    back = receiver.rollback(names=[A])
    assert not back.failed, back.result
    assert back.result["certificates"][0]["fingerprint_sha256"] == old.fingerprint_sha256
    assert (receiver.live / A / "privkey.pem").read_text() == old.private_key_pem
    receiver.stage(new)
    receiver.deployed()
    assert receiver.fingerprint(A) == new.fingerprint_sha256


def test_the_very_same_content(receiver: Receiver, authority: CertificateAuthority) -> None:
    issued = authority.issue(A)
    plain(receiver, issued, parts=("cert", "chain", "fullchain", "privkey"))
    receiver.stage(issued)
    receiver.deployed()
    assert (receiver.live / A).is_symlink()
    assert receiver.fingerprint(A) == issued.fingerprint_sha256
    assert receiver.left_over() == []
    receiver.stage(issued)
    assert receiver.deployed()["changed"] is False


def test_an_empty_directory(receiver: Receiver, authority: CertificateAuthority) -> None:
    (receiver.live / A).mkdir(parents=True)
    issued = authority.issue(A)
    receiver.stage(issued)
    receiver.deployed()
    assert receiver.fingerprint(A) == issued.fingerprint_sha256
    assert receiver.left_over() == []


def test_a_directory_in_place_of_a_link_of_ours(receiver: Receiver, authority: CertificateAuthority) -> None:
    """Somebody has copied by hand over what was deployed."""
    first, by_hand, second = (authority.issue(A) for _each in range(3))
    receiver.stage(first)
    receiver.deployed()
    (receiver.live / A).unlink()
    plain(receiver, by_hand)
    receiver.stage(second)
    receiver.deployed(keep_previous=2)
    assert receiver.fingerprint(A) == second.fingerprint_sha256
    assert receiver.rollback(names=[A]).result["certificates"][0]["fingerprint_sha256"] == by_hand.fingerprint_sha256


@pytest.mark.parametrize("plant", ["link to a file", "FIFO", "directory", "socket"])
def test_other_things_are_left_alone(receiver: Receiver, authority: CertificateAuthority, plant: str) -> None:
    """Such as certbot's own directory, whose files are links, or one with more in it than a lineage has. The upload
    waits until that is put right."""
    victim = hostile.Victim(receiver.root / "victim")
    old, new = authority.issue(A), authority.issue(A)
    plain(receiver, old)
    hostile.PLANTS[plant](receiver.live / A / "cert.pem", victim.path)
    receiver.stage(new)
    run = receiver.deploy()
    assert run.failed
    (item,) = run.result["lineages"]
    assert [(item["action"], each["code"]) for each in item["problems"]] == [("failed", "path_not_ours")]
    assert "cert.pem" in run.result["msg"]
    assert (receiver.live / A / "privkey.pem").read_text() == old.private_key_pem
    assert len(receiver.staged()) == 1
    assert "stays staged" in receiver.receipt(A)["message"]
    victim.assert_untouched()
    hostile.as_root("rm", "-r", str(receiver.live / A / "cert.pem"))
    receiver.deployed()
    assert receiver.fingerprint(A) == new.fingerprint_sha256


def test_a_strange_file_beside_it(receiver: Receiver, authority: CertificateAuthority) -> None:
    """Somebody may need it."""
    plain(receiver, authority.issue(A))
    put(receiver.live / A / "combined.pem", "for haproxy")
    receiver.stage(authority.issue(A))
    assert "combined.pem" in receiver.deploy().result["msg"]
    assert (receiver.live / A / "combined.pem").exists()


def test_a_link_of_somebody_else(receiver: Receiver, authority: CertificateAuthority) -> None:
    (receiver.live).mkdir()
    (receiver.live / A).symlink_to(receiver.root)
    receiver.stage(authority.issue(A))
    run = receiver.deploy()
    assert "no symbolic link of this directory's store" in run.result["msg"]
    assert (receiver.live / A).readlink() == receiver.root


def test_a_wrong_answer_brings_it_back(
    receiver: Receiver, authority: CertificateAuthority, tmp_path: pathlib.Path
) -> None:
    service = LoadingService(tmp_path / "one", receiver.live / A)
    old, new = authority.issue(A), authority.issue(A)
    plain(receiver, old)
    service.load(old)
    service.stuck.touch()
    receiver.stage(new)
    with service.serving() as port:
        run = receiver.deploy(services=[service.definition(port)])
    assert run.result["rolled_back"] == [A]
    assert (receiver.live / A / "privkey.pem").read_text() == old.private_key_pem
    assert receiver.receipt(A)["state"] == "taken_back"


def test_no_reader_finds_nothing(receiver: Receiver, authority: CertificateAuthority) -> None:
    """Each of many directories is taken over while somebody opens it again and again, and goes on in what he opened."""
    names = [f"{number}.example.com" for number in range(20)]
    issued = {name: (authority.issue(name), authority.issue(name)) for name in names}
    for name in names:
        plain(receiver, issued[name][0])
        receiver.stage(issued[name][1])
    over, wrong, reads = threading.Event(), list[str](), [0]

    def read() -> None:
        while not over.is_set():
            for name in names:
                try:
                    descriptor = os.open(receiver.live / name, os.O_RDONLY | os.O_DIRECTORY)
                    try:
                        keys = []
                        for _part in ("fullchain.pem", "privkey.pem"):
                            file = os.open(_part, os.O_RDONLY, dir_fd=descriptor)
                            with os.fdopen(file) as stream:
                                keys.append(stream.read())
                    finally:
                        os.close(descriptor)
                    pairs = [(each.certificate_pem + each.chain_pem, each.private_key_pem) for each in issued[name]]
                    if tuple(keys) not in pairs:
                        wrong.append(f"{name}: mixed")
                except OSError as error:
                    wrong.append(f"{name}: {error}")
                reads[0] += 1

    thread = threading.Thread(target=read)
    thread.start()
    try:
        receiver.deployed()
    finally:
        over.set()
        thread.join()
    assert wrong == []
    assert reads[0] > len(names)
    assert receiver.fingerprints() == {name: issued[name][1].fingerprint_sha256 for name in names}
