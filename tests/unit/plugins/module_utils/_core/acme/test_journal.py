# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import dataclasses
import json
import typing as t

import hypothesis
import pytest
from ansible_collections.certops.rotation.plugins.module_utils._core.acme.csr import expand_key, key_spec
from ansible_collections.certops.rotation.plugins.module_utils._core.acme.journal import (
    MAX_BYTES,
    PROGRESS,
    JournalEntry,
    JournalPart,
    allotted,
    is_held,
    is_stale,
    placed_values,
    resumption,
)
from ansible_collections.certops.rotation.plugins.module_utils._core.ca.keys import generate_key
from ansible_collections.certops.rotation.plugins.module_utils._errors import RotationError
from ansible_collections.certops.rotation.tests.support import pki, secrets_scan
from ansible_collections.certops.rotation.tests.support.issuance import (
    ACCOUNT,
    NOW,
    ONE,
    TWO,
    bundle,
    days,
    entry,
    held,
    placed,
    wanted,
)
from hypothesis import strategies as st

FULL = dataclasses.replace(
    entry("full", "a.example.com", "*.example.org", "192.0.2.1", key=pki.shared_key()),
    profile="shortlived",
    expires=NOW + days(0.3),
    values=(placed(), placed("_acme-challenge.example.org", "y" * 43)),
    progress="stored",
    owed=("acm", "s3"),
)


def reread(part: JournalPart) -> JournalPart:
    return JournalPart.from_json(part.to_json(), "journal")


# As a document


def test_what_is_written_is_read() -> None:
    part = JournalPart((FULL, entry("bare", values=())), 2, 3, 17, "run")
    assert reread(part) == part
    assert expand_key(reread(part).entries[0].key or "").public_key() == pki.shared_key().public_key()


@pytest.mark.parametrize("progress", PROGRESS)
def test_every_progress_is_kept(progress: t.Any) -> None:
    assert reread(JournalPart((entry().at(progress),))).entries[0].progress == progress


def test_nothing_that_is_shown_has_a_key() -> None:
    key = pki.shared_key()
    pki.private_key_pem(key)
    part = JournalPart((entry(key=key),))
    assert secrets_scan.private_key_findings(part.to_json())  # what is written has
    for shown in (repr(part), str(part), repr(part.entries), repr(resumption(part.entries, {}, {}, {}, {}, NOW))):
        secrets_scan.assert_no_private_key(shown)


@pytest.mark.parametrize(
    "damage",
    [
        {"name": None},
        {"name": ""},
        {"identifiers": []},
        {"identifiers": "a.example.com"},
        {"identifiers": [1]},
        {"key_type": "rsa1024"},
        {"key_type": None},
        {"progress": "begun"},
        {"created": "yesterday"},
        {"created": 12},
        {"expires": "never"},
        {"values": None},
        {"values": [["a"]]},
        {"values": ["abcde"]},
        {"values": [["r", "z", "i", -1, "v"]]},
        {"values": [["r", "z", "i", True, "v"]]},
        {"order_url": None},
        {"account_url": {"a": 1}},
        {"owed": "acm"},
        {"key": "AAAA"},
        {"key": 12},
        {"profile": ["x"]},
    ],
)
def test_a_damaged_entry_is_told_and_the_others_go_on(damage: dict[str, t.Any]) -> None:
    document = json.loads(JournalPart((FULL, entry("other"))).to_json())
    document["entries"][0].update(damage)
    read = JournalPart.from_json(json.dumps(document), "journal")
    assert [each.name for each in read.entries] == ["other"]
    assert len(read.damaged) == 1
    assert read.damaged[0].startswith("journal: the entry ")
    secrets_scan.assert_no_private_key(read.damaged[0])


@pytest.mark.parametrize("entries", [None, {}, "x", [None], [1], [[]], ["x"], [{}]])
def test_entries_that_are_none_are_told(entries: t.Any) -> None:
    document = json.loads(JournalPart().to_json())
    document["entries"] = entries
    assert len(JournalPart.from_json(json.dumps(document), "journal").damaged) == 1


@pytest.mark.parametrize("text", ["", "x", "null", "[]", "{}", '{"certificate": "x"}', "[" * 100_000, '{"kind": 1}'])
def test_what_is_no_journal_is_not_touched(text: str) -> None:
    with pytest.raises(RotationError, match=r"something else than a journal.*nothing is ordered"):
        JournalPart.from_json(text, "production/journal")


