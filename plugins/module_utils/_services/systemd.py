# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reload through systemd, and learn what `systemctl reload` does not tell: whether a new worker serves."""

from __future__ import annotations

import os
import time

from .._errors import ReloadError
from .master import MasterReloader
from .programs import run_program
from .reloader import Reload, wait_until

_PROPERTIES = ("LoadState", "ActiveState", "SubState", "MainPID", "CanReload")


def parse_properties(text: str) -> dict[str, str]:
    """`systemctl show`: Name=value lines."""
    return dict(line.split("=", 1) for line in text.splitlines() if "=" in line)


class SystemdReloader:
    """unit: its name. timeout: seconds for the whole reload. master: the master's socket where it is known.

    ExecReload of the usual units checks the syntax and sends a signal; it ends before the new worker is there. So
    the result is read from the master, else from the processes: the main process stays and has a new child.
    proc: where the process file system is.
    """

    def __init__(self, unit: str, timeout: float, master: MasterReloader | None = None, proc: str = "/proc") -> None:
        self._unit = unit
        self._timeout = timeout
        self._master = master
        self._proc = proc

    def worker_pid(self) -> int | None:
        if self._master:
            return self._master.worker_pid()
        return max(self._children(self._main_pid()), default=None)

    def reload(self) -> Reload:
        deadline = time.monotonic() + self._timeout
        main_pid = self._main_pid()
        processes = self._master.processes() if self._master else None
        children = self._children(main_pid)
        if self._master is None and not children:
            raise ReloadError(
                f"The main process {main_pid} of {self._unit} has no worker process: HAProxy does not run in"
                " master-worker mode (-W or -Ws), so a reload cannot be proven. Use that mode."
            )
        result = run_program(["systemctl", "reload", self._unit], self._timeout)
        if result.returncode != 0:
            raise ReloadError(
                f"systemctl reload {self._unit} failed; the old worker keeps serving. See the log and 'journalctl -u"
                f" {self._unit}'.",
                log=result.output,
            )
        remaining = max(deadline - time.monotonic(), 1.0)
        if self._master and processes:
            return self._master.wait_for_result(processes, remaining)
        return self._wait_for_child(main_pid, children, remaining)

    def _wait_for_child(self, main_pid: int, before: set[int], seconds: float) -> Reload:
        new: set[int] = set()

        def finished() -> bool:
            nonlocal new
            properties = self._properties()
            settled = properties.get("ActiveState") != "reloading"
            again = self._children(main_pid) - before
            # Seen twice: a worker that ends at once while it reads its configuration does not count.
            stays, new = new & again, again
            return settled and bool(stays)

        if not wait_until(finished, seconds, pause=0.5):
            raise ReloadError(
                f"{self._unit} has no new worker {self._timeout:g} seconds after the reload, so the old configuration"
                f" and the old certificates stay in use. See 'journalctl -u {self._unit}'."
            )
        self._main_pid()  # still active
        return Reload(max(before, default=None), max(new), "")

    def _main_pid(self) -> int:
        properties = self._properties()
        if properties.get("LoadState") != "loaded":
            raise ReloadError(f"systemd has no unit {self._unit} ({properties.get('LoadState')}). Give its name.")
        state = properties.get("ActiveState")
        if state not in ("active", "reloading"):
            raise ReloadError(
                f"{self._unit} is {state} and cannot be reloaded. Start it: 'systemctl start {self._unit}'."
            )
        if properties.get("CanReload") == "no":
            raise ReloadError(
                f"{self._unit} has no ExecReload, so systemd cannot reload it. Add it, or use another method."
            )
        return int(properties.get("MainPID") or 0)

    def _properties(self) -> dict[str, str]:
        command = ["systemctl", "show", self._unit, f"--property={','.join(_PROPERTIES)}"]
        result = run_program(command, self._timeout)
        if result.returncode != 0:
            raise ReloadError(f"systemd does not answer about {self._unit}: {result.output}")
        return parse_properties(result.output)

    def _children(self, pid: int) -> set[int]:
        """Child processes of pid, from the parent in every /proc/PID/stat (proc(5))."""
        children = set()
        for entry in os.listdir(self._proc):
            if not entry.isdigit():
                continue
            try:
                with open(os.path.join(self._proc, entry, "stat"), encoding="utf-8", errors="replace") as file:
                    # The name in parentheses may hold anything, so look behind the last one: state, then parent.
                    state, parent = file.read().rpartition(")")[2].split()[:2]
            except (OSError, ValueError):
                continue  # it ended
            if int(parent) == pid and state not in "ZX":
                children.add(int(entry))
        return children
