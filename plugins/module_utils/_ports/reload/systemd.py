# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reload through systemd, and learn what `systemctl reload` does not tell: whether a new worker serves."""

from __future__ import annotations

import re
import time
import typing as t

from ..._core.text import lines_of, shown
from ..._errors import InvalidOption, ReloadError
from ..host.processes import PROC, children_of, serving
from ..host.programs import run_program
from .master import MasterReloader
from .reloader import Reload, wait_until

_PROPERTIES = ("Type", "LoadState", "ActiveState", "MainPID", "CanReload")
# Seconds within which HAProxy tells systemd that it reloads (Type=notify), which it does before anything else.
_NOTICE = 3.0
_JOURNAL_LINES = 50
_RUNNING = ("active", "reloading")
# systemd.unit(5): valid characters. A pattern would be several units, and a dash in front an option.
_UNIT = re.compile(r"[A-Za-z0-9:_.\\@][A-Za-z0-9:_.\\@-]*")


def parse_properties(text: str) -> dict[str, str]:
    """`systemctl show`: Name=value lines."""
    return dict(line.split("=", 1) for line in lines_of(text) if "=" in line)


class SystemdReloader:
    """unit: its name. timeout: seconds for the whole reload. master: the master's socket where it is known.
    Raises InvalidOption for what is no name of one unit.

    ExecReload of the usual units checks the syntax and sends a signal; it ends before the new worker is there. So
    the result is read from the processes: the main process stays and has a new child. The master tells sooner when
    a reload failed. proc: where the process file system is.
    """

    def __init__(self, unit: str, timeout: float, master: MasterReloader | None = None, proc: str = PROC) -> None:
        if not _UNIT.fullmatch(unit):
            raise InvalidOption(f"{shown(unit)} is no name of a unit: letters, digits and : _ . \\ @ and, inside, -")
        self._unit = unit
        self._timeout = timeout
        self._master = master
        self._proc = proc

    def worker_pid(self) -> int | None:
        return max(self._workers(self._main_pid()))

    def reload(self) -> Reload:
        deadline = time.monotonic() + self._timeout
        main_pid = self._main_pid()
        workers = self._workers(main_pid)
        has_failed = self._failure_of_master()
        begin = time.time()
        try:
            result = run_program(["systemctl", "reload", "--", self._unit], self._timeout)
            if result.returncode != 0:
                raise ReloadError(
                    f"systemctl reload {self._unit} failed; see the log. HAProxy goes on as it was.", log=result.output
                )
            return self._wait_for_worker(main_pid, workers, has_failed, deadline)
        except ReloadError as error:
            log = (str(error.details.get("log", "")), self._journal(begin))
            error.details["log"] = "\n".join(part for part in log if part)
            raise

    def _failure_of_master(self) -> t.Callable[[], bool]:
        master = self._master
        if master is None:
            return lambda: False
        before = master.processes()
        return lambda: master.failed_since(before)

    def _wait_for_worker(
        self, main_pid: int, before: set[int], has_failed: t.Callable[[], bool], deadline: float
    ) -> Reload:
        new: set[int] = set()
        quiet_since = time.monotonic()

        def finished() -> bool:
            nonlocal new, quiet_since
            properties = self._properties()
            if properties.get("MainPID") != str(main_pid) or properties.get("ActiveState") not in _RUNNING:
                raise ReloadError(
                    f"HAProxy ended when it was reloaded: {self._unit} is {properties.get('ActiveState')}. Unless"
                    " systemd could start it again, nothing is served. See the log."
                )
            if properties.get("ActiveState") == "reloading":
                quiet_since = time.monotonic()
                return False
            again = self._children(main_pid) - before
            # Seen twice: a worker that ends at once while it starts does not count.
            stays, new = new & again, again
            if new:
                return bool(stays)
            unnoticed = properties.get("Type", "").startswith("notify") and time.monotonic() - quiet_since > _NOTICE
            if unnoticed or has_failed():
                raise ReloadError(
                    f"The reload of {self._unit} brought no new worker; the old one keeps serving, with the old"
                    " configuration and the old certificates. See the log."
                )
            return False

        if not wait_until(finished, max(deadline - time.monotonic(), 1.0), pause=0.3):
            raise ReloadError(
                f"{self._unit} has no new worker {self._timeout:g} seconds after the reload, so the old configuration"
                " and the old certificates stay in use for now. See the log, and whether the timeout is too short."
            )
        return Reload(max(before), max(new), "")

    def _main_pid(self) -> int:
        properties = self._properties()
        if properties.get("LoadState") != "loaded":
            raise ReloadError(f"systemd has no unit {self._unit} ({properties.get('LoadState')}). Give its name.")
        state = properties.get("ActiveState")
        if state not in _RUNNING:
            raise ReloadError(
                f"{self._unit} is {state} and cannot be reloaded. Start it: 'systemctl start {self._unit}'."
            )
        if properties.get("CanReload") == "no":
            raise ReloadError(
                f"{self._unit} has no ExecReload, so systemd cannot reload it. Add it, or use another method."
            )
        return int(properties.get("MainPID") or 0)

    def _properties(self) -> dict[str, str]:
        command = ["systemctl", "show", f"--property={','.join(_PROPERTIES)}", "--", self._unit]
        result = run_program(command, self._timeout)
        if result.returncode != 0:
            raise ReloadError(f"systemd does not answer about {self._unit}: {result.output}")
        return parse_properties(result.output)

    def _journal(self, begin: float) -> str:
        """The unit's messages since then (seconds of the epoch), the newest; "" when the journal cannot be read."""
        command = ["journalctl", f"--unit={self._unit}", f"--since=@{begin:.6f}", f"--lines={_JOURNAL_LINES}"]
        try:
            result = run_program([*command, "--output=cat", "--no-pager", "--quiet"], self._timeout)
        except ReloadError:
            return ""
        return result.output if result.returncode == 0 else ""

    def _workers(self, main_pid: int) -> set[int]:
        workers = self._children(main_pid)
        if not workers:
            raise ReloadError(
                f"The main process {main_pid} of {self._unit} has no worker process: HAProxy does not run in"
                " master-worker mode (-W or -Ws), so a reload cannot be proven. Use that mode."
            )
        return workers

    def _children(self, pid: int) -> set[int]:
        return serving({process.pid for process in children_of(pid, self._proc)}, pid, self._proc)
