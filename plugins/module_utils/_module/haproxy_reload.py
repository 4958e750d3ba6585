# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Check HAProxy's configuration, reload in the way that was asked for, and know the result."""

from __future__ import annotations

import ssl
import typing as t

from .._errors import InvalidOption, RotationError
from .._ports.host.programs import check_configuration
from .._ports.reload.docker import ContainerTarget, DockerEngine
from .._ports.reload.http import HttpReloader, ReloadEndpoint, client_context
from .._ports.reload.master import MasterReloader
from .._ports.reload.pid_file import PidFileTarget
from .._ports.reload.reloader import Reloader
from .._ports.reload.signalled import SignalReloader
from .._ports.reload.systemd import SystemdReloader
from .boundary import module_boundary
from .masking import mask_in_url


def run(module: t.Any) -> None:
    """The module haproxy_reload."""
    params = module.params
    for option in ("url", "docker_host"):
        mask_in_url(module, option)
    with module_boundary(module):
        reloader = reloader_of(params)
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


def reloader_of(params: t.Mapping[str, t.Any]) -> Reloader:
    """The strategy for the method."""
    master = MasterReloader(params["socket"], params["timeout"]) if params["socket"] else None
    return _STRATEGIES[params["method"]](params, master)


def _master(_params: t.Mapping[str, t.Any], master: MasterReloader | None) -> Reloader:
    if master is None:
        raise InvalidOption("The method master needs socket, the address of HAProxy's master socket.")
    return master


def _systemd(params: t.Mapping[str, t.Any], master: MasterReloader | None) -> Reloader:
    return SystemdReloader(params["unit"], params["timeout"], master)


def _docker(params: t.Mapping[str, t.Any], master: MasterReloader | None) -> Reloader:
    if not params["container"]:
        raise InvalidOption("The method docker needs container, the name of HAProxy's container.")
    engine = DockerEngine(params["docker_host"], params["timeout"], _client_context(params))
    target = ContainerTarget(engine, params["container"], params["signal"] or "HUP")
    return SignalReloader(target, params["timeout"], master)


def _signal(params: t.Mapping[str, t.Any], master: MasterReloader | None) -> Reloader:
    target = PidFileTarget(params["pid_file"], params["signal"] or "USR2")
    return SignalReloader(target, params["timeout"], master)


def _http(params: t.Mapping[str, t.Any], master: MasterReloader | None) -> Reloader:
    endpoint = ReloadEndpoint(
        params["url"],
        {name: str(value) for name, value in params["headers"].items()},
        params["username"] or "",
        params["password"] or "",
        params["status_code"],
        params["url_timeout"],
        _client_context(params),
    )
    return HttpReloader(endpoint, master)


def _client_context(params: t.Mapping[str, t.Any]) -> ssl.SSLContext:
    return client_context(params["ca_path"], params["client_cert"], params["client_key"])


_STRATEGIES: dict[str, t.Callable[[t.Mapping[str, t.Any], MasterReloader | None], Reloader]] = {
    "master": _master,
    "systemd": _systemd,
    "docker": _docker,
    "http": _http,
    "signal": _signal,
}
