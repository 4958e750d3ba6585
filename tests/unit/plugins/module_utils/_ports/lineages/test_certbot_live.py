# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os
import pathlib
import threading
import time
import typing as t

import pytest
from ansible_collections.certops.rotation.plugins.module_utils._errors import LineageError
from ansible_collections.certops.rotation.plugins.module_utils._ports.lineages import certbot_live
from ansible_collections.certops.rotation.plugins.module_utils._ports.lineages.certbot_live import CertbotLive
from ansible_collections.certops.rotation.tests.support.lineages import PARTS, CertbotSteps, contents, plain_lineage
from ansible_collections.certops.rotation.tests.support.pki import CertificateAuthority

INTERMEDIATE = CertificateAuthority("Test Intermediate", parent=CertificateAuthority())


@pytest.fixture
def certbot(tmp_path: pathlib.Path) -> CertbotSteps:
    return CertbotSteps(tmp_path / "letsencrypt")


def reader(certbot: CertbotSteps, patience: float = 0.1) -> CertbotLive:
    return CertbotLive(str(certbot.live), patience=patience)


def test_the_current_issue_is_read(certbot: CertbotSteps) -> None:
    certbot.issue("example.com", INTERMEDIATE.issue("example.com"))
    issued = INTERMEDIATE.issue(["example.com", "www.example.com"])
    assert certbot.issue("example.com", issued) == 2
    found = reader(certbot).read("example.com")
    assert (found.number, found.fingerprint_sha256) == (2, issued.fingerprint_sha256)
    assert found.parts == contents(issued)
    assert found.domains == ("example.com", "www.example.com")


def test_what_is_no_lineage_is_left_out(certbot: CertbotSteps) -> None:
    certbot.issue("example.com", INTERMEDIATE.issue("example.com"))
    certbot.issue("example.com-0001", INTERMEDIATE.issue("example.com"))
    (certbot.live / "empty").mkdir()
    (certbot.live / ".hidden").mkdir()
    assert reader(certbot).names() == ["example.com", "example.com-0001"]
    found = reader(certbot).read_all()
    assert [lineage.name for lineage in found.lineages] == ["example.com", "example.com-0001"]
    assert found.failures == {}


def test_plain_files_make_a_lineage_without_a_number(certbot: CertbotSteps) -> None:
    issued = INTERMEDIATE.issue("example.com")
    plain_lineage(certbot.live / "example.com", issued)
    found = reader(certbot).read("example.com")
    assert (found.number, found.fingerprint_sha256) == (None, issued.fingerprint_sha256)


def test_links_of_other_programs_make_a_lineage(certbot: CertbotSteps) -> None:
    """dehydrated's: cert.pem -> cert-1700000000.pem, in the same directory."""
    directory = certbot.live / "example.com"
    directory.mkdir()
    for part, content in contents(INTERMEDIATE.issue("example.com")).items():
        (directory / f"{part}-1700000000.pem").write_bytes(content)
        (directory / f"{part}.pem").symlink_to(f"{part}-1700000000.pem")
    assert reader(certbot).read("example.com").number is None


def test_a_directory_that_is_switched_as_one_is_followed(certbot: CertbotSteps, tmp_path: pathlib.Path) -> None:
    issued = INTERMEDIATE.issue("example.com")
    plain_lineage(tmp_path / "versions" / "1", issued)
    (certbot.live / "example.com").symlink_to(tmp_path / "versions" / "1")
    assert reader(certbot).read_all().lineages[0].fingerprint_sha256 == issued.fingerprint_sha256


def test_a_key_that_is_used_again_belongs_to_its_issue(certbot: CertbotSteps) -> None:
    """certbot --reuse-key: privkey2.pem is a link to privkey1.pem."""
    first = INTERMEDIATE.issue("example.com")
    certbot.issue("example.com", first)
    number = certbot.write("example.com", INTERMEDIATE.issue("example.com", key=first.private_key), reuse_key=True)
    for part in PARTS:
        certbot.link("example.com", part, number)
    assert reader(certbot).read("example.com").number == 2


@pytest.mark.parametrize("done", [1, 2, 3])
def test_a_renewal_is_waited_for(certbot: CertbotSteps, done: int) -> None:
    certbot.issue("example.com", INTERMEDIATE.issue("example.com"))
    number = certbot.write("example.com", INTERMEDIATE.issue("example.com"))
    for part in PARTS[:done]:
        certbot.link("example.com", part, number)

    def finish() -> None:
        time.sleep(0.2)
        for part in PARTS[done:]:
            certbot.link("example.com", part, number)

    thread = threading.Thread(target=finish)
    thread.start()
    try:
        assert reader(certbot, patience=30).read("example.com").number == 2
    finally:
        thread.join()


def test_no_reading_is_of_two_issues(certbot: CertbotSteps) -> None:
    """While one renewal comes after the other, key and certificate always belong together."""
    issues = [INTERMEDIATE.issue("example.com") for _number in range(40)]
    certbot.issue("example.com", issues[0])
    numbers = [certbot.write("example.com", issued) for issued in issues[1:]]
    over = threading.Event()

    def renew() -> None:
        for number in numbers:
            for part in PARTS:
                certbot.link("example.com", part, number)
                time.sleep(0.001)
            time.sleep(0.005)
        over.set()

    thread = threading.Thread(target=renew)
    thread.start()
    read = []
    while not over.is_set():
        read.append(reader(certbot, patience=30).read("example.com"))
    thread.join()
    assert {(each.number, each.fingerprint_sha256) for each in read} <= {
        (number, issued.fingerprint_sha256) for number, issued in enumerate(issues, start=1)
    }


