# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""certificate_rollback: what was live before is live again, byte for byte."""

from __future__ import annotations

import itertools
import json
import shutil
import typing as t
from datetime import datetime, timedelta, timezone

import pytest
from ansible_collections.certops.rotation.tests.support.moto import MotoServer
from ansible_collections.certops.rotation.tests.support.pki import CertificateAuthority
from ansible_collections.certops.rotation.tests.support.sync import SyncTarget, actions, warnings

NAMES = ["web/a", "web/b"]


class Renewals:
    """Stores new versions and syncs them."""

    def __init__(self, aws: MotoServer, target: SyncTarget, authority: CertificateAuthority) -> None:
        self._aws = aws
        self._target = target
        self._authority = authority

    def __call__(self, *names: str, **arguments: t.Any) -> dict[str, bytes]:
        """Renew these secrets, sync them all, and return what is live then."""
        for name in names:
            document = self._authority.issue([f"{name[-1]}.example.com"]).secret_document()
            self._aws.put_secret(name, document)
        run = self._target.sync(name_prefix="web/", **arguments)
        assert not run.failed, run.result
        return self._target.live_files()


@pytest.fixture
def renew(aws: MotoServer, target: SyncTarget, intermediate: CertificateAuthority) -> Renewals:
    return Renewals(aws, target, intermediate)


@pytest.mark.parametrize("layout", ["haproxy", "lineage", "split"])
def test_unproven_ones_go_back(target: SyncTarget, renew: Renewals, layout: str) -> None:
    old = renew(*NAMES, layout=layout)
    target.module("rotation_record", outcome="proven")
    renew("web/b", layout=layout)
    before = target.snapshot()
    check = target.module("certificate_rollback", check=True)
    assert target.snapshot() == before
    run = target.module("certificate_rollback")
    assert actions(check) == actions(run) == {"web/b": "restored"}
    assert check.result == {**run.result, "invocation": check.result["invocation"]}
    assert run.result["changed"] is True
    assert target.live_files() == old
    item = run.result["certificates"][0]
    assert item["subject_alternative_names"] == ["b.example.com"]
    assert item["fingerprint_sha256"] != item["rolled_back_fingerprint_sha256"]
    assert run.result["diff"] == {
        "before": {"web/b": item["rolled_back_fingerprint_sha256"]},
        "after": {"web/b": item["fingerprint_sha256"]},
    }
    again = target.module("certificate_rollback")
    assert (again.result["changed"], again.result["certificates"]) == (False, [])
    kept = {path.stem for path in (target.path / ".certops/versions").glob("web_b~*")}
    assert len(kept) == 1, "what was never served is not kept"


def test_what_is_loaded_and_could_not_be_asked_for_stays_unless_it_is_named(
    target: SyncTarget, renew: Renewals
) -> None:
    renew(*NAMES)
    target.module("rotation_record", outcome="proven")
    new = renew("web/b")
    marks = {"outcome": "proven", "names": [], "not_proven": {"web/b": "a reset"}, "loaded": ["web/b"]}
    assert target.module("rotation_record", check=True, **marks).result["changed"]
    recorded = target.module("rotation_record", **marks)
    assert recorded.result["state"]["not_proven"] == {"web/b": "a reset"}
    assert not target.module("rotation_record", **marks).result["changed"]
    assert actions(target.module("certificate_rollback")) == {}
    assert target.live_files() == new
    assert actions(target.module("certificate_rollback", names=["web/b"])) == {"web/b": "restored"}


def test_back_to_the_version_last_proven(target: SyncTarget, renew: Renewals) -> None:
    proven = renew(*NAMES, keep_previous=5)
    target.module("rotation_record", outcome="proven")
    for _renewal in range(3):
        renew("web/a", keep_previous=5)
    target.module("certificate_rollback")
    assert target.live_files() == proven


def test_new_ones_are_removed(target: SyncTarget, renew: Renewals) -> None:
    renew(*NAMES)
    run = target.module("certificate_rollback")
    assert actions(run) == dict.fromkeys(NAMES, "removed")
    assert run.result["certificates"][0]["version_id"] is None
    assert target.live_files() == {}
    assert len(renew()) == 2, "the next sync brings them again"


