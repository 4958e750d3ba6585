# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What `haproxy -c` says of a configuration, and of whom it speaks. Pure."""

from __future__ import annotations

import re

from ..text import lines_of

#: Between quotes or < and >, as most messages have a path; or a word that begins with a slash.
_QUOTED = re.compile(r"'([^'\n]+)'|<([^<>\n]+)>")
_WORD = re.compile(r"(?<![^\s'<\[(:])/[^\s'\"<>()\[\],;]+")
_DENIED = ("Permission denied", "Operation not permitted")


def named_files(log: str) -> list[str]:
    """Paths that the log may be about, as it has them, each once, in its order. What is a path, is not for sure."""
    found: dict[str, None] = {}
    for line in lines_of(log):
        for first, second in _QUOTED.findall(line):
            found[first or second] = None
        for word in _WORD.findall(line):
            found[word.rstrip(".:")] = None
    return list(found)


def denied_lines(log: str) -> list[str]:
    """Those that say that the program might not do something."""
    return [line for line in lines_of(log) if any(word in line for word in _DENIED)]


def alerts(log: str) -> list[str]:
    """Without the two that say nothing of their own, or all lines where none is marked as one."""
    marked = [line for line in lines_of(log) if line.startswith("[ALERT]")]
    telling = [line for line in marked if "Fatal errors found" not in line and "Error(s) found" not in line]
    return telling or marked or lines_of(log)
