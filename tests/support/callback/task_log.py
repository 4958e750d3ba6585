# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A callback plugin: every task result as a JSON line in the file TASK_LOG, next to the usual output."""

from __future__ import annotations

import json
import os
import pathlib

from ansible.plugins.callback import CallbackBase

DOCUMENTATION = """
name: task_log
type: notification
short_description: Task results as JSON lines
description: One line for each host and task, into the file that the environment variable TASK_LOG names.
"""


class CallbackModule(CallbackBase):
    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "notification"
    CALLBACK_NAME = "task_log"
    CALLBACK_NEEDS_ENABLED = True

    def _log(self, status, result):
        # By way of text, because results hold the engine's own kinds of str and dict.
        content = json.loads(self._dump_results(result._result, indent=None, sort_keys=True))
        entry = {
            "host": result._host.get_name(),
            "task": result._task.get_name().rpartition(" : ")[2],
            "action": result._task.action,
            "status": status,
            "result": content,
        }
        with pathlib.Path(os.environ["TASK_LOG"]).open("a", encoding="utf-8") as file:
            file.write(json.dumps(entry) + "\n")

    def v2_runner_on_ok(self, result):
        self._log("ok", result)

    def v2_runner_on_failed(self, result, ignore_errors=False):
        self._log("failed", result)

    def v2_runner_on_skipped(self, result):
        self._log("skipped", result)

    def v2_runner_on_unreachable(self, result):
        self._log("unreachable", result)
