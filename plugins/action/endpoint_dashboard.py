# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t

from ansible_collections.certops.rotation.plugins.module_utils._module.endpoint_dashboard import ARGUMENT_SPEC
from ansible_collections.certops.rotation.plugins.plugin_utils._dashboard import page_without_data
from ansible_collections.certops.rotation.plugins.plugin_utils._host_action import HostAction


class ActionModule(HostAction):
    """Controller's side of certops.rotation.endpoint_dashboard: it knows the page."""

    #: The page is no secret, though no log needs it.
    argument_spec: t.ClassVar[t.Mapping[str, t.Mapping[str, t.Any]]] = {**ARGUMENT_SPEC, "page": {"type": "str"}}

    def run(self, tmp: t.Any = None, task_vars: t.Any = None) -> dict[str, t.Any]:
        if self._task.args.get("path"):
            self._task.args = {**self._task.args, "page": page_without_data("watch")}
        return super().run(tmp, task_vars)
