# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The stage activate by reload: HAProxy reads all files anew, in the first way that there is."""

from __future__ import annotations

import typing as t

from ..._core.unexpected import only_rotation_errors
from ..._errors import RotationError
from ..._ports.haproxy.configuration_check import CheckImpossible, check_configuration
from ..._ports.haproxy.surroundings import Surroundings, look_at_surroundings
from ..._ports.reload.reloader import Reloader
from .settings import ReloadSettings


class Attempt(t.NamedTuple):
    """One way that was tried. error: why it did not work, None when it did; log: what the check and HAProxy said;
    warning: why the configuration could not be checked first, "" when it was."""

    method: str
    log: str
    error: RotationError | None = None
    reloaded: bool = False
    worker_pid_before: int | None = None
    worker_pid_after: int | None = None
    warning: str = ""

    def as_result(self) -> dict[str, t.Any]:
        """What modules return of it."""
        result: dict[str, t.Any] = {"method": self.method, "reloaded": self.reloaded, "log": self.log}
        if self.error is not None:
            return {**result, "msg": self.error.message}
        return {**result, "worker_pid_before": self.worker_pid_before, "worker_pid_after": self.worker_pid_after}


def reload_by_first_way(settings: ReloadSettings, *, check_mode: bool = False) -> list[Attempt]:
    """All that were tried; the last one counts. check_mode: look whether it could be done.

    The one rule: the next way is tried only where HAProxy was not reached. A log says that it looked at the
    configuration and refused it, and then no other way helps.
    """
    attempts: list[Attempt] = []
    for method in settings.methods:
        attempts.append(_reload_by(method, settings, check_mode))
        if attempts[-1].error is None or attempts[-1].log:
            break
    return attempts


def _reload_by(method: str, settings: ReloadSettings, check_mode: bool) -> Attempt:
    """A check that could not be made keeps nobody from reloading: HAProxy itself decides then, as it does anyway."""
    log = warning = ""
    try:
        with only_rotation_errors():
            reloader = settings.reloader(method)
            try:
                log = _checked(settings, reloader) if settings.check_config else ""
            except CheckImpossible as impossible:
                warning = f"{impossible.message} HAProxy itself decides at the reload."
            if check_mode:
                pid = reloader.worker_pid()
                return Attempt(method, log, None, False, pid, pid, warning)
            done = reloader.reload()
    except RotationError as error:
        return Attempt(method, str(error.details.get("log") or ""), error, warning=warning)
    log = "\n".join(part for part in (log, done.log) if part)
    return Attempt(method, log, None, True, done.worker_pid_before, done.worker_pid_after, warning)


def _checked(settings: ReloadSettings, reloader: Reloader) -> str:
    def look() -> Surroundings:
        return look_at_surroundings(settings.environment, _pid(reloader), settings.service)

    return check_configuration(settings.binary, settings.config, settings.timeout, settings.environment, look)


def _pid(reloader: Reloader) -> int | None:
    """Of HAProxy's worker. That there is none is said by the reload itself."""
    try:
        return reloader.worker_pid()
    except RotationError:
        return None
