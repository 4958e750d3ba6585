# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t

from ansible.errors import AnsibleFilterError

DOCUMENTATION = r"""
name: endpoints_csv
short_description: Endpoints as CSV for a spreadsheet
version_added: 1.0.0
author:
  - certops.rotation contributors (@certops)
description:
  - Writes endpoints as CSV with a header, which O(certops.rotation.endpoint_registry#module:import_files) reads back.
  - What a spreadsheet would take for a formula gets an apostrophe before it, which the import takes away again.
positional: _input
options:
  _input:
    description: Endpoints as the modules M(certops.rotation.endpoint_registry_info) and
      M(certops.rotation.endpoint_discovery_info) return them. Fields that are not an endpoint's own are left out.
    type: list
    elements: raw
    required: true
seealso:
  - module: certops.rotation.endpoint_registry
"""

EXAMPLES = r"""
- name: Get what is registered
  certops.rotation.endpoint_registry_info:
  register: registered

- name: Write it for a spreadsheet
  ansible.builtin.copy:
    content: "{{ registered.endpoints | certops.rotation.endpoints_csv }}"
    dest: endpoints.csv
    mode: "0644"
"""

RETURN = r"""
_value:
  description: The CSV, with a header and a line for each endpoint.
  type: str
"""


def csv_of(endpoints: t.Any) -> str:
    from ansible_collections.certops.rotation.plugins.module_utils._core.watch.endpoints_csv import endpoints_csv
    from ansible_collections.certops.rotation.plugins.module_utils._core.watch.reading import read_endpoint
    from ansible_collections.certops.rotation.plugins.module_utils._errors import RotationError
    from ansible_collections.certops.rotation.plugins.module_utils._ports.tls.starttls import PROTOCOLS

    if not isinstance(endpoints, (list, tuple)):
        raise AnsibleFilterError("endpoints_csv needs a list of endpoints.")
    try:
        return endpoints_csv(
            read_endpoint(entry, PROTOCOLS, beside=entry if isinstance(entry, t.Mapping) else ()) for entry in endpoints
        )
    except RotationError as error:
        raise AnsibleFilterError(error.message) from None


class FilterModule:
    """Jinja2 filters of certops.rotation."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"endpoints_csv": csv_of}
