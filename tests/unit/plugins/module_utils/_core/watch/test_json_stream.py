# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import tracemalloc
import typing as t

import hypothesis
import pytest
from ansible_collections.certops.rotation.plugins.module_utils._core.watch.json_stream import json_items
from ansible_collections.certops.rotation.plugins.module_utils._errors import InvalidOption
from hypothesis import strategies as st


def pieces(text: str, size: int) -> t.Iterator[str]:
    for start in range(0, len(text), size):
        yield text[start : start + size]


values = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**15), 10**15) | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@hypothesis.given(st.lists(values, max_size=6), st.integers(1, 40), st.sampled_from([None, 1, "\t"]), st.booleans())
def test_an_array_in_pieces_of_any_size(items: list[t.Any], size: int, indent: t.Any, ascii_only: bool) -> None:
    text = json.dumps(items, indent=indent, ensure_ascii=ascii_only)
    assert list(json_items(pieces(text, size))) == items


@hypothesis.given(st.lists(st.dictionaries(st.text(max_size=5), values, max_size=3), max_size=6), st.integers(1, 40))
def test_one_value_a_line(items: list[t.Any], size: int) -> None:
    text = "\ufeff" + "".join(f"{json.dumps(item)}\r\n" for item in items)
    assert list(json_items(pieces(text, size))) == items


@pytest.mark.parametrize(
    ("text", "items", "message"),
    [
        ('[{"a": 1}, {"a": 2', [{"a": 1}], "It is no JSON from character 12 on: it ends in the middle."),
        ('[{"a": 1}', [{"a": 1}], "It is no JSON from character 10 on: it ends in the middle."),
        ('[{"a": 1},', [{"a": 1}], "It is no JSON from character 11 on: it ends in the middle."),
        ("[1 2]", [1], "It is no JSON from character 4 on: there is no comma between two items."),
        ("[1] 2", [1], "It is no JSON from character 5 on: something follows its end."),
        ("[1, NaN]", [1], "It is no JSON from character 5 on: NaN is no JSON."),
        (f"[1, {'9' * 30}]", [1], "It is no JSON from character 5 on: a number is too long."),
        (f"[1, {'[' * 300_000}", [1], "It is no JSON from character 5 on: it is nested too deeply."),
        ('["a", "b]', ["a"], "It is no JSON from character 7 on: it ends in the middle."),
        ("", [], None),
        (" \n", [], None),
        ("[]", [], None),
    ],
)
def test_what_is_before_the_damage_is_had(text: str, items: list[t.Any], message: str | None) -> None:
    for size in (1 if len(text) < 100 else 10_000, 1_000_000):
        found: list[t.Any] = []
        try:
            found.extend(json_items(pieces(text, size)))  # keeps what came before the error
            error = None
        except InvalidOption as caught:
            error = caught.message
        assert (found, error) == (items, message)


def test_damage_at_the_begin_ends_the_reading() -> None:
    read = 0

    def chunks() -> t.Iterator[str]:
        nonlocal read
        yield '[{"a": nonsense and more of it},'
        while True:
            read += 1
            yield '{"a": 1},' * 1000

    with pytest.raises(InvalidOption, match="from character 2 on: Expecting value"):
        list(json_items(chunks()))
    assert read == 0


def test_one_item_without_an_end_is_given_up() -> None:
    def chunks() -> t.Iterator[str]:
        yield '["'
        while True:
            yield "a" * 1000

    with pytest.raises(InvalidOption, match="one item has more than 5000 characters"):
        list(json_items(chunks(), most=5000))


def test_a_big_document_needs_no_memory() -> None:
    item = json.dumps({"name_value": "a.example.com\nb.example.com", "not_after": "2027-01-01T00:00:00"})

    def chunks() -> t.Iterator[str]:
        yield "["
        for _block in range(400):
            yield f"{item}," * 500
        yield f"{item}]"

    tracemalloc.start()
    try:
        assert sum(1 for _item in json_items(chunks())) == 200_001
        assert tracemalloc.get_traced_memory()[1] < 2_000_000
    finally:
        tracemalloc.stop()


def test_an_empty_piece_is_no_end() -> None:
    assert list(json_items(iter(["", '[{"a": 1},', "", " 2]"]))) == [{"a": 1}, 2]
