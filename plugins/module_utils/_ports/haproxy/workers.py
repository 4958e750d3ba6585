# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""HAProxy's workers, each asked by itself through the master's socket (management guide, section 9.4).

After a reload the old worker lives on until its last connection has ended. No stats socket reaches it any more.
"""

from __future__ import annotations

import re
import typing as t
from datetime import timedelta

from ..._core.text import lines_of
from ..._errors import HaproxyError
from .runtime import RuntimeApi

CURRENT = "@1"
_UPTIME = re.compile(r"(\d{1,6})d(\d{1,6})h(\d{1,6})m(\d{1,6})s\Z")
_NUMBER = re.compile(r"\d{1,10}")


class WorkerGone(HaproxyError):
    """The worker has ended."""


class OldWorkerProcess(t.NamedTuple):
    """A line of `show proc`. reloads: how many there were since it was started; uptime: since its start."""

    pid: int
    reloads: int
    uptime: timedelta


def parse_old_workers(text: str) -> list[OldWorkerProcess]:
    """`show proc`. Raises HaproxyError when this is not the answer of a master."""
    columns: list[str] = []
    section = ""
    has_master = False
    workers = []
    for line in lines_of(text):
        if line.startswith("#<"):
            columns = re.findall(r"<([^<>]+)>", line)  # before 2.5 there is one more
            continue
        if line.startswith("# "):
            section = line.strip()
            continue
        fields = dict(zip(columns, line.replace("[was: ", "[was:").split()))
        has_master |= fields.get("type") == "master"
        if section == "# old workers" and fields.get("type") == "worker":
            uptime = _UPTIME.match(fields.get("uptime", ""))
            days, hours, minutes, seconds = map(int, uptime.groups()) if uptime else (0, 0, 0, 0)
            alive = timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)
            pid, reloads = fields.get("PID", ""), fields.get("reloads", "")
            if not _NUMBER.fullmatch(pid) or not _NUMBER.fullmatch(reloads):
                raise HaproxyError("The socket's answer to 'show proc' is not that of HAProxy.")
            workers.append(OldWorkerProcess(int(pid), int(reloads), alive))
    if not has_master:
        raise HaproxyError(
            "The socket is not that of HAProxy's master process. Give the one of option -S or 'master-socket'."
        )
    return workers


class WorkerApi(RuntimeApi):
    """The Runtime API of one worker, by way of the master's socket. worker: CURRENT, or the pid of an old one."""

    def __init__(self, master: str, worker: str | int, timeout: float = 10.0) -> None:
        super().__init__(master, timeout)
        self._prefix = worker if isinstance(worker, str) else f"@!{worker}"

    def execute(self, command: str, *arguments: str, **options: t.Any) -> str:
        """As of RuntimeApi. Raises WorkerGone, too."""
        answer = super().execute(f"{self._prefix} {command}", *arguments, **options)
        if answer.startswith("Can't find the target"):
            raise WorkerGone(f"HAProxy's master at {self.address} has no worker {self._prefix} any more.")
        return answer

    def execute_all(self, *commands: t.Sequence[str], payload: str | None = None) -> list[str]:
        """As of RuntimeApi, but one by one: of a line the master sends the first command only to the worker."""
        first, *others = commands
        return [self.execute(*first, payload=payload), *(self.execute(*command) for command in others)]
