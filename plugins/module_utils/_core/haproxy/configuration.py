# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The lines of HAProxy's configuration that count, in its order: conditional blocks, sections and variables. Pure.

Follows the configuration manual, 2.1 to 2.4 (format, quoting, environment, conditional blocks).
"""

from __future__ import annotations

import dataclasses
import typing as t

from .conditions import Blocks, KnownHaproxy, holds
from .config_words import SECTIONS, UnsetWord, split_words
from .parsing import parse_version
from .variables import Environment, UnknownVariable, unknown_variable

_CONDITIONS = frozenset((".if", ".elif", ".else", ".endif"))
_ENVIRONMENT = frozenset(("setenv", "presetenv", "unsetenv", "resetenv"))
_QUOTES = "\"'\\"
_IN_A_BLOCK = "is in a conditional block, whose condition is not known here"


@dataclasses.dataclass(frozen=True)
class ConfigLine:
    """words: with their variables replaced; where one of these is not known, as the line has them. text: as written.

    file, number: where it stands; section: such as "frontend www", with this line when it begins one. doubt: why it
    is not known whether the line counts, or what it says; None when it is. legible: whether its words are known.
    """

    words: tuple[str, ...]
    text: str
    file: str
    number: int
    section: str
    doubt: str | None = None
    legible: bool = True

    @property
    def keyword(self) -> str:
        return self.words[0]

    @property
    def place(self) -> str:
        return f"{self.file}:{self.number}"

    @property
    def begins_section(self) -> bool:
        return self.keyword in SECTIONS


class ConfigReader:
    """Reads one file after the other, as HAProxy does with several -f.

    keywords: of the lines that are wanted; those that begin a section always are. environment: of HAProxy's process,
    at its start; it goes on from line to line.
    """

    def __init__(self, keywords: t.Collection[str], environment: Environment, haproxy: KnownHaproxy) -> None:
        self._keywords = SECTIONS | _CONDITIONS | _ENVIRONMENT | frozenset(keywords)
        self.environment = environment
        self._haproxy = haproxy
        version = parse_version(haproxy.version or "")
        known = version is not None and version != (2, 7)  # tried with 2.6, 2.8, 3.0 and 3.2
        self._drops_unset = version > (2, 7) if known and version else None

    def read(self, file: str, lines: t.Iterable[str]) -> t.Iterator[ConfigLine]:
        """file: its name; lines: without their ends."""
        blocks, section = Blocks(), ""
        for number, text in enumerate(lines, 1):
            first = "".join(text.split(None, 1)[:1]).partition("#")[0]
            if first not in self._keywords and not any(quote in first for quote in _QUOTES):
                continue
            words, unknown = self._words(text, {".FILE": file, ".LINE": str(number), ".SECTION": section})
            if not words or words[0] not in self._keywords:
                continue
            if words[0] in _CONDITIONS:
                self._turn(blocks, words, unknown)
            elif blocks.taken is not False:
                doubt = unknown or (_IN_A_BLOCK if blocks.taken is None else None)
                if words[0] in _ENVIRONMENT:
                    change = self.environment.doubt if doubt else self.environment.change
                    change(words[0], words[1:])
                    continue
                if words[0] in SECTIONS:
                    section = " ".join(words[:2])
                yield ConfigLine(tuple(words), text.strip(), file, number, section, doubt, unknown is None)

    def _words(self, text: str, place: t.Mapping[str, str]) -> tuple[list[str], str | None]:
        """The words before the first empty one, where HAProxy stops, and why they are not known."""
        place = {**place, ".SECTION": place[".SECTION"].rpartition(" ")[2]}
        try:
            words = split_words(text, self.environment, place)
        except UnknownVariable as unknown:
            return text.split(), unknown_variable(unknown)
        doubt = None
        if any(isinstance(word, UnsetWord) for word in words):
            if self._drops_unset is None:
                doubt = "has a word that is a variable without a value, which HAProxy 2.6 takes for the line's end"
            elif self._drops_unset:
                words = [word for word in words if not isinstance(word, UnsetWord)]
        end = words.index("") if "" in words else len(words)
        return words[:end], doubt

    def _turn(self, blocks: Blocks, words: t.Sequence[str], unknown: str | None) -> None:
        keyword, condition = words[0], None
        if keyword in (".if", ".elif") and blocks.wants_condition(keyword) and not unknown:
            condition = holds(" ".join(words[1:]), self.environment, self._haproxy)
        blocks.turn(keyword, condition)
