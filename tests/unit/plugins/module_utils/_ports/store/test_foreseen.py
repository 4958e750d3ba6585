# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What writing would fail with is what it fails with; on the whole modules: tests/integration/test_check_mode.py."""

from __future__ import annotations

import os
import pathlib

import pytest
from ansible_collections.certops.rotation.plugins.module_utils._ports.store.atomic import FileAttributes
from ansible_collections.certops.rotation.plugins.module_utils._ports.store.foreseen import (
    require_makeable,
    require_writable,
)
from ansible_collections.certops.rotation.plugins.module_utils._ports.store.places import make_place, open_place


def put(kind: str, path: pathlib.Path) -> None:
    if kind == "directory":
        path.mkdir()
    elif kind == "FIFO":
        os.mkfifo(path)
    elif kind == "link":
        path.symlink_to("elsewhere")
    elif kind == "file":
        path.touch()


@pytest.mark.parametrize("own", [True, False])
@pytest.mark.parametrize("kind", ["nothing", "file", "link", "FIFO", "directory"])
def test_a_file(tmp_path: pathlib.Path, kind: str, own: bool) -> None:
    put(kind, tmp_path / "x")
    with open_place(str(tmp_path), private=True) as place:
        told = [error_of(lambda: require_writable(place, "x", own=own))]
        told.append(error_of(lambda: place.write("x", b"new", FileAttributes(), own=own)))
    assert told[0] == told[1]
    assert bool(told[0]) is (kind == "directory" or (kind in ("link", "FIFO") and not own))


@pytest.mark.parametrize("kind", ["nothing", "file", "link", "FIFO"])
@pytest.mark.parametrize("above", [True, False])
def test_a_directory(tmp_path: pathlib.Path, kind: str, above: bool) -> None:
    path = tmp_path / "above" / "x"
    if above:
        path.parent.mkdir()
        put(kind, path)
    told = [error_of(lambda: require_makeable(str(path))), error_of(lambda: make_place(str(path)).close())]
    assert told[0] == told[1]
    assert bool(told[0]) is not (above and kind == "nothing")


def error_of(action: object) -> int | None:
    try:
        action()  # type: ignore[operator]
    except OSError as error:
        return error.errno
    return None
