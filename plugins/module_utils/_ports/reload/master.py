# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reload through HAProxy's master process (management guide, section 9.4: `reload`, `show proc`)."""

from __future__ import annotations

import re
import time
import typing as t

from ..._core.text import lines_of
from ..._errors import HaproxyError, HaproxyUnavailable, ReloadError
from ..haproxy.runtime import RuntimeApi
from .reloader import Reload, wait_until

_PID = re.compile(r"\d{1,10}")
_MASTER = re.compile(r"^(\d{1,10})\s+master\s.*", re.MULTILINE)
_FAILED = re.compile(r"\[failed: (\d{1,9})\]")
# Seconds in which a new worker that cannot start (no chroot directory, no such user, limits) has ended.
_START = 0.3
# What the master says of a worker that is not ready (3.1 and newer), and seconds for the answer of one that is.
_NOT_YET = "Can't find the target PID"
_ANSWER = 2.0
_LONGEST_LOG = 1 << 16  # characters, the last ones: of what was wrong


class Processes(t.NamedTuple):
    """`show proc`. worker_pid: the newest worker, 0: none; failed: reloads that failed since the last good one."""

    master_pid: int
    worker_pid: int
    failed: int


def parse_processes(text: str) -> Processes:
    """Raises HaproxyError when this is not the answer of a master."""
    master = _MASTER.search(text)
    if not master:
        raise HaproxyError(
            "The socket is not that of HAProxy's master process. Give the one of option -S or 'master-socket'."
        )
    worker_pid = 0
    section = ""
    for line in lines_of(text):
        if line.startswith(("# ", "#<")):
            section = line.strip()
            continue
        columns = line.split()
        if section == "# workers" and columns[1:2] == ["worker"] and _PID.fullmatch(columns[0]) and not worker_pid:
            worker_pid = int(columns[0])
    failed = _FAILED.search(master[0])
    return Processes(int(master[1]), worker_pid, int(failed[1]) if failed else 0)


def parse_reload_answer(answer: str) -> tuple[bool, str] | None:
    """Success and startup log from the answer to `reload`; None before 2.7, which gives none."""
    status, _separator, log = answer.partition("\n--\n")
    if not status.startswith("Success="):
        return None
    return status.strip() == "Success=1", log.strip()[-_LONGEST_LOG:]


class MasterReloader:
    """address: the master's socket, see RuntimeApi. timeout: seconds for the whole reload."""

    def __init__(self, address: str, timeout: float) -> None:
        self._timeout = timeout
        self._address = address
        self._api = RuntimeApi(address, timeout)

    def processes(self) -> Processes:
        return parse_processes(self._api.execute("show proc"))

    def worker_pid(self) -> int | None:
        return self.processes().worker_pid or None

    def failed_since(self, before: Processes) -> bool:
        """Whether a reload after that failed. Not known, so False, while the master executes itself anew."""
        try:
            return self.processes().failed > before.failed
        except HaproxyUnavailable:
            return False

    def reload(self) -> Reload:
        started = time.monotonic()
        before = self.processes()
        answer = parse_reload_answer(self._api.execute("reload", may_be_empty=True))
        if answer is None:
            return self._wait_for_result(before, self._timeout - (time.monotonic() - started))
        success, log = answer
        if not success:
            raise ReloadError("HAProxy's reload failed; the old worker keeps serving. See the log.", log=log)
        return self._settled(before, self.processes(), log)

    def reload_by(self, trigger: t.Callable[[], object], check: t.Callable[[], object] = lambda: None) -> Reload:
        """Let something else ask for the reload, and learn its result here. trigger: may raise what it likes.

        check: asked while the master does not answer; raises ReloadError when it has ended and waiting is in vain.
        """
        started = time.monotonic()
        before = self.processes()
        trigger()
        return self._wait_for_result(before, self._timeout - (time.monotonic() - started), check)

    def _wait_for_result(
        self, before: Processes, seconds: float, check: t.Callable[[], object] = lambda: None
    ) -> Reload:
        latest = before
        answers = True

        def finished() -> bool:
            nonlocal latest, answers
            try:
                latest, answers = self.processes(), True
            except HaproxyUnavailable:
                answers = False  # the master executes itself anew
                check()
                return False
            if latest.failed > before.failed:
                return True
            return latest.worker_pid not in (0, before.worker_pid) and not self._is_starting(latest.worker_pid)

        if not wait_until(finished, seconds):
            if not answers:
                raise ReloadError(
                    f"HAProxy's master does not answer {self._timeout:g} seconds after the reload. When it ended,"
                    " nothing is served: see HAProxy's log. Else the timeout is too short for its configuration."
                )
            raise ReloadError(
                f"No new worker of HAProxy within {self._timeout:g} seconds after the reload. See HAProxy's log, and"
                " whether the timeout is too short for its configuration."
            )
        if latest.worker_pid in (0, before.worker_pid):
            raise ReloadError(
                "HAProxy's reload failed; the old worker keeps serving. This version tells the reason only in its"
                " own log; 'haproxy -c' may find it, too."
            )
        return self._settled(before, latest, "")

    def _is_starting(self, worker_pid: int) -> bool:
        """Since 3.1 a worker is listed while it still reads its configuration, and cannot be talked to by then."""
        try:
            return RuntimeApi(self._address, _ANSWER).execute(f"@!{worker_pid} show info").startswith(_NOT_YET)
        except HaproxyError:
            return False  # it is on its way in or out; _settled finds out which

    def _settled(self, before: Processes, after: Processes, log: str) -> Reload:
        """The result, once the new worker has lived for a moment. Up to 3.0 the master ends when it does not."""
        time.sleep(_START)
        try:
            now = self.processes()
        except HaproxyUnavailable:
            now = None
        if now and now.master_pid == before.master_pid and now.failed > before.failed:
            raise ReloadError(
                "HAProxy's reload failed: the new worker ended while it started; the old worker keeps serving. See"
                " HAProxy's log.",
                log=log,
            )
        if now != after or after.master_pid != before.master_pid:
            raise ReloadError(
                "HAProxy loaded its configuration, but the new worker ended at once, and HAProxy with it. Unless it was"
                " started again, nothing is served. See HAProxy's log.",
                log=log,
            )
        return Reload(before.worker_pid or None, after.worker_pid or None, log)
