# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import hypothesis
import pytest
from ansible_collections.certops.rotation.plugins.module_utils._core.acme.dns import TxtRecord
from ansible_collections.certops.rotation.plugins.module_utils._core.acme.txt import (
    MAX_CHARACTERS,
    MAX_VALUES,
    TTL,
    TxtChange,
    TxtSet,
    batches,
    changes_to_add,
    changes_to_remove,
    created,
    quoted,
    txt_records,
    unescaped_name,
    unquoted,
)
from hypothesis import strategies as st

NAME = "_acme-challenge.example.com"


def test_wildcard_and_base_and_two_certificates_share_a_record() -> None:
    values = [(NAME, "apex"), ("_acme-challenge.a.example.com", "a"), (NAME, "wildcard"), (NAME, "apex"), (NAME, "b")]
    assert txt_records(values) == (
        TxtRecord(NAME, ("apex", "wildcard", "b")),
        TxtRecord("_acme-challenge.a.example.com", ("a",)),
    )
    assert txt_records([]) == ()


# Values as Route53 writes them


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("plain", '"plain"'),
        ('say "hi"', r'"say \"hi\""'),
        ("back\\slash", r'"back\\slash"'),
        ("\u00fc", r'"\303\274"'),
        ("tab\there", r'"tab\011here"'),
        ("", '""'),
        ("x" * 255, f'"{"x" * 255}"'),
    ],
)
def test_quoting(value: str, text: str) -> None:
    assert quoted(value) == text
    assert unquoted(text) == value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('"one" "two"', "onetwo"),
        ('"one"   "two"', "onetwo"),
        ('"one""two"', "onetwo"),
        ('"one two"', "one two"),
        ("bare", "bare"),
        (r'"\344"', "\u00e4"),  # no UTF-8
        (r'"a\\"', "a\\"),
        ('"unclosed', "unclosed"),
        ("\\", ""),
    ],
)
def test_what_others_have_written_is_understood(text: str, value: str) -> None:
    assert unquoted(text) == value


@hypothesis.given(st.text(max_size=80))
def test_whatever_is_quoted_comes_back(value: str) -> None:
    text = quoted(value)
    assert text.isascii()
    assert text.isprintable()
    assert unquoted(text) == value


def test_names_come_back_escaped() -> None:
    assert unescaped_name("\\052.Example.com.") == "*.example.com"
    assert unescaped_name("a\\057b.example.com.") == "a/b.example.com"


# Changes


def test_a_free_name_is_created() -> None:
    record = TxtRecord(NAME, ("one", "two"))
    assert changes_to_add(record, None) == (TxtChange("CREATE", TxtSet(NAME, TTL, ('"one"', '"two"'))),)


def test_a_union_replaces_exactly_what_was_read() -> None:
    there = TxtSet(NAME, 300, ('"theirs"', '"one"'))
    assert changes_to_add(TxtRecord(NAME, ("one", "two")), there) == (
        TxtChange("DELETE", there),
        TxtChange("CREATE", TxtSet(NAME, 300, ('"theirs"', '"one"', '"two"'))),
    )


def test_what_is_there_needs_no_change() -> None:
    assert changes_to_add(TxtRecord(NAME, ("one",)), TxtSet(NAME, 300, ('"o" "ne"',))) == ()


def test_removing_leaves_what_is_not_ours() -> None:
    there = TxtSet(NAME, 300, ('"ours"', '"theirs" "too"', '"ours-2"'))
    assert changes_to_remove(TxtRecord(NAME, ("ours", "ours-2", "gone")), there) == (
        TxtChange("DELETE", there),
        TxtChange("CREATE", TxtSet(NAME, 300, ('"theirs" "too"',))),
    )


def test_removing_all_removes_the_set() -> None:
    record = TxtRecord(NAME, ("ours",))
    assert changes_to_remove(record, created(record)) == (TxtChange("DELETE", created(record)),)


@pytest.mark.parametrize("there", [None, TxtSet(NAME, 300, ('"theirs"',))])
def test_removing_what_is_not_there_changes_nothing(there: TxtSet | None) -> None:
    assert changes_to_remove(TxtRecord(NAME, ("ours",)), there) == ()


# Batches


def step(number: int, values: int = 1, length: int = 43) -> tuple[TxtChange, ...]:
    record = TxtRecord(
        f"n{number}.example.com", tuple(f"{number}-{index}".ljust(length, "x") for index in range(values))
    )
    return changes_to_add(record, None)


def test_as_few_batches_as_the_limits_allow() -> None:
    # 45 characters with the quotation marks: 711 of them are 31,995.
    assert [len(batch.changes) for batch in batches(map(step, range(711)))] == [711]
    assert [len(batch.changes) for batch in batches(map(step, range(712)))] == [711, 1]
    assert [len(batch.changes) for batch in batches(step(number, length=6) for number in range(2500))] == [
        1000,
        1000,
        500,
    ]
    assert batches([]) == batches([(), ()]) == ()


@hypothesis.given(st.lists(st.tuples(st.integers(1, 400), st.integers(12, 250)), max_size=30))
def test_batches_keep_the_limits_and_all_changes_in_order(sizes: list[tuple[int, int]]) -> None:
    steps = [step(number, values, length) for number, (values, length) in enumerate(sizes)]
    made = batches(steps)
    assert [change for batch in made for change in batch.changes] == [change for each in steps for change in each]
    for batch in made:
        values = [value for change in batch.changes for value in change.record_set.values]
        alone = len(batch.names) == 1
        assert alone or (len(values) <= MAX_VALUES and sum(map(len, values)) <= MAX_CHARACTERS)


def test_the_two_halves_of_a_swap_stay_together() -> None:
    there = TxtSet("z.example.com", 300, tuple(f'"{number}"' for number in range(200)))
    swap = changes_to_add(TxtRecord("z.example.com", ("new",)), there)
    made = batches([*(step(number, length=6) for number in range(700)), swap])
    assert [batch.names[-1] for batch in made] == ["n699.example.com", "z.example.com"]
    assert len(made[1].changes) == 2
