# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""docs/features.md has every item once, and what it calls done has a test that exists."""

from __future__ import annotations

import ast
import pathlib
import re
import typing as t

import pytest

ROOT = pathlib.Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "features.md").read_text(encoding="utf-8")
ITEMS = {"CR": 101, "CD": 113, "JB": 49, "LE": 44, "EM": 32}
TEST = re.compile(r"`(tests/[\w/]+\.py)::(test_\w+)`")


class Row(t.NamedTuple):
    id: str
    what: str
    here: str
    proof: str


ROWS = [
    Row(*(cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]))
    for line in TEXT.splitlines()
    if re.match(r"\| [A-Z]{2}\d", line)
]
DONE = [row for row in ROWS if row.proof != "planned"]


def test_every_item_is_there_once_and_in_order():
    assert [row.id for row in ROWS] == [f"{kind}{n}" for kind, count in ITEMS.items() for n in range(1, count + 1)]


def test_every_row_says_what_and_how():
    assert [row.id for row in ROWS if not (row.what and row.here)] == []


@pytest.mark.parametrize("row", DONE, ids=lambda row: row.id)
def test_what_is_done_has_a_test(row):
    tests = TEST.findall(row.proof)
    assert tests, f"{row.id} is done but names no test: {row.proof}"
    assert TEST.sub("", row.proof).strip() == ""
    for path, function in tests:
        assert (ROOT / path).is_file(), f"{row.id}: there is no {path}"
        tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
        functions = {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
        assert function in functions, f"{row.id}: {path} has no {function}"


@pytest.mark.parametrize("row", [row for row in DONE if "DIFF" in row.here], ids=lambda row: row.id)
def test_what_differs_is_explained(row):
    assert "[DIFF](operations.md#" in row.here  # that the link leads somewhere, test_docs.py checks


def test_every_explanation_is_used():
    explained = re.findall(r'<a id="(\w+)">', (ROOT / "docs" / "operations.md").read_text(encoding="utf-8"))
    assert [anchor for anchor in explained if f"(operations.md#{anchor})" not in TEXT] == []


def test_the_count_is_true():
    assert f"Done: {len(DONE)} of {sum(ITEMS.values())}." in TEXT
