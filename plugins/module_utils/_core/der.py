# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One element of ASN.1 as bytes, for the few places where nothing but its bounds is needed."""

from __future__ import annotations


def element(data: bytes, position: int) -> tuple[int, int, int]:
    """Tag of the element there, where its content begins, and where it ends (X.690, definite lengths, short tags).

    Raises ValueError when it is cut off.
    """
    head = data[position : position + 2]
    if len(head) < 2:
        raise ValueError("an element is cut off")
    start, size = position + 2, head[1]
    if size >= 0x80:
        count = size & 0x7F
        start, size = start + count, int.from_bytes(data[start : start + count], "big")
    if start + size > len(data):
        raise ValueError("an element is cut off")
    return head[0], start, start + size
