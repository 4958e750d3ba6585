# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reload by a signal to the master process, which answers nothing: the result is learned from HAProxy's processes."""

from __future__ import annotations

import time
import typing as t

from ..._errors import HaproxyError, ReloadError
from .master import MasterReloader
from .reloader import Reload, wait_until

# Seconds for which a new worker has to live beside an old one, before it counts as having taken over: a worker that
# cannot start ends sooner. When the old ones are gone, it has told them to go.
_BESIDE = 2.0
_PAUSE = 0.3


class Target(t.Protocol):
    """A master process that can be signalled."""

    name: str

    def check(self) -> None:
        """Raises ReloadError when it is not there (any more), or is not what was found at the first check."""

    def workers(self) -> set[int]:
        """Process ids of its workers, where it can be told of those that listen. Raises ReloadError as check does."""

    def signal(self) -> None:
        """Send the signal. Raises ReloadError."""

    def log(self, since: float) -> str:
        """What HAProxy said since then (seconds of the epoch); "" when that is not known."""


class SignalReloader:
    """timeout: seconds for the whole reload. master: the master's socket where it is known; it tells most."""

    def __init__(self, target: Target, timeout: float, master: MasterReloader | None = None) -> None:
        self._target = target
        self._timeout = timeout
        self._master = master

    def worker_pid(self) -> int | None:
        self._target.check()
        return self._master.worker_pid() if self._master else max(self._workers())

    def reload(self) -> Reload:
        self._target.check()
        begin = time.time()
        signalled = False

        def send() -> None:
            nonlocal signalled
            self._target.signal()
            signalled = True

        try:
            result = self._master.reload_by(send, self._target.check) if self._master else self._watch(send)
            self._target.check()
        except (HaproxyError, ReloadError) as error:
            if signalled:
                error.details["log"] = self._target.log(begin)
            raise
        return result._replace(log=self._target.log(begin))

    def _watch(self, send: t.Callable[[], None]) -> Reload:
        before = self._workers()
        send()
        latest: set[int] = set()
        since = 0.0

        def finished() -> bool:
            nonlocal latest, since
            self._target.check()
            now = self._target.workers()
            stays = latest & now - before
            if not stays:
                since = time.monotonic()
            latest = now
            return bool(stays) and (not now & before or time.monotonic() - since > _BESIDE)

        if not wait_until(finished, self._timeout, pause=_PAUSE):
            raise ReloadError(
                f"{self._target.name} has no new worker {self._timeout:g} seconds after the signal, so the old"
                " configuration and the old certificates stay in use. See HAProxy's log, and whether the timeout is"
                " too short."
            )
        return Reload(max(before), max(latest - before), "")

    def _workers(self) -> set[int]:
        workers = self._target.workers()
        if not workers:
            raise ReloadError(
                f"{self._target.name} has no worker process: HAProxy does not run in master-worker mode (-W or -Ws),"
                " so a signal does not reload it. Use that mode."
            )
        return workers
