# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Signals that ask a process to end, kept until it has finished what it began."""

from __future__ import annotations

import contextlib
import signal
import typing as t

# What systemd, sshd, a terminal that hangs up, and Ctrl-C send.
_ASKING = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)


@contextlib.contextmanager
def finishing() -> t.Iterator[list[str]]:
    """Within the block the process goes on when it is asked to end. What asked it is in the list, by name.

    Children that are started meanwhile are to have a session of their own, for a terminal asks all of its processes.
    """
    asked: list[str] = []

    def note(number: int, _frame: object) -> None:
        asked.append(signal.Signals(number).name)

    before = {number: signal.signal(number, note) for number in _ASKING}
    try:
        yield asked
    finally:
        for number, handler in before.items():
            signal.signal(number, handler if handler is not None else signal.SIG_DFL)
