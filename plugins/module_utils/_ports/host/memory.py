# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How much memory a process has, and how much more there is for another one like it (proc(5), cgroups(7))."""

from __future__ import annotations

import contextlib
import os
import typing as t

from ..._core.text import lines_of
from .processes import PROC

CGROUPS = "/sys/fs/cgroup"
_MB = 1 << 20


class MemoryRoom(t.NamedTuple):
    """In MB, None where it is not told. own: what the process has for itself; free: of the machine, or of a limit that
    the process is under, whatever is less."""

    own: float | None
    free: float | None


def memory_room(pid: int, proc: str = PROC, cgroups: str = CGROUPS) -> MemoryRoom:
    """Nothing is told of a process that is gone."""
    status = _sizes(os.path.join(proc, str(pid), "status"))
    own = status.get("RssAnon", status.get("VmRSS"))
    left = [_sizes(os.path.join(proc, "meminfo")).get("MemAvailable"), *_limits(pid, proc, cgroups)]
    return MemoryRoom(own, min((each for each in left if each is not None), default=None))


def _sizes(path: str) -> dict[str, float]:
    """Lines as `MemAvailable:  24105 kB`, in MB."""
    sizes = {}
    for line in _lines(path):
        name, _colon, rest = line.partition(":")
        words = rest.split()
        if len(words) == 2 and words[0].isdecimal() and words[1] == "kB":
            sizes[name] = int(words[0]) / 1024
    return sizes


def _limits(pid: int, proc: str, cgroups: str) -> t.Iterator[float]:
    """What is left of each limit, in MB. A group is limited by those above it, too."""
    for line in _lines(os.path.join(proc, str(pid), "cgroup")):
        number, controllers, path = [*line.split(":", 2), "", ""][:3]
        if number == "0" and not controllers:  # version 2
            tops = [cgroups, os.path.join(cgroups, "unified")]
            limits = ["memory.max", "memory.high"]  # above high, all in the group become slow
            used = ("memory.current", "inactive_file")
        elif "memory" in controllers.split(","):
            tops = [os.path.join(cgroups, "memory")]
            limits = ["memory.limit_in_bytes"]
            used = ("memory.usage_in_bytes", "total_inactive_file")
        else:
            continue
        for top in tops:
            for group in _and_above(path):
                for limit in limits:
                    left = _left(os.path.join(top, group), limit, *used)
                    if left is not None:
                        yield left


def _and_above(path: str) -> t.Iterator[str]:
    """The groups from the one of this path to the top. In a container it may be a path of the machine's."""
    parts = [part for part in path.split("/") if part not in ("", ".", "..")]
    for length in range(len(parts), -1, -1):
        yield os.path.join(*parts[:length], "")


def _left(group: str, limit: str, used: str, cached: str) -> float | None:
    """cached: what of it is given back when others need it."""
    most, now = (_number(os.path.join(group, name)) for name in (limit, used))
    if most is None or now is None:
        return None
    fields = [line.split() for line in _lines(os.path.join(group, "memory.stat"))]
    spare = next((int(field[1]) for field in fields if len(field) == 2 and field[0] == cached), 0)
    return max(most - max(now - spare, 0), 0) / _MB


def _number(path: str) -> int | None:
    """None for "max", too."""
    text = "".join(_lines(path)).strip()
    return int(text) if text.isdecimal() else None


def _lines(path: str) -> list[str]:
    with contextlib.suppress(OSError), open(path, encoding="utf-8", errors="replace") as file:
        return lines_of(file.read())
    return []
