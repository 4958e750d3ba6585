# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Directories that are opened once: files appear whole in them, and nothing leads out of them."""

from __future__ import annotations

import errno
import os
import pathlib
import stat
import threading
import typing as t

import pytest
from ansible_collections.certops.rotation.plugins.module_utils._ports.store import atomic
from ansible_collections.certops.rotation.plugins.module_utils._ports.store.places import (
    Place,
    make_place,
    open_file_place,
    open_place,
)
from ansible_collections.certops.rotation.plugins.module_utils._ports.store.trust import UnsafeDirectory
from ansible_collections.certops.rotation.tests.support.hostile import PLANTS

PRIVATE = atomic.FileAttributes(0o600)


@pytest.fixture
def place(tmp_path: pathlib.Path) -> t.Iterator[Place]:
    with open_place(str(tmp_path), private=True) as opened:
        yield opened


def mode_of(path: pathlib.Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o400])
def test_write_creates_and_replaces(place: Place, tmp_path: pathlib.Path, mode: int) -> None:
    path = tmp_path / "a"
    for content in (b"one", b"", b"x" * 100_000):
        place.write("a", content, atomic.FileAttributes(mode, os.getuid(), os.getgid()))
        assert path.read_bytes() == content
        assert mode_of(path) == mode
    assert [each.name for each in tmp_path.iterdir()] == ["a"]


def test_mode_does_not_depend_on_the_umask(place: Place, tmp_path: pathlib.Path) -> None:
    old = os.umask(0o777)
    try:
        place.write("a", b"x", atomic.FileAttributes(0o640))
    finally:
        os.umask(old)
    assert mode_of(tmp_path / "a") == 0o640


def test_readers_see_one_content_or_the_other(place: Place, tmp_path: pathlib.Path) -> None:
    path = tmp_path / "a"
    contents = [letter * 50_000 for letter in (b"a", b"b")]
    place.write("a", contents[0], PRIVATE)
    stop, seen = threading.Event(), set()

    def read() -> None:
        while not stop.is_set():
            seen.add(path.read_bytes())

    reader = threading.Thread(target=read)
    reader.start()
    for number in range(100):
        place.write("a", contents[number % 2], PRIVATE)
    stop.set()
    reader.join()
    assert seen <= set(contents)


@pytest.mark.parametrize("failing", ["fsync", "rename", "fchmod"])
def test_failure_leaves_the_old_content_and_no_temporary(
    place: Place, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch, failing: str
) -> None:
    path = tmp_path / "a"
    place.write("a", b"old", PRIVATE)

    def fail(*args: t.Any, **kwargs: t.Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, failing, fail)
    with pytest.raises(OSError, match="No space"):
        place.write("a", b"new", PRIVATE)
    monkeypatch.undo()
    assert path.read_bytes() == b"old"
    assert [each.name for each in tmp_path.iterdir()] == ["a"]


def test_links_replace_in_one_step(place: Place, tmp_path: pathlib.Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).write_text(name)
    live = tmp_path / "live"
    for name in ("one", "two", "two"):
        place.link("live", place, name)
        assert live.samefile(tmp_path / name)
    for name in ("one", "two", "two"):
        place.symlink("live", name)
        assert str(live.readlink()) == name
    assert sorted(each.name for each in tmp_path.iterdir()) == ["live", "one", "two"]


def test_temporaries_are_hidden_and_removed(place: Place, tmp_path: pathlib.Path) -> None:
    (tmp_path / f"{atomic.TEMPORARY_MARK}x").write_text("half")
    (tmp_path / "kept").write_text("")
    assert atomic.TEMPORARY_MARK.startswith(".")
    place.remove_temporaries()
    assert [each.name for each in tmp_path.iterdir()] == ["kept"]


def test_errors_name_the_whole_path(place: Place, tmp_path: pathlib.Path) -> None:
    (tmp_path / "a").mkdir()
    with pytest.raises(IsADirectoryError) as caught:
        place.write("a", b"", PRIVATE)
    assert caught.value.filename == str(tmp_path / "a")
    assert [each.name for each in tmp_path.iterdir()] == ["a"]


def test_what_is_opened_stays_the_same_whatever_its_path_becomes(tmp_path: pathlib.Path) -> None:
    victim, certs = tmp_path / "victim", tmp_path / "certs"
    victim.mkdir()
    certs.mkdir()
    with open_place(str(certs), private=True) as place:
        certs.rename(tmp_path / "moved")
        certs.symlink_to(victim)
        place.write("a", b"x", PRIVATE)
        place.make_directory("below")[0].close()
        place.symlink("link", "a")
    assert list(victim.iterdir()) == []
    assert sorted(each.name for each in (tmp_path / "moved").iterdir()) == ["a", "below", "link"]


def test_names_in_a_place_are_never_followed(place: Place, tmp_path: pathlib.Path) -> None:
    (tmp_path / "victim").mkdir(mode=0o755)
    (tmp_path / "victim" / "file").write_text("theirs")
    (tmp_path / "file").symlink_to("victim/file")
    (tmp_path / "directory").symlink_to("victim")
    before = (tmp_path / "victim").stat()
    with pytest.raises(OSError, match="not followed"):
        place.read("file")
    for opening in (place.directory, place.make_directory):
        with pytest.raises(NotADirectoryError):
            opening("directory")
    lock = place.open_lock("file", create=True)
    assert lock is not None
    os.close(lock)
    assert not (tmp_path / "file").is_symlink()
    place.write("directory", b"ours", PRIVATE, own=True)
    place.remove("directory")
    assert (tmp_path / "victim" / "file").read_text() == "theirs"
    assert (tmp_path / "victim").stat() == before


