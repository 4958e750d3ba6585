# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The items of a JSON document one after the other, so that a big one is never in memory as a whole. Pure."""

from __future__ import annotations

import json
import typing as t

from ..._errors import InvalidOption

#: Characters of one item; a document that is one object is one item.
MOST_OF_AN_ITEM: t.Final = 64 * 1024 * 1024
_SPACE: t.Final = " \t\r\n\ufeff"
_MAX_DIGITS: t.Final = 20
_LONGEST_LITERAL: t.Final = len("-Infinity")


def json_items(chunks: t.Iterable[str], most: int = MOST_OF_AN_ITEM) -> t.Iterator[t.Any]:
    """Each item of the one array, or each value of what is a value a line (JSON Lines) or a single value.

    Raises InvalidOption, after all items before it, where the document is broken or cut off; then nothing that follows
    can be told.
    """
    return _Reader(iter(chunks), most).items()


class _Reader:
    def __init__(self, chunks: t.Iterator[str], most: int) -> None:
        self._chunks = chunks
        self._most = most
        self._text = ""
        self._at = 0
        self._before = 0  # characters that are read and gone
        self._decoder = json.JSONDecoder(strict=False, parse_int=_number, parse_constant=_refuse)

    def items(self) -> t.Iterator[t.Any]:
        in_array = self._next() == "["
        if in_array:
            self._at += 1
        first = True
        while True:
            char = self._next()
            if in_array and char == "]":
                self._at += 1
                break
            if not char:
                if in_array:
                    raise self._error("it ends in the middle")
                return
            if in_array and not first:
                if char != ",":
                    raise self._error("there is no comma between two items")
                self._at += 1
                self._next()
            yield self._value()
            first = False
        if self._next():
            raise self._error("something follows its end")

    def _value(self) -> t.Any:
        """The one that begins here. Each try has twice the text of the one before: all together cost twice the last."""
        while True:
            try:
                value, end = self._decoder.raw_decode(self._text, self._at)
            except (ValueError, RecursionError) as error:
                what, may_go_on = _judged(error, self._text)
                if may_go_on and len(self._text) - self._at >= self._most:
                    what, may_go_on = f"one item has more than {self._most} characters", False
                if may_go_on and self._more():
                    continue
                raise self._error(what) from None
            size = end - self._at
            if end == len(self._text) and self._more():  # a number may go on
                continue
            self._at += size
            return value

    def _next(self) -> str:
        """The next character that is no white space, "" at the end."""
        while True:
            while self._at < len(self._text) and self._text[self._at] in _SPACE:
                self._at += 1
            if self._at < len(self._text):
                return self._text[self._at]
            if not self._more():
                return ""

    def _more(self) -> bool:
        rest = self._text[self._at :]
        parts, size = [rest], 0
        for chunk in self._chunks:
            parts.append(chunk)
            size += len(chunk)
            if size and size >= len(rest):  # one may be empty
                break
        self._before += self._at
        self._text, self._at = "".join(parts), 0
        return size > 0

    def _error(self, what: str) -> InvalidOption:
        return InvalidOption(f"It is no JSON from character {self._before + self._at + 1} on: {what}.")


def _number(digits: str) -> int:
    """Python limits their number by itself only from 3.11 on; the work grows with its square."""
    if len(digits) > _MAX_DIGITS:
        raise ValueError("a number is too long")
    return int(digits)


def _refuse(constant: str) -> t.Any:
    raise ValueError(f"{constant} is no JSON")


def _judged(error: Exception, text: str) -> tuple[str, bool]:
    """What is wrong, and whether more text may put it right."""
    if isinstance(error, RecursionError):
        return "it is nested too deeply", False
    if not isinstance(error, json.JSONDecodeError):
        return str(error), False
    if error.msg.startswith("Unterminated string") or len(text) - error.pos <= _LONGEST_LITERAL:
        return "it ends in the middle", True
    return error.msg, False
