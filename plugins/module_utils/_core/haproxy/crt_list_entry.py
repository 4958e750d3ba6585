# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One line of a crt-list (configuration manual, 5.1 "crt-list"): a file, options in brackets, SNI filters. Pure."""

from __future__ import annotations

import re
import typing as t

_SPACE = re.compile(r"[ \t\n\v\f\r]+")  # nothing else parts words, such as the spaces of Unicode


class CrtListLine(t.NamedTuple):
    """certificate: as it is written; filters: in lower case, "!" excludes."""

    certificate: str
    filters: tuple[str, ...]


def read_crt_list_line(line: str) -> CrtListLine | None:
    """None for a comment, which has its "#" as the very first character, and for an empty line.

    A "#" that stands later is a part of a word, and so a filter. What stands between file and bracket does not count.
    """
    if line.startswith("#") or not _SPACE.sub("", line):
        return None
    before, bracket, rest = line.partition("[")
    named = _words(before)
    filters = _words(rest.partition("]")[2]) if bracket else named[1:]
    return CrtListLine(named[0] if named else "", tuple(name.lower() for name in filters))


def _words(text: str) -> list[str]:
    return [word for word in _SPACE.split(text) if word]
