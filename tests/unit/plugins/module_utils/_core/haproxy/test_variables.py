# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The variables of HAProxy's configuration: set, not set, or not known."""

from __future__ import annotations

import pytest
from ansible_collections.certops.rotation.plugins.module_utils._core.haproxy.variables import (
    Environment,
    UnknownVariable,
    environment_before,
    parse_environment,
)


def values(environment: Environment, *names: str) -> list[str | None]:
    """ "?" where it is not known."""
    found: list[str | None] = []
    for name in names:
        try:
            found.append(environment.value(name))
        except UnknownVariable:
            found.append("?")
    return found


def test_what_is_not_among_the_known_ones() -> None:
    assert values(Environment({"A": "1"}), "A", "B", "HAPROXY_MWORKER") == ["1", "?", "?"]
    # HAProxy sets some by itself, after others were asked for the whole.
    assert values(Environment({"A": "1"}, whole=True), "A", "B", "HAPROXY_MWORKER") == ["1", None, "?"]
    assert values(Environment({"HAPROXY_BRANCH": "3.2"}, whole=True), "HAPROXY_BRANCH") == ["3.2"]


def test_the_configuration_changes_them() -> None:
    environment = Environment({"A": "1", "B": "2"})
    environment.change("setenv", ["A", "3"])
    environment.change("presetenv", ["B", "4"])
    environment.change("presetenv", ["C", "5"])
    environment.change("setenv", ["BROKEN"])
    assert values(environment, "A", "B", "C", "BROKEN") == ["3", "2", "5", "?"]
    environment.change("unsetenv", ["A", "D"])
    environment.change("presetenv", ["A", "6"])
    assert values(environment, "A", "B", "D") == ["6", "2", None]
    environment.change("resetenv", ["B", "E"])
    assert values(environment, "A", "B", "C", "E", "F") == [None, "2", None, "?", None]


def test_a_change_that_may_not_be_made_leaves_it_unknown() -> None:
    environment = Environment({"A": "1", "B": "2", "C": "3"}, whole=True)
    environment.doubt("setenv", ["A", "x"])
    environment.doubt("unsetenv", ["B", "D"])
    assert values(environment, "A", "B", "C", "D", "x") == ["?", "?", "3", "?", None]
    environment.change("presetenv", ["A", "4"])
    assert values(environment, "A") == ["?"]
    environment.change("setenv", ["A", "4"])
    assert values(environment, "A") == ["4"]
    environment.doubt("resetenv", ["C"])
    assert values(environment, "A", "C") == ["?", "3"]


def test_what_is_shown_after_the_configuration_was_read_tells_of_before() -> None:
    """A variable that its default set, and one that was there before, look alike afterwards."""
    shown = {"KEPT": "1", "SET": "2", "PRESET": "3", "GIVEN": "4", "HAPROXY_BRANCH": "3.2"}
    lines = [
        "global",
        "  setenv SET 2",
        '  presetenv "PRESET" x',
        "setenv GIVEN 4",
        "unsetenv GONE AWAY",
        "",
        "#setenv KEPT",
    ]
    environment = environment_before(shown, lines, {"GIVEN": "0"})
    names = ("KEPT", "SET", "PRESET", "GIVEN", "GONE", "AWAY", "NEVER", "HAPROXY_BRANCH")
    assert values(environment, *names) == ["1", "?", "?", "0", "?", "?", None, "3.2"]
    environment.change("presetenv", ["PRESET", "x"])
    environment.change("setenv", ["SET", "2"])
    assert values(environment, "PRESET", "SET") == ["3", "2"]
    assert values(environment_before(shown, ["resetenv KEPT"]), "SET", "KEPT", "NEVER") == ["2", "?", "?"]


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ("", {}),
        ("A=1\nB=\nC=x=y\n", {"A": "1", "B": "", "C": "x=y"}),
        ("A=first\nsecond line\nB=2", {"A": "first\nsecond line", "B": "2"}),
        ("no variable", {}),
    ],
)
def test_what_show_env_prints(answer: str, expected: dict[str, str]) -> None:
    assert {name: value.rstrip("\n") for name, value in parse_environment(answer).items()} == expected
