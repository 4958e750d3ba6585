# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t

from ansible.errors import AnsibleFilterError

DOCUMENTATION = r"""
name: _of_inventory
short_description: A variable, unless the host may have made it by a fact
version_added: 1.0.0
author:
  - certops.rotation contributors (@certops)
description:
  - For the roles of this collection alone, where a variable decides what is read on the controller.
positional: _input, facts, host
options:
  _input:
    description: The variable.
    type: raw
    required: true
  facts:
    description: The facts of the host. Those that are named like variables of this collection are refused.
    type: dict
    required: true
  host:
    description: Its name, for the message.
    type: str
    required: true
"""

EXAMPLES = r"""
- name: What is copied from the controller?
  ansible.builtin.debug:
    msg: "{{ certificate_receiver_lineages | certops.rotation._of_inventory(ansible_facts, inventory_hostname) }}"
"""

RETURN = r"""
_value:
  description: The variable as it is.
  type: raw
"""


def of_inventory(value: t.Any, facts: t.Mapping[str, t.Any], host: str) -> t.Any:
    from ansible_collections.certops.rotation.plugins.plugin_utils._host_facts import shadowing_facts

    problem = shadowing_facts(host, {"ansible_facts": facts})
    if problem:
        raise AnsibleFilterError(problem)
    return value


class FilterModule:
    """Jinja2 filters of certops.rotation."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"_of_inventory": of_inventory}
