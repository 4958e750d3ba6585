# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What of others' text is shown as it is, and what as an escape."""

from __future__ import annotations

import pytest
from ansible_collections.certops.rotation.plugins.module_utils._core.text import harmless, lines_of, shown


@pytest.mark.parametrize("text", ["", "a b", "a\nb\tc\r\nd", "ü 漢字 €", "a\u00a0b", "\\x1b"])
def test_shown_as_it_is(text: str) -> None:
    assert shown(text) == text


@pytest.mark.parametrize(
    ("text", "escaped"),
    [
        ("\x1b[2J\x07", "\\x1b[2J\\x07"),
        ("a\x00\x7f\x9bb", "a\\x00\\x7f\\x9bb"),
        ("a\rb\r\r\n", "a\\rb\\r\r\n"),
        ("\u202egnp\u2066\u200b\u2028\ufeff", "\\u202egnp\\u2066\\u200b\\u2028\\ufeff"),
        ("\ud800\U000e0041", "\\ud800\\U000e0041"),
    ],
)
def test_escaped(text: str, escaped: str) -> None:
    assert shown(text) == escaped
    assert shown(escaped) == escaped
    assert harmless({text: [text, (text, 1)], "n": None}) == {escaped: [escaped, (escaped, 1)], "n": None}


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("", []),
        ("\n", [""]),
        ("a", ["a"]),
        ("a\r\n\nb\n", ["a", "", "b"]),
        ("a\rb\x0bc\x0c\x1c\x1d\x1e\x85\u2028\u2029d\n\n", ["a\rb\x0bc\x0c\x1c\x1d\x1e\x85\u2028\u2029d", ""]),
    ],
)
def test_lines_end_at_newlines_only(text: str, lines: list[str]) -> None:
    assert lines_of(text) == lines
