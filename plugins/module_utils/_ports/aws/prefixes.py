# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Fewest, longest prefixes that cover a set of names: ListSecrets filters by prefix, with at most ten values."""

from __future__ import annotations

import typing as t


def covering_prefixes(names: t.Iterable[str], limit: int = 10) -> list[str]:
    """At most ``limit`` prefixes such that each name starts with one of them; [] when only the empty prefix would do.

    Groups are split where that makes a prefix longer: the group with the shortest common prefix first, by the next
    character of its members. A split that would need more than ``limit`` groups is not made.
    """
    unique = sorted(set(names))
    groups = [unique] if unique else []
    splittable = list(groups)
    while splittable:
        group = min(splittable, key=_common_prefix_length)
        splittable.remove(group)
        parts = _split_after_common_prefix(group)
        if len(parts) > 1 and len(groups) - 1 + len(parts) <= limit:
            groups.remove(group)
            groups += parts
            splittable += parts
    prefixes = sorted(map(_common_prefix, groups))
    return [] if "" in prefixes else prefixes


def _common_prefix(group: list[str]) -> str:
    """Of a sorted group: what its first and its last member share, all the others share too."""
    first, last = group[0], group[-1]
    length = next((at for at, pair in enumerate(zip(first, last)) if pair[0] != pair[1]), min(len(first), len(last)))
    return first[:length]


def _common_prefix_length(group: list[str]) -> int:
    return len(_common_prefix(group))


def _split_after_common_prefix(group: list[str]) -> list[list[str]]:
    length = _common_prefix_length(group)
    parts: dict[str, list[str]] = {}
    for name in group:
        parts.setdefault(name[length : length + 1], []).append(name)
    return list(parts.values())
