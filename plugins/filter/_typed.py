# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t

from ansible.errors import AnsibleFilterError

if t.TYPE_CHECKING:
    from ansible_collections.certops.rotation.plugins.plugin_utils._typed import Kind

DOCUMENTATION = r"""
name: _typed
short_description: A variable as the type that it means
version_added: 1.0.0
author:
  - certops.rotation contributors (@certops)
description:
  - For the roles and playbooks of this collection alone.
  - From C(-e x=...), from INI files and from surveys all variables come as text. What means the wanted type is
    converted, other text is refused.
positional: _input, kind, name
options:
  _input:
    description: The variable.
    type: raw
    required: true
  kind:
    description: What it is to be. V(batches) is for the keyword C(serial) of a play.
    type: str
    choices: [str, bool, int, list, dict, percentage, batches]
    required: true
  name:
    description: Name of the variable, for the message.
    type: str
    required: true
"""

EXAMPLES = r"""
- name: Is it to be forced?
  ansible.builtin.debug:
    msg: "{{ shared_ca_force | certops.rotation._typed('bool', 'shared_ca_force') }}"
"""

RETURN = r"""
_value:
  description: The variable as what it is to be.
  type: raw
"""


def typed(value: t.Any, kind: Kind, name: str) -> t.Any:
    from ansible_collections.certops.rotation.plugins.plugin_utils._typed import typed as converted

    try:
        return converted(value, kind, name)
    except ValueError as error:
        raise AnsibleFilterError(str(error)) from None


class FilterModule:
    """Jinja2 filters of certops.rotation."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"_typed": typed}
