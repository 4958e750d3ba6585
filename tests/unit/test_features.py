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
OPERATIONS = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
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
BEYOND = [row for row in ROWS if row.id[:2] not in ITEMS]


def assert_exist(tests: list[tuple[str, str]]) -> None:
    for path, function in tests:
        assert (ROOT / path).is_file(), f"there is no {path}"
        tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
        functions = {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
        assert function in functions, f"{path} has no {function}"


def test_every_item_is_there_once_and_in_order():
    items = [row.id for row in ROWS if row not in BEYOND]
    assert items == [f"{kind}{n}" for kind, count in ITEMS.items() for n in range(1, count + 1)]


def test_what_is_beyond_the_five_systems_is_done_and_numbered_by_subject():
    assert [row.id for row in BEYOND if row not in DONE] == []
    for subject in {row.id[:2] for row in BEYOND}:
        found = [row.id for row in BEYOND if row.id[:2] == subject]
        assert found == [f"{subject}{n}" for n in range(1, len(found) + 1)]


def test_every_row_says_what_and_how():
    assert [row.id for row in ROWS if not (row.what and row.here)] == []


@pytest.mark.parametrize("row", DONE, ids=lambda row: row.id)
def test_what_is_done_has_a_test(row):
    tests = TEST.findall(row.proof)
    assert tests, f"{row.id} is done but names no test: {row.proof}"
    assert TEST.sub("", row.proof).strip() == ""
    assert_exist(tests)


@pytest.mark.parametrize("row", [row for row in DONE if "DIFF" in row.here], ids=lambda row: row.id)
def test_what_differs_is_explained(row):
    assert re.search(r"\[DIFF\]\([a-z-]+\.md#", row.here)  # that the link leads somewhere, test_docs.py checks


@pytest.mark.parametrize("row", [row for row in DONE if "[~]" in row.here], ids=lambda row: row.id)
def test_what_has_no_equivalent_is_explained(row):
    assert ".md" in row.here


def test_every_explanation_is_used():
    explained = re.findall(r'<a id="(\w+)">', OPERATIONS)
    assert [anchor for anchor in explained if f"(operations.md#{anchor})" not in TEXT] == []


def test_the_count_is_true():
    assert f"Done: {len(DONE) - len(BEYOND)} of {sum(ITEMS.values())}." in TEXT


def test_every_defect_of_older_services_has_a_test():
    section = OPERATIONS.partition("\n## What older services got wrong\n")[2].partition("\n## ")[0]
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in section.splitlines() if "`tests/" in line]
    assert [row[0] for row in rows] == [*map(str, range(1, 13)), *(f"T{n}" for n in range(1, 9))]
    for row in rows:
        tests = TEST.findall(row[3])
        assert tests, row
        assert_exist(tests)
