# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which files certificate_sync calls its own: hostile names, files of others, what vanished secrets leave."""

from __future__ import annotations

import os
import pathlib
import typing as t

import pytest
from ansible_collections.certops.rotation.tests.support.aws_faults import AwsFaults
from ansible_collections.certops.rotation.tests.support.moto import MotoServer
from ansible_collections.certops.rotation.tests.support.pki import CertificateAuthority
from ansible_collections.certops.rotation.tests.support.sync import SyncTarget, actions, problem_codes, warnings

Document = dict[str, t.Any]


@pytest.fixture
def document(intermediate: CertificateAuthority) -> Document:
    return intermediate.issue(["a.example.com"]).secret_document()


# -- names -----------------------------------------------------------------------------------------------------

HOSTILE = [
    "../../etc/cron.d/x", "-rf", "é" * 255, ".", "..", "...", ".hidden", "/", "~", "a b", "a\nb", "*", "*.example.com",
    "$(reboot)", "web;rm", "x" * 512, "x" * 511 + "y", "%2e%2e", "CON",
]  # fmt: skip


@pytest.mark.parametrize("layout", ["haproxy", "lineage", "split"])
def test_hostile_names_stay_in_the_directory(
    aws: MotoServer, target: SyncTarget, document: Document, tmp_path: pathlib.Path, layout: str
) -> None:
    for name in HOSTILE:
        aws.put_secret(name, document)
    run = target.sync_four_times(names=HOSTILE, layout=layout)[1]
    assert set(actions(run)) == set(HOSTILE)
    assert {path.name for path in tmp_path.iterdir()} == {"certs"}, "something was written beside the directory"
    for item in run.result["certificates"]:
        path = pathlib.Path(item["path"])
        assert path.parent == target.path
        assert path.exists()
        assert path.name[0] not in ".-"
        assert len(os.fsencode(path.name)) <= 255
    assert len({item["path"] for item in run.result["certificates"]}) == len(HOSTILE)


def test_two_secrets_for_one_file_are_both_named(aws: MotoServer, target: SyncTarget, document: Document) -> None:
    for name in ("a/b", "a_b", "c"):
        aws.put_secret(name, document)
    run = target.sync(names=["a/b", "a_b", "c"])
    assert run.failed
    assert actions(run) == {"a/b": "refused", "a_b": "refused", "c": "created"}
    assert problem_codes(run) == {"a/b": ["file_name_collision"], "a_b": ["file_name_collision"]}
    assert "Secrets a/b and a_b would be written to one file (a_b)" in run.result["msg"]
    assert set(target.live_files()) == {"c.pem"}
    target.sync(names=["a/b"])
    refused = target.sync(names=["a/b", "a_b", "c"], prune=True, on_invalid="skip")
    assert set(actions(refused).values()) == {"refused", "unchanged"}
    assert set(target.live_files()) == {"a_b.pem", "c.pem"}, "what exists twice has not vanished"


def test_secret_that_takes_over_a_vanished_ones_file(
    aws: MotoServer, target: SyncTarget, document: Document, intermediate: CertificateAuthority
) -> None:
    aws.put_secret("a/b", document)
    target.sync(names=["a/b"])
    other = intermediate.issue(["other.example.com"])
    aws.put_secret("a_b", other.secret_document())
    assert actions(target.sync(names=["a_b"], prune=True)) == {"a_b": "updated"}
    assert target.fingerprints() == {"a_b.pem": other.fingerprint_sha256}
    assert target.sync(names=["a_b"], prune=True).result["changed"] is False


# -- files of others -------------------------------------------------------------------------------------------


def test_file_of_someone_else_is_kept_for_a_rollback(aws: MotoServer, target: SyncTarget, document: Document) -> None:
    target.path.mkdir()
    (target.path / "a.pem").write_text("someone's own")
    aws.put_secret("a", document)
    assert actions(target.sync_four_times(names=["a"])[1]) == {"a": "updated"}
    assert target.module("certificate_rollback").result["certificates"][0]["action"] == "restored"
    assert target.live_files() == {"a.pem": b"someone's own"}


def test_symbolic_link_of_someone_else_is_replaced_not_followed(
    aws: MotoServer, target: SyncTarget, document: Document, tmp_path: pathlib.Path
) -> None:
    target.path.mkdir()
    elsewhere = tmp_path / "elsewhere.pem"
    elsewhere.write_text("someone's own")
    (target.path / "a.pem").symlink_to(elsewhere)
    aws.put_secret("a", document)
    target.sync_four_times(names=["a"])
    assert elsewhere.read_text() == "someone's own"
    assert not (target.path / "a.pem").is_symlink()


