# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A directory of certificates on a real file system: publish, restore, remove, clean."""

from __future__ import annotations

import hashlib
import os
import pathlib

import pytest
from ansible_collections.certops.rotation.plugins.module_utils._core.pipeline.manifest import (
    LAYOUTS,
    Entry,
    Manifest,
    StoredVersion,
)
from ansible_collections.certops.rotation.plugins.module_utils._errors import StoreError
from ansible_collections.certops.rotation.plugins.module_utils._ports.store import atomic
from ansible_collections.certops.rotation.plugins.module_utils._ports.store.directory import (
    CertificateDirectory,
    DirectorySettings,
    version_digest,
)

SETTINGS = DirectorySettings(atomic.FileAttributes(0o600))


def parts_of(layout: str, text: str) -> dict[str, bytes]:
    return {part: f"{text} {part}".encode() for part in LAYOUTS[layout]}


def entry_of(layout: str, text: str, name: str = "a") -> Entry:
    files = {part: hashlib.sha256(data).hexdigest() for part, data in parts_of(layout, text).items()}
    return Entry(name, f"arn:{name}", name, layout, "rules", StoredVersion(version_digest(files), text, files, {}))


@pytest.fixture
def directory(tmp_path: pathlib.Path) -> CertificateDirectory:
    return CertificateDirectory(str(tmp_path / "certs"), SETTINGS)


def publish(directory: CertificateDirectory, entry: Entry, text: str, *, first: bool = True) -> None:
    with directory.locked(1):
        directory.publish(entry, directory.put_aside(entry, parts_of(entry.layout, text), first=first))


@pytest.mark.parametrize("layout", list(LAYOUTS))
def test_publish_replace_restore_remove(directory: CertificateDirectory, layout: str) -> None:
    one, two = entry_of(layout, "one"), entry_of(layout, "two")
    publish(directory, one, "one")
    assert directory.intact(one)
    assert directory.attributes_match(one)
    publish(directory, two, "two", first=False)
    assert directory.intact(two)
    assert not directory.intact(one)
    with directory.locked(1):
        two.previous = [one.current]
        directory.save(Manifest({"a": two}))
        directory.restore(one)
        assert directory.intact(one)
        assert directory.remove(one) == []
        assert directory.live_file(layout, "a") is None
        directory.save(Manifest())
    assert list(pathlib.Path(directory.path, ".certops", "versions").iterdir()) == []


@pytest.mark.parametrize("layout", list(LAYOUTS))
def test_restore_refuses_a_damaged_version(directory: CertificateDirectory, layout: str) -> None:
    one = entry_of(layout, "one")
    publish(directory, one, "one")
    for path in pathlib.Path(directory.path, ".certops", "versions").rglob("*.pem"):
        path.write_text("damaged")
    with directory.locked(1), pytest.raises(StoreError, match="missing or damaged"):
        directory.restore(one)


def test_damaged_version_is_repaired_in_place(directory: CertificateDirectory) -> None:
    one = entry_of("lineage", "one")
    publish(directory, one, "one")
    link = pathlib.Path(directory.path, "a")
    inode = link.stat().st_ino
    (link / "chain.pem").write_text("damaged")
    (link / "cert.pem").unlink()
    (link / f"{atomic.TEMPORARY_MARK}x").write_text("left by a killed run")
    publish(directory, one, "one", first=False)
    assert directory.intact(one)
    assert link.stat().st_ino == inode, "the directory that readers may have open is still the one"
    assert len(list(link.iterdir())) == 4


def test_lock_is_exclusive_and_ends_with_its_holder(directory: CertificateDirectory) -> None:
    message = r"did not finish within 0\.1 s"
    with directory.locked(1), pytest.raises(StoreError, match=message), directory.locked(0.1):
        pass
    with directory.locked(0):
        pass


def test_check_mode_makes_nothing(directory: CertificateDirectory) -> None:
    with directory.locked(1, create=False):
        assert directory.load() == (Manifest(), None)
        assert directory.orphans(Manifest()) == {}
    assert not pathlib.Path(directory.path).exists()


def test_directories_get_the_mode_that_is_set(tmp_path: pathlib.Path) -> None:
    """Nobody lists .certops; who reads links that lead into it passes through."""
    path = tmp_path / "certs"
    for mode, readers_below, expected in ((0o750, False, 0o700), (0o755, True, 0o711), (0o700, True, 0o700)):
        settings = DirectorySettings(atomic.FileAttributes(0o600), mode, readers_below=readers_below)
        with CertificateDirectory(str(path), settings).locked(1):
            pass
        for below in (path / ".certops", path / ".certops" / "versions"):
            assert below.stat().st_mode & 0o777 == expected
    assert path.stat().st_mode & 0o777 == 0o750, "one that is there keeps its own"
    with CertificateDirectory(str(path), DirectorySettings(None, directory_mode=0o755)).locked(1):
        pass
    assert (path / ".certops").stat().st_mode & 0o777 == 0o700, "no attributes, no change"


def test_a_run_without_links_leaves_the_way_that_another_one_needs(tmp_path: pathlib.Path) -> None:
    linked = DirectorySettings(atomic.FileAttributes(0o600), 0o711, readers_below=True)
    for settings in (linked, SETTINGS):
        with CertificateDirectory(str(tmp_path / "certs"), settings).locked(1):
            pass
    assert (tmp_path / "certs" / ".certops").stat().st_mode & 0o777 == 0o711


