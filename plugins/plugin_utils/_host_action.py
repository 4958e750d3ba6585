# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The controller's side of every module: what a host answers is data, and decides nothing on the controller."""

from __future__ import annotations

import re
import typing as t

from ansible import constants
from ansible.errors import AnsibleActionFail
from ansible_collections.certops.rotation.plugins.module_utils._core.text import harmless, shown
from ansible_collections.certops.rotation.plugins.plugin_utils._key_keeping import KeyKeepingAction

# Keys by which a result tells Ansible's controller to do something. No module of this collection has one of them.
_ORDERS = ("ansible_facts", "ansible_stats", "add_host", "add_group")
# Found by Ansible itself when it looks for a Python on the host.
_INTERPRETER = re.compile(r"discovered_interpreter_\w+")
# Variables of the roles, playbooks and the callback.
_VARIABLES = re.compile(
    r"_*(haproxy_certificates|rotation|shared_ca|rotate_ca)_\w+|rollback_(names|secrets|delegate|versions)|status_max_age"
)
_MOST_NAMED = 5


class HostAction(KeyKeepingAction):
    """Runs the module of the task's name on its host."""

    def run(self, tmp: t.Any = None, task_vars: t.Any = None) -> dict[str, t.Any]:
        refuse_facts(task_vars or {})
        return as_data(super().run(tmp, task_vars))


def refuse_facts(task_vars: t.Mapping[str, t.Any]) -> None:
    """Raises AnsibleActionFail where a fact of the host takes the place of a variable of ours.

    Ansible makes variables of facts unless it is told not to, and those win over the inventory.
    """
    if not constants.INJECT_FACTS_AS_VARS:
        return
    facts = task_vars.get("ansible_facts") or {}
    names = sorted(shown(str(name)) for name in facts if _VARIABLES.fullmatch(str(name)))
    if names:
        more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
        raise AnsibleActionFail(
            f"Host {task_vars.get('inventory_hostname')} sent facts that are named like variables of certops.rotation:"
            f" {', '.join(names[:_MOST_NAMED])}{more}. They would decide in the inventory's place what is done, so"
            " nothing is done. Find out what on the host sends them (or in the cache of facts). With"
            " inject_facts_as_vars=false in ansible.cfg no fact becomes a variable."
        )


def as_data(result: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    """Without what tells the controller to do something, and without characters that a terminal obeys."""
    facts = result.get("ansible_facts") or {}
    found = {name: value for name, value in facts.items() if _INTERPRETER.fullmatch(name)}
    kept = {key: value for key, value in result.items() if key not in _ORDERS}
    return {**harmless(kept), **({"ansible_facts": found} if found else {})}
