#!/usr/bin/python
# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: push_doctor_info
short_description: What keeps certificates from being pushed from this machine?
version_added: 1.0.0
author:
  - certops.rotation contributors (@certops)
description:
  - Looks at all that M(certops.rotation.certificate_push) depends on, which are the lineages, the queue, the private
    keys and the hosts, and says for each what is wrong and what to do.
  - Each host is connected to, by its pinned key and with the key that pushes use, to see whether it lets them in.
    Nothing is sent.
  - It changes nothing, and does not fail for what it finds. The playbook C(certops.rotation.doctor) does.
options:
  queue:
    description: Directory of the queue.
    type: path
    default: /var/lib/certops-push
  lineages:
    description: Directory with a directory for each lineage, as certbot keeps it.
    type: path
    default: /etc/letsencrypt/live
  concurrency:
    description: Number of hosts that are asked at a time.
    type: int
    default: 8
extends_documentation_fragment:
  - certops.rotation.attributes
  - certops.rotation.attributes.info_module
  - certops.rotation.push_targets
notes:
  - The options O(retries) and O(retry_interval) have no effect. They are there so that all options that
    M(certops.rotation.certificate_push) shares can be given.
requirements:
  - cryptography >= 42.0
  - OpenSSH's client (ssh)
seealso:
  - module: certops.rotation.certificate_push
  - module: certops.rotation.push_status_info
"""

EXAMPLES = r"""
- name: Look at everything that pushing depends on
  certops.rotation.push_doctor_info:
    targets: "{{ push_targets }}"
    private_key_file: /etc/certops-push/id_ed25519
  register: doctor

- name: Show every check
  ansible.builtin.debug:
    msg: "{{ doctor.table }}"
"""

RETURN = r"""
ok:
  description: Whether no check has the severity V(error).
  returned: success
  type: bool
checks:
  description: What was looked at. In the order in which to mend it.
  returned: success
  type: list
  elements: dict
  contains:
    check:
      description: What was looked at, with the name of the lineage or host where one is concerned.
      type: str
      sample: host web1
    ok:
      description: Whether all is well.
      type: bool
    severity:
      description: V(ok), V(warning) when pushing works without it, or V(error).
      type: str
      sample: error
    message:
      description: What is wrong and what to do. Where all is well, what was found.
      type: str
table:
  description: The same as lines for people.
  returned: success
  type: list
  elements: str
msg:
  description: What has to be mended, as one text. Empty when nothing has.
  returned: success
  type: str
"""

from ansible_collections.certops.rotation.plugins.module_utils._module.guarded import GuardedModule
from ansible_collections.certops.rotation.plugins.module_utils._module.push_doctor_info import ARGUMENT_SPEC, run


def main() -> None:
    run(GuardedModule(argument_spec=ARGUMENT_SPEC, supports_check_mode=True))


if __name__ == "__main__":
    main()
