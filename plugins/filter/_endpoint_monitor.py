# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t
from datetime import datetime, timezone

from ansible.errors import AnsibleFilterError

DOCUMENTATION = r"""
name: _endpoint_monitor
short_description: What the role endpoint_monitor does
version_added: 1.0.0
author:
  - certops.rotation contributors (@certops)
description:
  - For the role P(certops.rotation.endpoint_monitor#role) alone.
positional: _input, hostvars, registered
options:
  _input:
    description: The variables of the role, without its prefix. Text that means another type becomes it.
    type: dict
    required: true
  hostvars:
    description: The variables of all hosts, of which some have said what they serve.
    type: dict
    required: true
  registered:
    description: In check mode, what M(certops.rotation.endpoint_registry) would have done.
    type: dict
    default: {}
"""

EXAMPLES = r"""
- name: Show what is to be watched
  ansible.builtin.debug:
    msg: "{{ (settings | certops.rotation._endpoint_monitor(hostvars)).wanted }}"
"""

RETURN = r"""
_value:
  description: The settings, and what follows from them.
  type: dict
"""


def endpoint_monitor(
    variables: t.Mapping[str, t.Any],
    hostvars: t.Mapping[str, t.Mapping[str, t.Any]],
    registered: t.Mapping[str, t.Any] | None = None,
) -> dict[str, t.Any]:
    from ansible_collections.certops.rotation.plugins.module_utils._core.watch.monitor import (
        MonitorPlan,
        MonitorSettings,
    )
    from ansible_collections.certops.rotation.plugins.module_utils._ports.tls.starttls import PROTOCOLS
    from ansible_collections.certops.rotation.plugins.plugin_utils._typed import typed_fields

    try:
        settings = MonitorSettings(**typed_fields(MonitorSettings, variables, "endpoint_monitor_"))
    except ValueError as error:
        raise AnsibleFilterError(str(error)) from None
    known = {host: hostvars[host] for host in settings.discover if host in hostvars}
    found = {host: _said(known.get(host, {}), "endpoint_monitor_found") for host in settings.discover}
    statuses = {host: _said(variables, "haproxy_certificates_status") for host, variables in known.items()}
    told = {host: status for host, status in statuses.items() if status is not None}
    now = datetime.now(timezone.utc)
    return MonitorPlan(settings, found, told, now, registered=registered, protocols=PROTOCOLS).as_dict()


def _said(known: t.Mapping[str, t.Any], name: str) -> t.Mapping[str, t.Any] | None:
    """What a task has registered on the host."""
    said = known.get(name)
    return said if isinstance(said, t.Mapping) else None


class FilterModule:
    """Jinja2 filters of certops.rotation."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"_endpoint_monitor": endpoint_monitor}