def test_a_later_version_is_not_touched() -> None:
    document = json.loads(JournalPart().to_json())
    document["format"] = 2
    with pytest.raises(RotationError, match="a newer one is at work"):
        JournalPart.from_json(json.dumps(document), "journal")


@hypothesis.given(
    st.dictionaries(
        st.sampled_from(["entries", "part", "parts", "generation", "run"]),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.text(max_size=3),
            lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
            max_leaves=8,
        ),
    )
)
def test_no_document_raises_anything_else(parts: dict[str, t.Any]) -> None:
    document = {**json.loads(JournalPart((FULL,)).to_json()), **parts}
    read = JournalPart.from_json(json.dumps(document), "journal")
    assert read.of >= 1
    assert read.generation >= 0


# Parts


def many(count: int, key_type: t.Any = "rsa4096") -> list[JournalEntry]:
    return [entry(f"n{number:03d}", f"n{number:03d}.example.com", key_type=key_type) for number in range(count)]


def with_keys(parts: dict[int, list[JournalEntry]]) -> list[JournalPart]:
    """As they are once RSA-4096 keys are made, which have 3168 characters."""
    return [
        JournalPart(
            tuple(
                dataclasses.replace(each, key="k" * 3170, progress="finalized", owed=("acm", "s3", "a-third-one"))
                for each in entries
            ),
            number,
            len(parts),
            1000,
            "r" * 32,
        )
        for number, entries in parts.items()
    ]


def test_a_hundred_rsa_keys_have_room_before_they_are_made() -> None:
    parts = allotted(many(100), {})
    assert 1 < len(parts) < 9
    assert sorted(each.name for entries in parts.values() for each in entries) == [each.name for each in many(100)]
    for part in with_keys(parts):
        assert len(part.to_json().encode()) <= MAX_BYTES


@pytest.mark.parametrize("key_type", ["ec256", "ec384", "rsa2048"])
def test_an_entry_never_outgrows_its_weight(key_type: t.Any) -> None:
    """Which is reckoned before there is a key."""
    made = generate_key(key_spec(key_type))
    pki.private_key_pem(made)
    before, after = entry(key_type=key_type), entry(key_type=key_type, key=made)
    after = after.at("finalized", owed=("secrets_manager", "acm", "s3", "another-one"))
    grown = len(JournalPart((after,)).to_json()) - len(JournalPart().to_json())
    assert grown <= before.weight
    assert grown <= after.weight
    assert before.weight < grown + 300


def test_few_need_one_part_only() -> None:
    assert list(allotted(many(10), {})) == [1]
    assert list(allotted(many(40, "ec256"), {})) == [1]
    assert allotted([], {}) == {1: []}


def test_an_entry_stays_in_its_part() -> None:
    entries = many(100)
    before = allotted(entries, {})
    places = {each.order_url: number for number, part in before.items() for each in part}
    made = [each for part in with_keys(before) for each in part.entries]
    fewer = [each for each in made if each.name != "n000"]
    after = allotted([entry("new"), *fewer], places)
    for number, part in after.items():
        assert {each.name for each in part} - {"new"} == {each.name for each in before[number]} - {"n000"}
    assert sum(map(len, after.values())) == 100


def test_an_entry_that_is_larger_than_a_part_has_one_of_its_own_and_is_told() -> None:
    huge = entry("huge", *[f"{number}.{'x' * 60}.{'y' * 60}.{'z' * 60}.example.com" for number in range(400)])
    parts = allotted([entry("one"), huge, entry("two")], {})
    assert [[each.name for each in part] for part in parts.values()] == [["one", "two"], ["huge"]]
    with pytest.raises(RotationError, match="too long for a secret"):
        JournalPart(tuple(parts[2])).to_json()


# What is resumed


def resumed(*entries: JournalEntry, **changes: t.Any) -> t.Any:
    arguments: dict[str, t.Any] = {
        "wanted": {"a": wanted()},
        "held": {},
        "accounts": {ONE.directory: ACCOUNT},
        "profiles": {},
        "now": NOW,
        **changes,
    }
    return resumption(entries, **arguments)


