# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t

DOCUMENTATION = r"""
name: _reissue_report
short_description: How far the replacement of many certificates is
version_added: 1.0.0
author:
  - certops.rotation contributors (@certops)
description:
  - For the playbook C(certops.rotation.reissue) alone.
positional: _input, hosts
options:
  _input:
    description: Result of M(certops.rotation.certificate_issue).
    type: dict
    required: true
  hosts:
    description: Results of M(certops.rotation.haproxy_rotation) by host, empty for a host of which nothing is known.
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Tell what is done, proven and still to do
  ansible.builtin.debug:
    msg: "{{ issued | certops.rotation._reissue_report(hosts) }}"
"""

RETURN = r"""
_value:
  description: C(table), lines for people; C(left), names that are not replaced or not proven; C(summary), a sentence.
  type: dict
"""


def reported(*arguments: t.Any) -> t.Any:
    from ansible_collections.certops.rotation.plugins.module_utils._core.acme.reissue_report import reissue_report

    return reissue_report(*arguments)


class FilterModule:
    """Jinja2 filters of certops.rotation."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"_reissue_report": reported}
