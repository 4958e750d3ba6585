# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The unit tests of module_utils stand where the code stands that they are about, and are named after it."""

from __future__ import annotations

import pathlib

import pytest

ROOT = pathlib.Path(__file__).parents[3]
FOLDER = pathlib.PurePath("plugins", "module_utils")


def strangers(root: pathlib.Path) -> list[str]:
    """Tests of no file: test_<file>.py, or test_<file>_<more>.py, in the folder of the file."""
    tests, code = root / "tests" / "unit" / FOLDER, root / FOLDER
    found = []
    for path in sorted(tests.rglob("test_*.py")):
        place = path.relative_to(tests)
        files = [file.stem for file in (code / place.parent).glob("*.py")]
        about = place.stem.removeprefix("test_")
        if not any(about == file or about.startswith(f"{file}_") for file in files):
            found.append(str(place))
    return found


def test_each_test_is_about_a_file() -> None:
    assert strangers(ROOT) == []


@pytest.mark.parametrize(
    ("test", "is_known"),
    [
        ("_core/x509/test_pem.py", True),
        ("_core/x509/test_pem_odd.py", True),
        ("_core/x509/test_pems.py", False),
        ("_core/test_pem.py", False),
        ("x509/test_pem.py", False),
        ("test_pem.py", False),
    ],
)
def test_a_test_of_nothing_is_found(tmp_path: pathlib.Path, test: str, is_known: bool) -> None:
    for path in (FOLDER / "_core/x509/pem.py", pathlib.PurePath("tests/unit") / FOLDER / test):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).touch()
    assert strangers(tmp_path) == ([] if is_known else [test])
