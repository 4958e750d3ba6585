# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""certificate_deploy: what was pushed becomes live, whole or not at all, and the pusher is told."""

from __future__ import annotations

import datetime
import pathlib
import stat
import subprocess
import time
import typing as t

import pytest
from ansible_collections.certops.rotation.tests.support import hostile, pki
from ansible_collections.certops.rotation.tests.support.fork_server import ModuleServer
from ansible_collections.certops.rotation.tests.support.pki import CertificateAuthority, IssuedCertificate
from ansible_collections.certops.rotation.tests.support.receiver import Receiver, put

DAY = datetime.timedelta(days=1)


@pytest.fixture(scope="module")
def authority() -> CertificateAuthority:
    return CertificateAuthority("Test Intermediate", parent=CertificateAuthority())


@pytest.fixture
def receiver(modules: ModuleServer, tmp_path: pathlib.Path) -> Receiver:
    return Receiver(modules, tmp_path)


def actions(result: dict[str, t.Any]) -> dict[str, str]:
    return {item["name"]: item["action"] for item in result["lineages"]}


def codes(result: dict[str, t.Any]) -> dict[str, list[str]]:
    return {item["name"]: [each["code"] for each in item["problems"]] for item in result["lineages"]}


# The way of a lineage


def test_from_staging_to_live(receiver: Receiver, authority: CertificateAuthority) -> None:
    first = authority.issue("a.example.com")
    receiver.stage(first)
    check = receiver.deployed(check=True)
    assert check["changed"]
    assert actions(check) == {"a.example.com": "created"}
    assert not receiver.live.exists()
    assert not receiver.receipts.exists()
    assert len(receiver.staged()) == 1
    result = receiver.deployed()
    assert actions(result) == {"a.example.com": "created"}
    assert receiver.fingerprints() == {"a.example.com": first.fingerprint_sha256}
    assert receiver.staged() == []
    receipt = receiver.receipt("a.example.com")
    assert (receipt["state"], receipt["fingerprint_sha256"]) == ("deployed", first.fingerprint_sha256)
    assert receiver.left_over() == []
    again = receiver.deployed()
    assert (again["changed"], again["lineages"]) == (False, [])


def test_a_renewal_replaces_all_files_and_keeps_the_old_ones(
    receiver: Receiver, authority: CertificateAuthority
) -> None:
    first, second = authority.issue("a.example.com"), authority.issue("a.example.com", key_type="rsa2048")
    receiver.stage(first)
    receiver.deployed()
    receiver.stage(second)
    result = receiver.deployed()
    (item,) = result["lineages"]
    assert (item["action"], item["state"], item["key"]) == ("updated", "deployed", "RSA 2048")
    assert item["previous_fingerprint_sha256"] == first.fingerprint_sha256
    assert receiver.fingerprint("a.example.com") == second.fingerprint_sha256
    assert receiver.left_over() == []
    back = receiver.rollback(names=["a.example.com"])
    assert [one["action"] for one in back.result["certificates"]] == ["restored"]
    assert receiver.fingerprint("a.example.com") == first.fingerprint_sha256


def test_what_is_deployed_is_no_longer_taken_back(receiver: Receiver, authority: CertificateAuthority) -> None:
    """certificate_rollback without names takes back what nothing speaks for: the services speak for this."""
    for _turn in range(2):
        receiver.stage(authority.issue("a.example.com"))
        receiver.deployed()
    assert receiver.rollback().result["certificates"] == []


@pytest.mark.parametrize("named", [True, False])
def test_identical_content_changes_nothing(receiver: Receiver, authority: CertificateAuthority, named: bool) -> None:
    issued = authority.issue("a.example.com")
    receiver.stage(issued)
    receiver.deployed()
    before = (receiver.live / "a.example.com").readlink()
    (receiver.receipts / "a.example.com.json").unlink()
    receiver.stage(issued, named=named)
    result = receiver.deployed()
    assert not result["changed"]
    assert actions(result) == {"a.example.com": "unchanged"}
    assert receiver.staged() == []
    assert (receiver.live / "a.example.com").readlink() == before
    assert receiver.receipt("a.example.com")["state"] == "deployed"  # for who has not heard the first one


