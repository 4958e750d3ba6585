# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""rotation_status_info: parameters to where to look, the status to the result."""

from __future__ import annotations

import typing as t
from datetime import datetime, timezone

from .._flows.rotate.settings import ProofSettings
from .._flows.status import StatusSettings, look_at_status
from .._ports.aws.secrets_manager import SecretsManager
from .boundary import module_boundary
from .options import duration_option

if t.TYPE_CHECKING:
    from .aws import AwsModule

ARGUMENT_SPEC: dict[str, dict[str, t.Any]] = {
    "path": {"type": "path", "required": True},
    "max_age": {"type": "str"},
    "success_files": {"type": "list", "elements": "path", "default": []},
    "check_source": {"type": "bool", "default": False},
    "socket": {"type": "str"},
    "master_socket": {"type": "str"},
    "config": {"type": "list", "elements": "path"},
    "environment": {"type": "dict", "default": {}},
    "binds": {"type": "list", "elements": "str"},
    "max_names": {"type": "int"},
    "allow_unreferenced": {"type": "bool", "default": False},
    "on_unproven": {"type": "str", "choices": ["fail", "warn"], "default": "fail"},
    "timeout": {"type": "float", "default": 5.0},
    "concurrency": {"type": "int", "default": 32},
}


def run(module: AwsModule) -> None:
    """module: an AwsModule with ARGUMENT_SPEC."""
    with module_boundary(module):
        params = module.params
        found = look_at_status(
            params["path"],
            _settings(params),
            (lambda: SecretsManager(module.client("secretsmanager"), module.retry)) if params["check_source"] else None,
            datetime.now(timezone.utc),
        )
        if found.warning:
            module.warn(found.warning)
        module.exit_json(changed=False, **found.as_result())


def _settings(params: t.Mapping[str, t.Any]) -> StatusSettings:
    """Raises InvalidOption."""
    listeners = ("environment", "binds", "socket", "max_names", "timeout", "concurrency")
    return StatusSettings(
        # One more question to who does not answer at once: a status is looked at while all is at work.
        ProofSettings(params["config"] or (), retries=1, delay=0.2, **{name: params[name] for name in listeners}),
        params["master_socket"],
        params["success_files"],
        duration_option(params, "max_age") if params["max_age"] else None,
        params["allow_unreferenced"],
        params["on_unproven"] == "warn",
    )