@pytest.mark.parametrize("layout", ["haproxy", "lineage"])
def test_what_must_not_be_replaced(
    aws: MotoServer, target: SyncTarget, document: Document, tmp_path: pathlib.Path, layout: str
) -> None:
    (target.path / "a.pem" / "inside").mkdir(parents=True)
    (target.path / "a").symlink_to(tmp_path)
    for name in ("a", "b"):
        aws.put_secret(name, document)
    run = target.sync(names=["a", "b"], layout=layout)
    assert run.failed
    assert actions(run) == {"a": "failed", "b": "created"}
    assert [item["cause"] for item in run.result["certificates"] if item["name"] == "a"] == ["host"]
    assert target.sync(names=["a", "b"], layout=layout, on_invalid="skip").failed, "it is no matter of the content"
    assert problem_codes(run) == {"a": ["path_not_ours"]}
    assert (target.path / "a.pem" / "inside").is_dir()
    assert (target.path / "a").readlink() == tmp_path


# -- prune -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("layout", ["haproxy", "lineage", "split"])
def test_prune_removes_what_vanished_and_nothing_else(
    aws: MotoServer, target: SyncTarget, document: Document, layout: str
) -> None:
    for name in ("web/a", "web/b"):
        aws.put_secret(name, document)
    target.sync(name_prefix="web/", layout=layout)
    (target.path / "foreign.pem").write_text("someone's own")
    aws.client().delete_secret(SecretId="web/b", ForceDeleteWithoutRecovery=True)
    kept = target.sync(name_prefix="web/", layout=layout)
    assert (kept.result["changed"], actions(kept)) == (False, {"web/a": "unchanged"})
    check, run = (target.sync(name_prefix="web/", layout=layout, prune=True, check=check) for check in (True, False))
    assert actions(check) == actions(run) == {"web/a": "unchanged", "web/b": "removed"}
    assert run.result["diff"]["before"].keys() == {"web/b"}
    assert {path.name.split(".")[0] for path in target.path.iterdir() if path.name[0] != "."} == {"web_a", "foreign"}
    kept_stems = {path.name.split("~")[0] for path in (target.path / ".certops" / "versions").iterdir()}
    assert kept_stems == {"web_a"}, "the removed key is still there"
    target.sync_four_times(name_prefix="web/", layout=layout, prune=True)


@pytest.mark.parametrize("layout", ["haproxy", "lineage", "split"])
def test_prune_leaves_no_link_that_leads_to_nothing(
    aws: MotoServer, target: SyncTarget, document: Document, layout: str
) -> None:
    """HAProxy does not start with one in its directory."""
    for name in ("web/a", "web/b"):
        aws.put_secret(name, document)
    target.sync(name_prefix="web/", layout=layout)
    live = "web_b" if layout == "lineage" else "web_b.pem"
    link = target.path / "_default.pem"
    link.symlink_to(live)
    aws.client().delete_secret(SecretId="web/b", ForceDeleteWithoutRecovery=True)
    for check in (True, False):
        held = target.sync(name_prefix="web/", layout=layout, prune=True, check=check)
        assert held.failed
        assert (actions(held), held.result["changed"]) == ({"web/a": "unchanged"}, False)
        assert "_default.pem leads to its file" in held.result["msg"]
        assert link.exists()
    link.unlink()
    (target.path / ".default.pem").symlink_to(live)
    assert actions(target.sync(name_prefix="web/", layout=layout, prune=True))["web/b"] == "removed"


def test_prune_never_follows_a_discovery_that_failed_or_found_nothing(
    aws: MotoServer, target: SyncTarget, faults: AwsFaults, document: Document
) -> None:
    aws.put_secret("web/a", document)
    target.sync(name_prefix="web/")
    nothing = target.sync(name_prefix="elsewhere/", prune=True)
    assert (nothing.failed, nothing.result["changed"]) == (True, False)
    assert "Nothing is pruned" in warnings(nothing)
    for missing in ({"name_prefix": "elsewhere/"}, {"names": ["elsewhere"], "on_missing": "skip"}, {"names": []}):
        ignored = target.sync(**missing, prune=True, on_nothing_found="ignore")
        assert (ignored.failed, ignored.result["changed"]) == (False, False)
    faults.fail("ListSecrets", "AccessDeniedException")
    assert target.sync(name_prefix="web/", prune=True).failed
    assert set(target.live_files()) == {"web_a.pem"}


