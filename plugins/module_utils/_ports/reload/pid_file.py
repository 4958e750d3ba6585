# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A HAProxy on this host whose master's process id is in a file (option -p, or 'pidfile')."""

from __future__ import annotations

import os
import signal as signals

from ..._errors import ReloadError
from ..host.processes import PROC, Process, children_of, find_process, serving
from ..host.rights import run_as_root
from ..store.atomic import read_regular_file

_LARGEST = 4096  # bytes


class PidFileTarget:
    """signal: its name without SIG. proc: where the process file system is."""

    def __init__(self, pid_file: str, signal: str, proc: str = PROC) -> None:
        self._pid_file = pid_file
        self._signal = signals.Signals[f"SIG{signal}"]
        self._proc = proc
        self._pid = 0
        self.name = f"HAProxy of {pid_file}"

    def check(self) -> None:
        self._master()

    def workers(self) -> set[int]:
        master = self._master()
        # A worker is a fork of the master; a 'program' or an external check has another name.
        workers = {child.pid for child in children_of(master.pid, self._proc) if child.name == master.name}
        return serving(workers, master.pid, self._proc)

    def signal(self) -> None:
        try:
            os.kill(self._master().pid, self._signal)
        except OSError as error:
            raise ReloadError(
                f"Cannot signal process {self._pid} of {self._pid_file}: {error.strerror}. "
                + run_as_root(" or as the user that HAProxy's master runs as")
            ) from None

    def log(self, since: float) -> str:  # noqa: ARG002  # of the protocol
        return ""

    def _master(self) -> Process:
        """Nothing else is ever signalled: the file may be stale, and its number somebody else's by now."""
        if not self._pid:
            self._pid = self._read()
            found = find_process(self._pid, self._proc)
            if not found:
                raise ReloadError(f"{self._pid_file} names process {self._pid}, which does not run. Start HAProxy.")
            if not found.name.startswith("haproxy"):
                raise ReloadError(
                    f"{self._pid_file} names process {self._pid}, which is {found.name} and not HAProxy. Start HAProxy,"
                    " or name the file that its option -p or 'pidfile' names."
                )
            return found
        found = find_process(self._pid, self._proc)
        if not found:
            raise ReloadError(
                f"{self.name} ended when it was reloaded. Unless something could start it again, nothing is served."
                " See HAProxy's log."
            )
        return found

    def _read(self) -> int:
        try:
            pid = int(read_regular_file(self._pid_file, limit=_LARGEST).decode("ascii").split("\n", 1)[0])
        except PermissionError as error:
            raise ReloadError(f"Cannot read {self._pid_file}: {error.strerror}. {run_as_root()}") from None
        except OSError as error:
            raise ReloadError(
                f"Cannot read {self._pid_file}: {error.strerror}. Start HAProxy, or name the file that its option -p or"
                " 'pidfile' names."
            ) from None
        except ValueError:
            pid = 0
        if pid <= 1:
            raise ReloadError(f"{self._pid_file} holds no process id. Name the file that HAProxy's option -p names.")
        return pid
