# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t

DOCUMENTATION = r"""
name: _monitor_report
short_description: What a run of the role endpoint_monitor tells, and what it fails for
version_added: 1.0.0
author:
  - certops.rotation contributors (@certops)
description:
  - For the role P(certops.rotation.endpoint_monitor#role) alone.
positional: _input, plan, predicted
options:
  _input:
    description: Results of its tasks, by name.
    type: dict
    required: true
  plan:
    description: What it does, by the filter P(certops.rotation._endpoint_monitor#filter).
    type: dict
    required: true
  predicted:
    description: Whether nothing was written.
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: Tell
  ansible.builtin.debug:
    msg: "{{ (results | certops.rotation._monitor_report(plan)).lines }}"
"""

RETURN = r"""
_value:
  description: Sentences, C(lines) that are told, C(undelivered) about receivers, and C(failures).
  type: dict
"""


def _reported(
    results: t.Mapping[str, t.Mapping[str, t.Any]], plan: t.Mapping[str, t.Any], predicted: bool = False
) -> dict[str, list[str]]:
    from ansible_collections.certops.rotation.plugins.module_utils._core.watch.monitor_report import monitor_report

    return monitor_report(plan, results, predicted)


class FilterModule:
    """Jinja2 filters of certops.rotation."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"_monitor_report": _reported}
