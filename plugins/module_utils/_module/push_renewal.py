# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""push_renewal: parameters to a schedule and a command, how it ended to the result."""

from __future__ import annotations

import typing as t
from datetime import datetime, timezone

from .._core.push.renew_schedule import renew_command, renew_schedule
from .._errors import InvalidOption, RotationError
from .._flows.push_renewal import renew_when_due
from .boundary import module_boundary
from .screening import holds_private_key

ARGUMENT_SPEC: dict[str, dict[str, t.Any]] = {
    "renew_exec": {"type": "str", "default": "certbot"},
    "renew_args": {"type": "list", "elements": "str", "default": ["renew"]},
    "renew_every": {"type": "int", "default": 1},
    "renew_unit": {"type": "str", "default": "day"},
    "renew_at": {"type": "str", "default": ""},
    "renew_timeout": {"type": "int", "default": 3600},
    "stamp": {"type": "path", "default": "/var/lib/certops-push.last-renewal"},
    "force": {"type": "bool", "default": False},
}
_MOST_OUTPUT: t.Final = 16384  # characters, of the end, where programs say what was wrong


def run(module: t.Any) -> None:
    """module: an AnsibleModule with ARGUMENT_SPEC."""
    with module_boundary(module):
        params = module.params
        if params["renew_timeout"] < 1:
            raise InvalidOption("renew_timeout is to be a number of seconds greater than 0.")
        done = renew_when_due(
            renew_schedule(params["renew_every"], params["renew_unit"], params["renew_at"]),
            renew_command(params["renew_exec"], params["renew_args"]),
            timeout=params["renew_timeout"],
            stamp=params["stamp"],
            now=datetime.now(timezone.utc).astimezone(),
            force=params["force"],
            check=module.check_mode,
        )
        for warning in done.warnings:
            module.warn(warning)
        output = done.output[-_MOST_OUTPUT:]
        if holds_private_key(done.output):
            output = "It is not shown, for there is a private key in it."
        result = {"ran": done.ran, "exit_code": done.returncode, "output": output, "last": done.last}
        if done.error:
            raise RotationError(done.error, changed=True, **result)
        module.exit_json(changed=done.ran, **result)
