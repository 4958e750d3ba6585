# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The stamp of a run that had nothing to write."""

from __future__ import annotations

import pathlib

from ansible_collections.certops.rotation.plugins.module_utils._ports.store import last_success
from ansible_collections.certops.rotation.plugins.module_utils._ports.store.directory import CertificateDirectory


def test_it_says_when_and_nothing_else(tmp_path: pathlib.Path) -> None:
    directory = CertificateDirectory(str(tmp_path))
    last_success.touch(directory, 1000.0)
    assert list(tmp_path.iterdir()) == [], "nothing was ever deployed there"
    assert last_success.touched(directory) is None
    with directory.locked(1):
        pass
    stamp = tmp_path / ".certops" / last_success.STAMP_FILE
    for instant in (2000.0, 3000.0):
        last_success.touch(directory, instant)
        assert last_success.touched(directory) == instant
    assert (stamp.read_bytes(), stamp.stat().st_mode & 0o777) == (b"", 0o600)
    last_success.forget(directory)
    last_success.forget(directory)
    assert last_success.touched(directory) is None


def test_what_is_none_tells_nothing(tmp_path: pathlib.Path) -> None:
    directory = CertificateDirectory(str(tmp_path / "certs"))
    with directory.locked(1):
        pass
    elsewhere = tmp_path / "elsewhere"
    elsewhere.touch()
    (tmp_path / "certs" / ".certops" / last_success.STAMP_FILE).symlink_to(elsewhere)
    assert last_success.touched(directory) is None
    last_success.touch(directory, 1000.0)
    assert last_success.touched(directory) == 1000.0
    assert elsewhere.stat().st_mtime > 1000
