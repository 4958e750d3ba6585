# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Single files: their attributes, reading whatever is in their place, and errors that say what to do."""

from __future__ import annotations

import errno
import os
import pathlib
import socket

import pytest
from ansible_collections.certops.rotation.plugins.module_utils._errors import StoreError
from ansible_collections.certops.rotation.plugins.module_utils._ports.store import atomic

PRIVATE = atomic.FileAttributes(0o600)


def test_create_file_neither_follows_nor_replaces(tmp_path: pathlib.Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "file").write_text("old")
    for name in ("link", "file"):
        with pytest.raises(FileExistsError):
            atomic.create_unsynced_file(str(tmp_path / name), b"x", PRIVATE)
    assert not (tmp_path / "elsewhere").exists()


@pytest.mark.parametrize("size", [0, 1, 4095, 4096, 4097, 3 << 20])
def test_reading_a_file_of_any_size(tmp_path: pathlib.Path, size: int) -> None:
    (tmp_path / "a").write_bytes(b"x" * size)
    assert atomic.read_regular_file(str(tmp_path / "a")) == b"x" * size
    if size:
        with pytest.raises(OSError, match="more than"):
            atomic.read_regular_file(str(tmp_path / "a"), limit=size - 1)


def test_reading_what_has_no_size() -> None:
    assert atomic.read_regular_file("/proc/self/status").startswith(b"Name:")


def test_reading_what_is_no_file(tmp_path: pathlib.Path) -> None:
    """A FIFO does not hang, a device and a hole do not fill the memory."""
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "link").symlink_to("fifo")
    with (tmp_path / "hole").open("wb") as file:
        file.truncate(1 << 30)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "socket"))
        for path in (tmp_path / "fifo", tmp_path / "link", tmp_path / "socket", tmp_path, "/dev/null", "/dev/tty"):
            with pytest.raises(OSError, match=r"no regular file|No such device"):
                atomic.read_regular_file(str(path))
    with pytest.raises(OSError, match="more than"):
        atomic.read_regular_file(str(tmp_path / "hole"))


def test_a_link_is_followed_only_where_that_is_meant(tmp_path: pathlib.Path) -> None:
    (tmp_path / "a").write_text("x")
    (tmp_path / "link").symlink_to("a")
    assert atomic.read_regular_file(str(tmp_path / "link")) == b"x"
    with pytest.raises(OSError, match="symbolic link, which is not followed"):
        atomic.read_regular_file(str(tmp_path / "link"), follow=False)


def test_what_is_ones_own_has_one_name(tmp_path: pathlib.Path) -> None:
    (tmp_path / "a").write_text("x")
    assert atomic.read_regular_file(str(tmp_path / "a"), own=True) == b"x"
    os.link(tmp_path / "a", tmp_path / "b")
    with pytest.raises(OSError, match="not this user's alone"):
        atomic.read_regular_file(str(tmp_path / "a"), own=True)


def test_attributes_match(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "a"
    atomic.sync_and_close([atomic.create_unsynced_file(str(path), b"", PRIVATE)])
    status = path.stat()
    assert PRIVATE.match(status)
    assert atomic.FileAttributes(0o600, status.st_uid, status.st_gid).match(status)
    assert not atomic.FileAttributes(0o640).match(status)
    assert not atomic.FileAttributes(0o600, uid=status.st_uid + 1).match(status)
    assert not atomic.FileAttributes(0o600, gid=status.st_gid + 1).match(status)


@pytest.mark.parametrize(
    ("number", "advice"),
    [
        (errno.ENOSPC, "Free space"),
        (errno.EDQUOT, "Raise the quota"),
        (errno.EACCES, "become: true"),
        (errno.EPERM, "become: true"),
        (errno.EROFS, "read-only"),
        (errno.ENOENT, "Create the parent"),
        (errno.EEXIST, "Something else is in its place"),
        (errno.EINVAL, ""),
    ],
)
def test_errors_say_what_to_do(monkeypatch: pytest.MonkeyPatch, number: int, advice: str) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(StoreError) as caught, atomic.store_errors("write certificate a"):
        raise OSError(number, os.strerror(number), "/certs/a.pem")
    message = caught.value.message
    assert message.startswith(f"Cannot write certificate a: {os.strerror(number)} (/certs/a.pem).")
    assert advice in message
    assert caught.value.__suppress_context__


def test_the_same_error_of_other_causes(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """EPERM: of an owner that only root sets, and of what nobody may change."""

    def chown(*_arguments: int) -> None:
        raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))

    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setattr(os, "fchown", chown)
    with pytest.raises(StoreError, match="Run as root to set this owner"), atomic.store_errors("write"):
        atomic.create_unsynced_file(str(tmp_path / "a"), b"", atomic.FileAttributes(uid=0))
    monkeypatch.setattr(atomic, "is_unchangeable", lambda path: path == str(tmp_path))
    with pytest.raises(StoreError, match=f"chattr -i -a {tmp_path}'"), atomic.store_errors("write"):
        raise PermissionError(errno.EPERM, os.strerror(errno.EPERM), str(tmp_path / "a"))
    (tmp_path / "link").symlink_to("nothing")
    with pytest.raises(StoreError, match="leads to nothing"), atomic.store_errors("write"):
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(tmp_path / "link"))
