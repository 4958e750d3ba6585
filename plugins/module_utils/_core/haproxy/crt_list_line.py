# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a line of a crt-list says besides its certificate: options and SNI filters (configuration manual, 5.1). Pure.

A file, the Runtime API and HAProxy's own list write the same line differently: HAProxy lists options in an order of its
own, the last one where one is given twice, and some of them not at all.
"""

from __future__ import annotations

import re
import typing as t

from ..._errors import InvalidOption

_FLAGS = frozenset({"allow-0rtt", "no-alpn", "no-ca-names"})  # those without a value
_UNLISTED = frozenset({"ca-verify-file"})  # HAProxy 2.6 to 3.2 use it and do not list it
_OF_CERTIFICATE = frozenset({"ocsp-update"})  # listed with all lines of a certificate, whichever has it
_FILES = frozenset({"ca-file", "ca-verify-file", "crl-file"})  # relative ones get ca-base before them
_OPTION = re.compile(r"[^\x00-\x20\x7f\[\]\"'\\<]+")
_FILTER = re.compile(
    r"!?(?:\*|[^\x00-\x20\x7f\[\]\"'\\<#!*][^\x00-\x20\x7f\[\]\"'\\<#!]*|\*\.[^\x00-\x20\x7f\[\]\"'\\<#!]+)"
)
_WORD = re.compile(r"[^ \t\n\v\f\r]+")  # nothing else parts words, such as the spaces of Unicode
_PATH = re.compile(r"[ \t\n\v\f\r]*([^ \t\n\v\f\r\[]+)")
UNUSABLE = re.compile(r"[\x00-\x20\x7f\[]")  # in the name of a certificate: a path ends there
_MOST_WORDS = 2000  # HAProxy takes 2048, with the path


class CrtListLine(t.NamedTuple):
    """options: name and value of each, "" for one without a value; filters: as they are written."""

    options: tuple[tuple[str, str], ...] = ()
    filters: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """As a crt-list has it behind the path; "" for a plain line."""
        options = " ".join(" ".join(filter(None, option)) for option in self.options)
        return " ".join((*([f"[{options}]"] if options else []), *self.filters))

    def is_same(self, other: CrtListLine) -> bool:
        """Are these the same line in two files?"""
        return dict(self.options) == dict(other.options) and _names(self) == _names(other)

    def is_listed_as(self, listed: CrtListLine, room: int | None = None) -> bool:
        """Is listed what HAProxy shows of this line? room: bytes that it has for what stands behind the path there.

        It leaves out filters for which there is no room, and says nothing about that.
        """
        ours, theirs = dict(self.options), dict(listed.options)
        for name in _UNLISTED:
            ours.pop(name, None)
        for name in _OF_CERTIFICATE - ours.keys():
            theirs.pop(name, None)
        if ours.keys() != theirs.keys():
            return False
        if not all(_is_value_of(name, value, theirs[name]) for name, value in ours.items()):
            return False
        missing = _names(self) - _names(listed)
        has_room = room is None or any(len(f"{listed.text} {name}".encode()) < room for name in missing)
        return _names(listed) <= _names(self) and not (missing and has_room)


PLAIN = CrtListLine()


def read_line(text: str) -> CrtListLine:
    """What stands behind the path in a file, or in HAProxy's list.

    What stands before the options does not count. A "#" is part of a word, and so a filter.
    """
    before, bracket, rest = text.partition("[")
    options, _bracket, after = rest.partition("]") if bracket else ("", "", before)
    return CrtListLine(_paired(_WORD.findall(options)), tuple(_WORD.findall(after)))


def read_whole_line(text: str) -> tuple[str, CrtListLine] | None:
    """The certificate of a crt-list's line, as it is written, and the rest of it; None for an empty line, and for a
    comment, which has its "#" as the very first character."""
    match = _PATH.match(text)
    if match is None or text.startswith("#"):
        return None
    return match[1], read_line(text[match.end() :])


def make_line(options: str | None, filters: t.Iterable[str] | None) -> CrtListLine:
    """A line that is wanted. options: as between the brackets, which may be there. Raises InvalidOption."""
    text = (options or "").strip()
    if text.startswith("[") and text.endswith("]"):
        text = text[1:-1]
    words, names = text.split(), list(filters or ())
    for word in words:
        if not _OPTION.fullmatch(word):
            raise InvalidOption(f"A crt-list cannot hold the option {word!r}: nothing is quoted or escaped there.")
    for name in names:
        if not _FILTER.fullmatch(name):
            raise InvalidOption(
                f"{name!r} is no SNI filter of a crt-list: give a name, '*.' and a domain, or '*', perhaps with '!'"
                " before it."
            )
    if len(words) + len(names) > _MOST_WORDS:
        raise InvalidOption(f"A line of a crt-list holds {_MOST_WORDS} options and filters at most.")
    if words and words[-1] not in _FLAGS and len(_paired(words)[-1][1]) == 0:
        raise InvalidOption(f"The option {words[-1]} of a crt-list's line has no value.")
    return CrtListLine(_paired(words), tuple(names))


def _paired(words: t.Sequence[str]) -> tuple[tuple[str, str], ...]:
    """Each option with its value."""
    found = []
    rest = iter(words)
    for name in rest:
        found.append((name, "" if name in _FLAGS else next(rest, "")))
    return tuple(found)


def _is_value_of(name: str, ours: str, theirs: str) -> bool:
    return ours == theirs or (name in _FILES and ours[:1] not in ("/", "@") and theirs.endswith(f"/{ours}"))


def _names(line: CrtListLine) -> frozenset[str]:
    """In any case and order they filter the same."""
    return frozenset(name.lower() for name in line.filters)
