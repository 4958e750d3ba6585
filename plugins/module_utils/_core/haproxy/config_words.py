# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""HAProxy's configuration lines as words: quoting, escaping and variables (configuration manual, 2.2 and 2.3)."""

from __future__ import annotations

import re
import typing as t

from .variables import Environment, UnknownVariable

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
_SPACES = re.compile(" +")
_CONTROLS = {"n": "\n", "r": "\r", "t": "\t"}
_VARIABLE = re.compile(
    r"\$(?:\{(?P<braced>\.?[A-Za-z_]\w*)(?P<list>\[\*\])?(?:-(?P<default>[^}]*))?\}|(?P<bare>\.?[A-Za-z_]\w*))"
)
_ADDRESS_VARIABLE = re.compile(r"\$\{([A-Za-z_]\w*)\}|\$([A-Za-z_]\w*)")


class UnsetWord(str):
    """An empty word that is a variable which is not set, and nothing else."""

    __slots__ = ()


def split_words(line: str, environment: Environment, place: t.Mapping[str, str] | None = None) -> list[str]:
    """Cut a line into its words, without its comment. Raises UnknownVariable.

    place: what HAProxy's own variables are for this line, such as .LINE. A word that is a variable without a value is
    an UnsetWord.
    """
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
            text, position, is_list = _variable(line, position - 1, environment, place or {})
            finished, word = _appended(word or "", text, is_list)
            words += finished
            continue
        elif not quote and char in "\"'":
            quote, text = char, ""
        elif not quote and char in " \t\v\f\r\n#":
            if word is not None:
                words.append(word)
                word = None
            if char == "#":
                break
            continue
        if text or word is None:
            word = (word or "") + text
    words = words if word is None else [*words, word]
    return [text.partition("\0")[0] for text in words] if "\\x00" in line else words


def _appended(word: str, text: str, is_list: bool) -> tuple[list[str], str]:
    """The words that end with this value of a variable, and the one that goes on. is_list: its words become words."""
    if not word and isinstance(text, UnsetWord):
        return [], text
    if is_list and " " in text:
        first, *between, last = _SPACES.split(text)
        return [word + first, *between], last
    return [], word + text


def expand_address(text: str, environment: Environment) -> str:
    """Replace the variables that HAProxy accepts in an address without quotes. Raises UnknownVariable."""

    def value(match: re.Match[str]) -> str:
        return environment.value(match.group(1) or match.group(2)) or ""

    return _ADDRESS_VARIABLE.sub(value, text)


def _escaped(line: str, position: int) -> tuple[str, int]:
    """What the backslash before position stands for, and where to go on."""
    hexadecimal = re.compile(r"x([0-9a-fA-F]{2})").match(line, position)
    if hexadecimal:
        return chr(int(hexadecimal.group(1), 16)), hexadecimal.end()
    code = line[position : position + 1]
    return _CONTROLS.get(code, code), position + 1


def _variable(line: str, position: int, environment: Environment, place: t.Mapping[str, str]) -> tuple[str, int, bool]:
    """The value of the variable whose dollar is at position, where to go on, and whether its words become words."""
    match = _VARIABLE.match(line, position)
    if match is None:
        return "$", position + 1, False
    name, default = match.group("braced") or match.group("bare"), match.group("default")
    try:
        value = place.get(name, "") if name.startswith(".") else environment.value(name)
    except UnknownVariable:
        if default is None:
            raise
        value = None
    if value is None:
        value = UnsetWord() if default is None else default
    return value, match.end(), bool(match.group("list"))
