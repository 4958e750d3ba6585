# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t

from ansible.utils.display import Display
from ansible_collections.certops.rotation.plugins.module_utils._module.domain_table_info import ARGUMENT_SPEC
from ansible_collections.certops.rotation.plugins.plugin_utils._host_action import HostAction
from ansible_collections.certops.rotation.plugins.plugin_utils._misspelt import misspelt_variables


class ActionModule(HostAction):
    """Controller's side of certops.rotation.domain_table_info."""

    argument_spec = ARGUMENT_SPEC

    def run(self, tmp: t.Any = None, task_vars: t.Any = None) -> dict[str, t.Any]:
        for sentence in misspelt_variables(self._task, task_vars or {}):
            Display().warning(sentence)
        return super().run(tmp, task_vars)
