# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t

DOCUMENTATION = r"""
name: _shared_ca_summary
short_description: What became of a shared authority and of a host's server certificate
version_added: 1.0.0
author:
  - certops.rotation contributors (@certops)
description:
  - For the role P(certops.rotation.shared_ca#role) alone.
positional: _input, created
options:
  _input:
    description: Result of M(certops.rotation.shared_ca_member).
    type: dict
    required: true
  created:
    description: Result of M(certops.rotation.shared_ca), or an empty dictionary.
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Tell what became of each part
  ansible.builtin.debug:
    msg: "{{ member | certops.rotation._shared_ca_summary(created) }}"
"""

RETURN = r"""
_value:
  description: A line for each part and each problem.
  type: list
  elements: str
"""


def told(*arguments: t.Any) -> t.Any:
    from ansible_collections.certops.rotation.plugins.module_utils._core.shared_ca.summary import summary

    return summary(*arguments)


class FilterModule:
    """Jinja2 filters of certops.rotation."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"_shared_ca_summary": told}
