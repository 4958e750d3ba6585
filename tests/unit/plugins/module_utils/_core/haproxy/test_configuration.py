# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The lines of a configuration that count, with the section and the doubt of each."""

from __future__ import annotations

from ansible_collections.certops.rotation.plugins.module_utils._core.haproxy.conditions import KnownHaproxy
from ansible_collections.certops.rotation.plugins.module_utils._core.haproxy.configuration import (
    ConfigLine,
    ConfigReader,
)
from ansible_collections.certops.rotation.plugins.module_utils._core.haproxy.variables import Environment


def lines_of(
    text: str, environment: Environment | None = None, version: str | None = "3.2.26", file: str = "/etc/h.cfg"
) -> list[ConfigLine]:
    reader = ConfigReader(("bind", "crt-base"), environment or Environment({}, whole=True), KnownHaproxy(version))
    return list(reader.read(file, text.split("\n")))


def binds(lines: list[ConfigLine]) -> list[tuple[str, ...]]:
    return [line.words[1:] for line in lines if line.keyword == "bind"]


def test_sections_and_places() -> None:
    text = (
        "global # x\n crt-base /a\n log-send-hostname\n\nfrontend www from base\n  'bind' :1 # y\n#bind :2\n bind#:3\n"
    )
    assert [(line.words, line.section, line.place, line.doubt) for line in lines_of(text)] == [
        (("global",), "global", "/etc/h.cfg:1", None),
        (("crt-base", "/a"), "global", "/etc/h.cfg:2", None),
        (("frontend", "www", "from", "base"), "frontend www", "/etc/h.cfg:5", None),
        (("bind", ":1"), "frontend www", "/etc/h.cfg:6", None),
        (("bind",), "frontend www", "/etc/h.cfg:8", None),
    ]


def test_a_keyword_however_it_is_written() -> None:
    """As HAProxy takes it: form feeds are space, and quotes may begin within a word."""
    text = "\ffrontend f\n\f\vbind\v:1\fssl\nbi\"n\"d :2\n\"$B\"'nd' :3\n''#bind :4\n"
    lines = lines_of(text, Environment({"B": "bi"}))
    assert binds(lines) == [(":1", "ssl"), (":2",), (":3",)]


def test_what_a_branch_sets_counts_after_it() -> None:
    text = (
        '.if streq("$A",x)\nsetenv PORT 1\n.else\nsetenv PORT 2\n.endif\nfrontend f\nbind :"$PORT"\n'
        '.if version_atleast(3.2)\nbind :3\n.else\nbind :4 ${\n.endif\nbind "${.FILE}" "$.LINE" "${.SECTION}"\n'
    )
    assert binds(lines_of(text, Environment({"A": "x"}))) == [(":1",), (":3",), ("/etc/h.cfg", "13", "f")]
    assert binds(lines_of(text, Environment({"A": "y"}))) == [(":2",), (":3",), ("/etc/h.cfg", "13", "f")]


def test_doubt_goes_to_what_depends_on_it() -> None:
    text = '.if defined(A)\nsetenv PORT 1\nbind :1\n.else\nbind :2\n.endif\nbind :"$PORT"\nbind :3\n'
    found = [(line.text, line.doubt, line.legible) for line in lines_of(text, Environment({"PORT": "5"}))]
    block = "is in a conditional block, whose condition is not known here"
    assert found == [
        ("bind :1", block, True),
        ("bind :2", block, True),
        ('bind :"$PORT"', "needs the environment variable PORT, which is not known here", False),
        ("bind :3", None, True),
    ]


def test_each_file_ends_its_blocks_and_leaves_its_variables() -> None:
    reader = ConfigReader(("bind",), Environment({}, whole=True), KnownHaproxy())
    assert list(reader.read("a", ["setenv A 1", ".if 0", "bind :1"])) == []
    assert binds(list(reader.read("b", ['bind :"$A"']))) == [(":1",)]


def test_an_empty_word_ends_a_line_and_one_without_a_value_is_none() -> None:
    text = 'bind :1 "$NONE" ssl\nbind :2 "" ssl\nbind :3 "${NONE-}" ssl\nbind :4 a"$NONE"b\n'
    assert binds(lines_of(text)) == [(":1", "ssl"), (":2",), (":3",), (":4", "ab")]
    assert binds(lines_of(text, version="2.6.12-1"))[0] == (":1",)
    assert [line.doubt is None for line in lines_of(text, version=None)] == [False, True, True, True]


def test_several_words_of_one_variable() -> None:
    environment = Environment({"L": "ssl  crt", "ONE": "x"}, whole=True)
    text = 'bind :1 "${L[*]}" "a${L[*]}b" "${ONE[*]}" "$L"'
    assert binds(lines_of(text, environment)) == [(":1", "ssl", "crt", "assl", "crtb", "x", "ssl  crt")]
