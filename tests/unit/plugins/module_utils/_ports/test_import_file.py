# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os
import pathlib

import pytest
from ansible_collections.certops.rotation.plugins.module_utils._errors import InvalidOption
from ansible_collections.certops.rotation.plugins.module_utils._ports.import_file import text_chunks

TEXT = "name,host\r\nB\u00fccher,a.example\n"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
def test_text_as_editors_save_it(tmp_path: pathlib.Path, encoding: str) -> None:
    mark = {"utf-16-le": b"\xff\xfe", "utf-16-be": b"\xfe\xff"}.get(encoding, b"")
    (tmp_path / "f").write_bytes(mark + TEXT.encode(encoding))
    assert "".join(text_chunks(str(tmp_path / "f"))) == TEXT.replace("\r\n", "\n")


def test_bytes_of_another_encoding_are_not_guessed(tmp_path: pathlib.Path) -> None:
    (tmp_path / "f").write_bytes("B\u00fccher".encode("latin-1"))
    assert "".join(text_chunks(str(tmp_path / "f"))) == "B\udcfccher"


def test_half_a_character_at_the_end_of_a_piece_is_whole(tmp_path: pathlib.Path) -> None:
    text = "x" + "\u20ac" * 100_000
    (tmp_path / "f").write_text(text, encoding="utf-8")
    pieces = list(text_chunks(str(tmp_path / "f")))
    assert len(pieces) > 1
    assert "".join(pieces) == text


def test_what_is_no_file_is_named_at_once(tmp_path: pathlib.Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "device").symlink_to("/dev/zero")
    for name, message in {
        "pipe": "is no regular file, so it cannot be imported.",
        "device": "is no regular file, so it cannot be imported.",
        "gone": "cannot be imported: No such file or directory.",
        ".": "cannot be imported: Is a directory.",
    }.items():
        path = f"{tmp_path}/{name}"
        with pytest.raises(InvalidOption) as caught:
            list(text_chunks(path))
        assert caught.value.message == f"{path} {message}"
