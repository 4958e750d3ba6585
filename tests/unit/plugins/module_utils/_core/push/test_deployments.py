# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a receiving host remembers, and what it says of that."""

from __future__ import annotations

import copy
import json
import typing as t
from datetime import datetime, timedelta, timezone

import pytest
from ansible_collections.certops.rotation.plugins.module_utils._core.push.deployments import (
    TakenBack,
    Unfinished,
    is_settled,
    newest_first,
    receipt_of,
)
from ansible_collections.certops.rotation.plugins.module_utils._core.services.pending import PendingLineage

NOW = datetime(2026, 11, 26, 12, tzinfo=timezone.utc)
OLD, NEW = "0" * 64, "1" * 64


def filled() -> Unfinished:
    return Unfinished(
        (PendingLineage("a", NEW, NOW, frozenset({"x"})), PendingLineage("b", NEW, NOW)),
        {"c": TakenBack(NEW, "why")},
        {"d": "why not"},
        {"a", "e"},
        {"a": "/receipts", "b": ""},
    )


def test_what_is_written_is_read() -> None:
    assert Unfinished.from_json(filled().to_json()) == filled()
    assert Unfinished.from_json(Unfinished().to_json()) == Unfinished()


@pytest.mark.parametrize(
    "change",
    [
        {"format": 2},
        {"pending": []},
        {"pending": {"a": {}}},
        {"taken_back": {"a": {"more": 1}}},
        {"taken_back": None},
        {"unproven": 1},
        {"receipts": None},
        {"origins": []},
    ],
)
def test_what_is_no_such_record(change: dict[str, t.Any]) -> None:
    with pytest.raises(ValueError):  # noqa: PT011
        Unfinished.from_json(json.dumps({**json.loads(filled().to_json()), **change}).encode())


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b"null", b"{}", b"[" * 100_000])
def test_what_is_no_record_at_all(data: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011
        Unfinished.from_json(data)


def receipt(unfinished: Unfinished, lineage: str, **more: t.Any) -> tuple[str, str, str, str | None]:
    made = receipt_of(lineage, OLD, unfinished, **{"proven": False, "now": NOW, "due": None, **more})
    assert (made.lineage, made.at) == (lineage, "2026-11-26T12:00:00Z")
    return made.state, made.fingerprint_sha256, made.message, made.due


def test_receipts() -> None:
    later = NOW + timedelta(hours=1)
    assert receipt(filled(), "z") == ("deployed", OLD, "", None)
    assert receipt(filled(), "z", proven=True) == ("proven", OLD, "", None)
    assert receipt(filled(), "a", due=later) == ("pending", OLD, "", "2026-11-26T13:00:00Z")
    assert receipt(filled(), "a", proven=True) == ("pending", OLD, "", None)
    assert receipt(filled(), "a", due=later, message="it failed") == ("pending", OLD, "it failed", None)
    assert receipt(filled(), "c") == ("taken_back", NEW, "why", None)
    assert receipt(filled(), "d") == ("pending", OLD, "why not", None)


def test_what_was_taken_back_is_told_before_its_services_are() -> None:
    unfinished = filled()
    unfinished.taken_back["a"] = TakenBack(NEW, "why")
    assert receipt(unfinished, "a") == ("taken_back", NEW, "why", None)
    unfinished.taken_back["a"] = TakenBack(OLD, "the way back has not been gone yet")
    assert receipt(unfinished, "a")[0] == "pending"


def test_who_becomes_live_and_who_is_told() -> None:
    unfinished = filled()
    unfinished.become_live(PendingLineage("d", NEW, NOW), "/elsewhere")
    assert unfinished.unproven == {}
    assert unfinished.receipts == {"a", "b", "d", "e"}, "those that wait with it wait longer now"
    unfinished.tell(["a", "d", "e"])
    assert unfinished.receipts == {"b"}
    assert unfinished.origins == {"a": "/receipts", "b": "", "d": "/elsewhere"}
    unfinished.pending = ()
    unfinished.tell(["b"])
    assert unfinished.origins == {}


@pytest.mark.parametrize("lineage", ["a", "b", "c", "d", "z"])
def test_what_has_not_become_live_is_as_it_was(lineage: str) -> None:
    before, unfinished = filled(), copy.deepcopy(filled())
    unfinished.taken_back.pop(lineage, None)
    unfinished.become_live(PendingLineage(lineage, OLD, NOW), "/elsewhere")
    unfinished.recall(lineage, before)
    assert unfinished.is_pending(lineage) is before.is_pending(lineage)
    assert unfinished.taken_back == before.taken_back
    assert unfinished.unproven == before.unproven
    assert (lineage in unfinished.receipts) is (lineage in before.receipts)
    assert unfinished.origins == before.origins


def test_the_newest_first() -> None:
    ages = [("2026-01-02T00:00:00Z", 5.0), ("", 9.0), ("2026-01-03T00:00:00Z", 1.0), ("2026-01-03T00:00:00Z", 2.0)]
    assert newest_first(ages) == [3, 2, 0, 1]
    assert newest_first([]) == []


@pytest.mark.parametrize(
    ("changed_at", "settled"), [(100.0, False), (91.0, False), (90.0, True), (0.0, True), (101.0, True)]
)
def test_settled(changed_at: float, settled: bool) -> None:
    """One of the future is no sign of work: the clock has been set back since."""
    assert is_settled(changed_at, 100.0, 10.0) is settled


def test_nothing_is_waited_for_without_a_time() -> None:
    assert is_settled(100.0, 100.0, 0.0)
