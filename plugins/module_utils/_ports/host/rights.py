# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What to do where this process may not do something: to become root helps nobody who is root."""

from __future__ import annotations

import os
import typing as t

_ROOT_IS_KEPT_OUT: t.Final = (
    "Root is kept from it: see SELinux or AppArmor (audit log), and how this process is confined (the unit of its"
    " service, its container)."
)


def run_as_root(or_else: str = "") -> str:
    """A sentence. or_else: what helps as well, as the end of it."""
    return _ROOT_IS_KEPT_OUT if is_root() else f"Run as root (become: true){or_else}."


def is_root() -> bool:
    return os.geteuid() == 0
