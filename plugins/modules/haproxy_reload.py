#!/usr/bin/python
# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: haproxy_reload
short_description: Reload HAProxy and know the result
version_added: 1.0.0
author:
  - certops.rotation contributors (@certops)
description:
  - Checks the configuration first, reloads HAProxy, and waits until it is known whether a new worker serves.
  - When the check or the reload fails, the module fails with HAProxy's startup log, and the old worker keeps serving.
  - A new worker that ends as soon as it is started (no chroot directory, for instance) takes HAProxy with it. The
    module fails and says so.
  - HAProxy must run in master-worker mode.
requirements:
  - HAProxy >= 2.5 in master-worker mode
options:
  method:
    description:
      - How to reload.
      - V(master) asks HAProxy's master process over its socket. Since HAProxy 2.7 it answers with the result and the
        startup log. For older versions the result is read from C(show proc), which gives no log.
      - V(systemd) runs C(systemctl reload). The unit proves the syntax of the configuration only, so the result is
        read from the unit's processes, where a new worker must appear and stay. With O(socket) a failure is known
        sooner.
    type: str
    choices: [master, systemd]
    required: true
  socket:
    description:
      - Address of the master's socket (option C(-S) of HAProxy or C(master-socket)), a path or V(host:port).
      - Required for O(method=master).
    type: str
  unit:
    description: The unit for O(method=systemd).
    type: str
    default: haproxy
  check_config:
    description:
      - Whether to check the configuration with C(haproxy -c) before the reload. An invalid one is then not even tried.
      - The check runs without the environment of the service. Set this to V(false) for a configuration that needs
        variables from there.
    type: bool
    default: true
  config:
    description: The configuration files or directories, in the order of HAProxy's options C(-f).
    type: list
    elements: path
    default: [/etc/haproxy/haproxy.cfg]
  executable:
    description: The program that checks the configuration, a path or a name.
    type: str
    default: haproxy
  timeout:
    description: Seconds to wait for the check, and again for the reload.
    type: float
    default: 90
extends_documentation_fragment:
  - certops.rotation.attributes
  - certops.rotation.attributes.actiongroup_haproxy
attributes:
  check_mode:
    support: full
    details:
      - The configuration is checked, nothing is reloaded.
  diff_mode:
    support: none
  idempotent:
    support: none
    details:
      - Every run reloads. Use it in a handler or behind a condition.
seealso:
  - module: certops.rotation.haproxy_certificate
"""

EXAMPLES = r"""
- name: Reload through the master process
  certops.rotation.haproxy_reload:
    method: master
    socket: /run/haproxy-master.sock

- name: Reload the systemd unit
  certops.rotation.haproxy_reload:
    method: systemd
    unit: haproxy
    socket: /run/haproxy-master.sock
    config:
      - /etc/haproxy/haproxy.cfg
      - /etc/haproxy/conf.d
"""

RETURN = r"""
reloaded:
  description: Whether HAProxy was reloaded and a new worker serves. Always V(false) in check mode and on failure.
  returned: always
  type: bool
log:
  description:
    - What the check and HAProxy's startup said. May be empty.
    - When a reload through systemd failed, what systemctl said and the unit's journal since then.
  returned: always
  type: str
method:
  description: The method used.
  returned: always
  type: str
  sample: master
worker_pid_before:
  description: Process id of the worker before the reload.
  returned: success
  type: int
worker_pid_after:
  description: Process id of the worker after the reload. In check mode that of the present one.
  returned: success
  type: int
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.certops.rotation.plugins.module_utils._module.haproxy_reload import run

ARGUMENT_SPEC = {
    "method": {"type": "str", "choices": ["master", "systemd"], "required": True},
    "socket": {"type": "str"},
    "unit": {"type": "str", "default": "haproxy"},
    "check_config": {"type": "bool", "default": True},
    "config": {"type": "list", "elements": "path", "default": ["/etc/haproxy/haproxy.cfg"]},
    "executable": {"type": "str", "default": "haproxy"},
    "timeout": {"type": "float", "default": 90},
}


def main() -> None:
    run(
        AnsibleModule(
            argument_spec=ARGUMENT_SPEC,
            required_if=[("method", "master", ["socket"])],
            supports_check_mode=True,
        )
    )


if __name__ == "__main__":
    main()
