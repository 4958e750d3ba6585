# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Two names change places in one step, by whichever way this system has."""

from __future__ import annotations

import ctypes
import os
import pathlib
import platform
import sys
import typing as t

import pytest
from ansible_collections.certops.rotation.plugins.module_utils._ports.store.exchanging import exchange_names


@pytest.fixture
def places(tmp_path: pathlib.Path) -> t.Iterator[tuple[int, int]]:
    (tmp_path / "one").mkdir()
    (tmp_path / "one" / "link").symlink_to("nowhere")
    (tmp_path / "two" / "directory").mkdir(parents=True)
    (tmp_path / "two" / "directory" / "file").touch()
    descriptors = [os.open(tmp_path / name, os.O_RDONLY) for name in ("one", "two")]
    yield descriptors[0], descriptors[1]
    for descriptor in descriptors:
        os.close(descriptor)


class Musl:
    """A C library without the function."""

    def __init__(self, *given: t.Any, **named: t.Any) -> None:
        self.syscall = ctypes_cdll(*given, **named).syscall


ctypes_cdll = ctypes.CDLL


@pytest.mark.parametrize("library", ["glibc", "musl"])
def test_a_link_and_a_directory(
    places: tuple[int, int], tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch, library: str
) -> None:
    if library == "musl":
        monkeypatch.setattr(ctypes, "CDLL", Musl)
    exchange_names(places[0], "link", places[1], "directory")
    assert (tmp_path / "one" / "link" / "file").exists()
    assert os.readlink(tmp_path / "two" / "directory") == "nowhere"  # noqa: PTH115


def test_where_there_is_no_way(places: tuple[int, int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ctypes, "CDLL", Musl)
    monkeypatch.setattr(platform, "machine", lambda: "abacus")
    with pytest.raises(OSError, match="move the directory away"):
        exchange_names(places[0], "link", places[1], "directory")


def test_a_python_without_it(places: tuple[int, int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ctypes", None)
    with pytest.raises(OSError, match="move the directory away"):
        exchange_names(places[0], "link", places[1], "directory")


def test_two_file_systems(places: tuple[int, int]) -> None:
    """Or one of layers, such as that of a container."""
    memory = os.open("/dev/shm", os.O_RDONLY)
    name = f"certops-{os.getpid()}"
    os.mkdir(name, dir_fd=memory)
    try:
        with pytest.raises(OSError, match="move the directory away"):
            exchange_names(memory, name, places[1], "directory")
    finally:
        os.rmdir(name, dir_fd=memory)
        os.close(memory)


def test_what_is_not_there(places: tuple[int, int]) -> None:
    with pytest.raises(FileNotFoundError):
        exchange_names(places[0], "nothing", places[1], "directory")


def test_where_the_kernel_cannot(places: tuple[int, int]) -> None:
    """/proc, for one."""
    descriptor = os.open("/proc/self", os.O_RDONLY)
    try:
        with pytest.raises(OSError):  # noqa: PT011
            exchange_names(descriptor, "comm", descriptor, "limits")
    finally:
        os.close(descriptor)
