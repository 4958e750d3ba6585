# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a playbook has given a module, for the program of a schedule that runs the same without a playbook."""

from __future__ import annotations

import contextlib
import json
import os
import pathlib
import typing as t

from ansible_collections.certops.rotation.plugins.plugin_utils._host_action import HostAction

#: Path of the file, which is in a directory that only its owner may enter.
VARIABLE = "CERTOPS_ROTATION_CALL"


class RemembersCall(HostAction):
    """Leaves the task's arguments in the file that the environment names, where the task is for this host."""

    def run(self, tmp: t.Any = None, task_vars: t.Any = None) -> dict[str, t.Any]:
        path = os.environ.get(VARIABLE, "")
        result = super().run(tmp, task_vars)
        is_plain = self._connection.transport == "local" and not self._task.check_mode and not self._task.async_val
        # What was refused before it began is nothing to run again.
        if path and is_plain and "certificates" in result:
            remember(pathlib.Path(path), {self._task.action.rpartition(".")[2]: self._task.args})
        return result


def remember(path: pathlib.Path, call: t.Mapping[str, t.Any]) -> None:
    """For its owner alone: arguments may hold secrets, as the inventory does that they come from. Or not at all."""
    new = path.with_name(f"{path.name}.new")
    with contextlib.suppress(OSError, TypeError, ValueError):
        text = json.dumps(call)
        new.unlink(missing_ok=True)
        with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
            file.write(text)
        new.replace(path)
