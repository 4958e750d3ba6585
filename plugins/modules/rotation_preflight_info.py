#!/usr/bin/python
# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: rotation_preflight_info
short_description: Is this host ready for a rotation of its certificates?
version_added: 1.0.0
author:
  - certops.rotation contributors (@certops)
description:
  - Looks for everything that the role P(certops.rotation.haproxy_certificates#role) needs on a host, and names all that
    is missing in one message that says what to do. To who calls a role, the message names the role's variables in the
    place of options.
  - It only looks. HAProxy is not connected to, and AWS is not asked.
  - In check mode it warns instead of failing, because an earlier task of the play may be what provides the missing
    things.
options:
  path:
    description: Directory of the certificates. It or its parent must exist and be writable.
    type: path
    required: true
  layout:
    description: Layout of the files. HAProxy loads V(haproxy) only.
    type: str
    choices: [haproxy, lineage, split]
    default: haproxy
  libraries:
    description: Python libraries that must be installed for the interpreter that runs this module, and recent enough.
    type: list
    elements: str
    choices:
      - acme
      - boto3
      - botocore
      - cryptography
      - dns-lexicon
      - dnspython
      - idna
      - jmespath
      - prometheus_client
      - pyOpenSSL
      - sqlalchemy
    default: []
extends_documentation_fragment:
  - certops.rotation.attributes
  - certops.rotation.attributes.info_module
  - certops.rotation.haproxy_host
seealso:
  - module: certops.rotation.certificate_sync
"""

EXAMPLES = r"""
- name: Is all there?
  certops.rotation.rotation_preflight_info:
    path: /etc/haproxy/certs
    libraries:
      - boto3
      - botocore
      - cryptography
    socket: /run/haproxy/admin.sock
    reload_methods:
      - systemd
    config:
      - /etc/haproxy/haproxy.cfg
"""

RETURN = r"""
checked_at:
  description: When it looked, in seconds since 1970 by the clock of this host.
  returned: always
  type: float
  sample: 1798761600.25
checks:
  description: What was looked at.
  returned: always
  type: list
  elements: dict
  contains:
    name:
      description: What was looked at.
      type: str
      sample: socket
    ok:
      description: Whether it is as it should be.
      type: bool
    required:
      description: Whether the rotation can do nothing without it. Other problems are warnings.
      type: bool
    problem:
      description: What is wrong and what to do. Empty when all is well.
      type: str
      sample: ""
"""

from ansible_collections.certops.rotation.plugins.module_utils._module.guarded import GuardedModule
from ansible_collections.certops.rotation.plugins.module_utils._module.rotation_preflight_info import ARGUMENT_SPEC, run


def main() -> None:
    run(GuardedModule(argument_spec=ARGUMENT_SPEC, supports_check_mode=True))


if __name__ == "__main__":
    main()
