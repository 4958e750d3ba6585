# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t

from ansible.errors import AnsibleFilterError

DOCUMENTATION = r"""
name: inventory_endpoints
short_description: The endpoints of hosts in the inventory
version_added: 1.0.0
author:
  - certops.rotation contributors (@certops)
description:
  - Makes endpoints of hosts, as M(certops.rotation.endpoint_registry) takes them. A host is an endpoint by its
    C(ansible_host), or else its name, unless a variable of it lists its endpoints.
  - Of a host and port that several hosts have in common, the first one counts.
positional: _input, hostvars
options:
  _input:
    description: Names of hosts, for example C(groups.web).
    type: list
    elements: str
    required: true
  hostvars:
    description: The variables of all hosts, C(hostvars).
    type: dict
    required: true
  variable:
    description:
      - The variable in which a host has its endpoints. A list of texts C(host:port), numbers of ports, and
        dictionaries, in which C(host) is the host itself by default, and C(name) its name in the inventory. An empty
        list means none.
    type: str
    default: tls_endpoints
  port:
    description: The port of hosts without that variable. V(0) for none, so that only hosts with the variable count.
    type: int
    default: 443
  tags:
    description: Tags of all of them.
    type: dict
    default: {}
seealso:
  - module: certops.rotation.endpoint_registry
"""

EXAMPLES = r"""
# host_vars/mail.example.com.yml:
#   tls_endpoints:
#     - 993
#     - port: 25
#       starttls: smtp
- name: Watch what the inventory has
  certops.rotation.endpoint_registry:
    endpoints: "{{ groups.all | certops.rotation.inventory_endpoints(hostvars, tags={'from': 'inventory'}) }}"
  delegate_to: localhost
  run_once: true
"""

RETURN = r"""
_value:
  description: The endpoints.
  type: list
  elements: dict
"""


def inventory_endpoints(
    hosts: t.Any,
    hostvars: t.Any,
    variable: str = "tls_endpoints",
    port: t.Any = 443,
    tags: t.Any = None,
) -> list[dict[str, t.Any]]:
    from ansible_collections.certops.rotation.plugins.module_utils._core.watch.inventory import (
        HostEntry,
        endpoints_of_inventory,
    )
    from ansible_collections.certops.rotation.plugins.module_utils._core.watch.reading import endpoint_fields, read_tags
    from ansible_collections.certops.rotation.plugins.module_utils._errors import RotationError
    from ansible_collections.certops.rotation.plugins.module_utils._ports.tls.starttls import PROTOCOLS

    if not isinstance(hosts, (list, tuple)) or not isinstance(hostvars, t.Mapping):
        raise AnsibleFilterError("inventory_endpoints needs names of hosts, such as groups.all, and hostvars.")
    entries = []
    for name in hosts:
        if name not in hostvars:
            raise AnsibleFilterError(f"{name} is no host of the inventory.")
        variables = hostvars[name]
        entries.append(HostEntry(str(name), variables.get("ansible_host"), variables.get(variable)))
    try:
        found = endpoints_of_inventory(entries, variable, port, PROTOCOLS, read_tags(tags))
    except RotationError as error:
        raise AnsibleFilterError(error.message) from None
    return [endpoint_fields(endpoint) for endpoint in found]


class FilterModule:
    """Jinja2 filters of certops.rotation."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"inventory_endpoints": inventory_endpoints}