def test_an_empty_staging_directory_is_nothing_to_do(receiver: Receiver) -> None:
    result = receiver.deployed()
    assert (result["changed"], result["lineages"], result["services_due"]) == (False, [], None)


def test_directories_that_have_to_be_there(receiver: Receiver, authority: CertificateAuthority) -> None:
    missing = receiver.deploy(source=str(receiver.root / "nowhere"))
    assert missing.failed
    assert "there is no directory" in missing.result["msg"]
    assert "nowhere" in missing.result["msg"]
    receiver.stage(authority.issue("a.example.com"))
    orphan = receiver.deploy(path=str(receiver.root / "no" / "parent"))
    assert orphan.failed
    assert "Create the parent directory" in orphan.result["msg"]
    assert len(receiver.staged()) == 1


@pytest.mark.parametrize(
    ("inner", "outer"), [("source", "path"), ("path", "source"), ("receipts", "source"), ("source", "receipts")]
)
def test_directories_are_apart(receiver: Receiver, inner: str, outer: str) -> None:
    """The uploader may write in one of them."""
    given = {**receiver.args, inner: f"{receiver.args[outer]}/within"}
    run = receiver.deploy(**given)
    assert run.failed
    assert f"is in {outer}" in run.result["msg"]


def test_certbots_own_directory_is_never_emptied(receiver: Receiver, authority: CertificateAuthority) -> None:
    for name in ("archive", "renewal", "live"):
        (receiver.root / "letsencrypt" / name).mkdir(parents=True)
    lineage = receiver.root / "letsencrypt" / "live" / "a.example.com"
    receiver.stage(authority.issue("a.example.com"), named=False).rename(lineage)
    run = receiver.deploy(source=str(lineage.parent))
    assert run.failed
    assert "certbot's own directory" in run.result["msg"]
    assert sorted(path.name for path in lineage.iterdir()) == ["fullchain.pem", "privkey.pem"]


# What may be served


def test_one_bad_lineage_never_stops_the_others(receiver: Receiver, authority: CertificateAuthority) -> None:
    good = [authority.issue(f"{name}.example.com") for name in "acz"]
    bad = authority.issue("b.example.com").replace(private_key_pem=good[0].private_key_pem)
    for issued in (*good, bad):
        receiver.stage(issued)
    run = receiver.deploy()
    assert run.failed
    assert "b.example.com" in run.result["msg"]
    assert codes(run.result)["b.example.com"] == ["private_key_mismatch"]
    assert receiver.fingerprints() == {issued.names[0]: issued.fingerprint_sha256 for issued in good}
    assert receiver.staged() == []
    receipt = receiver.receipt("b.example.com")
    assert (receipt["state"], receipt["fingerprint_sha256"]) == ("refused", bad.fingerprint_sha256)
    assert "does not belong" in receipt["message"]
    mended = authority.issue("b.example.com")
    receiver.stage(mended)
    receiver.deployed()
    assert receiver.receipt("b.example.com")["state"] == "deployed"
    assert receiver.fingerprint("b.example.com") == mended.fingerprint_sha256


def _stage(receiver: Receiver, issued: IssuedCertificate, **files: str | bytes | None) -> None:
    """files: part -> content in its place, None for none."""
    directory = receiver.stage(issued)
    for part, content in files.items():
        file = directory / f"{part}.pem"
        if content is None:
            file.unlink()
        else:
            put(file, content)


def _decorated(pem: str, program: str) -> str:
    command = ["openssl", program, "-text"]
    return subprocess.run(command, input=pem, capture_output=True, text=True, check=True).stdout


