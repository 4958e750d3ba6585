# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""endpoint_registry: which endpoints are watched."""

from __future__ import annotations

import typing as t
from datetime import datetime, timezone

from .._core.watch.registering import given_deployments, given_hosts, registry_diff
from .._errors import InvalidOption, RotationError
from .._flows.watch.importing import given_import_file
from .._flows.watch.registering import Registration, register
from .boundary import module_boundary
from .options import duration_option
from .registry_options import DATABASE_OPTIONS, opened_registry

ARGUMENT_SPEC: dict[str, dict[str, t.Any]] = {
    **DATABASE_OPTIONS,
    "endpoints": {"type": "list", "elements": "raw", "default": []},
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    "prune": {"type": "bool", "default": False},
    "import_files": {"type": "list", "elements": "raw", "default": []},
    "deployments": {"type": "list", "elements": "dict"},
    "retention": {"type": "str"},
}


def run(module: t.Any) -> None:
    """module: a GuardedModule with ARGUMENT_SPEC."""
    with module_boundary(module):
        params, now = module.params, datetime.now(timezone.utc).replace(microsecond=0)
        wanted = _wanted(params, now)
        report = register(opened_registry(module), wanted, now, check=module.check_mode)
        for warning in report.warnings:
            module.warn(warning)
        result = report.as_result()
        if module._diff:
            result["diff"] = registry_diff(report.changes)
        failure = report.failure()
        if failure:
            raise RotationError(failure, **result)
        module.exit_json(**result)


def _wanted(params: t.Mapping[str, t.Any], now: datetime) -> Registration:
    """Raises InvalidOption."""
    absent = params["state"] == "absent"
    if absent and params["prune"]:
        raise InvalidOption("prune keeps what is given and removes the rest, which state=absent contradicts.")
    retention = duration_option(params, "retention") if params["retention"] else None
    if retention is not None and not retention:
        raise InvalidOption("retention: 0 would forget all that is not open. Write a duration such as 1d.")
    deployments = params["deployments"]
    return Registration(
        endpoints=params["endpoints"],
        files=[given_import_file(entry) for entry in params["import_files"]],
        absent=absent,
        prune=params["prune"],
        deployments=None if deployments is None else given_deployments(deployments, now),
        hosts=given_hosts(deployments or []),
        retention=retention,
    )
