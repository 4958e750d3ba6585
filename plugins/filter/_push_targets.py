# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t

from ansible.errors import AnsibleFilterError

DOCUMENTATION = r"""
name: _push_targets
short_description: The targets that the inventory has
version_added: 1.0.0
author:
  - certops.rotation contributors (@certops)
description:
  - For the role P(certops.rotation.certificate_push#role) alone.
positional: _input, hostvars, defaults
options:
  _input:
    description: Names of the hosts that get lineages.
    type: list
    elements: str
    required: true
  hostvars:
    description: The variables of all hosts.
    type: dict
    required: true
  defaults:
    description: What a target has that does not say otherwise.
    type: dict
    default: {}
"""

EXAMPLES = r"""
- name: Who gets something?
  ansible.builtin.debug:
    msg: "{{ groups['certificate_receivers'] | certops.rotation._push_targets(hostvars) | map(attribute='name') }}"
"""

RETURN = r"""
_value:
  description: As the option targets of certificate_push.
  type: list
  elements: dict
"""


def push_targets(
    names: t.Sequence[str], hostvars: t.Mapping[str, t.Mapping[str, t.Any]], defaults: t.Any = None
) -> list[dict[str, t.Any]]:
    from ansible_collections.certops.rotation.plugins.module_utils._core.push.pusher import (
        KNOWN_OF_HOSTS,
        group_targets,
    )
    from ansible_collections.certops.rotation.plugins.plugin_utils._host_facts import shadowing_facts
    from ansible_collections.certops.rotation.plugins.plugin_utils._typed import typed

    hosts = {
        str(name): {known: hostvars[name][known] for known in KNOWN_OF_HOSTS if known in hostvars[name]}
        for name in names
    }
    # Each is about itself, and this task about another host: no action of ours has looked at these.
    problems = [problem for name, known in hosts.items() if (problem := shadowing_facts(name, known))]
    if problems:
        raise AnsibleFilterError("\n".join(problems))
    try:
        return group_targets(hosts, typed(defaults, "dict", "certificate_push_target_defaults"))
    except ValueError as error:
        raise AnsibleFilterError(str(error)) from None


class FilterModule:
    """Jinja2 filters of certops.rotation."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"_push_targets": push_targets}
