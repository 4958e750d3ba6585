# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One instant in a file, whatever there is in its place."""

from __future__ import annotations

import os
import pathlib
from datetime import datetime, timezone

import pytest
from ansible_collections.certops.rotation.plugins.module_utils._errors import StoreError
from ansible_collections.certops.rotation.plugins.module_utils._ports.host.stamp import read_stamp, write_stamp

NOW = datetime(2026, 3, 1, 12, tzinfo=timezone.utc)


def test_written_and_read(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "new" / "stamp"
    assert read_stamp(str(path)) is None
    write_stamp(str(path), NOW)
    assert read_stamp(str(path)) == NOW
    assert path.stat().st_mode & 0o777 == 0o600
    link = tmp_path / "link"
    link.symlink_to(path)
    write_stamp(str(link), NOW.replace(year=2027))
    assert (link.is_symlink(), read_stamp(str(path))) == (True, NOW.replace(year=2027))
    monkeypatch.chdir(tmp_path)
    write_stamp("here", NOW)
    assert read_stamp("here") == NOW


def test_nothing_but_a_file_is_replaced(tmp_path: pathlib.Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(StoreError, match="no regular file"):
        write_stamp(str(tmp_path / "pipe"), NOW)
    assert (tmp_path / "pipe").is_fifo()
    assert read_stamp(str(tmp_path / "pipe")) is None
