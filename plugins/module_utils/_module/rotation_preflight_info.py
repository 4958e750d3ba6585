# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""rotation_preflight_info: parameters to the checks, what is missing to the result."""

from __future__ import annotations

import time
import typing as t

from .._flows.preflight import in_check_mode, not_ready, preflight
from .._ports.host.libraries import MINIMUM_VERSIONS
from .boundary import module_boundary
from .haproxy_options import BINARY_OPTION, DOCKER_HOST_OPTION, LAYOUT_OPTION, RELOAD_METHODS
from .masking import mask_in_url

ARGUMENT_SPEC: dict[str, dict[str, t.Any]] = {
    "path": {"type": "path", "required": True},
    "layout": LAYOUT_OPTION,
    "libraries": {"type": "list", "elements": "str", "choices": sorted(MINIMUM_VERSIONS), "default": []},
    "activate": {"type": "bool", "default": True},
    "prove": {"type": "bool", "default": True},
    "socket": {"type": "str"},
    "reload_methods": {"type": "list", "elements": "str", "choices": [*RELOAD_METHODS], "default": []},
    "master_socket": {"type": "str"},
    "container": {"type": "str"},
    "docker_host": DOCKER_HOST_OPTION,
    "pid_file": {"type": "path"},
    "reload_url": {"type": "str", "no_log": True},
    "check_config": {"type": "bool", "default": True},
    "binary": BINARY_OPTION,
    "config": {"type": "list", "elements": "path", "default": []},
    "binds": {"type": "list", "elements": "str", "default": []},
}


def run(module: t.Any) -> None:
    """module: an AnsibleModule with ARGUMENT_SPEC."""
    for option in ("docker_host", "reload_url"):
        mask_in_url(module, option)
    with module_boundary(module):
        checked_at = time.time()
        checks = preflight(module.params)
        result = {"changed": False, "checked_at": checked_at, "checks": [check.as_result() for check in checks]}
        for check in checks:
            if check.problem and not check.required:
                module.warn(str(check))
        message = not_ready(checks)
        if message and not module.check_mode:
            module.fail_json(msg=message, **result)
        if message:
            module.warn(in_check_mode(message))
        module.exit_json(**result)
