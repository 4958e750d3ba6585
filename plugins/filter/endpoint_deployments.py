# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t
from datetime import datetime, timezone

from ansible.errors import AnsibleFilterError

DOCUMENTATION = r"""
name: endpoint_deployments
short_description: What a host of the fleet has deployed, to be held against its endpoints
version_added: 1.0.0
author:
  - certops.rotation contributors (@certops)
description:
  - Makes of what M(certops.rotation.rotation_status_info) returned on a host what
    O(certops.rotation.endpoint_registry#module:deployments) takes. So a certificate is seen that is deployed and not
    served, and one that is served and not managed.
positional: _input, host, discovery
options:
  _input:
    description: The result of M(certops.rotation.rotation_status_info).
    type: dict
    required: true
  host:
    description: The host's name in the inventory.
    type: str
    required: true
  discovery:
    description:
      - The result of M(certops.rotation.endpoint_discovery_info) on the same host, by which is known where each
        certificate should be served.
    type: dict
    default: {}
  at:
    description: When the status was read, such as V(2027-01-30T00:00:00Z). By default now.
    type: str
seealso:
  - module: certops.rotation.endpoint_registry
  - module: certops.rotation.endpoint_discovery_info
"""

EXAMPLES = r"""
- name: What is deployed here, in all layers?
  certops.rotation.rotation_status_info:
    path: /etc/haproxy/certs
    socket: /run/haproxy/admin.sock
  register: status

- name: Where should it be served?
  certops.rotation.endpoint_discovery_info:
    config: /etc/haproxy/haproxy.cfg
  register: discovered

- name: Remember it beside what the endpoints serve
  certops.rotation.endpoint_registry:
    endpoints: "{{ discovered.endpoints }}"
    deployments: "{{ status | certops.rotation.endpoint_deployments(inventory_hostname, discovered) }}"
  delegate_to: localhost
"""

RETURN = r"""
_value:
  description:
    - For each certificate C(host), C(certificate), C(endpoints), each C(host:port), C(at), and C(layers). These are
      C(source), C(file), C(memory) and C(wire), with the SHA-256 of the certificate there, null for none, empty for
      another one. A layer that was not asked, or did not answer, is left out.
    - Of a host without certificates C(host) alone, so that what was known of it is forgotten.
  type: list
  elements: dict
"""


def endpoint_deployments(
    status: t.Any, host: t.Any, discovery: t.Any = None, at: t.Any = None
) -> list[dict[str, t.Any]]:
    from ansible_collections.certops.rotation.plugins.module_utils._core.instants import parse_isoformat_utc
    from ansible_collections.certops.rotation.plugins.module_utils._core.watch.deployments import told_deployments
    from ansible_collections.certops.rotation.plugins.module_utils._errors import RotationError

    if not isinstance(status, t.Mapping) or not isinstance(discovery or {}, t.Mapping):
        raise AnsibleFilterError(f"{host}: endpoint_deployments needs the results of modules, which are dictionaries.")
    try:
        instant = parse_isoformat_utc(str(at)) if at else datetime.now(timezone.utc)
        return told_deployments(str(host), status, discovery or {}, instant)
    except RotationError as error:
        raise AnsibleFilterError(error.message) from None


class FilterModule:
    """Jinja2 filters of certops.rotation."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"endpoint_deployments": endpoint_deployments}
