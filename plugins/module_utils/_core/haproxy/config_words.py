# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""HAProxy's configuration lines as words: quoting, escaping and variables (configuration manual, 2.2 and 2.3)."""

from __future__ import annotations

import re
import typing as t

#: Keywords that begin a section.
SECTIONS = frozenset(
    [
        "acme",
        "backend",
        "cache",
        "crt-store",
        "defaults",
        "fcgi-app",
        "frontend",
        "global",
        "healthcheck",
        "http-errors",
        "listen",
        "log-forward",
        "log-profile",
        "mailers",
        "peers",
        "program",
        "resolvers",
        "ring",
        "traces",
        "userlist",
    ]
)
_CONTROLS = {"n": "\n", "r": "\r", "t": "\t"}
_VARIABLE = re.compile(r"\$(?:\{(?P<braced>[A-Za-z_]\w*)(?:\[\*\])?(?:-(?P<default>[^}]*))?\}|(?P<bare>[A-Za-z_]\w*))")
_ADDRESS_VARIABLE = re.compile(r"\$\{([A-Za-z_]\w*)\}|\$([A-Za-z_]\w*)")


class UnknownVariable(Exception):
    """A line needs a variable of HAProxy's environment that is not known here. Its text is the variable's name."""


def split_words(line: str, environment: t.Mapping[str, str]) -> list[str]:
    """Cut a line into its words, without its comment. Raises UnknownVariable."""
    words: list[str] = []
    word: str | None = None  # None between words: "" is a word
    quote = ""
    position = 0
    while position < len(line):
        char = line[position]
        text = char
        position += 1
        if char == quote:
            quote, text = "", ""
        elif quote == "'":
            pass
        elif char == "\\":
            text, position = _escaped(line, position)
        elif quote and char == "$":
            text, position = _variable(line, position - 1, environment)
        elif not quote and char in "\"'":
            quote, text = char, ""
        elif not quote and char in " \t\r\n#":
            if word is not None:
                words.append(word)
                word = None
            if char == "#":
                break
            continue
        word = (word or "") + text
    return words if word is None else [*words, word]


def expand_address(text: str, environment: t.Mapping[str, str]) -> str:
    """Replace the variables that HAProxy accepts in an address without quotes. Raises UnknownVariable."""

    def value(match: re.Match[str]) -> str:
        name = match.group(1) or match.group(2)
        if name not in environment:
            raise UnknownVariable(name)
        return environment[name]

    return _ADDRESS_VARIABLE.sub(value, text)


def _escaped(line: str, position: int) -> tuple[str, int]:
    """What the backslash before position stands for, and where to go on."""
    hexadecimal = re.compile(r"x([0-9a-fA-F]{2})").match(line, position)
    if hexadecimal:
        return chr(int(hexadecimal.group(1), 16)), hexadecimal.end()
    code = line[position : position + 1]
    return _CONTROLS.get(code, code), position + 1


def _variable(line: str, position: int, environment: t.Mapping[str, str]) -> tuple[str, int]:
    """The value of the variable whose dollar is at position, and where to go on."""
    match = _VARIABLE.match(line, position)
    if match is None:
        return "$", position + 1
    name = match.group("braced") or match.group("bare")
    value = environment.get(name, match.group("default"))
    if value is None:
        raise UnknownVariable(name)
    return value, match.end()
