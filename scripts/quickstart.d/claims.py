# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is said on the screen is checked before it is said."""

from __future__ import annotations

import pathlib
import time
import typing as t

_STAMPS = ("last-success",)  # touched by each run that ends well


class NotTrue(Exception):
    """A claim that the check did not confirm."""


def claim(truth: bool, otherwise: str) -> None:
    if not truth:
        raise NotTrue(otherwise)


def wait_until(condition: t.Callable[[], bool], otherwise: str, seconds: float = 30) -> None:
    """Raises NotTrue(otherwise) when the condition does not come true in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        claim(time.monotonic() < deadline, otherwise)
        time.sleep(0.02)


def snapshot(directory: pathlib.Path) -> dict[str, tuple[int, int]]:
    """Inode and time of change of every file below the directory, but for stamps of success."""
    files = [path for path in directory.rglob("*") if path.is_file() and path.name not in _STAMPS]
    return {str(path): (path.stat().st_ino, path.stat().st_mtime_ns) for path in files}
