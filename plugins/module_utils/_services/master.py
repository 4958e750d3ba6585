# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reload through HAProxy's master process (management guide, section 9.4: `reload`, `show proc`)."""

from __future__ import annotations

import re
import time
import typing as t

from .._errors import HaproxyError, HaproxyUnavailable, ReloadError
from .._haproxy.runtime import RuntimeApi
from .reloader import Reload, wait_until

_FAILED = re.compile(r"\[failed: (\d+)\]")


class Processes(t.NamedTuple):
    """`show proc`. worker_pid: the newest worker, 0: none; failed: reloads that failed since the last good one."""

    worker_pid: int
    failed: int


def parse_processes(text: str) -> Processes:
    """Raises HaproxyError when this is not the answer of a master."""
    worker_pid = 0
    section = ""
    for line in text.splitlines():
        if line.startswith(("# ", "#<")):
            section = line.strip()
            continue
        columns = line.split()
        if section == "# workers" and len(columns) > 1 and columns[1] == "worker" and not worker_pid:
            worker_pid = int(columns[0])
    if "master" not in text:
        raise HaproxyError(
            "The socket is not that of HAProxy's master process. Give the one of option -S or 'master-socket'."
        )
    failed = _FAILED.search(text)
    return Processes(worker_pid, int(failed[1]) if failed else 0)


def parse_reload_answer(answer: str) -> tuple[bool, str] | None:
    """Success and startup log from the answer to `reload`; None before 2.7, which gives none."""
    status, _separator, log = answer.partition("\n--\n")
    if not status.startswith("Success="):
        return None
    return status.strip() == "Success=1", log.strip()


class MasterReloader:
    """address: the master's socket, see RuntimeApi. timeout: seconds for the whole reload."""

    def __init__(self, address: str, timeout: float) -> None:
        self._timeout = timeout
        self._api = RuntimeApi(address, timeout)

    def processes(self) -> Processes:
        return parse_processes(self._api.execute("show proc"))

    def worker_pid(self) -> int | None:
        return self.processes().worker_pid or None

    def reload(self) -> Reload:
        started = time.monotonic()
        before = self.processes()
        answer = parse_reload_answer(self._api.execute("reload", may_be_empty=True))
        if answer is None:
            return self.wait_for_result(before, self._timeout - (time.monotonic() - started))
        success, log = answer
        if not success:
            raise ReloadError("HAProxy's reload failed; the old worker keeps serving. See the log.", log=log)
        return Reload(before.worker_pid or None, self.processes().worker_pid or None, log)

    def wait_for_result(self, before: Processes, seconds: float) -> Reload:
        """Learn the result of a reload that somebody started, from before it began. Raises ReloadError."""
        latest = before

        def finished() -> bool:
            nonlocal latest
            try:
                latest = self.processes()
            except HaproxyUnavailable:
                return False  # the master executes itself anew
            return latest.failed > before.failed or latest.worker_pid not in (0, before.worker_pid)

        if not wait_until(finished, seconds):
            raise ReloadError(
                f"No new worker of HAProxy within {self._timeout:g} seconds after the reload. See HAProxy's log, and"
                " whether the timeout is too short for its configuration."
            )
        if latest.worker_pid in (0, before.worker_pid):
            raise ReloadError(
                "HAProxy's reload failed; the old worker keeps serving. This version tells the reason only in its"
                " own log; 'haproxy -c' may find it, too."
            )
        return Reload(before.worker_pid or None, latest.worker_pid, "")
