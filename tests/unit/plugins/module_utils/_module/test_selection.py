# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which secrets a task selects."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.certops.rotation.plugins.module_utils._errors import InvalidOption
from ansible_collections.certops.rotation.plugins.module_utils._module.selection import secret_selection


def params(**fields: t.Any) -> dict[str, t.Any]:
    return {"names": [], "name_prefix": None, "tags": {}, **fields}


def test_selection_is_none_when_nothing_is_selected() -> None:
    assert secret_selection(params()) is None
    assert secret_selection(params(names=["", " "], name_prefix="", tags=None)) is None


def test_selection_of_whole_numbers_is_by_their_digits() -> None:
    selection = secret_selection(params(tags={"Port": 443, 1: "true"}, names=[2026]))
    assert selection is not None
    assert (selection.tags, selection.names) == ({"Port": "443", "1": "true"}, ("2026",))


@pytest.mark.parametrize(
    "given",
    [
        {"tags": {"Production": True}},
        {"tags": {True: "yes"}},
        {"tags": {"Version": 1.10}},
        {"tags": {"Team": ["web"]}},
        {"tags": {"Team": {"name": "web"}}},
        {"names": [True]},
        {"names": ["web/a", 1.10]},
        {"names": [None]},
        {"names": [{"name": "web/a"}]},
    ],
    ids=str,
)
def test_what_yaml_has_made_another_value_of_is_refused(given: dict[str, t.Any]) -> None:
    """It would be compared as "True" or "1.1", and find nothing."""
    with pytest.raises(InvalidOption, match="Quote it") as refused:
        secret_selection(params(**given))
    assert str(refused.value).startswith(next(iter(given)))


@pytest.mark.parametrize("tags", [{"a": ""}, {"a": None}, {"": "b"}, {" ": "b"}, {"a": "b", "c": ""}], ids=str)
def test_half_a_pair(tags: dict[str, t.Any]) -> None:
    with pytest.raises(InvalidOption, match="half a pair"):
        secret_selection(params(tags=tags))
