# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the person at the terminal sees: aligned, calm, coloured only where that is wanted."""

from __future__ import annotations

import os
import sys
import typing as t

_BOLD, _DIM, _GREEN, _RED = "1", "2", "32", "31"


class Screen:
    """Writes to standard output; colours on a terminal only, and never with NO_COLOR (https://no-color.org)."""

    def __init__(self) -> None:
        self._colours = sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
        self._tick = "✓" if "utf" in (sys.stdout.encoding or "").lower() else "+"

    def title(self, text: str, *lines: str) -> None:
        self._print(self._paint(_BOLD, text))
        for line in lines:
            self._print(self._paint(_DIM, line))

    def step(self, number: int, text: str) -> None:
        self._print()
        self._print(self._paint(_BOLD, f"{number}  {text}"))

    def command(self, text: str) -> None:
        """A command as it is run."""
        self._print(f"   {self._paint(_BOLD, '$ ' + text)}")

    def file(self, text: str) -> None:
        """The content of a file."""
        for line in text.splitlines():
            self._print(self._paint(_DIM, f"     {line}"))

    def fact(self, label: str, value: str = "") -> None:
        self._print(f"   {label:<20}  {value}".rstrip())

    def proven(self, label: str, value: str) -> None:
        """A fact that was checked before it is shown."""
        self._print(f" {self._paint(_GREEN, self._tick)} {label:<20}  {value}")

    def text(self, *lines: str) -> None:
        for line in lines:
            self._print(f"   {line}".rstrip())

    def gap(self) -> None:
        self._print()

    def failure(self, message: str, logs: t.Mapping[str, str]) -> None:
        """What went wrong, after all that the programs printed."""
        for name, log in logs.items():
            self._print()
            self._print(self._paint(_BOLD, f"--- {name} ---"))
            self._print(log.rstrip())
        self._print()
        self._print(self._paint(_RED, f"The quickstart failed: {message}"))

    def _paint(self, colour: str, text: str) -> str:
        return f"\033[{colour}m{text}\033[0m" if self._colours else text

    @staticmethod
    def _print(text: str = "") -> None:
        print(text, flush=True)
