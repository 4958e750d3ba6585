# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The staging directory: what is found, read, removed, and put back."""

from __future__ import annotations

import os
import pathlib
import time

import pytest
from ansible_collections.certops.rotation.plugins.module_utils._core.pipeline.source import (
    SecretFailure,
    SecretValue,
    Selection,
)
from ansible_collections.certops.rotation.plugins.module_utils._errors import StoreError
from ansible_collections.certops.rotation.plugins.module_utils._ports.staging import directory as module
from ansible_collections.certops.rotation.plugins.module_utils._ports.staging.directory import StagingDirectory

NAMED = "a@" + "0" * 64


@pytest.fixture
def path(tmp_path: pathlib.Path) -> pathlib.Path:
    path = tmp_path / "staging"
    path.mkdir()
    return path


@pytest.fixture
def staging(path: pathlib.Path) -> StagingDirectory:
    return StagingDirectory(str(path))


def put(directory: pathlib.Path, **parts: str) -> pathlib.Path:
    directory.mkdir(exist_ok=True)
    for part, content in parts.items():
        (directory / f"{part}.pem").write_text(content)
    return directory


def read(staging: StagingDirectory) -> list[SecretValue | SecretFailure]:
    return list(staging.read(staging.discover(Selection()).secrets))


def names(path: pathlib.Path) -> list[str]:
    return sorted(each.name for each in path.iterdir())


def test_all_parts_as_one_text(path: pathlib.Path, staging: StagingDirectory) -> None:
    put(path / NAMED, fullchain="F", privkey="K", cert="C", chain="I", other="O")
    (found,) = read(staging)
    assert isinstance(found, SecretValue)
    assert found.value == f"# {NAMED}\nC\nI\nF\nK"
    assert found.secret.name == "a"


def test_several_of_a_lineage_follow_each_other(path: pathlib.Path, staging: StagingDirectory) -> None:
    for name in ("b", NAMED, "a@" + "1" * 64, "a", "a-0001"):
        put(path / name, fullchain="F", privkey="K")
    assert [each.name for each in staging.discover(Selection()).secrets] == ["a", "a", "a", "a-0001", "b"]


@pytest.mark.parametrize("missing", ["fullchain", "privkey"])
def test_what_is_missing_is_named(path: pathlib.Path, staging: StagingDirectory, missing: str) -> None:
    put(path / "a", **{part: "X" for part in ("fullchain", "privkey") if part != missing})
    (found,) = read(staging)
    assert isinstance(found, SecretFailure)
    assert f"{missing}.pem is missing" in found.problem.message


def test_what_is_gone_meanwhile_is_nothing(path: pathlib.Path, staging: StagingDirectory) -> None:
    put(path / "a", fullchain="F", privkey="K")
    secrets = staging.discover(Selection()).secrets
    (path / "a").rename(path / ".upload-x")
    assert list(staging.read(secrets)) == []


def test_more_than_one_run_takes(
    path: pathlib.Path, staging: StagingDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_MOST_UPLOADS", 3)
    for number in range(5):
        put(path / str(number), fullchain="F", privkey="K")
    found = staging.discover(Selection())
    assert len(found.secrets) == 3
    assert "2 more uploads" in found.warnings[0]


def test_of_one_lineage_the_newest_are_read(
    path: pathlib.Path, staging: StagingDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By when they got their names, whatever times an uploader sets; whoever cannot rename has only one there."""
    monkeypatch.setattr(module, "_MOST_OF_A_LINEAGE", 2)
    put(path / "a", fullchain="F", privkey="K")
    put(path / ("b@" + "0" * 64), fullchain="F", privkey="K")
    for digit in "31452":
        upload = put(path / ".upload-1", fullchain="F", privkey="K")
        os.utime(upload, (2**31 + int(digit), 2**31 + int(digit)))
        upload.rename(path / f"a@{digit * 64}")
        time.sleep(0.02)  # ctime has the granularity of the kernel's clock
    found = [str(each.described["upload"])[:3] for each in staging.discover(Selection()).secrets]
    assert found == ["a", "a@2", "a@5", "b@0"]
    assert [str(each.described["upload"])[:3] for each in staging.superseded] == ["a@1", "a@3", "a@4"]


def test_what_was_read_is_removed(path: pathlib.Path, staging: StagingDirectory) -> None:
    put(path / "a", fullchain="F", privkey="K", other="O")
    read(staging)
    assert staging.remove("a")
    assert names(path) == []
    assert staging.remove("a"), "what is gone is gone"


@pytest.mark.parametrize("change", ["content", "new file", "replaced"])
def test_what_has_changed_since_stays(path: pathlib.Path, staging: StagingDirectory, change: str) -> None:
    place = put(path / "a", fullchain="F", privkey="K")
    read(staging)
    if change == "replaced":
        place.rename(path.parent / "elsewhere")
        put(place, fullchain="F", privkey="K")
    else:
        put(place, **{"chain" if change == "new file" else "privkey": "L"})
    assert not staging.remove("a")
    assert names(path) == ["a"]
    assert (path / "a" / "fullchain.pem").read_text() == "F"


def test_it_is_put_back_beside_what_came_meanwhile(
    path: pathlib.Path, staging: StagingDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An upload that has begun anew: it keeps its files, and gets those that it does not have yet."""
    put(path / "a", fullchain="F", privkey="K")
    read(staging)
    put(path / "a", fullchain="new F")
    look = module._changed

    def busy(*given: object) -> bool:
        put(path / "a", privkey="new K")
        return look(*given)  # type: ignore[arg-type]

    monkeypatch.setattr(module, "_changed", busy)
    assert not staging.remove("a")
    assert {file.name: file.read_text() for file in (path / "a").iterdir()} == {
        "fullchain.pem": "new F",
        "privkey.pem": "new K",
    }


def test_what_a_killed_run_was_about_to_remove_comes_back(path: pathlib.Path, staging: StagingDirectory) -> None:
    (path / ".taken-1").mkdir()
    put(path / ".taken-1" / "a", fullchain="F", privkey="K")
    put(path / ".removed-2", fullchain="F")
    staging.recover()
    assert names(path) == ["a"]
    assert names(path / "a") == ["fullchain.pem", "privkey.pem"]


def test_uploads_that_were_left_are_removed(path: pathlib.Path, staging: StagingDirectory) -> None:
    """A day after the last of their files, and not before."""
    for name in (".upload-old", ".upload-file", ".upload-busy", "a"):
        (path / name).mkdir() if name != ".upload-file" else (path / name).touch()
    time.sleep(0.02)
    between = time.time()
    time.sleep(0.02)
    put(path / ".upload-busy", privkey="K")
    os.utime(path / ".upload-busy" / "privkey.pem", (0, 0))  # which says what its uploader wants
    os.utime(path / ".upload-old", (between + 10**6, between + 10**6))
    assert staging.remove_old_uploads(0) == 0
    later = (path / ".upload-old").stat().st_ctime
    assert staging.remove_old_uploads(between) == 1
    assert names(path) == [".upload-busy", ".upload-old", "a"]
    assert staging.remove_old_uploads(max(later, time.time()) + 1) == 2
    assert names(path) == ["a"]


def test_a_directory_that_is_not_there(tmp_path: pathlib.Path) -> None:
    with pytest.raises(StoreError, match="there is no directory"):
        StagingDirectory(str(tmp_path / "none")).discover(Selection())