@pytest.mark.parametrize("change", [{"keep_previous": 0}, {"layout": "lineage"}], ids=str)
def test_what_has_no_kept_predecessor_stays(target: SyncTarget, renew: Renewals, change: dict[str, t.Any]) -> None:
    """It was served before in another version or layout: to remove it would take it from its clients."""
    renew(*NAMES)
    target.module("rotation_record", outcome="proven")
    live = renew(*NAMES, **change)
    run = target.module("certificate_rollback")
    assert (run.failed, run.result["changed"]) == (False, False)
    assert actions(run) == dict.fromkeys(NAMES, "kept")
    assert "no earlier version is kept" in warnings(run)
    assert target.live_files() == live
    for item in run.result["certificates"]:
        assert (item["rolled_back_version_id"], item["rolled_back_fingerprint_sha256"]) == (None, None)
    by_name = target.module("certificate_rollback", names=NAMES)
    assert by_name.failed
    assert "there is no version before" in by_name.result["msg"]
    assert target.live_files() == live


def test_named_ones_go_back_even_when_proven(target: SyncTarget, renew: Renewals) -> None:
    old = renew(*NAMES)
    new = renew(*NAMES)
    target.module("rotation_record", outcome="proven")
    assert target.module("certificate_rollback").result["changed"] is False
    check = target.module("certificate_rollback", names=["web/a"], check=True)
    run = target.module("certificate_rollback", names=["web/a"])
    assert actions(check) == actions(run) == {"web/a": "restored"}
    assert target.live_files() == {"web_a.pem": old["web_a.pem"], "web_b.pem": new["web_b.pem"]}
    for expected in (new, old):  # forth and back again
        check = target.module("certificate_rollback", names=["web/a"], check=True)
        assert (
            actions(check) == actions(target.module("certificate_rollback", names=["web/a"])) == {"web/a": "restored"}
        )
        assert target.live_files() == {"web_a.pem": expected["web_a.pem"], "web_b.pem": new["web_b.pem"]}


# -- by name: whole or not at all, and never less than before --------------------------------------------------


@pytest.mark.parametrize("proven", [True, False])
def test_the_first_version_is_never_removed_by_name(target: SyncTarget, renew: Renewals, proven: bool) -> None:
    """What every host has before its first renewal."""
    live = renew(*NAMES)
    if proven:
        target.module("rotation_record", outcome="proven")
    before = target.snapshot()
    for check in (True, False):
        run = target.module("certificate_rollback", names=["web/a"], check=check)
        assert (run.failed, run.result["changed"], run.result["certificates"]) == (True, False, [])
        assert f"web/a: there is no version before the one in {target.path}/web_a.pem." in run.result["msg"]
        assert target.snapshot() == before
    assert target.live_files() == live
    taken = target.module("certificate_rollback", names=["web/a"], unproven_only=True)
    assert actions(taken) == ({} if proven else {"web/a": "removed"})
    assert "web_b.pem" in target.live_files()


def test_several_by_name_go_together_or_not_at_all(target: SyncTarget, renew: Renewals) -> None:
    old = renew("web/a")
    target.module("rotation_record", outcome="proven")
    live = renew(*NAMES)
    target.module("rotation_record", outcome="proven")
    run = target.module("certificate_rollback", names=["web/b", "web/a", "web/a", "nobody"])
    assert run.failed
    assert "web/b: there is no version before" in run.result["msg"]
    assert "No certificate was deployed" in run.result["msg"]
    assert "web/a: " not in run.result["msg"]
    assert target.live_files() == live
    live = renew("web/b")
    target.module("rotation_record", outcome="proven")
    (target.path / "web_b.pem").unlink()
    (target.path / "web_b.pem").mkdir()  # nothing can take its place
    run = target.module("certificate_rollback", names=NAMES)
    assert (run.failed, run.result["changed"]) == (True, False)
    assert "None of the certificates has gone back" not in run.result["msg"], "web/b could not be put forth again"
    assert (target.path / "web_a.pem").read_bytes() == live["web_a.pem"]
    (target.path / "web_b.pem").rmdir()
    assert not target.module("certificate_rollback", names=NAMES).failed
    assert (target.path / "web_a.pem").read_bytes() == old["web_a.pem"]


