# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Conditions of HAProxy's configuration: what haproxy -cc says of each with 2.6 to 3.2, or that it is not known."""

from __future__ import annotations

import pytest
from ansible_collections.certops.rotation.plugins.module_utils._core.haproxy.conditions import (
    Blocks,
    KnownHaproxy,
    holds,
)
from ansible_collections.certops.rotation.plugins.module_utils._core.haproxy.variables import Environment

ENVIRONMENT = Environment({"HOME": "/root", "EMPTY": ""}, whole=True)
HAPROXY = KnownHaproxy("3.0.11-1+deb13u4", {"feature(OPENSSL)": True, "feature(QUIC)": False}.get)


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ("", False),
        ("0", False),
        ("1", True),
        ("0x10", True),
        ("-1", True),
        ("+0", False),
        ("0x00", False),
        (f"-{'0' * 5000}7", True),
        ("\u0661", None),
        (f"version_atleast({'9' * 5000})", None),
        (" 1 ", True),
        ("! 0", True),
        ("!!1", True),
        ("((1))", True),
        ("(1)&&(0||1)", True),
        ("0||0||1&&1", True),
        ("1 || 0 && 0", True),
        ("(1 || 0) && 0", False),
        ("defined(HOME)", True),
        ('defined("EMPTY")', True),
        ("defined(NONE)", False),
        ("defined(NONE)&&0||1", True),
        ("streq(a,a)", True),
        ("streq(a,A)", False),
        ("streq(a, a)", False),
        ("streq('a b',a b)", True),
        ('streq(a,"")', False),
        ("strneq(a,b)", True),
        ("strstr(abc,bc)", True),
        ("strstr(abc,)", True),
        ("version_atleast(2.8)", True),
        ("version_atleast(3)", True),
        ("version_atleast(3.0.11)", True),
        ("version_atleast(3.0.12)", False),
        ("version_atleast(3.1-dev1)", False),
        ("version_before(3.0-dev5)", False),
        ("version_before(3.2)", True),
        ("feature(OPENSSL)", True),
        ("!feature(QUIC)", True),
    ],
)
def test_conditions(condition: str, expected: bool) -> None:
    assert holds(condition, ENVIRONMENT, HAPROXY) is expected


@pytest.mark.parametrize(
    "condition",
    [
        "true",
        "1 0",
        "1 &&",
        "(1",
        "streq(a,b",
        "streq(a\\,b,c)",
        "01x",
        "feature(NOBODY_KNOWS)",
        "feature(OPENSSL;reboot)",
        "enabled(SPLICE)",
        "version_atleast(3.0.11-2)",
        "defined",
        "defined()x",
        "1 || feature(",
        "(" * 5000 + "1",
        "!" * 5000,
    ],
)
def test_what_is_no_condition_or_is_not_known(condition: str) -> None:
    assert holds(condition, ENVIRONMENT, HAPROXY) is None


def test_what_is_not_known_may_not_matter() -> None:
    nobody, haproxy = Environment({}), KnownHaproxy()
    for condition in ("defined(X)", "!defined(X)", "version_atleast(2.4)", "feature(QUIC)", "defined(X) && 1"):
        assert holds(condition, nobody, haproxy) is None
    assert holds("defined(X) && 0", nobody, haproxy) is False
    assert holds("1 || defined(X)", nobody, haproxy) is True


def taken(*turns: tuple[str, bool | None]) -> list[bool | None]:
    blocks = Blocks()
    found = []
    for keyword, condition in turns:
        blocks.turn(keyword, condition)
        found.append(blocks.taken)
    return found


def test_one_branch_is_taken() -> None:
    first = [(".if", True), (".elif", True), (".else", None), (".endif", None)]
    assert taken(*first) == [True, False, False, True]
    last = [(".if", False), (".elif", False), (".else", None), (".endif", None)]
    assert taken(*last) == [False, False, True, True]
    nested = [(".if", False), (".if", True), (".else", None), (".endif", None), (".else", None), (".if", True)]
    assert taken(*nested) == [False, False, False, False, True, True]


def test_a_branch_that_may_be_the_one_leaves_the_others_in_doubt_until_one_is_known_to_be() -> None:
    assert taken((".if", None), (".elif", False), (".elif", True), (".else", None)) == [None, False, None, False]
    assert taken((".if", None), (".if", True), (".if", False), (".endif", None)) == [None, None, False, None]
    assert taken((".endif", None), (".else", None)) == [True, True]


def test_a_condition_is_looked_at_where_it_matters_only() -> None:
    blocks = Blocks()
    assert blocks.wants_condition(".if")
    blocks.turn(".if", False)
    assert not blocks.wants_condition(".if")
    assert blocks.wants_condition(".elif")
    blocks.turn(".elif", True)
    assert not blocks.wants_condition(".elif")
    assert not Blocks().wants_condition(".elif")
