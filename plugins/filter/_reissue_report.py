# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t
from datetime import datetime, timezone

DOCUMENTATION = r"""
name: _reissue_report
short_description: How far the replacement of many certificates is
version_added: 1.0.0
author:
  - certops.rotation contributors (@certops)
description:
  - For the playbook C(certops.rotation.reissue) alone.
positional: _input, hosts, since, limits, found
options:
  _input:
    description: Result of M(certops.rotation.certificate_issue).
    type: dict
    required: true
  hosts:
    description: Results of M(certops.rotation.haproxy_rotation) by host, empty for a host of which nothing is known.
    type: dict
    required: true
  since:
    description: When the clock of the incident began to run, ISO 8601 in UTC. Now, when it is empty.
    type: str
    default: ""
  limits:
    description: How long it runs, such as V(24h). Without any those of the Baseline Requirements.
    type: list
    elements: str
    default: []
  found:
    description: Result of an earlier look of the same run, before what was staged was promoted.
    type: dict
    default: {}
"""

EXAMPLES = r"""
- name: Tell what is done, proven and still to do
  ansible.builtin.debug:
    msg: "{{ issued | certops.rotation._reissue_report(hosts) }}"
"""

RETURN = r"""
_value:
  description:
    - C(table), lines for people; C(left), names that are not replaced or not proven; C(clock), lines about each limit;
      C(summary), a sentence.
  type: dict
"""


def reported(issued: t.Any, hosts: t.Any, since: t.Any = "", limits: t.Any = (), found: t.Any = None) -> t.Any:
    from ansible.errors import AnsibleFilterError
    from ansible_collections.certops.rotation.plugins.module_utils._core.acme.reissue_clock import read_clock
    from ansible_collections.certops.rotation.plugins.module_utils._core.acme.reissue_report import reissue_report
    from ansible_collections.certops.rotation.plugins.module_utils._errors import RotationError

    try:
        clock = read_clock(since, limits, datetime.now(timezone.utc))
    except RotationError as error:
        raise AnsibleFilterError(error.message) from None
    return reissue_report(issued, hosts, clock, found=found)


class FilterModule:
    """Jinja2 filters of certops.rotation."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"_reissue_report": reported}
