# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Variables of a task's host that look like those of this collection's roles and are none."""

from __future__ import annotations

import pathlib
import re
import typing as t

from ansible.utils.display import Display
from ansible_collections.certops.rotation.plugins.module_utils._core.misspelt import misspelt
from ansible_collections.certops.rotation.plugins.plugin_utils._host_action import HostAction

# All variables, as each role's specification has them. It takes a hundredth of the time that it takes to parse YAML.
_OPTION = re.compile(r"^ {6}([a-z]\w*):", re.MULTILINE)


class NamesMisspelt(HostAction):
    """Of the module that a role begins with: warns of variables that look like the role's and are none."""

    def run(self, tmp: t.Any = None, task_vars: t.Any = None) -> dict[str, t.Any]:
        for sentence in misspelt_variables(self._task, task_vars or {}):
            Display().warning(sentence)
        return super().run(tmp, task_vars)


def misspelt_variables(task: t.Any, task_vars: t.Mapping[str, t.Any]) -> list[str]:
    """A sentence for each. [] for a task that is in no role of this collection.

    task: of an action plugin. Names alone are looked at, and no variable is evaluated.
    """
    role = task._role
    if role is None or not role.get_name().startswith("certops.rotation."):
        return []
    return misspelt(task_vars.keys() - _told(task, task_vars), variables_of_roles(pathlib.Path(role._role_path).parent))


def variables_of_roles(directory: pathlib.Path) -> dict[str, set[str]]:
    """The names of the variables that each role has which the directory holds."""
    specifications = directory.glob("*/meta/argument_specs.yml")
    return {path.parts[-3]: set(_OPTION.findall(path.read_text(encoding="utf-8"))) for path in specifications}


def _told(task: t.Any, task_vars: t.Mapping[str, t.Any]) -> set[str]:
    """What tasks have registered or set, and what the host has told: nobody has misspelt that."""
    manager = task.get_variable_manager()
    results = getattr(manager, "_nonpersistent_fact_cache", {}).get(task_vars.get("inventory_hostname"), {})
    return {*results, *(task_vars.get("ansible_facts") or {})}
