# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Signals that ask a process to end: obeyed at once until it begins to change something, and kept from then on."""

from __future__ import annotations

import contextlib
import signal
import threading
import typing as t

# What systemd and an administrator, a terminal that hangs up, and Ctrl-C send.
_ASKING = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)


class Requests:
    """Of others, that the process end. end: takes the name of a signal, and does not return."""

    def __init__(self, end: t.Callable[[str], object]) -> None:
        self._end = end
        self._is_held = False
        self._held: list[str] = []

    def hold(self) -> None:
        """From now on the process goes on, whoever asks it to end."""
        self._is_held = True

    @property
    def held(self) -> list[str]:
        """Names of the signals that came since then, each once."""
        return list(dict.fromkeys(self._held))

    def _came(self, number: int, _frame: object) -> None:
        name = signal.Signals(number).name
        if self._is_held:
            self._held.append(name)
        else:
            self._end(name)


@contextlib.contextmanager
def asked_to_end(end: t.Callable[[str], object]) -> t.Iterator[Requests]:
    """Meanwhile the requests are answered here. A signal that the process was started to ignore stays ignored.

    Programs that are started meanwhile are to have a session of their own, for a terminal asks all of its processes.
    """
    requests = Requests(end)
    before: dict[signal.Signals, t.Any] = {}
    if threading.current_thread() is threading.main_thread():  # no other may set handlers
        found = {number: signal.getsignal(number) for number in _ASKING}
        before = {number: handler for number, handler in found.items() if handler is not signal.SIG_IGN}
    for number in before:
        signal.signal(number, requests._came)
    try:
        yield requests
    finally:
        for number, handler in before.items():
            signal.signal(number, handler if handler is not None else signal.SIG_DFL)
