# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t

from ansible.errors import AnsibleFilterError

DOCUMENTATION = r"""
name: _rotation_schedule
short_description: What the role rotation_schedule installs on a host
version_added: 1.0.0
author:
  - certops.rotation contributors (@certops)
description:
  - For the role P(certops.rotation.rotation_schedule#role) alone.
positional: _input, has_systemd
options:
  _input:
    description: The variables of the role, without its prefix. Text that means another type becomes it.
    type: dict
    required: true
  has_systemd:
    description: Whether the host was booted with systemd.
    type: bool
    required: true
"""

EXAMPLES = r"""
- name: Which programs does the host need?
  ansible.builtin.debug:
    msg: "{{ (variables | certops.rotation._rotation_schedule(true)).programs }}"
"""

RETURN = r"""
_value:
  description: The variables as they are decided, and names, paths, commands and units that follow from them.
  type: dict
"""


def rotation_schedule(variables: t.Mapping[str, t.Any], has_systemd: bool) -> dict[str, t.Any]:
    from ansible_collections.certops.rotation.plugins.module_utils._core.schedule import Schedule
    from ansible_collections.certops.rotation.plugins.module_utils._core.schedule_settings import Settings
    from ansible_collections.certops.rotation.plugins.plugin_utils._typed import typed_fields

    try:
        settings = Settings(**typed_fields(Settings, variables, "rotation_schedule_"))
    except ValueError as error:
        raise AnsibleFilterError(str(error)) from None
    return Schedule(settings, has_systemd=has_systemd).as_dict()


class FilterModule:
    """Jinja2 filters of certops.rotation."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"_rotation_schedule": rotation_schedule}
