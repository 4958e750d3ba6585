# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Check HAProxy's configuration, reload in the way that was asked for, and know the result."""

from __future__ import annotations

import typing as t

from .._errors import InvalidOption, RotationError
from .._services.master import MasterReloader
from .._services.programs import check_configuration
from .._services.reloader import Reloader
from .._services.systemd import SystemdReloader
from .boundary import module_boundary


def run(module: t.Any) -> None:
    """The module haproxy_reload."""
    params = module.params
    with module_boundary(module):
        reloader = _reloader(params)
        try:
            log = ""
            if params["check_config"]:
                log = check_configuration(params["executable"], params["config"], params["timeout"])
            if module.check_mode:
                pid = reloader.worker_pid()
                module.exit_json(
                    changed=True,
                    reloaded=False,
                    log=log,
                    method=params["method"],
                    worker_pid_before=pid,
                    worker_pid_after=pid,
                )
            result = reloader.reload()
        except RotationError as error:
            error.details = {"log": "", **error.details, "reloaded": False, "method": params["method"]}
            raise
        module.exit_json(
            changed=True,
            reloaded=True,
            log="\n".join(part for part in (log, result.log) if part),
            method=params["method"],
            worker_pid_before=result.worker_pid_before,
            worker_pid_after=result.worker_pid_after,
        )


def _reloader(params: t.Mapping[str, t.Any]) -> Reloader:
    """The strategy for the method; one line for each."""
    timeout = params["timeout"]
    master = MasterReloader(params["socket"], timeout) if params["socket"] else None
    if params["method"] == "systemd":
        return SystemdReloader(params["unit"], timeout, master)
    if master is None:
        raise InvalidOption("The method master needs socket, the address of HAProxy's master socket.")
    return master