def test_content_that_is_refused(receiver: Receiver, authority: CertificateAuthority) -> None:
    now = pki.now()
    other = authority.issue("other.example.com")
    expired = authority.issue("expired.example.com", not_before=now - 9 * DAY, not_after=now - DAY)
    early = authority.issue("early.example.com", not_before=now + DAY)
    weak = authority.issue("weak.example.com", key_type="rsa1024")
    cut = authority.issue("cut.example.com")
    zeros = authority.issue("zeros.example.com")
    mixed = authority.issue("mixed.example.com")
    keyless = authority.issue("keyless.example.com")
    leafless = authority.issue("leafless.example.com")
    strange = authority.issue("strange.example.com")
    forged = authority.issue("forged.example.com", signing_key=pki.new_key())
    locked = authority.issue("locked.example.com", passphrase=b"secret")
    for issued in (expired, early, weak, forged, locked):
        receiver.stage(issued)
    _stage(receiver, cut, fullchain=(cut.certificate_pem + cut.chain_pem)[:-40])
    _stage(receiver, zeros, privkey="-----BEGIN PRIVATE KEY-----\n" + "A" * 64 + "\n-----END PRIVATE KEY-----\n")
    _stage(receiver, mixed, cert=other.certificate_pem)
    _stage(receiver, keyless, privkey=None)
    _stage(receiver, leafless, fullchain=leafless.chain_pem)
    _stage(receiver, strange, chain=other.certificate_pem)
    document = authority.issue("json.example.com")
    _stage(receiver, document, fullchain=document.secret_string(), privkey=b" ")
    run = receiver.deploy()
    found = {name.partition(".")[0]: each for name, each in codes(run.result).items()}
    assert found == {
        "cut": ["pem_invalid"],
        "early": ["not_yet_valid"],
        "expired": ["expired"],
        "forged": ["chain_signature_invalid"],
        "json": ["upload_unusable"],
        "keyless": ["upload_unusable"],
        "leafless": ["leaf_is_ca"],
        "locked": ["private_key_encrypted"],
        "mixed": ["multiple_leaves"],
        "strange": ["multiple_leaves"],
        "weak": ["weak_key"],
        "zeros": ["private_key_invalid"],
    }
    assert run.result["rolled_back"] == []
    assert receiver.fingerprints() == {}
    assert receiver.staged() == []
    assert {receiver.receipt(f"{name}.example.com")["state"] for name in found} == {"refused"}


def test_content_that_is_accepted(receiver: Receiver, authority: CertificateAuthority) -> None:
    """In whatever form certbot's successors, people and openssl leave it."""
    decorated, garbage, apart, windows, old = (
        authority.issue(f"{name}.example.com") for name in ("decorated", "garbage", "apart", "windows", "old")
    )
    traditional = authority.issue("traditional.example.com", key_type="rsa2048", key_format="traditional")
    own = pki.self_signed("own.example.com")
    for issued in (traditional, own):
        receiver.stage(issued)
    text = _decorated(decorated.certificate_pem, "x509").replace("Test Intermediate", "T\xe9st").encode("latin-1")
    _stage(receiver, decorated, fullchain=text + decorated.chain_pem.encode())
    _stage(receiver, garbage, fullchain=garbage.certificate_pem + garbage.chain_pem + "and more\n{")
    _stage(receiver, apart, fullchain=None, cert=apart.certificate_pem, chain=apart.chain_pem)
    crlf = (windows.certificate_pem + windows.chain_pem).replace("\n", "\r\n")
    _stage(receiver, windows, fullchain=b"\xff\xfe" + crlf.encode("utf-16-le"))
    _stage(receiver, old, fullchain=old.chain_pem + old.certificate_pem, chain=old.chain_pem)
    receiver.deployed()
    for issued in (decorated, garbage, apart, windows, old, traditional, own):
        assert receiver.fingerprint(issued.names[0]) == issued.fingerprint_sha256


def test_trust_and_minimum_as_everywhere(receiver: Receiver, authority: CertificateAuthority) -> None:
    stranger = CertificateAuthority("Stranger").issue("stranger.example.com")
    short = authority.issue("short.example.com", not_after=pki.now() + 2 * DAY)
    good = authority.issue("good.example.com")
    for issued in (stranger, short, good):
        receiver.stage(issued)
    run = receiver.deploy(trust_anchors=authority.root_pem, min_remaining="7d")
    assert codes(run.result) == {
        "good.example.com": [],
        "short.example.com": ["expires_too_soon"],
        "stranger.example.com": ["untrusted"],
    }
    assert receiver.fingerprints() == {"good.example.com": good.fingerprint_sha256}


def test_the_name_is_what_it_says(receiver: Receiver, authority: CertificateAuthority) -> None:
    one, other = authority.issue("a.example.com"), authority.issue("a.example.com")
    staged = receiver.stage(one)
    staged.rename(staged.with_name(f"a.example.com@{other.fingerprint_sha256}"))
    run = receiver.deploy()
    assert codes(run.result) == {"a.example.com": ["fingerprint_mismatch"]}
    assert receiver.receipt("a.example.com")["fingerprint_sha256"] == other.fingerprint_sha256
    assert receiver.fingerprints() == {}


