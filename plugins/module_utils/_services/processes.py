# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The processes of this machine, from the process file system (proc(5))."""

from __future__ import annotations

import os
import typing as t

PROC = "/proc"


class Process(t.NamedTuple):
    """pid; parent: its parent's; name: the program's, cut to 15 characters by the kernel."""

    pid: int
    parent: int
    name: str


def find_process(pid: int, proc: str = PROC) -> Process | None:
    """None: there is no such process, or it has ended."""
    try:
        with open(os.path.join(proc, str(pid), "stat"), encoding="utf-8", errors="replace") as file:
            # The name in parentheses may hold anything, so look behind the last one: state, then parent.
            head, _separator, tail = file.read().rpartition(")")
        state, parent = tail.split()[:2]
    except (OSError, ValueError):
        return None
    return None if state in "ZX" else Process(pid, int(parent), head.partition("(")[2])


def children_of(pid: int, proc: str = PROC) -> list[Process]:
    """Its child processes that live."""
    candidates = (find_process(int(entry), proc) for entry in os.listdir(proc) if entry.isdigit())
    return [process for process in candidates if process and process.parent == pid]
