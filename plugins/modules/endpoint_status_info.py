#!/usr/bin/python
# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: endpoint_status_info
short_description: Are all watched TLS endpoints as they should be?
version_added: 1.0.0
author:
  - certops.rotation contributors (@certops)
description:
  - Tells from the registry which endpoints serve what has expired or ends soon, cannot be reached or are not trusted,
    when the last scan was, and which events have not got to their receivers.
  - It only looks, connects to no endpoint, and does not fail for what it finds. The playbook C(certops.rotation.status)
    does.
options:
  names:
    description: Only endpoints of these names. All when empty.
    type: list
    elements: str
    default: []
  hosts:
    description: Only endpoints of these hosts. All when empty.
    type: list
    elements: str
    default: []
  tags:
    description: Only endpoints that have all of these tags.
    type: dict
    default: {}
  receivers:
    description: Receivers of M(certops.rotation.endpoint_events) whose events are counted.
    type: list
    elements: str
    default: []
  expiring_within:
    description:
      - How long before its end a certificate is told to be expiring, for example V(30d). Of several the longest counts.
      - When empty, from the time on when it should be renewed, by its lifetime.
    type: list
    elements: str
    default: []
  unreachable_after:
    description: Scans in a row without a certificate that are an error. Fewer are a warning.
    type: int
    default: 2
  max_age:
    description:
      - How old the last scan, and an event that has not got to its receiver, may be, for example V(1d). Any age when
        absent.
    type: str
extends_documentation_fragment:
  - certops.rotation.attributes
  - certops.rotation.attributes.info_module
  - certops.rotation.endpoint_database
seealso:
  - module: certops.rotation.endpoint_registry_info
  - module: certops.rotation.endpoint_dashboard
"""

EXAMPLES = r"""
- name: Look at all endpoints
  certops.rotation.endpoint_status_info:
    max_age: 1d
    receivers: [chat]
  register: watched

- name: Show it, and fail when it is not healthy
  ansible.builtin.assert:
    that: watched.healthy
    success_msg: "{{ watched.msg.splitlines() }}"
    fail_msg: "{{ watched.msg }}"
"""

RETURN = r"""
healthy:
  description: Whether there is no problem of severity V(error).
  returned: success
  type: bool
problems:
  description:
    - What is wrong, or noteworthy.
    - The worst first, at most a hundred of single addresses.
  returned: success
  type: list
  elements: dict
  contains:
    code:
      description:
        - Stable code of the problem.
        - Errors are V(expired), V(untrusted), V(no_endpoints), V(never_scanned), V(last_scan_too_old),
          V(time_in_future) where no other scan is known, V(unreachable) from O(unreachable_after) scans on, and
          V(undelivered) for longer than O(max_age).
        - Warnings are V(expiring), V(unseen) for what no scan has asked yet, V(unread) for a certificate without dates
          that can be read, and V(unreachable) and V(undelivered) otherwise.
      type: str
    severity:
      description: V(error) or V(warning).
      type: str
    message:
      description: What is wrong and what to do.
      type: str
more_problems:
  description: How many more problems there are. All of those that are not listed are of single addresses.
  returned: success
  type: int
  sample: 0
conditions:
  description: Number of addresses by the worst that holds.
  returned: success
  type: dict
  sample: {expired: 0, unreachable: 1, untrusted: 0, expiring: 2, unread: 0, unseen: 0, good: 9}
last_scan_at:
  description: When an endpoint was last asked, ISO 8601 in UTC. V(null) when none was.
  returned: success
  type: str
  sample: "2026-11-26T12:00:00Z"
msg:
  description: All of it as a table for people.
  returned: success
  type: str
"""

from ansible_collections.certops.rotation.plugins.module_utils._module.endpoint_status_info import ARGUMENT_SPEC, run
from ansible_collections.certops.rotation.plugins.module_utils._module.guarded import GuardedModule


def main() -> None:
    run(GuardedModule(argument_spec=ARGUMENT_SPEC, supports_check_mode=True))


if __name__ == "__main__":
    main()