@pytest.mark.parametrize(
    "lineage",
    ["example.com-0001", "wild.example.com", "EXAMPLE.com", "_acme", "a+b", "x" * 180, "1", "example.com."],
)
def test_odd_names(receiver: Receiver, authority: CertificateAuthority, lineage: str) -> None:
    issued = authority.issue("*.example.com")
    receiver.stage(issued, lineage)
    receiver.deployed()
    assert receiver.fingerprints() == {lineage: issued.fingerprint_sha256}
    assert receiver.receipt(lineage)["lineage"] == lineage


def test_names_that_differ_in_case(receiver: Receiver, authority: CertificateAuthority) -> None:
    issued = {name: authority.issue("example.com") for name in ("example.com", "Example.com")}
    for name, each in issued.items():
        receiver.stage(each, name)
    receiver.deployed()
    assert receiver.fingerprints() == {name: each.fingerprint_sha256 for name, each in issued.items()}


# Several, and older ones


def test_the_newest_of_several_is_deployed(receiver: Receiver, authority: CertificateAuthority) -> None:
    now = pki.now()
    ages = (3, 1, 2)
    issued = {age: authority.issue("a.example.com", not_before=now - age * DAY) for age in ages}
    for age in ages:
        receiver.stage(issued[age], named=age != 2)
    result = receiver.deployed()
    assert actions(result) == {"a.example.com": "created"}
    assert receiver.fingerprint("a.example.com") == issued[1].fingerprint_sha256
    assert receiver.receipt("a.example.com")["fingerprint_sha256"] == issued[1].fingerprint_sha256
    assert receiver.staged() == []


def test_an_older_one_serves_where_the_newest_may_not(receiver: Receiver, authority: CertificateAuthority) -> None:
    old = authority.issue("a.example.com", not_before=pki.now() - 3 * DAY)
    bad = authority.issue("a.example.com").replace(private_key_pem=old.private_key_pem)
    receiver.stage(old)
    receiver.stage(bad)
    run = receiver.deploy()
    assert run.failed
    assert receiver.fingerprint("a.example.com") == old.fingerprint_sha256
    receipt = receiver.receipt("a.example.com")
    assert (receipt["state"], receipt["fingerprint_sha256"]) == ("refused", bad.fingerprint_sha256)
    assert receiver.staged() == []


def test_an_old_certificate_that_comes_late(receiver: Receiver, authority: CertificateAuthority) -> None:
    old, new = (authority.issue("a.example.com", not_before=pki.now() - age * DAY) for age in (3, 1))
    receiver.stage(new)
    receiver.deployed()
    receiver.stage(old)
    run = receiver.deploy()
    assert codes(run.result) == {"a.example.com": ["issued_earlier"]}
    assert receiver.fingerprint("a.example.com") == new.fingerprint_sha256
    assert "certificate_rollback" in receiver.receipt("a.example.com")["message"]
    assert receiver.staged() == []
    receiver.stage(old)
    receiver.deployed(allow_changes=["issued_earlier", "expires_earlier"])
    assert receiver.fingerprint("a.example.com") == old.fingerprint_sha256


def test_nothing_is_held_against_the_successor_of_an_expired_one(
    receiver: Receiver, authority: CertificateAuthority
) -> None:
    """Even of one that pretends to be of tomorrow, by the skew of clocks."""
    now = pki.now()
    receiver.stage(authority.issue("a.example.com", not_before=now, not_after=now + datetime.timedelta(seconds=2)))
    receiver.deployed()
    older = authority.issue("a.example.com", not_before=now - DAY)
    while pki.now() <= now + datetime.timedelta(seconds=2):
        time.sleep(0.1)
    receiver.stage(older)
    receiver.deployed()
    assert receiver.fingerprint("a.example.com") == older.fingerprint_sha256