def test_a_tree_is_removed_without_what_its_links_lead_to(place: Place, tmp_path: pathlib.Path) -> None:
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept" / "file").write_text("")
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "b" / "link").symlink_to(tmp_path / "kept")
    (tmp_path / "a" / "file").write_text("")
    place.remove("a")
    place.remove("a")
    assert [path.name for path in tmp_path.rglob("*")] == ["kept", "file"]


# -- the way there ---------------------------------------------------------------------------------------------


def opens(path: pathlib.Path, *, private: bool = True) -> bool:
    try:
        open_place(str(path), private=private).close()
    except UnsafeDirectory:
        return False
    return True


def test_a_private_place_and_all_above_it_are_closed_to_others(tmp_path: pathlib.Path) -> None:
    place = tmp_path / "above" / "certs"
    place.mkdir(parents=True)
    for mode, above, itself in ((0o755, True, True), (0o777, False, False), (0o1777, True, False), (0o700, True, True)):
        place.parent.chmod(mode)
        assert opens(place) is above, oct(mode)
        place.parent.chmod(0o755)
        place.chmod(mode)
        assert opens(place) is itself, oct(mode)
        place.chmod(0o755)


@pytest.mark.parametrize("target", ["real", "../above/real", "./real/", "{tmp}/above/real"])
def test_links_on_the_way_are_judged_where_they_are(tmp_path: pathlib.Path, target: str) -> None:
    above = tmp_path / "above"
    (above / "real" / "certs").mkdir(parents=True)
    (above / "link").symlink_to(target.format(tmp=tmp_path))
    for private in (True, False):
        assert opens(above / "link" / "certs", private=private)
        above.chmod(0o777)
        assert not opens(above / "link" / "certs", private=private)
        above.chmod(0o1777)
        assert opens(above / "link" / "certs", private=private), "in a sticky directory a link is its owner's"
        above.chmod(0o755)
    (above / "loop").symlink_to("loop")
    with pytest.raises(OSError, match="Too many"):
        open_place(str(above / "loop" / "certs"), private=False)


def test_a_public_place_may_be_anybodys_but_leads_nowhere_else(tmp_path: pathlib.Path) -> None:
    textfiles = tmp_path / "textfiles"
    (textfiles / "below").mkdir(parents=True)
    (textfiles / "out").symlink_to(tmp_path)
    textfiles.chmod(0o777)
    assert opens(textfiles, private=False)
    assert opens(textfiles / "below", private=False)
    assert not opens(textfiles / "out", private=False)
    (textfiles / "below" / "out").symlink_to(tmp_path)
    assert not opens(textfiles / "below" / "out", private=False), "it has been in foreign hands above"


def test_a_file_that_is_a_link_stays_one_where_nobody_else_could_make_it(tmp_path: pathlib.Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "list").write_text("")
    (tmp_path / "list").symlink_to("real/list")
    place, name = open_file_place(str(tmp_path / "list"), private=False)
    with place:
        place.write(name, b"x", PRIVATE)
    assert ((tmp_path / "list").is_symlink(), (tmp_path / "real" / "list").read_text()) == (True, "x")
    tmp_path.chmod(0o777)
    with pytest.raises(UnsafeDirectory, match="is not followed"):
        open_file_place(str(tmp_path / "list"), private=False)


@pytest.mark.parametrize("plant", PLANTS)
def test_a_name_that_a_person_has_chosen_is_written_where_a_regular_file_or_nothing_is(
    tmp_path: pathlib.Path, plant: str
) -> None:
    """A rename would make a regular file of /dev/null, for all programs of the host."""
    (tmp_path / "victim").mkdir()
    (tmp_path / "victim" / "file").write_text("victim")
    path = tmp_path / "report"
    PLANTS[plant](path, tmp_path / "victim")
    planted = path.lstat()
    with open_place(str(tmp_path), private=False) as place:
        if stat.S_ISREG(planted.st_mode):
            place.write("report", b"x", PRIVATE)
            assert path.read_bytes() == b"x"
            return
        with pytest.raises(OSError, match="no regular file") as caught:
            place.write("report", b"x", PRIVATE)
        assert caught.value.filename == str(path)
        assert (path.lstat().st_ino, path.lstat().st_mode) == (planted.st_ino, planted.st_mode)
        assert sorted(tmp_path.iterdir()) == [path, tmp_path / "victim"], "nothing is left"
        if plant != "directory":
            place.write("report", b"x", PRIVATE, own=True)
            assert path.read_bytes() == b"x"


def test_a_place_is_made_with_its_attributes_below_a_sticky_directory(tmp_path: pathlib.Path) -> None:
    tmp_path.chmod(0o1777)
    for _twice in range(2):
        make_place(str(tmp_path / "a"), atomic.FileAttributes(0o750)).close()
        assert mode_of(tmp_path / "a") == 0o750
    tmp_path.chmod(0o777)
    with pytest.raises(UnsafeDirectory):
        make_place(str(tmp_path / "b"))
    assert not (tmp_path / "b").exists()
