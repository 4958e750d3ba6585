# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Prefixes for ListSecrets' name filter: never miss a name, never more than ten."""

from __future__ import annotations

from ansible_collections.certops.rotation.plugins.module_utils._ports.aws.prefixes import covering_prefixes
from hypothesis import given
from hypothesis import strategies as st


def test_few_names_are_their_own_prefixes() -> None:
    assert covering_prefixes(["b", "a", "a"]) == ["a", "b"]
    assert covering_prefixes([]) == []


def test_many_names_share_prefixes() -> None:
    assert covering_prefixes([f"prod/web-{index:03}" for index in range(100)]) == [
        f"prod/web-0{digit}" for digit in range(10)
    ]
    names = [f"{team}/{index}" for team in ("a", "bb", "c") for index in range(30)]
    prefixes = covering_prefixes(names)
    assert len(prefixes) <= 10
    assert all(len(prefix) >= 2 for prefix in prefixes)


def test_too_different_names_have_no_useful_prefix() -> None:
    assert covering_prefixes(list("abcdefghijk")) == []
    assert covering_prefixes(list("abcdefghij")) == list("abcdefghij")


@given(st.lists(st.text("abc/", max_size=6), max_size=40), st.integers(1, 12))
def test_every_name_is_covered(names: list[str], limit: int) -> None:
    prefixes = covering_prefixes(names, limit)
    assert len(prefixes) <= limit
    assert len(set(prefixes)) == len(prefixes)
    if prefixes:
        assert all(any(name.startswith(prefix) for prefix in prefixes) for name in names)
