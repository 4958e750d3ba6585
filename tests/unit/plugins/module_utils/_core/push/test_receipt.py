# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Receipts as files: what the receiving host writes is what the pusher reads, and nothing else is a receipt."""

from __future__ import annotations

import dataclasses
import json
import typing as t

import pytest
from ansible_collections.certops.rotation.plugins.module_utils._core.push.receipt import (
    LARGEST_RECEIPT,
    Receipt,
    receipt_from_json,
    receipt_to_json,
)

DEPLOYED = Receipt("example.com", "a" * 64, "deployed", "2026-11-26T12:00:00Z")
PENDING = Receipt("_wild.example.com", "", "pending", "2026-11-26T12:00:00Z", "é\n", "2026-11-26T13:00:00Z")


@pytest.mark.parametrize("receipt", [DEPLOYED, PENDING])
def test_what_is_written_is_read(receipt: Receipt) -> None:
    assert receipt_from_json(receipt_to_json(receipt)) == receipt


def test_what_a_later_version_adds_is_left_out() -> None:
    assert receipt_from_json(json.dumps({**vars(DEPLOYED), "more": 1}).encode()) == DEPLOYED


def test_a_message_has_an_end() -> None:
    """Whoever reads a receipt takes so much and no more."""
    data = receipt_to_json(dataclasses.replace(DEPLOYED, message="é\x00" * 10**6))
    assert len(data) < LARGEST_RECEIPT
    assert receipt_from_json(data).message.endswith("...")


@pytest.mark.parametrize(
    "change",
    [
        {"state": "confirmed"},
        {"state": None},
        {"fingerprint_sha256": "A" * 64},
        {"fingerprint_sha256": "a" * 63},
        {"fingerprint_sha256": None},
        {"at": "yesterday"},
        {"at": 0},
        {"due": "soon"},
        {"due": 1},
        {"message": ["x"]},
        {"lineage": "../x"},
        {"lineage": ""},
        {"lineage": 1},
    ],
)
def test_what_is_no_receipt(change: dict[str, t.Any]) -> None:
    with pytest.raises(ValueError):  # noqa: PT011
        receipt_from_json(json.dumps({**vars(DEPLOYED), **change}).encode())


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b"null", b"{}", b'"x"', b"[" * 100_000, b"\xff"])
def test_what_is_no_object(data: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011
        receipt_from_json(data)