def test_what_a_lineage_may_change_is_its_owners_choice(receiver: Receiver, authority: CertificateAuthority) -> None:
    """Names, key type, authority and a nearer end, unless it is guarded here."""
    receiver.stage(authority.issue(["a.example.com", "b.example.com"]))
    receiver.deployed()
    another = CertificateAuthority("Another", parent=CertificateAuthority("Other"))
    other = another.issue("a.example.com", key_type="rsa2048", not_after=pki.now() + 9 * DAY, usages=())
    receiver.stage(other)
    run = receiver.deploy(allow_changes=[])
    assert set(codes(run.result)["a.example.com"]) == {
        "san_dropped",
        "issuer_changed",
        "key_type_changed",
        "expires_earlier",
    }
    receiver.stage(other)
    receiver.deployed()
    assert receiver.fingerprint("a.example.com") == other.fingerprint_sha256


def test_a_lineage_that_loses_its_chain_is_refused(receiver: Receiver, authority: CertificateAuthority) -> None:
    whole, bare = authority.issue("a.example.com"), authority.issue("a.example.com").replace(chain_pem="")
    receiver.stage(whole)
    receiver.deployed()
    receiver.stage(bare)
    assert codes(receiver.deploy(settle="0").result) == {"a.example.com": ["chain_dropped"]}
    assert receiver.fingerprint("a.example.com") == whole.fingerprint_sha256
    receiver.stage(bare)
    receiver.deployed(settle="0", allow_changes=["chain_dropped"])
    assert receiver.fingerprint("a.example.com") == bare.fingerprint_sha256


def test_what_expires_and_is_not_pushed_is_told(receiver: Receiver, authority: CertificateAuthority) -> None:
    receiver.stage(authority.issue("a.example.com", not_after=pki.now() + 2 * DAY))
    receiver.deployed()
    warnings = str(receiver.deployed(min_remaining="7d")["warnings"])
    assert "a.example.com" in warnings
    assert "no newer one has been pushed" in warnings
    receiver.staging.rmdir()
    run = receiver.deploy(min_remaining="7d")
    assert "there is no directory" in run.result["msg"]
    assert "a.example.com: The deployed certificate expires at" in run.result["msg"]


# Uploads by somebody who cannot rename


def test_a_plain_upload_waits_for_its_rest(receiver: Receiver, authority: CertificateAuthority) -> None:
    """Key first, then an empty file, then half of one, then the leaf without its chain."""
    issued = authority.issue("a.example.com")
    directory = receiver.staging / "a.example.com"
    directory.mkdir()
    steps: list[tuple[str, str]] = [
        ("privkey.pem", issued.private_key_pem),
        ("fullchain.pem", ""),
        ("fullchain.pem", issued.certificate_pem[:200]),
        ("fullchain.pem", issued.certificate_pem),
    ]
    for name, content in steps:
        put(directory / name, content)
        result = receiver.deployed(settle="1h")
        assert [one["name"] for one in result["waiting"]] == ["a.example.com"]
        assert result["lineages"] == []
        assert receiver.staged() == ["a.example.com"]
        assert not list(receiver.receipts.glob("*"))
    put(directory / "fullchain.pem", issued.certificate_pem + issued.chain_pem)
    result = receiver.deployed(settle="1h")
    assert (actions(result), result["waiting"]) == ({"a.example.com": "created"}, [])
    assert receiver.staged() == []


def test_a_plain_upload_over_an_older_one(receiver: Receiver, authority: CertificateAuthority) -> None:
    """The new chain beside the old key is no pair: it waits, and what is live stays."""
    first, second = authority.issue("a.example.com"), authority.issue("a.example.com")
    directory = receiver.stage(first, named=False)
    put(directory / "fullchain.pem", second.certificate_pem + second.chain_pem)
    assert receiver.deployed(settle="1h")["waiting"]
    put(directory / "privkey.pem", second.private_key_pem)
    receiver.deployed(settle="1h")
    assert receiver.fingerprint("a.example.com") == second.fingerprint_sha256


def test_a_plain_upload_without_its_rest_is_refused_by_name(
    receiver: Receiver, authority: CertificateAuthority
) -> None:
    issued = authority.issue("a.example.com")
    directory = receiver.stage(issued, named=False)
    (directory / "privkey.pem").unlink()
    run = receiver.deploy(settle="0")
    assert codes(run.result) == {"a.example.com": ["upload_unusable"]}
    assert "privkey.pem is missing" in receiver.receipt("a.example.com")["message"]
    assert receiver.staged() == []


