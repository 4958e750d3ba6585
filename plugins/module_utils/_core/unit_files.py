# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Values in systemd's unit files, each as the setting that it is for is read (systemd.syntax(7)). Pure.

None of these takes control characters, quotes or backslashes: see is_plain.
"""

from __future__ import annotations

import re
import typing as t

_PLAIN: t.Final = re.compile(r"[^\x00-\x1f\x7f\"'\\]*")


def is_plain(text: str) -> bool:
    """Whether all settings below can hold it, and it does not end or begin where it should not."""
    return bool(_PLAIN.fullmatch(text)) and text == text.strip()


def one_value(text: str) -> str:
    """Of a setting that takes one value a line, such as PathChanged=: a percent sign begins a specifier."""
    return text.replace("%", "%%")


def one_word(text: str) -> str:
    """Of a setting that takes several in a line, such as ReadWritePaths= and Environment=."""
    value = one_value(text)
    return f'"{value}"' if " " in value or not value else value


def command_line(words: t.Sequence[str]) -> str:
    """Of ExecStart= (systemd.service(5), "Command lines"): variables are replaced in all words but the first."""
    program, *arguments = words
    return " ".join([one_word(program), *(_argument(word) for word in arguments)])


def _argument(text: str) -> str:
    value = one_word(text.replace("$", "$$"))
    return '";"' if value == ";" else value
