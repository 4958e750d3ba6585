# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What keeps files from being read; what is in them is in tests/integration/test_endpoint_discovery_files.py."""

from __future__ import annotations

import contextlib
import os
import pathlib
import shutil
import tempfile
import typing as t

import pytest
from ansible_collections.certops.rotation.plugins.module_utils._ports.certificate_files import CertificateFiles
from ansible_collections.certops.rotation.tests.support import pki

LEAF = pki.self_signed(["files.example.com"])
NOBODY = 65534


@pytest.fixture
def folder() -> t.Iterator[pathlib.Path]:
    """One that every user can get at."""
    path = pathlib.Path(tempfile.mkdtemp(dir="/tmp"))
    path.chmod(0o755)
    (path / "good.pem").write_text(LEAF.certificate_pem)
    yield path
    shutil.rmtree(path)


@contextlib.contextmanager
def without_rights() -> t.Iterator[None]:
    """As a user whom file modes stop."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)


def test_what_this_user_may_not_read_is_told_and_stops_no_other(folder: pathlib.Path) -> None:
    (folder / "a-file.pem").write_text(LEAF.certificate_pem)
    (folder / "a-file.pem").chmod(0)
    (folder / "b-folder").mkdir(mode=0)
    with without_rights():
        found = list(CertificateFiles().walk([str(folder)]))
    (folder / "b-folder").chmod(0o700)
    assert {pathlib.Path(file.path).name: (len(file.certificates), file.problem) for file in found} == {
        "a-file.pem": (0, "It cannot be read: Permission denied."),
        "b-folder": (0, "It cannot be read: Permission denied."),
        "good.pem": (1, None),
    }


def test_a_folder_with_too_much_in_it_costs_itself(folder: pathlib.Path) -> None:
    (folder / "a-many").mkdir()
    for number in range(6):
        (folder / "a-many" / str(number)).write_text("x")
    files = CertificateFiles(most=5)
    found = {pathlib.Path(file.path).name: file.problem for file in files.walk([str(folder)])}
    assert found == {"a-many": "It cannot be read: it has more than 5 files.", "good.pem": None}
    assert files.unfinished == ""


def test_there_is_an_end_to_it(folder: pathlib.Path) -> None:
    for number in range(6):
        (folder / str(number)).mkdir()
        (folder / str(number) / "x").write_text("x")
    files = CertificateFiles(most=7)
    assert [file.path for file in files.walk([str(folder)])] == [str(folder / "good.pem")]
    assert files.unfinished == ""
    files = CertificateFiles(most=5)
    assert [file.problem for file in files.walk([str(folder)])] == ["It cannot be read: it has more than 5 files."]
    files = CertificateFiles(most=6)
    assert not list(files.walk([str(folder / str(number)) for number in range(6)] + [str(folder / "good.pem")]))
    assert files.unfinished == "there are more than 6 files"
    assert files.read(str(folder / "good.pem")).problem == "there are more than 6 files"


def test_one_file_is_told_what_it_is(folder: pathlib.Path) -> None:
    (folder / "words").write_text("words")
    files = CertificateFiles()
    assert files.read(str(folder / "words")).problem == "It holds no certificate."
    assert files.read(str(folder / "gone")).problem == "It cannot be read: No such file or directory."
    assert files.read(str(folder)).problem is not None
    assert len(files.read(str(folder / "good.pem")).certificates) == 1
