# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Where a program is. Apart from what runs it, which takes longer to load than the search."""

from __future__ import annotations

import os
import shutil

_FOR_ROOT = "/usr/local/sbin:/usr/sbin:/sbin"


def find_program(name: str) -> str | None:
    """Its path; None where there is none. Also where not every user's PATH leads to."""
    return shutil.which(name, path=os.pathsep.join((os.environ.get("PATH", os.defpath), _FOR_ROOT)))
