# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A systemd unit that is restarted or reloaded (systemctl(1))."""

from __future__ import annotations

import time
import typing as t

from ..._core.services.definitions import Activation
from ..._core.text import lines_of
from ..._errors import ServiceError
from .missing import ServiceMissing
from .programs import Ended, run_to_end

_PROPERTIES = ("LoadState", "ActiveState", "Result", "Type")
# Of these types a start is done when the program has been started, whatever becomes of it (systemd.service(5)).
_UNOBSERVED = ("simple", "exec", "idle")
_EARLY_END, _PAUSE = 2.0, 0.2  # seconds in which one of them that cannot start has ended again; between two looks
_JOURNAL_LINES = 20
_QUESTION = 10.0  # seconds for an answer that changes nothing


class SystemdUnit:
    """unit: its full name; action: restart or reload; timeout: seconds. A restart starts a unit that does not run."""

    def __init__(self, unit: str, action: str, timeout: float) -> None:
        self._unit = unit
        self._action = action
        self._timeout = timeout

    def activate(self) -> Activation:
        """Raises ServiceError, with the unit's newest messages in its details; ServiceMissing."""
        began = time.time()
        load_state = self._properties().get("LoadState")
        if load_state == "not-found":
            raise ServiceMissing(f"systemd has no unit {self._unit}. Give its name, as 'systemctl list-units' has it.")
        if load_state == "masked":
            raise ServiceError(f"{self._unit} is masked, so systemd does not {self._action} it. Unmask it.")
        try:
            # Without --no-block it waits for the job; without a terminal it would still ask for passwords.
            result = run_to_end(
                ["systemctl", "--no-ask-password", "--no-pager", self._action, "--", self._unit], self._timeout
            )
            if result.returncode != 0:
                raise ServiceError(f"systemctl {self._action} {self._unit} failed.", log=result.output)
            self._look_at_it()
        except ServiceError as error:
            log = (str(error.details.get("log", "")), self._journal(began))
            error.details["log"] = "\n".join(filter(None, log))
            raise
        return Activation(result.output)

    def _look_at_it(self) -> None:
        end = time.monotonic() + _EARLY_END
        is_restart = self._action == "restart"
        while True:
            state = self._properties()
            # With Restart=, it is not failed, but waits to be started once more.
            waits = is_restart and state.get("Result", "success") != "success"
            if state.get("ActiveState") == "failed" or waits:
                raise ServiceError(f"{self._unit} failed after its {self._action}: {state.get('Result')}.")
            if not is_restart or state.get("Type") not in _UNOBSERVED or time.monotonic() >= end:
                return
            time.sleep(_PAUSE)

    def _properties(self) -> dict[str, str]:
        result = self._ask(["systemctl", "show", f"--property={','.join(_PROPERTIES)}", "--", self._unit])
        if result.returncode != 0:
            raise ServiceError(f"systemd does not answer about {self._unit}.", log=result.output)
        return dict(line.split("=", 1) for line in lines_of(result.output) if "=" in line)

    def _journal(self, since: float) -> str:
        """ "" when it cannot be read."""
        command = ["journalctl", f"--unit={self._unit}", f"--since=@{since:.6f}", f"--lines={_JOURNAL_LINES}"]
        try:
            result = self._ask([*command, "--output=cat", "--no-pager", "--quiet"])
        except ServiceError:
            return ""
        return result.output if result.returncode == 0 else ""

    def _ask(self, command: t.Sequence[str]) -> Ended:
        return run_to_end(command, min(self._timeout, _QUESTION))
