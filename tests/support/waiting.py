# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Wait for what comes to be by itself, such as what a service of a host does."""

from __future__ import annotations

import time
import typing as t

_SHORTEST, _LONGEST = 0.2, 1.0


def eventually(condition: t.Callable[[], bool], seconds: float = 300) -> None:
    """Look until it is true, and leave most of the processor to what is waited for: to look may take processes.

    Raises AssertionError after so many seconds.
    """
    deadline = time.monotonic() + seconds
    while True:
        begun = time.monotonic()
        if condition():
            return
        assert begun < deadline, "it did not come to be"
        time.sleep(min(_LONGEST, max(_SHORTEST, 2 * (time.monotonic() - begun))))
