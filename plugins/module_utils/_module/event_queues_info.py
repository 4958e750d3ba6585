# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""event_queues_info: parameters to names, what is there to the result."""

from __future__ import annotations

import typing as t

from .._flows.events.queues import look_at_queues
from .._ports.aws.event_services import EventServices
from .boundary import module_boundary

if t.TYPE_CHECKING:
    from .aws import AwsModule

ARGUMENT_SPEC: dict[str, dict[str, t.Any]] = {
    "name": {"type": "str", "default": "certificates"},
    "dead_letters": {"type": "int", "default": 0},
}


def run(module: AwsModule) -> None:
    """module: an AwsModule with ARGUMENT_SPEC."""
    with module_boundary(module):
        services = EventServices(module.client, module.retry)
        count = 0 if module.check_mode else module.params["dead_letters"]
        result = look_at_queues(services, services.account(), module.params["name"], count)
        module.exit_json(changed=False, **result, api_calls=services.api_calls)
