# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Trees of somebody else's are removed, and nothing that their links lead to."""

from __future__ import annotations

import os
import pathlib
import typing as t

import pytest
from ansible_collections.certops.rotation.plugins.module_utils._ports.staging import removal
from ansible_collections.certops.rotation.plugins.module_utils._ports.staging.removal import remove_tree


@pytest.fixture
def top(tmp_path: pathlib.Path) -> t.Iterator[tuple[int, pathlib.Path]]:
    path = tmp_path / "top"
    path.mkdir()
    descriptor = os.open(path, os.O_RDONLY)
    yield descriptor, path
    os.close(descriptor)


def test_links_and_special_files(top: tuple[int, pathlib.Path], tmp_path: pathlib.Path) -> None:
    descriptor, path = top
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept" / "file").touch()
    (path / "x" / "y").mkdir(parents=True)
    (path / "x" / "link").symlink_to(tmp_path / "kept")
    (path / "x" / "y" / "again").symlink_to(tmp_path / "kept")
    os.mkfifo(path / "x" / "y" / "fifo")
    (path / "other").touch()
    remove_tree(descriptor, "x")
    assert [each.name for each in path.iterdir()] == ["other"]
    assert (tmp_path / "kept" / "file").exists()
    (path / "x").symlink_to(tmp_path / "kept")
    remove_tree(descriptor, "x")
    remove_tree(descriptor, "nothing")
    assert (tmp_path / "kept" / "file").exists()
    assert [each.name for each in path.iterdir()] == ["other"]


def test_who_adds_meanwhile(top: tuple[int, pathlib.Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """He is outlasted, unless he goes on: then it is told."""
    descriptor, path = top
    empty = removal._empty
    turns = [2]

    def busy(*given: t.Any) -> None:
        empty(*given)
        if turns[0]:
            turns[0] -= 1
            (path / "x" / "new").touch()

    monkeypatch.setattr(removal, "_empty", busy)
    (path / "x").mkdir()
    remove_tree(descriptor, "x")
    assert list(path.iterdir()) == []
    (path / "x").mkdir()
    turns[0] = 100
    with pytest.raises(OSError, match="not empty"):
        remove_tree(descriptor, "x")