def test_a_renewal_that_was_broken_off_is_told(certbot: CertbotSteps) -> None:
    certbot.issue("example.com", INTERMEDIATE.issue("example.com"))
    certbot.link("example.com", "cert", certbot.write("example.com", INTERMEDIATE.issue("example.com")))
    with pytest.raises(LineageError, match=r"different issues \(cert 2, chain 1, fullchain 1, privkey 1\): certbot"):
        reader(certbot).read("example.com")


@pytest.mark.parametrize("part", PARTS)
def test_a_link_that_leads_nowhere_is_told(certbot: CertbotSteps, part: str) -> None:
    certbot.issue("example.com", INTERMEDIATE.issue("example.com"))
    (certbot.archive / "example.com" / f"{part}1.pem").unlink()
    with pytest.raises(LineageError, match=rf"^example.com: {part}\.pem leads to .*{part}1\.pem, which is not there"):
        reader(certbot).read("example.com")


@pytest.mark.parametrize("part", PARTS)
def test_a_file_that_is_missing_is_told(certbot: CertbotSteps, part: str) -> None:
    """CD62."""
    certbot.issue("example.com", INTERMEDIATE.issue("example.com"))
    (certbot.live / "example.com" / f"{part}.pem").unlink()
    with pytest.raises(LineageError, match=rf"^example.com: {part}\.pem is missing"):
        reader(certbot).read("example.com")


def test_one_bad_lineage_stops_no_other(certbot: CertbotSteps) -> None:
    good = INTERMEDIATE.issue("good.org")
    certbot.issue("good.org", good)
    certbot.issue("stolen.org", INTERMEDIATE.issue("stolen.org").replace(private_key_pem=good.private_key_pem))
    certbot.issue("broken.org", INTERMEDIATE.issue("broken.org").replace(certificate_pem="nothing"))
    certbot.issue("my lineage", INTERMEDIATE.issue("odd.org"))
    (certbot.live / "gone").symlink_to("nowhere")
    (certbot.live / "pipe").mkdir()
    for part in PARTS:
        os.mkfifo(certbot.live / "pipe" / f"{part}.pem")
    found = reader(certbot).read_all()
    assert [lineage.name for lineage in found.lineages] == ["good.org"]
    assert {name: message.partition(": ")[2][:28] for name, message in found.failures.items()} == {
        "broken.org": "cert.pem holds no certificat",
        "gone": "there is no such lineage in ",
        "my lineage": "it has up to 200 letters, di",
        "pipe": "cannot read cert.pem: it is ",
        "stolen.org": "privkey.pem: The private key",
    }
    assert "'my lineage' is no name of a lineage" in found.failures["my lineage"]


def test_a_flood_does_not_fill_the_memory(certbot: CertbotSteps) -> None:
    certbot.issue("example.com", INTERMEDIATE.issue("example.com"))
    os.truncate(certbot.archive / "example.com" / "chain1.pem", 1 << 40)
    with pytest.raises(LineageError, match=r"example\.com: cannot read chain\.pem: it has more than"):
        reader(certbot).read("example.com")


def test_a_directory_that_is_not_there_is_told(tmp_path: pathlib.Path) -> None:
    with pytest.raises(LineageError, match=r"There is no directory .* of lineages on this host"):
        CertbotLive(str(tmp_path / "none")).read_all()


def test_a_path_that_is_no_directory_is_told(certbot: CertbotSteps) -> None:
    with pytest.raises(LineageError, match=r"Cannot read .*README: Not a directory"):
        CertbotLive(str(certbot.live / "README")).read_all()


def test_only_the_named_ones_are_read(certbot: CertbotSteps) -> None:
    for name in ("a.org", "b.org"):
        certbot.issue(name, INTERMEDIATE.issue(name))
    found = reader(certbot).read_all(["b.org", "c.org"])
    assert [lineage.name for lineage in found.lineages] == ["b.org"]
    assert found.failures == {"c.org": f"c.org: there is no such lineage in {certbot.live}, or a dead link."}


def test_many_that_were_broken_off_are_waited_for_together(certbot: CertbotSteps) -> None:
    for number in range(20):
        name = f"n{number}.org"
        certbot.issue(name, INTERMEDIATE.issue(name))
        certbot.link(name, "cert", certbot.write(name, INTERMEDIATE.issue(name)))
    certbot.issue("good.org", INTERMEDIATE.issue("good.org"))
    began = time.monotonic()
    found = reader(certbot, patience=2).read_all()
    assert (len(found.lineages), len(found.failures)) == (1, 20)
    assert time.monotonic() - began < 30  # and not 40


def test_what_nobody_expected_is_a_failure_of_one_lineage(
    certbot: CertbotSteps, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its text is withheld: it may quote a key."""
    for name in ("a.org", "b.org"):
        certbot.issue(name, INTERMEDIATE.issue(name))
    assemble = certbot_live.assemble

    def fails(name: str, *arguments: t.Any) -> t.Any:
        if name == "a.org":
            raise ValueError("secret")
        return assemble(name, *arguments)

    monkeypatch.setattr(certbot_live, "assemble", fails)
    found = reader(certbot).read_all()
    assert [lineage.name for lineage in found.lineages] == ["b.org"]
    assert found.failures["a.org"].startswith("a.org: Unexpected ValueError in ")
    assert "secret" not in found.failures["a.org"]
