# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Let all playbooks of tests, whoever starts them, pack a module once: see callback/packed.py."""

from __future__ import annotations

import pathlib
import shutil
import time

_HERE = pathlib.Path(__file__)
KEPT = _HERE.parents[2] / ".dev" / "packed"
ENVIRONMENT = {"ANSIBLE_CALLBACK_PLUGINS": str(_HERE.with_name("callback")), "PACKED_MODULES": str(KEPT)}
_DAY = 24 * 60 * 60


def forget_old() -> None:
    """What was packed of code as it was long ago."""
    for directory in KEPT.glob("*"):
        if time.time() - directory.stat().st_mtime > _DAY:
            shutil.rmtree(directory, ignore_errors=True)