def test_prune_keeps_what_is_there_but_cannot_be_had(
    aws: MotoServer, target: SyncTarget, faults: AwsFaults, document: Document
) -> None:
    """Denied, missing and deleted ones, by name and by ARN, with and without a manifest."""
    names = [f"web/{index}" for index in range(5)]
    for name in names:
        aws.put_secret(name, document)
    arns = {name: aws.client().describe_secret(SecretId=name)["ARN"] for name in names}
    selection = ["web/0", arns["web/1"], arns["web/2"], "web/3", "web/4"]
    target.sync(names=selection)
    files = set(target.live_files())
    aws.client().delete_secret(SecretId="web/3")
    aws.client().delete_secret(SecretId="web/4", ForceDeleteWithoutRecovery=True)
    faults.fail("ListSecrets", "AccessDeniedException")
    faults.fail("DescribeSecret", "AccessDeniedException", when=lambda body: body["SecretId"] == arns["web/2"])
    for _manifest in ("kept", "damaged"):
        run = target.sync(names=selection, prune=True)
        assert run.failed
        assert actions(run)[arns["web/2"]] == "refused"
        assert set(target.live_files()) == files
        (target.path / ".certops" / "manifest.json").write_text("damaged")
    run = target.sync(names=selection, prune=True, on_missing="skip", on_deleted="skip", on_invalid="skip")
    assert run.failed, "a denied one is never skipped"
    assert set(target.live_files()) == files - {"web_3.pem", "web_4.pem"}


def test_prune_spares_a_file_that_someone_has_replaced(aws: MotoServer, target: SyncTarget, document: Document) -> None:
    for name in ("web/a", "web/b"):
        aws.put_secret(name, document)
    target.sync(name_prefix="web/")
    (target.path / "web_b.pem").unlink()
    (target.path / "web_b.pem").write_text("someone's own")
    aws.client().delete_secret(SecretId="web/b", ForceDeleteWithoutRecovery=True)
    run = target.sync(name_prefix="web/", prune=True)
    assert "is not what was written here" in warnings(run)
    assert (target.path / "web_b.pem").read_text() == "someone's own"
    assert target.sync(name_prefix="web/", prune=True).result["changed"] is False


def test_prune_finds_what_a_killed_run_left(aws: MotoServer, target: SyncTarget, document: Document) -> None:
    """Files that were published and never entered the manifest: known by their link into the store."""
    for name in ("web/a", "web/b"):
        aws.put_secret(name, document)
    target.sync(name_prefix="web/a")
    manifest = target.path / ".certops" / "manifest.json"
    before = manifest.read_text()
    target.sync(name_prefix="web/")
    manifest.write_text(before)
    aws.client().delete_secret(SecretId="web/b", ForceDeleteWithoutRecovery=True)
    run = target.sync(name_prefix="web/", prune=True)
    assert actions(run) == {"web/a": "unchanged", "web_b": "removed"}
    assert set(target.live_files()) == {"web_a.pem"}


def test_damaged_manifest_is_told_and_rebuilt(aws: MotoServer, target: SyncTarget, document: Document) -> None:
    aws.put_secret("a", document)
    target.sync(names=["a"])
    good = target.live_files()
    manifest = target.path / ".certops" / "manifest.json"
    for damage in ("", "[]", '{"format": 99}', '{"format": 1, "certificates": [{"name": "x"}]}', "\x00"):
        manifest.write_text(damage)
        assert target.module("certificate_rollback").failed
        run = target.sync(names=["a"])
        assert (run.failed, run.result["changed"]) == (False, False)
        assert "is damaged" in warnings(run)
        assert target.live_files() == good
        assert warnings(target.sync(names=["a"])) == "[]"


def test_leftovers_of_a_killed_run_go_with_the_next_unchanged_one(
    aws: MotoServer, target: SyncTarget, document: Document
) -> None:
    aws.put_secret("a", document)
    target.sync(names=["a"])
    state = target.path / ".certops"
    (state / "versions" / "a~0123456789abcdef.pem").write_text("an old key")
    (state / "versions" / "a~0123456789abcdef").mkdir()
    (state / "versions" / "a~0123456789abcdef" / "privkey.pem").write_text("an old key")
    (state / "versions" / ".certops-tmp.a~0123").mkdir()
    for directory in (target.path, state, state / "versions" / ".certops-tmp.a~0123"):
        (directory / ".certops-tmp.0011.a").write_text("half")
    before = target.snapshot()
    target.sync(names=["a"], check=True)
    assert target.snapshot() == before
    run = target.sync(names=["a"])
    assert (run.failed, run.result["changed"]) == (False, False)
    assert target.temporaries() == []
    assert len(list((state / "versions").iterdir())) == 1


@pytest.mark.parametrize("keep", [0, 1, 3])
def test_as_many_previous_versions_as_are_to_be_kept(
    aws: MotoServer, target: SyncTarget, intermediate: CertificateAuthority, keep: int
) -> None:
    for _renewal in range(5):
        aws.put_secret("a", intermediate.issue(["a.example.com"]).secret_document())
        target.sync(names=["a"], keep_previous=keep)
    versions = target.path / ".certops" / "versions"
    assert len(list(versions.iterdir())) == keep + 1
    target.sync(names=["a"], keep_previous=0)
    assert len(list(versions.iterdir())) == 1, "an unchanged run forgets what is no longer to be kept"
