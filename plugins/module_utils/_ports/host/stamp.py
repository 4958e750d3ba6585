# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""When something was done last: one instant in a file."""

from __future__ import annotations

import os
from datetime import datetime

from ..._core.instants import isoformat_utc, parse_isoformat_utc
from ..._errors import InvalidOption
from ..store.atomic import FileAttributes, read_regular_file, store_errors
from ..store.places import open_file_place


def read_stamp(path: str) -> datetime | None:
    """None where there is none, or nothing that could be read as one."""
    try:
        return parse_isoformat_utc(read_regular_file(path, limit=64).decode())
    except (OSError, UnicodeDecodeError, InvalidOption):
        return None


def write_stamp(path: str, instant: datetime) -> None:
    """Whole or not at all, in place of a regular file or of nothing. Makes the directory. Raises StoreError."""
    with store_errors(f"remember the time in {path}"):
        os.makedirs(os.path.dirname(path) or ".", mode=0o700, exist_ok=True)
        place, name = open_file_place(path, private=False)
        with place:
            place.write(name, isoformat_utc(instant).encode(), FileAttributes())