@pytest.mark.parametrize("damage", ["altered", "gone", "key gone"])
def test_a_version_before_that_is_not_whole_is_refused(target: SyncTarget, renew: Renewals, damage: str) -> None:
    layout = "split" if damage == "key gone" else "haproxy"
    renew(*NAMES, layout=layout)
    live = renew(*NAMES, layout=layout)
    target.module("rotation_record", outcome="proven")
    digests = {entry["name"]: entry["previous"][0]["digest"][:16] for entry in manifest(target)["certificates"]}
    kept = target.path / ".certops/versions" / f"web_a~{digests['web/a']}"
    kept = kept.with_name(f"{kept.name}.{'key' if layout == 'split' else 'pem'}")
    kept.write_bytes(b"altered") if damage == "altered" else kept.unlink()
    run = target.module("certificate_rollback", names=NAMES)
    assert run.failed
    assert "web/a: the kept version before" in run.result["msg"]
    assert "missing or damaged" in run.result["msg"]
    assert target.live_files() == live


def test_an_expired_version_before_is_refused_unless_asked_for(target: SyncTarget, renew: Renewals) -> None:
    old = renew("web/a")
    live = renew("web/a")
    target.module("rotation_record", outcome="proven")
    for field in ("not_after", "chain_not_after"):
        known = manifest(target)
        summary = known["certificates"][0]["previous"][0]["summary"]
        good = summary[field]
        summary[field] = "2020-01-01T00:00:00Z"
        (target.path / ".certops/manifest.json").write_text(json.dumps(known))
        run = target.module("certificate_rollback", names=["web/a"])
        assert run.failed
        assert "expired at 2020-01-01T00:00:00Z" in run.result["msg"]
        assert target.live_files() == live
        summary[field] = good
    run = target.module("certificate_rollback", names=["web/a"], allow_expired=True)
    assert actions(run) == {"web/a": "restored"}
    assert target.live_files() == old


def test_back_to_a_file_of_somebody_else(
    target: SyncTarget, renew: Renewals, intermediate: CertificateAuthority
) -> None:
    """It is told by its own content; what is no certificate, or an expired one, is not gone back to."""
    target.path.mkdir()
    own = intermediate.issue("a.example.com")
    now, day = datetime.now(timezone.utc), timedelta(days=1)
    for content, problem in (
        ("no certificate", "the file before is no certificate to go back to"),
        (intermediate.issue("a.example.com", not_before=now - 2 * day, not_after=now - day).combined_pem, "expired at"),
        (own.combined_pem, None),
    ):
        shutil.rmtree(target.path)
        target.path.mkdir()
        (target.path / "web_a.pem").write_text(content)
        live = renew("web/a")
        target.module("rotation_record", outcome="proven")
        run = target.module("certificate_rollback", names=["web/a"])
        assert run.failed is (problem is not None)
        if problem:
            assert problem in run.result["msg"]
            assert target.live_files() == live
    (item,) = run.result["certificates"]
    assert (item["version_id"], item["fingerprint_sha256"]) == ("", own.fingerprint_sha256)


@pytest.mark.parametrize("names", [[], ["", " "], None])
def test_by_name_needs_names(target: SyncTarget, renew: Renewals, names: list[str] | None) -> None:
    live = renew(*NAMES)
    run = target.module("certificate_rollback", **({} if names is None else {"names": names}), unproven_only=False)
    assert run.failed
    assert "name the secrets" in run.result["msg"]
    assert target.live_files() == live


def test_what_was_rolled_back_unproven_is_no_version_before(target: SyncTarget, renew: Renewals) -> None:
    """Nobody has ever been served it: to go back by name must not go forth to it."""
    old = renew("web/a")
    target.module("rotation_record", outcome="proven")
    renew("web/a")
    assert actions(target.module("certificate_rollback")) == {"web/a": "restored"}
    run = target.module("certificate_rollback", names=["web/a"])
    assert run.failed
    assert "there is no version before" in run.result["msg"]
    assert target.live_files() == old


# -- what was served before is never taken for new -------------------------------------------------------------


