# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The stamp beside a manifest: when a run ended well that had nothing to write. Its time is all that it says."""

from __future__ import annotations

import os
import stat

from .atomic import FileAttributes, store_errors
from .directory import STATE_DIRECTORY, CertificateDirectory

STAMP_FILE = "last-success"


def touch(directory: CertificateDirectory, instant: float) -> None:
    """instant: seconds since 1970. Nothing is done where nothing was ever written. Raises StoreError.

    It needs no lock: of two who touch it either is right.
    """
    with directory.looking() as places, store_errors(f"touch {_path(directory)}"):
        if places.state:
            places.state.touch(STAMP_FILE, FileAttributes(0o600), instant)


def touched(directory: CertificateDirectory) -> float | None:
    """The instant, in seconds since 1970; None where there is no stamp. Raises StoreError."""
    with directory.looking() as places, store_errors(f"look at {_path(directory)}"):
        found = places.state.look(STAMP_FILE) if places.state else None
        return found.st_mtime if found and stat.S_ISREG(found.st_mode) else None


def forget(directory: CertificateDirectory) -> None:
    """No error when there is none. Raises StoreError."""
    with directory.looking() as places, store_errors(f"remove {_path(directory)}"):
        if places.state:
            places.state.remove(STAMP_FILE)


def _path(directory: CertificateDirectory) -> str:
    return os.path.join(directory.path, STATE_DIRECTORY, STAMP_FILE)
