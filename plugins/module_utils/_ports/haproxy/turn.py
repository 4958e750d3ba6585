# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Runs of this collection on one host take turns with one HAProxy, which has a single transaction for all."""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
import typing as t

from .runtime import RuntimeApi


@contextlib.contextmanager
def take_turn(api: RuntimeApi, seconds: float) -> t.Iterator[None]:
    """Hold an advisory lock on the socket's directory, waiting at most so many seconds for it.

    Only a courtesy that keeps waits short: changes are confirmed one by one, so they are right without it, too. That is
    why a TCP socket, a directory that may not be read and a lock that is not given up are no errors.
    """
    with contextlib.ExitStack() as stack:
        if api.path is not None:
            with contextlib.suppress(OSError):
                directory = os.open(os.path.dirname(api.path) or ".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
                stack.callback(os.close, directory)
                _lock(directory, seconds)
        yield


def _lock(descriptor: int, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(0.05)
        else:
            return
