# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What every way to reload HAProxy has in common. A new way is a new class with these two methods."""

from __future__ import annotations

import time
import typing as t


class Reload(t.NamedTuple):
    """A reload that is known to have worked. Worker process ids are None where the method cannot tell them."""

    worker_pid_before: int | None
    worker_pid_after: int | None
    log: str


class Reloader(t.Protocol):
    """One way to reload."""

    def worker_pid(self) -> int | None:
        """Process id of the worker that serves now. Raises HaproxyError, ReloadError when there is no service."""

    def reload(self) -> Reload:
        """Reload and know the result. Raises ReloadError with the startup log in its details, or HaproxyError."""


def wait_until(condition: t.Callable[[], bool], seconds: float, pause: float = 0.1) -> bool:
    """Ask until the condition holds or the time is over; whether it held."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() >= deadline:
            return False
        time.sleep(pause)
    return True
