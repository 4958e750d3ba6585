# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Text of others (certificates, secrets, HAProxy, servers, hosts) as it may be shown: it moves no cursor. Pure."""

from __future__ import annotations

import dataclasses
import re
import typing as t
import unicodedata

# What a terminal, a log or a reader may obey: the categories Cc, Cf (directions, zero width), Cs, Co, Cn, Zl and Zp of
# Unicode. A line's end stays, as does a tabulator.
_UNPRINTABLE = re.compile(r"\r(?!\n)|[^\r\n\t\x20-\x7e]")

_LISTED = 10  # names in one message


def shown(text: str) -> str:
    """The text, with an escape such as \\x1b in the place of each character that is not to be sent to a terminal."""
    return text if text.isprintable() else _UNPRINTABLE.sub(_escape, text)


def lines_of(text: str) -> list[str]:
    """Its lines, which end at ``\\n`` or ``\\r\\n`` only, as programs read files.

    str.splitlines knows eight ends more, such as U+2028, which may stand within a line of others.
    """
    return [line.removesuffix("\r") for line in text.removesuffix("\n").split("\n")] if text else []


def counted(number: int, singular: str, plural: str) -> str:
    """``1 address``, ``2 addresses``."""
    return f"{number} {singular if number == 1 else plural}"


def listed(names: t.Sequence[str]) -> str:
    """Some of them, and how many more."""
    more = len(names) - _LISTED
    return ", ".join(names[:_LISTED]) + (f" and {more} more" if more > 0 else "")


def harmless(value: t.Any) -> t.Any:
    """The same for all texts in a value of dictionaries, lists, tuples and dataclasses."""
    return each_text(value, shown)


def each_text(value: t.Any, change: t.Callable[[str], str]) -> t.Any:
    """The value with all its texts changed, those in dictionaries, lists, tuples and dataclasses."""
    if isinstance(value, str):
        return change(value)
    if isinstance(value, dict):
        return {each_text(key, change): each_text(item, change) for key, item in value.items()}
    if isinstance(value, list):
        return [each_text(item, change) for item in value]
    if isinstance(value, tuple):
        make = getattr(value, "_make", tuple)  # of a named one
        return make(each_text(item, change) for item in value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        # Since ansible-core 2.19 a warning or an exception is one.
        fields = {field.name: each_text(getattr(value, field.name), change) for field in dataclasses.fields(value)}
        return dataclasses.replace(value, **fields)
    return value


def _escape(match: re.Match[str]) -> str:
    character = match[0]
    if character.isprintable() or unicodedata.category(character) == "Zs":
        return character
    return character.encode("unicode_escape").decode()
