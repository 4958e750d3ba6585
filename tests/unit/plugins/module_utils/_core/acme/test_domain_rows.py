# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Rows that name certificates, read and planned."""

from __future__ import annotations

import itertools
import typing as t

import pytest
from ansible_collections.certops.rotation.plugins.module_utils._core.acme.domain_rows import (
    DOMAINS,
    DomainRow,
    RowChange,
    attribute,
    plain,
    plan_rows,
    read_row,
    read_rows,
)


def row(text: str, **options: t.Any) -> DomainRow:
    return DomainRow(text, tuple(text.split(",")), options)


def item(text: str, **attributes: t.Any) -> dict[str, dict[str, t.Any]]:
    return {DOMAINS: {"S": text}, **{name: attribute(value) for name, value in attributes.items()}}


@pytest.mark.parametrize(
    ("text", "domains"),
    [
        ("www.example.com", ("www.example.com",)),
        (" www.example.com ,example.com,, ", ("www.example.com", "example.com")),
        ("a.example.com,a.example.com", ("a.example.com",)),
        ("www.example.com\n", ("www.example.com",)),
        ("\u00e4.example.com", ("\u00e4.example.com",)),
    ],
)
def test_one_or_several_trimmed(text: str, domains: tuple[str, ...]) -> None:
    assert read_row(item(text)) == DomainRow(text, domains, {})


@pytest.mark.parametrize("value", ["text", 5, -1, ["a", "b"], ["a", 5]])
def test_attributes_are_read_as_they_are_written(value: t.Any) -> None:
    assert plain(attribute(value)) == value


@pytest.mark.parametrize(
    ("value", "read"),
    [
        ({"N": "1.5"}, "1.5"),
        ({"SS": ["b", "a"]}, ["a", "b"]),
        ({"BOOL": True}, True),
        ({"NULL": True}, None),
        ({"M": {}}, None),
        ({"B": b"x"}, None),
        ({}, None),
    ],
)
def test_other_types(value: t.Any, read: t.Any) -> None:
    assert plain(value) == read


def test_empty_options_are_none() -> None:
    assert read_row(item("a.example.com", name="", profile="classic", owner="team")).options == {"profile": "classic"}
    assert read_row({**item("a.example.com"), "stores": {"L": []}, "key_type": {"NULL": True}}).options == {}


def test_the_order_in_which_dynamodb_answers_counts_for_nothing() -> None:
    items = [item("b.example.com,a.example.com"), item("a.example.com,b.example.com"), item("c.example.com", name="x")]
    reads = [read_rows(order) for order in itertools.permutations(items)]
    assert all(each == reads[0] for each in reads)
    assert [each.key for each in reads[0].rows] == ["a.example.com,b.example.com", "c.example.com"]
    assert len(reads[0].warnings) == 1


def test_the_same_names_with_other_options_are_two_certificates() -> None:
    items = [item("b.example.com,a.example.com", name="rsa", key_type="rsa2048"), item("a.example.com,b.example.com")]
    assert len(read_rows(items).rows) == 2


def test_rows_without_domains_are_kept_to_be_told() -> None:
    found = read_rows([item(" , "), {"id": {"S": "1"}}, {DOMAINS: {"M": {}}}])
    assert [each.as_certificate() for each in found.rows] == [{"domains": []}] * 3
    assert len(found.warnings) == 3
    assert all("A row names no certificate: " in text for text in found.warnings)


def test_a_row_that_is_there_in_any_form_is_not_added() -> None:
    present = [row("B.example.com,a.example.com")]
    assert plan_rows(present, [row("a.example.com,b.example.com")], absent=False) == []
    assert plan_rows(present, [row("a.example.com")], absent=False) == [RowChange("add", "a.example.com", {})]


def test_options_that_are_not_given_stay() -> None:
    present = [row("a.example.com", name="a", profile="classic")]
    assert plan_rows(present, [row("a.example.com", name="a")], absent=False) == []
    changed = plan_rows(present, [row("a.example.com", name="a", profile="tlsserver")], absent=False)
    assert changed == [RowChange("change", "a.example.com", {"profile": "tlsserver"})]


def test_of_two_rows_with_the_same_domains_one_that_fits_is_enough() -> None:
    present = [row("a.example.com,b.example.com"), row("b.example.com,a.example.com", name="x")]
    assert plan_rows(present, [row("a.example.com,b.example.com", name="x")], absent=False) == []


def test_all_forms_of_a_row_are_removed() -> None:
    present = [row("a.example.com,b.example.com"), row("b.example.com,a.example.com"), row("a.example.com")]
    changes = plan_rows(present, [row("b.example.com,a.example.com")], absent=True)
    assert [(change.action, change.key) for change in changes] == [
        ("remove", "a.example.com,b.example.com"),
        ("remove", "b.example.com,a.example.com"),
    ]