@pytest.mark.parametrize(
    ("loss", "layout"),
    [
        *itertools.product(("manifest damaged", "manifest gone"), ("haproxy", "lineage", "split")),
        ("store gone", "haproxy"),
        ("store gone", "split"),
    ],
)
def test_a_lost_manifest_does_not_make_it_new(target: SyncTarget, renew: Renewals, loss: str, layout: str) -> None:
    live = renew(*NAMES, layout=layout)
    target.module("rotation_record", outcome="proven")
    if loss == "manifest damaged":
        (target.path / ".certops/manifest.json").write_text("{")
    elif loss == "manifest gone":
        (target.path / ".certops/manifest.json").unlink()
    else:
        shutil.rmtree(target.path / ".certops")
    renew(layout=layout)
    run = target.module("certificate_rollback")
    assert actions(run) == dict.fromkeys(NAMES, "kept")
    assert target.live_files() == live


def test_a_secret_that_takes_over_a_file_does_not_make_it_new(
    aws: MotoServer, target: SyncTarget, intermediate: CertificateAuthority
) -> None:
    """Renamed from web/a to web_a: one stem, one content, another entry."""
    document = intermediate.issue("a.example.com").secret_document()
    aws.put_secret("web/a", document)
    target.sync(names=["web/a"])
    target.module("rotation_record", outcome="proven")
    live = target.live_files()
    aws.put_secret("web_a", document)
    assert actions(target.sync(names=["web_a"])) == {"web_a": "unchanged"}
    assert actions(target.module("certificate_rollback")) == {"web_a": "kept"}
    assert target.live_files() == live


def test_what_a_killed_run_has_left_is_new(target: SyncTarget, renew: Renewals) -> None:
    """Published, and killed before the manifest was saved: nothing was there before."""
    renew("web/a")
    before = (target.path / ".certops/manifest.json").read_bytes()
    renew("web/b")
    (target.path / ".certops/manifest.json").write_bytes(before)
    target.module("rotation_record", outcome="proven")
    renew()
    assert actions(target.module("certificate_rollback")) == {"web/b": "removed"}
    assert set(target.live_files()) == {"web_a.pem"}


def manifest(target: SyncTarget) -> dict[str, t.Any]:
    return dict(json.loads((target.path / ".certops/manifest.json").read_text()))


def test_sync_after_a_rollback_tries_the_new_version_again(target: SyncTarget, renew: Renewals) -> None:
    old = renew(*NAMES)
    target.module("rotation_record", outcome="proven")
    new = renew("web/a")
    for _attempt in range(2):
        target.module("certificate_rollback")
        assert target.live_files() == old
        run = target.sync(name_prefix="web/")
        assert (actions(run)["web/a"], run.result["pending"]) == ("updated", ["web/a"])
        assert target.live_files() == new


def test_one_that_cannot_be_restored_does_not_stop_the_others(target: SyncTarget, renew: Renewals) -> None:
    old = renew(*NAMES)
    target.module("rotation_record", outcome="proven")
    new = renew(*NAMES)
    for version in (target.path / ".certops" / "versions").glob("web_a~*"):
        if version.read_bytes() == old["web_a.pem"]:
            version.write_bytes(b"damaged")
    run = target.module("certificate_rollback")
    assert run.failed
    assert "of web/a" in run.result["msg"]
    assert "is missing or damaged" in run.result["msg"]
    assert actions(run) == {"web/b": "restored"}
    assert run.result["changed"] is True
    assert target.live_files() == {"web_a.pem": new["web_a.pem"], "web_b.pem": old["web_b.pem"]}


def test_unknown_names(target: SyncTarget, renew: Renewals) -> None:
    live = renew(*NAMES)
    run = target.module("certificate_rollback", names=["web/a", "nobody"])
    assert run.failed
    assert "No certificate was deployed" in run.result["msg"]
    assert "nobody" in run.result["msg"]
    assert target.live_files() == live


def test_nothing_is_made_where_nothing_is(target: SyncTarget) -> None:
    run = target.module("certificate_rollback")
    assert (run.failed, run.result["changed"]) == (False, False)
    assert not target.path.exists()


def test_owner_and_mode_are_those_of_the_version(target: SyncTarget, renew: Renewals) -> None:
    renew(*NAMES, mode="0640", group="65534", directory_mode="0750")
    before = target.snapshot()
    renew(*NAMES, mode="0640", group="65534", directory_mode="0750")
    target.module("certificate_rollback")
    after = target.snapshot()
    for path in (".", ".certops", ".certops/versions", "web_a.pem", "web_b.pem"):
        assert after[path] == before[path]
