# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Files appear whole, with their owner and mode, or not at all."""

from __future__ import annotations

import errno
import os
import pathlib
import stat
import threading
import typing as t

import pytest
from ansible_collections.certops.rotation.plugins.module_utils._errors import StoreError
from ansible_collections.certops.rotation.plugins.module_utils._store import atomic

PRIVATE = atomic.FileAttributes(0o600)


def mode_of(path: pathlib.Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o400])
def test_write_file_creates_and_replaces(tmp_path: pathlib.Path, mode: int) -> None:
    path = tmp_path / "a"
    for content in (b"one", b"", b"x" * 100_000):
        atomic.write_file(str(path), content, atomic.FileAttributes(mode, os.getuid(), os.getgid()))
        assert path.read_bytes() == content
        assert mode_of(path) == mode
    assert [each.name for each in tmp_path.iterdir()] == ["a"]


def test_mode_does_not_depend_on_the_umask(tmp_path: pathlib.Path) -> None:
    old = os.umask(0o777)
    try:
        atomic.write_file(str(tmp_path / "a"), b"x", atomic.FileAttributes(0o640))
    finally:
        os.umask(old)
    assert mode_of(tmp_path / "a") == 0o640


def test_readers_see_one_content_or_the_other(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "a"
    contents = [letter * 50_000 for letter in (b"a", b"b")]
    atomic.write_file(str(path), contents[0], PRIVATE)
    stop, seen = threading.Event(), set()

    def read() -> None:
        while not stop.is_set():
            seen.add(path.read_bytes())

    reader = threading.Thread(target=read)
    reader.start()
    for number in range(100):
        atomic.write_file(str(path), contents[number % 2], PRIVATE)
    stop.set()
    reader.join()
    assert seen <= set(contents)


@pytest.mark.parametrize("failing", ["fsync", "rename", "chmod"])
def test_failure_leaves_the_old_content_and_no_temporary(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch, failing: str
) -> None:
    path = tmp_path / "a"
    atomic.write_file(str(path), b"old", PRIVATE)

    def fail(*args: t.Any, **kwargs: t.Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, failing, fail)
    with pytest.raises(OSError, match="No space"):
        atomic.write_file(str(path), b"new", PRIVATE)
    monkeypatch.undo()
    assert path.read_bytes() == b"old"
    assert [each.name for each in tmp_path.iterdir()] == ["a"]


def test_create_file_neither_follows_nor_replaces(tmp_path: pathlib.Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "file").write_text("old")
    for name in ("link", "file"):
        with pytest.raises(FileExistsError):
            atomic.create_file(str(tmp_path / name), b"x", PRIVATE)
    assert not (tmp_path / "elsewhere").exists()


def test_links_replace_in_one_step(tmp_path: pathlib.Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).write_text(name)
    live = tmp_path / "live"
    for name in ("one", "two", "two"):
        atomic.replace_with_link(str(tmp_path / name), str(live))
        assert live.samefile(tmp_path / name)
    for name in ("one", "two", "two"):
        atomic.replace_with_symlink(name, str(live))
        assert str(live.readlink()) == name
    assert sorted(each.name for each in tmp_path.iterdir()) == ["live", "one", "two"]


def test_temporaries_are_hidden_and_removed(tmp_path: pathlib.Path) -> None:
    (tmp_path / f"{atomic.TEMPORARY_MARK}x").write_text("half")
    (tmp_path / "kept").write_text("")
    assert atomic.TEMPORARY_MARK.startswith(".")
    atomic.remove_temporaries(str(tmp_path))
    assert [each.name for each in tmp_path.iterdir()] == ["kept"]


def test_attributes_match(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "a"
    atomic.write_file(str(path), b"", PRIVATE)
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
        (errno.EPERM, "Run as root"),
        (errno.EROFS, "read-only"),
        (errno.ENOENT, "Create the parent"),
        (errno.EEXIST, "Something else is in its place"),
        (errno.EIO, ""),
    ],
)
def test_errors_say_what_to_do(number: int, advice: str) -> None:
    with pytest.raises(StoreError) as caught, atomic.store_errors("write certificate a"):
        raise OSError(number, os.strerror(number), "/certs/a.pem")
    message = caught.value.message
    assert message.startswith(f"Cannot write certificate a: {os.strerror(number)} (/certs/a.pem).")
    assert advice in message
    assert caught.value.__suppress_context__
