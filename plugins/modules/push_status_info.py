#!/usr/bin/python
# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: push_status_info
short_description: Is anything still owed to hosts, given up, or forgotten?
version_added: 1.0.0
author:
  - certops.rotation contributors (@certops)
description:
  - Tells what M(certops.rotation.certificate_push) owes to which hosts, for how long and why, what it has given up, and
    what is wrong with the lineages or with the queue.
  - What is owed is computed from the lineages on disk, so that also what no run has looked at yet is told.
  - It only looks, connects to no host, and does not fail for what it finds. The playbook C(certops.rotation.status)
    does.
options:
  queue:
    description: Directory of the queue.
    type: path
    default: /var/lib/certops-push
  lineages:
    description: Directory with a directory for each lineage, as certbot keeps it.
    type: path
    default: /etc/letsencrypt/live
  max_age:
    description:
      - How long a host may be owed something, and how old the last run that ended well may be, for example V(1d). Any
        time when absent.
      - A run of M(certops.rotation.certificate_push) for all hosts that ends well touches a file in the queue. Before
        the first one, the last run is known by O(success_files) only.
    type: str
  success_files:
    description:
      - Files that are touched after each run that ended well, as the role P(certops.rotation.rotation_schedule#role)
        does. The newest one tells when that was. Those that do not exist tell nothing.
    type: list
    elements: path
    default: []
extends_documentation_fragment:
  - certops.rotation.attributes
  - certops.rotation.attributes.info_module
  - certops.rotation.push_targets
notes:
  - The options O(private_key_file), O(passphrase), O(retries) and O(retry_interval) have no effect. They are there so
    that all options that M(certops.rotation.certificate_push) shares can be given.
requirements:
  - cryptography >= 42.0
seealso:
  - module: certops.rotation.certificate_push
  - module: certops.rotation.push_queue_info
"""

EXAMPLES = r"""
- name: Look what is owed
  certops.rotation.push_status_info:
    targets: "{{ push_targets }}"
    max_age: 1d
  register: pushes

- name: Show it, and fail when it is not healthy
  ansible.builtin.assert:
    that: pushes.healthy
    success_msg: "{{ pushes.msg.splitlines() }}"
    fail_msg: "{{ pushes.msg }}"
"""

RETURN = r"""
healthy:
  description: Whether there is no problem of severity V(error).
  returned: success
  type: bool
problems:
  description: What is wrong, or noteworthy.
  returned: success
  type: list
  elements: dict
  contains:
    code:
      description:
        - Stable code of the problem.
        - Errors are V(given_up), V(lineage_unreadable), V(lineage_expired), V(no_targets), V(never_succeeded),
          V(last_success_too_old), V(time_in_future) where no other success is known, and V(owed) for what is
          owed for longer than O(max_age).
        - Warnings are V(owed) otherwise, V(not_queued) for what no run has looked at yet, V(not_a_target) for what is
          in the queue and wanted by no target, V(no_lineage) for targets that get nothing, V(queue_damaged), and
          V(not_woken) where a hook has asked for a run that has not come.
      type: str
    severity:
      description: V(error) or V(warning).
      type: str
    message:
      description: What is wrong and what to do.
      type: str
msg:
  description: All of it as a table for people.
  returned: success
  type: str
last_success_at:
  description: When a run last ended well, ISO 8601 in UTC. V(null) when that is not known.
  returned: success
  type: str
hosts:
  description: The targets, and hosts that are none any more and have something in the queue.
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description: Name of the host.
      type: str
    confirmed:
      description: Number of lineages that it has confirmed, in the version that is on disk.
      type: int
    owed:
      description: Number of those that it is owed.
      type: int
    given_up:
      description: Number of those that are not pushed to it any more.
      type: int
    being_pushed:
      description: Whether a run is at it just now.
      type: bool
"""

from ansible_collections.certops.rotation.plugins.module_utils._module.guarded import GuardedModule
from ansible_collections.certops.rotation.plugins.module_utils._module.push_status_info import ARGUMENT_SPEC, run


def main() -> None:
    run(GuardedModule(argument_spec=ARGUMENT_SPEC, supports_check_mode=True))


if __name__ == "__main__":
    main()
