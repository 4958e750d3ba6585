# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Conditional blocks of HAProxy's configuration (configuration manual, 2.4): true, false, or not known. Pure."""

from __future__ import annotations

import dataclasses
import re
import typing as t

from .variables import Environment, UnknownVariable

_SPACE = re.compile(r"[ \t]*")
_INTEGER = re.compile(r"[+-]?(?:0[xX][0-9a-fA-F]+|[0-9]+)")
_WORD = re.compile(r"[a-z_]+")
_VERSION = re.compile(r"(\d{1,9})(?:\.(\d{1,9}))?(?:\.(\d{1,9}))?(?:-dev(\d{1,9}))?(?![\d.])")
_DEEPEST = 30  # levels; HAProxy goes no deeper than some

#: Says of a predicate as written, such as "feature(QUIC)", whether it holds; None when that is not known.
Ask = t.Callable[[str], t.Optional[bool]]


@dataclasses.dataclass(frozen=True)
class KnownHaproxy:
    """What conditions ask of HAProxy. version: such as "3.0.11-1+deb13u4", None when it is not known; ask: about what
    only the program itself can tell."""

    version: str | None = None
    ask: Ask | None = None


def holds(condition: str, environment: Environment, haproxy: KnownHaproxy) -> bool | None:
    """condition: the words after ".if", joined by spaces. None when it is not known, or is no condition."""
    if not condition:
        return False
    expression = _Expression(condition, environment, haproxy)
    try:
        result = expression.either(0)
    except _NotUnderstood:
        return None
    return result if expression.at_end() else None


class Blocks:
    """The conditional blocks that a line is in. Each file has its own: they end with it."""

    def __init__(self) -> None:
        self._levels: list[_Level] = []

    @property
    def taken(self) -> bool | None:
        """Whether the lines here count; None when that is not known."""
        return self._inside(len(self._levels))

    def wants_condition(self, keyword: str) -> bool:
        """Whether the answer to this .if or .elif matters: HAProxy, too, does not look at others."""
        if keyword == ".if":
            return self.taken is not False
        return bool(self._levels) and self._inside(len(self._levels) - 1) is not False and not self._levels[-1].decided

    def turn(self, keyword: str, condition: bool | None) -> None:
        """Go on to .if, .elif, .else or .endif."""
        if keyword == ".if":
            self._levels.append(_Level(condition))
        elif not self._levels:
            return
        elif keyword == ".endif":
            self._levels.pop()
        else:
            self._levels[-1].go_on(True if keyword == ".else" else condition)

    def _inside(self, depth: int) -> bool | None:
        states = [level.taken for level in self._levels[:depth]]
        if False in states:
            return False
        return None if None in states else True


class _Level:
    def __init__(self, condition: bool | None) -> None:
        self.taken = condition
        self.decided = condition is True  # a branch is known to be the one
        self._doubtful = condition is None  # a branch before may be the one

    def go_on(self, condition: bool | None) -> None:
        if self.decided or condition is False:
            self.taken = False
            return
        self.decided = condition is True
        self.taken = None if self._doubtful else condition
        self._doubtful = self._doubtful or condition is None


class _NotUnderstood(Exception):
    pass


class _Expression:
    """Reads left to right and evaluates as it goes: each method returns the value, and moves on."""

    def __init__(self, text: str, environment: Environment, haproxy: KnownHaproxy) -> None:
        self._text = text
        self._position = 0
        self._environment = environment
        self._haproxy = haproxy

    def at_end(self) -> bool:
        self._passed(_SPACE.match(self._text, self._position))
        return self._position == len(self._text)

    def either(self, depth: int) -> bool | None:
        values = [self._both(depth)]
        while self._take("||"):
            values.append(self._both(depth))
        return True if True in values else None if None in values else False

    def _both(self, depth: int) -> bool | None:
        values = [self._term(depth)]
        while self._take("&&"):
            values.append(self._term(depth))
        return False if False in values else None if None in values else True

    def _term(self, depth: int) -> bool | None:
        if depth > _DEEPEST:
            raise _NotUnderstood
        negated = False
        while self._take("!"):
            negated = not negated
        value = self._value(depth)
        return value if value is None else value is not negated

    def _value(self, depth: int) -> bool | None:
        number = self._passed(_INTEGER.match(self._text, self._position))
        if number:
            return number.strip("+-0xX") != ""
        if self._take("("):
            value = self.either(depth + 1)
            if not self._take(")"):
                raise _NotUnderstood
            return value
        name, begin = self._passed(_WORD.match(self._text, self._position)), self._position
        arguments = self._arguments()
        return self._predicate(name, arguments, f"{name}{self._text[begin : self._position]}")

    def _predicate(self, name: str, arguments: t.Sequence[str], written: str) -> bool | None:
        if name == "defined" and len(arguments) == 1:
            try:
                return self._environment.value(arguments[0]) is not None
            except UnknownVariable:
                return None
        if name in ("streq", "strneq") and len(arguments) == 2:
            return (arguments[0] == arguments[1]) is (name == "streq")
        if name == "strstr" and len(arguments) == 2:
            return arguments[1] in arguments[0]
        if name in ("version_atleast", "version_before") and len(arguments) == 1 and self._haproxy.version:
            older = _is_older(self._haproxy.version, arguments[0])
            return older if older is None else older is (name == "version_before")
        if name == "enabled" or not re.fullmatch(r"[\w.+-]+", "".join(arguments)):
            return None  # options of the process, which -k and its like change
        return self._haproxy.ask(written) if self._haproxy.ask else None

    def _arguments(self) -> list[str]:
        if self._text[self._position : self._position + 1] != "(":
            raise _NotUnderstood
        arguments, quote = [""], ""
        for position in range(self._position + 1, len(self._text)):
            char = self._text[position]
            if char == "\\":
                raise _NotUnderstood
            if quote or char in "'\"":
                if char == quote:
                    quote = ""
                elif quote:
                    arguments[-1] += char
                else:
                    quote = char
            elif char == ")":
                self._position = position + 1
                return arguments
            elif char == ",":
                arguments.append("")
            else:
                arguments[-1] += char
        raise _NotUnderstood

    def _take(self, text: str) -> bool:
        self._passed(_SPACE.match(self._text, self._position))
        found = self._text.startswith(text, self._position)
        if found:
            self._position += len(text)
            self._passed(_SPACE.match(self._text, self._position))
        return found

    def _passed(self, match: re.Match[str] | None) -> str:
        """What matched here, which is behind us then."""
        if match is None:
            return ""
        self._position = match.end()
        return match.group()


def _is_older(version: str, other: str) -> bool | None:
    """None when this does not tell, for they differ in parts that only HAProxy compares."""
    own, its = _VERSION.match(version), _VERSION.match(other)
    if own is None or its is None:
        return None
    if _ranked(own) == _ranked(its):
        return False if its.end() == len(other) else None
    return _ranked(own) < _ranked(its)


def _ranked(match: re.Match[str]) -> tuple[int, int, int, float]:
    """A development version comes before the one without that mark."""
    major, minor, patch, development = match.groups()
    return int(major), int(minor or 0), int(patch or 0), float("inf") if development is None else int(development)
