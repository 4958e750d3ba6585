# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is known of the file system of a path."""

from __future__ import annotations

import fcntl
import os
import pathlib

import pytest
from ansible_collections.certops.rotation.plugins.module_utils._ports.store.mounts import (
    file_system_of,
    is_read_only,
    is_unchangeable,
    unmounted_above,
)

_MOUNTS = r"""22 1 254:0 / / rw,relatime - ext4 /dev/vda rw
23 22 0:5 / /srv rw shared:2 master:1 - cifs //server/share rw
24 23 0:6 / /srv/with\040space rw - vfat /dev/sdb1 rw
25 22 0:7 / /two rw - ext4 /dev/sdc rw
26 25 0:8 / /two rw - fuse.sshfs host: rw
nonsense
"""


def test_the_type_of_a_file_system(tmp_path: pathlib.Path) -> None:
    mounts = tmp_path / "mountinfo"
    mounts.write_text(_MOUNTS)
    for path, kind in {
        "/etc": "ext4",
        "/": "ext4",
        "/srv": "cifs",
        "/srvx": "ext4",
        "/srv/a/b": "cifs",
        "/srv/with space/x": "vfat",
        "/two/x": "fuse.sshfs",
    }.items():
        assert file_system_of(path, str(mounts)) == kind, path
    assert file_system_of("/", str(tmp_path / "none")) == ""
    assert file_system_of("/proc/self") == "proc"


def test_what_fstab_has_and_is_not_mounted(tmp_path: pathlib.Path) -> None:
    place, table = tmp_path / "with space", tmp_path / "fstab"
    (place / "certs").mkdir(parents=True)
    named = str(place).replace(" ", "\\040")
    table.write_text(
        f"# comment\n/dev/vda / ext4 defaults 0 1\nserver:/x {named} nfs defaults 0 0\nUUID=1 none swap sw\n"
    )
    for path in (place, place / "certs", place / "new"):
        assert unmounted_above(str(path), str(table)) == str(place)
    assert unmounted_above(str(tmp_path), str(table)) == ""
    table.write_text("proc /proc proc defaults 0 0\n")
    assert unmounted_above("/proc/self/x", str(table)) == ""
    assert unmounted_above("/", str(tmp_path / "none")) == ""


@pytest.mark.parametrize(("flags", "is_fixed"), [(0x80000, False), (0x80010, True), (0x80020, True)])
def test_attributes_of_files(
    monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path, flags: int, is_fixed: bool
) -> None:
    """As ext4 answers; no test can rely on one that is there."""

    def ioctl(_descriptor: int, _request: int, answer: bytearray) -> None:
        answer[:4] = flags.to_bytes(4, "little")

    monkeypatch.setattr("sys.byteorder", "little")
    monkeypatch.setattr(fcntl, "ioctl", ioctl)
    (tmp_path / "a").write_text("")
    (tmp_path / "link").symlink_to("a")
    os.mkfifo(tmp_path / "pipe")
    assert is_unchangeable(str(tmp_path)) == is_unchangeable(str(tmp_path / "a")) == is_fixed
    assert not any(is_unchangeable(str(tmp_path / name)) for name in ("link", "pipe", "none"))


def test_where_nothing_is_known() -> None:
    assert not is_unchangeable("/proc/self/status")
    assert not is_read_only("/no/such/path")
