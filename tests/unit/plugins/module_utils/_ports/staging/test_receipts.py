# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The receipts' directory: whole files, which everybody may read."""

from __future__ import annotations

import dataclasses
import os
import pathlib
import stat

import pytest
from ansible_collections.certops.rotation.plugins.module_utils._core.push.receipt import Receipt
from ansible_collections.certops.rotation.plugins.module_utils._errors import StoreError
from ansible_collections.certops.rotation.plugins.module_utils._ports.staging import receipts as module
from ansible_collections.certops.rotation.plugins.module_utils._ports.staging.receipts import ReceiptDirectory

RECEIPT = Receipt("a.example.com", "0" * 64, "deployed", "2026-11-26T12:00:00Z")


def test_written_and_read(tmp_path: pathlib.Path) -> None:
    old_mask = os.umask(0o077)
    try:
        receipts = ReceiptDirectory(str(tmp_path / "receipts"))
        receipts.write([RECEIPT])
    finally:
        os.umask(old_mask)
    file = tmp_path / "receipts" / "a.example.com.json"
    assert receipts.read("a.example.com") == RECEIPT
    assert stat.S_IMODE(file.stat().st_mode) == 0o644
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o755
    assert receipts.read("b.example.com") is None
    file.write_text("{")
    assert receipts.read("a.example.com") is None


def test_what_a_killed_run_has_left_goes_with_the_next_one(tmp_path: pathlib.Path) -> None:
    receipts = ReceiptDirectory(str(tmp_path / "receipts"))
    receipts.write([RECEIPT])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "rename", lambda *_given, **_named: os._exit(9))
        child = os.fork()
        if not child:
            receipts.write([RECEIPT])
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9
    assert len(list((tmp_path / "receipts").iterdir())) == 2
    receipts.write([RECEIPT])
    assert [each.name for each in (tmp_path / "receipts").iterdir()] == ["a.example.com.json"]


def test_a_link_is_no_receipt(tmp_path: pathlib.Path) -> None:
    """And none is followed when one is written."""
    receipts = ReceiptDirectory(str(tmp_path / "receipts"))
    receipts.write([])
    assert not (tmp_path / "receipts").exists()
    receipts.write([RECEIPT])
    (tmp_path / "victim").write_text("precious")
    file = tmp_path / "receipts" / "a.example.com.json"
    file.unlink()
    file.symlink_to(tmp_path / "victim")
    receipts.write([RECEIPT])
    assert not file.is_symlink()
    assert (tmp_path / "victim").read_text() == "precious"


def test_whoever_uploads_does_not_fill_the_disk_with_names(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Receipts of live lineages stay, and so do the newest of the others."""
    monkeypatch.setattr(module, "_MOST_REFUSED", 3)
    receipts = ReceiptDirectory(str(tmp_path / "receipts"))
    for number in range(6):
        receipts.write([dataclasses.replace(RECEIPT, lineage=f"{number}.example.com", state="refused")])
        os.utime(tmp_path / "receipts" / f"{number}.example.com.json", (number, number))
    receipts.forget({"0.example.com"})
    left = sorted(file.name.removesuffix(".example.com.json") for file in (tmp_path / "receipts").iterdir())
    assert left == ["0", "3", "4", "5"]


def test_no_parent(tmp_path: pathlib.Path) -> None:
    with pytest.raises(StoreError, match="Cannot write receipts"):
        ReceiptDirectory(str(tmp_path / "no" / "receipts")).write([RECEIPT])
