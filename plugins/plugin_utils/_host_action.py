# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The controller's side of every module: what a host answers is data, and decides nothing on the controller."""

from __future__ import annotations

import re
import typing as t

from ansible.errors import AnsibleActionFail
from ansible_collections.certops.rotation.plugins.module_utils._core.text import each_text, harmless
from ansible_collections.certops.rotation.plugins.plugin_utils._host_facts import shadowing_facts
from ansible_collections.certops.rotation.plugins.plugin_utils._key_keeping import KeyKeepingAction

# Keys by which a result tells Ansible's controller to do something. No module of this collection has one of them.
_ORDERS = ("ansible_facts", "ansible_stats", "add_host", "add_group")
# Found by Ansible itself when it looks for a Python on the host.
_INTERPRETER = re.compile(r"discovered_interpreter_\w+")
# How messages of the modules mark an option.
_OPTION = re.compile(r"\boption ([a-z_]+)\b")
# Options that roles take together, in one variable.
_OF_AWS = ("access_key", "endpoint_url", "profile", "region", "secret_key", "session_token")


class HostAction(KeyKeepingAction):
    """Runs the module of the task's name on its host."""

    #: Option -> what the role's variable for it is called behind the role's name, where that is another word.
    variables: t.ClassVar[t.Mapping[str, str]] = {}

    def run(self, tmp: t.Any = None, task_vars: t.Any = None) -> dict[str, t.Any]:
        refuse_facts(task_vars or {})
        return self.presentable(super().run(tmp, task_vars))

    def presentable(self, result: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
        """What the host has answered, as data, and in the words of who calls the module: a role has variables."""
        role = self._task._role
        if role is None:
            return as_data(result)
        name, defaults = role.get_name(include_role_fqcn=False), role.get_default_vars()
        return in_words_of_role(as_data(result), name, defaults, self.variables)


def refuse_facts(task_vars: t.Mapping[str, t.Any]) -> None:
    """Raises AnsibleActionFail where a fact of the host takes the place of a variable of ours."""
    problem = shadowing_facts(task_vars.get("inventory_hostname"), task_vars)
    if problem:
        raise AnsibleActionFail(problem)


def in_words_of_role(
    result: dict[str, t.Any], role: str, variables: t.Container[str], others: t.Mapping[str, str] | None = None
) -> dict[str, t.Any]:
    """Where a module says "option socket", the role's user reads haproxy_certificates_socket.

    variables: of the role; others: option -> end of the variable's name, where it is not the option. What the role has
    no variable for stays as it is.
    """

    def variable(option: re.Match[str]) -> str:
        name = f"{role}_{(others or {}).get(option[1], option[1])}"
        if name in variables:
            return name
        return f"{role}_aws.{option[1]}" if option[1] in _OF_AWS and f"{role}_aws" in variables else option[0]

    return dict(each_text(result, lambda text: _OPTION.sub(variable, text)))


def as_data(result: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    """Without what tells the controller to do something, and without characters that a terminal obeys."""
    facts = result.get("ansible_facts") or {}
    found = {name: value for name, value in facts.items() if _INTERPRETER.fullmatch(name)}
    kept = {key: value for key, value in result.items() if key not in _ORDERS}
    return {**harmless(kept), **({"ansible_facts": found} if found else {})}