def test_an_order_of_a_killed_run_is_resumed() -> None:
    found = resumed(entry(expires=NOW + days(1)))
    assert list(found.resumed) == ["a"]
    assert found.dropped == ()
    assert found.ours == (placed(),)


@pytest.mark.parametrize(
    ("left", "changes", "told"),
    [
        (entry(), {"wanted": {}}, "not wanted any more"),
        (entry(), {"accounts": {TWO.directory: ACCOUNT}}, "not configured any more"),
        (entry(), {"accounts": {ONE.directory: "https://one.example/acct/2"}}, "another one is used now"),
        (entry(), {"wanted": {"a": wanted("a.example.com", "b.example.com")}}, "other names"),
        (entry(), {"wanted": {"a": wanted(key_type="rsa2048")}}, "another type of key"),
        (entry(), {"wanted": {"a": wanted(profile="shortlived")}}, "another profile"),
        (entry(), {"profiles": {ONE.directory: "shortlived"}}, "another profile"),
        (entry(expires=NOW), {}, "it expired at"),
        (entry().at("finalized"), {}, "private key is not there"),
    ],
)
def test_what_does_not_fit_any_more_is_left_and_its_values_are_ours_still(
    left: JournalEntry, changes: dict[str, t.Any], told: str
) -> None:
    found = resumed(left, **changes)
    assert not found.resumed
    assert told in found.dropped[0]
    assert found.dropped[0].startswith("a: the order https://one.example/order/1/a of an earlier run is left: ")
    assert found.ours == (placed(),)


def test_what_the_ca_has_issued_does_not_expire_with_the_order() -> None:
    issued = entry(key=pki.shared_key(), expires=NOW - days(1)).at("finalized")
    assert list(resumed(issued).resumed) == ["a"]


def test_names_have_no_order_and_profiles_come_from_the_issuer() -> None:
    left = entry("a", "b.example.com", "a.example.com", profile="shortlived")
    wants = {"a": wanted("a.example.com", "b.example.com")}
    assert resumed(left, wanted=wants, profiles={ONE.directory: "shortlived"}).resumed


def test_what_is_stored_already_is_not_fetched_again() -> None:
    """A run was killed between storing the certificate and writing that down."""
    key = pki.new_key()
    pki.private_key_pem(key)
    left = entry(key=key).at("finalized")
    found = resumed(left, held={"a": held(bundle(key=key))})
    assert not found.resumed
    assert "is stored" in found.dropped[0]
    assert is_held(left, held(bundle(key=key)))
    assert not is_held(left, held(bundle()))
    assert not is_held(left, held(None))
    assert not is_held(entry(), held(bundle(key=key)))
    assert list(resumed(left, held={"a": held(bundle())}).resumed) == ["a"]


def test_of_two_orders_for_one_certificate_the_further_one_is_resumed() -> None:
    one = entry(order_url="https://one.example/order/1/1", key=pki.shared_key()).at("finalized")
    two = entry(order_url="https://one.example/order/1/2", values=(placed(value="z" * 43),))
    for pair in ((one, two), (two, one)):
        found = resumed(*pair)
        assert found.resumed["a"] == one
        assert set(found.ours) == {placed(), placed(value="z" * 43)}


def test_values_are_listed_once() -> None:
    assert placed_values([entry("a"), entry("b")]) == (placed(),)


@pytest.mark.parametrize(
    ("progress", "expires", "last"),
    [("ordered", 0.3, 0.3), ("validated", None, 30), ("finalized", 0.3, 90), ("issued", None, 90)],
)
def test_nothing_is_kept_for_ever(progress: t.Any, expires: float | None, last: float) -> None:
    kept = dataclasses.replace(
        entry(), progress=progress, created=NOW, expires=NOW + days(expires) if expires else None
    )
    assert not is_stale(kept, NOW + days(last - 0.01))
    assert is_stale(kept, NOW + days(last))


@pytest.mark.parametrize("progress", PROGRESS)
def test_a_clock_that_was_wrong_keeps_no_entry_for_years(progress: str) -> None:
    kept = dataclasses.replace(entry(), progress=progress, created=NOW + days(1000), expires=NOW + days(7))
    assert not is_stale(kept, NOW + days(6))
    assert is_stale(kept, NOW + days(98))
