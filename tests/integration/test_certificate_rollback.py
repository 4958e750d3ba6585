# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""certificate_rollback: what was live before is live again, byte for byte."""

from __future__ import annotations

import typing as t

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


def test_named_ones_go_back_even_when_proven(target: SyncTarget, renew: Renewals) -> None:
    old = renew(*NAMES)
    new = renew(*NAMES)
    target.module("rotation_record", outcome="proven")
    assert target.module("certificate_rollback").result["changed"] is False
    run = target.module("certificate_rollback", names=["web/a"])
    assert actions(run) == {"web/a": "restored"}
    assert target.live_files() == {"web_a.pem": old["web_a.pem"], "web_b.pem": new["web_b.pem"]}


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
