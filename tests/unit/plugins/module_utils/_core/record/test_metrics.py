# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest
from ansible_collections.certops.rotation.plugins.module_utils._core.instants import isoformat_utc
from ansible_collections.certops.rotation.plugins.module_utils._core.pipeline.manifest import (
    Entry,
    Manifest,
    StoredVersion,
)
from ansible_collections.certops.rotation.plugins.module_utils._core.record.issuance import IssuanceNumbers
from ansible_collections.certops.rotation.plugins.module_utils._core.record.metrics import (
    DURATION_BUCKETS,
    Run,
    Totals,
    certificate_numbers,
)
from ansible_collections.certops.rotation.plugins.module_utils._core.record.push import PushNumbers

NOW = datetime(2026, 11, 22, 12, tzinfo=timezone.utc)


def test_totals_survive_as_json() -> None:
    totals = Totals()
    totals.add(
        Run(True, 3.0, {"ListSecrets": 2}, {"ListSecrets": 1}, {"error": 1}, {"success": 4}, {"created": 4}), NOW
    )
    totals.add(Run(False, problems={"source": 2}), NOW + timedelta(hours=1))
    assert totals.problems == {"content": 0, "host": 0, "source": 2}
    assert Totals.from_json(totals.to_json()) == totals
    assert Totals.from_json(Totals().to_json()) == Totals()
    assert totals.counters["runs"] == {("success",): 1, ("error",): 1}
    assert totals.counters["requests"] == {("ListSecrets", "success"): 1, ("ListSecrets", "error"): 1}
    assert totals.last_success == NOW.timestamp()
    assert totals.last_run == NOW.timestamp() + 3600
    assert totals.last_run_succeeded is False


def test_a_success_in_the_future_is_forgotten_by_a_run_that_fails() -> None:
    """A clock that was wrong noted it. Nothing would be told as too old for years."""
    for ahead, remains in ((timedelta(days=1000), False), (timedelta(minutes=4), True)):
        totals = Totals()
        totals.add(Run(True), NOW + ahead)
        totals.add(Run(False), NOW)
        assert (totals.last_success is not None) == remains
        assert totals.last_run == int(NOW.timestamp())
        issuing, push = IssuanceNumbers(), PushNumbers()
        for numbers in (issuing, push):
            numbers.add(True, NOW + ahead)
            numbers.add(False, NOW)
        assert (issuing.last_success is not None) == remains
        assert ("last_success_timestamp_seconds" in push.instants) == remains


@pytest.mark.parametrize(
    ("seconds", "bucket"),
    [(0, 0), (-5, 0), (DURATION_BUCKETS[0], 0), (DURATION_BUCKETS[0] + 0.01, 1), (1e6, len(DURATION_BUCKETS))],
)
def test_a_bound_belongs_to_its_bucket(seconds: float, bucket: int) -> None:
    totals = Totals()
    totals.add(Run(True, seconds), NOW)
    assert [position for position, count in enumerate(totals.buckets) if count] == [bucket]
    assert totals.duration_sum == max(seconds, 0)


@pytest.mark.parametrize(
    "damage",
    [b"", b"[]", b"null", b'{"format": 2}', b"\xff", Totals().to_json().replace(b'"runs"', b'"walks"')],
)
def test_damage_is_told(damage: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - any of its kinds
        Totals.from_json(damage)


def test_every_truncation_is_told() -> None:
    document = Totals().to_json().rstrip()
    for end in range(len(document)):
        with pytest.raises(ValueError):  # noqa: PT011
            Totals.from_json(document[:end])


@pytest.mark.parametrize(("days", "notice"), [(6, 3), (45, 15), (90, 30), (365, 30)])
def test_the_time_of_renewal_follows_the_lifetime(days: int, notice: int) -> None:
    dates = {"not_before": isoformat_utc(NOW), "not_after": isoformat_utc(NOW + timedelta(days=days))}
    summaries = [{**dates, "subject_alternative_names": ["b.example.com", "a.example.com"]}, dates, {}]
    manifest = Manifest()
    for name, summary in zip("abc", summaries):
        version = StoredVersion("d", "v", {}, summary)
        manifest.entries[name] = Entry(name, "arn", name, "haproxy", "r", version, proven="d" if name == "a" else None)
    a, b = certificate_numbers(manifest, "/c/{}".format, lambda name: {"disk": name == "a"})
    assert a.not_after - a.renewal == notice * 86400
    assert (a.path, a.domain, b.domain) == ("/c/a.pem", "b.example.com", "b")
    assert (a.served, a.drift, b.served, b.drift) == (True, {"disk": True}, False, {"disk": False})


def manifest_of(**digests: str) -> Manifest:
    versions = {name: StoredVersion(digest, "v", {}, {}) for name, digest in digests.items()}
    return Manifest({name: Entry(name, "arn", name, "haproxy", "r", version) for name, version in versions.items()})


def test_layers_are_kept_as_long_as_their_version() -> None:
    totals = Totals()
    totals.see(manifest_of(a="1", b="1"), {"a": {"memory": "ok", "disk": "ok", "wire": "absent"}, "z": {"wire": "ok"}})
    assert totals.drift("a") == {"memory": False, "wire": True}
    assert (totals.drift("b"), totals.drift("z")) == ({}, {})
    totals = Totals.from_json(totals.to_json())
    totals.see(manifest_of(a="1"), {})
    assert totals.drift("a") == {"memory": False, "wire": True}
    totals.see(manifest_of(a="1"), {"a": {"wire": "unknown", "source": "differs"}})
    assert totals.drift("a") == {"source": True, "memory": False}
    totals.see(manifest_of(a="2"), {"a": {"source": "ok"}})
    assert totals.drift("a") == {"source": False}
    totals.see(manifest_of(b="1"), {})
    assert totals.layers == {}


def test_what_could_not_be_asked_is_no_drift_and_kept_apart() -> None:
    totals = Totals()
    totals.see(manifest_of(a="1", b="1"), {"a": {"wire": "unanswered", "memory": "ok"}, "b": {"wire": "unasked"}})
    totals = Totals.from_json(totals.to_json())
    assert (totals.drift("a"), totals.drift("b")) == ({"memory": False}, {})
    assert (totals.unproven("a"), totals.unproven("b"), totals.unproven("c")) == ("unanswered", "unasked", None)
    totals.see(manifest_of(a="1", b="2"), {"a": {"wire": "ok"}})
    assert (totals.unproven("a"), totals.unproven("b")) == (None, None)
    assert totals.drift("a") == {"memory": False, "wire": False}