def test_obstacles(directory: CertificateDirectory, tmp_path: pathlib.Path) -> None:
    publish(directory, entry_of("lineage", "one"), "one")
    base = pathlib.Path(directory.path)
    (base / "file").write_text("")
    (base / "foreign").symlink_to(tmp_path)
    (base / "d.pem").mkdir()
    (base / "e.key").mkdir()
    assert directory.obstacle("lineage", "a") is None
    assert directory.obstacle("lineage", "new") is None
    assert directory.obstacle("haproxy", "file") is None
    for layout, stem in (("lineage", "file"), ("lineage", "foreign"), ("haproxy", "d"), ("split", "e")):
        assert directory.obstacle(layout, stem), (layout, stem)


@pytest.mark.parametrize(("layout", "kept"), [("haproxy", True), ("split", False)])
def test_foreign_files(directory: CertificateDirectory, layout: str, kept: bool) -> None:
    base = pathlib.Path(directory.path)
    base.mkdir()
    (base / "a.pem").write_text("foreign")  # for the layout split this is half of a pair
    entry = entry_of(layout, "one")
    publish(directory, entry, "one")
    assert directory.intact(entry)
    assert entry.replaced
    assert len(entry.previous) == kept


def test_own_files_of_a_killed_run_are_not_foreign(directory: CertificateDirectory) -> None:
    publish(directory, entry_of("haproxy", "one"), "one")
    entry = entry_of("haproxy", "one")
    publish(directory, entry, "one")
    assert (entry.previous, entry.replaced) == ([], False)


@pytest.mark.parametrize("layout", list(LAYOUTS))
def test_orphans_are_known_by_their_links(directory: CertificateDirectory, layout: str) -> None:
    entry = entry_of(layout, "one")
    publish(directory, entry, "one")
    expected = ["a"] if layout == "lineage" else sorted(entry.paths.values())
    assert directory.orphans(Manifest()) == {"a": expected}
    assert directory.orphans(Manifest(), except_stems={"a"}) == {}
    assert directory.orphans(Manifest({"a": entry})) == {}


@pytest.mark.parametrize("layout", list(LAYOUTS))
def test_remove_spares_what_someone_else_put_there(directory: CertificateDirectory, layout: str) -> None:
    entry = entry_of(layout, "one")
    publish(directory, entry, "one")
    live = pathlib.Path(directory.path, entry.main_path)
    live.unlink()
    live.write_text("foreign")
    with directory.locked(1):
        assert directory.remove(entry) == [str(live)]
    assert live.read_text() == "foreign"


def test_remove_takes_a_newer_version_that_never_entered_the_manifest(directory: CertificateDirectory) -> None:
    one, two = entry_of("haproxy", "one"), entry_of("haproxy", "two")
    publish(directory, one, "one")
    publish(directory, two, "two", first=False)
    with directory.locked(1):
        assert directory.remove(one) == []
    assert directory.live_file("haproxy", "a") is None


def test_clean_keeps_what_is_referenced_or_live(directory: CertificateDirectory) -> None:
    one, two, other = entry_of("haproxy", "one"), entry_of("haproxy", "two"), entry_of("haproxy", "x", "b")
    publish(directory, one, "one")
    publish(directory, two, "two", first=False)
    publish(directory, other, "x")
    two.previous = [one.current]
    versions = pathlib.Path(directory.path, ".certops", "versions")
    with directory.locked(1):
        directory.save(Manifest({"a": two}))
        directory.clean(Manifest({"a": two}))
        assert len(list(versions.iterdir())) == 3, "b is live, though the manifest does not know it"
        two.previous = []
        directory.clean(Manifest({"a": two}))
        assert len(list(versions.iterdir())) == 2


def test_versions_that_nobody_has_served_do_not_drive_out_the_one_that_is_served(
    directory: CertificateDirectory,
) -> None:
    one, two, three = (entry_of("lineage", text) for text in ("one", "two", "three"))
    for number, (entry, text) in enumerate([(one, "one"), (two, "two"), (three, "three")]):
        publish(directory, entry, text, first=not number)
    three.previous, three.proven = [two.current, one.current], one.current.digest
    with directory.locked(1):
        directory.save(Manifest({"a": three}))
        assert three.previous == [one.current]
        assert directory.kept(three, one.current)
        assert directory.kept(three, two.current) is None
    three.loaded = two.current.digest  # both: more than are to be kept, and nothing is written for that again and again
    three.previous.insert(0, two.current)
    with directory.locked(1):
        directory.clean(Manifest({"a": three}))
    assert len(three.previous) == 2


def test_failed_write_leaves_the_live_files(directory: CertificateDirectory, monkeypatch: pytest.MonkeyPatch) -> None:
    one = entry_of("haproxy", "one")
    publish(directory, one, "one")

    def fail(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(StoreError, match="Cannot write certificate a"):
        publish(directory, entry_of("haproxy", "two"), "two", first=False)
    monkeypatch.undo()
    assert directory.intact(one)
    with directory.locked(1):
        directory.clean(Manifest({"a": one}))
    versions = pathlib.Path(directory.path, ".certops", "versions")
    assert [path.name for path in versions.iterdir()] == [f"a~{one.current.digest[:16]}.pem"]
