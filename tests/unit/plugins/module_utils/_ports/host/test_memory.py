# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How much memory there is for another process like one, by files as the kernel has them."""

from __future__ import annotations

import os
import pathlib
import typing as t

import pytest
from ansible_collections.certops.rotation.plugins.module_utils._ports.host.memory import MemoryRoom, memory_room

MB = 1 << 20
V1 = "9:name=systemd:/x\n4:hugetlb,memory:/system.slice/haproxy.service\n0::/\n"
V2 = "0::/system.slice/haproxy.service\n"


class Machine:
    """PID 7 with 30 MB of its own, and 1,000 MB that are available."""

    def __init__(self, root: pathlib.Path) -> None:
        self._root = root
        self.write("proc/7/status", "Name:\thaproxy\nVmRSS:\t  40960 kB\nRssAnon:\t   30720 kB\nThreads:\t2\n")
        self.write("proc/meminfo", "MemTotal:       24105000 kB\nMemAvailable:    1024000 kB\nHugePages_Total:   0\n")

    def write(self, path: str, text: str) -> None:
        (self._root / path).parent.mkdir(parents=True, exist_ok=True)
        (self._root / path).write_text(text)

    def limit(self, group: str, most: object, used: int, cached: int = 0) -> None:
        """As of version 1 below memory, else of version 2."""
        first = group.startswith("memory")
        names = ("limit_in_bytes", "usage_in_bytes") if first else ("max", "current")
        for name, value in zip(names, (most, used)):
            self.write(f"cgroup/{group}/memory.{name}", f"{value}\n")
        key = "total_inactive_file" if first else "inactive_file"
        self.write(f"cgroup/{group}/memory.stat", f"anon 1\n{key} {cached}\nodd line here\n")

    def room(self, pid: int = 7) -> MemoryRoom:
        return memory_room(pid, str(self._root / "proc"), str(self._root / "cgroup"))


@pytest.fixture
def machine(tmp_path: pathlib.Path) -> Machine:
    return Machine(tmp_path)


def test_without_groups(machine: Machine) -> None:
    assert machine.room() == MemoryRoom(30.0, 1000.0)
    machine.write("proc/7/status", "VmRSS:\t40960 kB\n")  # before Linux 4.5
    assert machine.room() == MemoryRoom(40.0, 1000.0)
    assert machine.room(pid=8) == MemoryRoom(None, 1000.0)


@pytest.mark.parametrize(
    ("groups", "limits", "free"),
    [
        (V2, {"system.slice/haproxy.service": (200 * MB, 150 * MB)}, 50),
        (V2, {"system.slice/haproxy.service": (200 * MB, 150 * MB, 30 * MB)}, 80),
        (V2, {"system.slice/haproxy.service": ("max", 150 * MB), "system.slice": (300 * MB, 200 * MB)}, 100),
        (V2, {"system.slice/haproxy.service": ("max", 150 * MB)}, 1000),
        (V2, {"system.slice/haproxy.service": (100 * MB, 150 * MB)}, 0),
        (V2, {"unified/system.slice": (200 * MB, 150 * MB)}, 50),
        (V1, {"memory/system.slice/haproxy.service": (200 * MB, 150 * MB, 10 * MB)}, 60),
        (V1, {"memory": (200 * MB, 150 * MB)}, 50),
        (V1, {"memory": (9223372036854771712, 150 * MB)}, 1000),
        # In a container: the limit of its own group is at the top, and the path is one of the machine's.
        ("0::/../../docker/abc\n", {".": (200 * MB, 150 * MB)}, 50),
        ("", {".": (200 * MB, 150 * MB)}, 1000),
        ("odd\n1:\n", {".": (200 * MB, 150 * MB)}, 1000),
    ],
)
def test_the_least_counts(machine: Machine, groups: str, limits: dict[str, tuple[t.Any, ...]], free: float) -> None:
    machine.write("proc/7/cgroup", groups)
    for group, limit in limits.items():
        machine.limit(group, *limit)
    assert machine.room() == MemoryRoom(30.0, free)


@pytest.mark.parametrize(("high", "free"), [("max", 100), (180 * MB, 30), (400 * MB, 100)])
def test_above_high_all_become_slow(machine: Machine, high: object, free: float) -> None:
    """MemoryHigh= of a unit."""
    machine.write("proc/7/cgroup", V2)
    machine.limit("system.slice/haproxy.service", 250 * MB, 150 * MB)
    machine.write("cgroup/system.slice/haproxy.service/memory.high", f"{high}\n")
    assert machine.room() == MemoryRoom(30.0, free)


def test_this_process() -> None:
    room = memory_room(os.getpid())
    assert room.own is not None
    assert room.free is not None
    assert 1 < room.own < 10_000