def test_a_leaf_of_a_root_is_taken_when_nothing_more_comes(receiver: Receiver) -> None:
    issued = CertificateAuthority().issue("a.example.com")
    receiver.stage(issued, named=False)
    assert receiver.deployed(settle="1h")["waiting"]
    receiver.deployed(settle="0")
    assert receiver.fingerprint("a.example.com") == issued.fingerprint_sha256


def test_uploads_that_were_left_for_a_day_are_removed(receiver: Receiver, authority: CertificateAuthority) -> None:
    receiver.stage(authority.issue("a.example.com")).rename(receiver.staging / ".upload-1")
    now = pki.now()
    receiver.deploy_here(now=now + datetime.timedelta(hours=23))
    assert receiver.staged() == [".upload-1"]
    receiver.deploy_here(now=now + datetime.timedelta(hours=25))
    assert receiver.staged() == []
    assert receiver.fingerprints() == {}


# How files are


@pytest.mark.parametrize("mode", ["0o640", "0640", "640", 0o640])
def test_modes_and_owners_are_as_set(receiver: Receiver, authority: CertificateAuthority, mode: t.Any) -> None:
    given = {"mode": mode, "directory_mode": "0750", "owner": "2001", "group": "2002"}
    receiver.stage(authority.issue("a.example.com"))
    run = hostile.run_module_as_root(receiver.modules, "certificate_deploy", {**receiver.args, **given})
    assert not run.failed, run.result["msg"]
    lineage = receiver.live / "a.example.com"
    for name in ("cert", "chain", "fullchain", "privkey"):
        assert hostile.as_root("stat", "-c", "%a %u %g", str(lineage / f"{name}.pem")).split() == [
            "640",
            "2001",
            "2002",
        ]
    # The group of the files may look into it; others pass through where they are not in that group.
    assert hostile.as_root("stat", "-Lc", "%a %u %g", str(lineage)).split() in (
        ["750", "0", "2002"],
        ["751", "0", "2002"],
    )


@pytest.mark.parametrize("mode", [True, "", "9", "0644", "384", "01777"])
def test_modes_without_meaning(receiver: Receiver, mode: t.Any) -> None:
    run = receiver.deploy(mode=mode)
    assert run.failed
    assert "mode" in run.result["msg"]


def test_another_mode_is_given_to_what_is_pushed_again(receiver: Receiver, authority: CertificateAuthority) -> None:
    issued = authority.issue("a.example.com")
    receiver.stage(issued)
    receiver.deployed()
    receiver.stage(issued)
    result = receiver.deployed(mode="0400")
    assert actions(result) == {"a.example.com": "updated"}
    assert stat.S_IMODE((receiver.live / "a.example.com" / "privkey.pem").stat().st_mode) == 0o400
    assert receiver.left_over() == []


def test_files_that_were_tampered_with_are_written_again(receiver: Receiver, authority: CertificateAuthority) -> None:
    issued = authority.issue("a.example.com")
    receiver.stage(issued)
    receiver.deployed()
    put(receiver.live / "a.example.com" / "fullchain.pem", "nothing")
    receiver.stage(issued)
    result = receiver.deployed()
    assert actions(result) == {"a.example.com": "updated"}
    assert receiver.fingerprint("a.example.com") == issued.fingerprint_sha256


def test_receipts_are_for_everybody_and_keys_for_nobody(receiver: Receiver, authority: CertificateAuthority) -> None:
    receiver.stage(authority.issue("a.example.com"))
    receiver.deployed()
    assert stat.S_IMODE(receiver.receipts.stat().st_mode) == 0o755
    assert stat.S_IMODE((receiver.receipts / "a.example.com.json").stat().st_mode) == 0o644
    for path in receiver.live.rglob("*"):
        if not path.is_symlink():
            assert not path.stat().st_mode & 0o077, path


def test_no_receipts_unless_they_are_wanted(receiver: Receiver, authority: CertificateAuthority) -> None:
    receiver.stage(authority.issue("a.example.com"))
    receiver.deployed(receipts=None)
    assert receiver.staged() == []
    assert not receiver.receipts.exists()
