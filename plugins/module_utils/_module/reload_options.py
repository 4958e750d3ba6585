# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The ways to reload HAProxy, made from options that several modules share."""

from __future__ import annotations

import ssl
import typing as t

from .._errors import InvalidOption
from .._ports.reload.docker import ContainerTarget, DockerEngine
from .._ports.reload.http import HttpReloader, ReloadEndpoint, client_context
from .._ports.reload.master import MasterReloader
from .._ports.reload.pid_file import PidFileTarget
from .._ports.reload.reloader import Reloader
from .._ports.reload.signalled import SignalReloader
from .._ports.reload.systemd import SystemdReloader
from .haproxy_options import DOCKER_HOST, SERVICE


class ReloadOptions(t.NamedTuple):
    """As the options of haproxy_reload. socket: of HAProxy's master, where the result of any method is learned."""

    timeout: float
    socket: str | None = None
    service: str = SERVICE
    container: str | None = None
    docker_host: str = DOCKER_HOST
    pid_file: str | None = None
    signal: str | None = None
    url: str | None = None
    headers: t.Mapping[str, t.Any] = {}
    username: str | None = None
    password: str | None = None
    status_code: t.Sequence[int] = (200,)
    url_timeout: float = 30
    ca_path: str | None = None
    client_cert: str | None = None
    client_key: str | None = None


def reloader_of(method: str, options: ReloadOptions) -> Reloader:
    """Raises InvalidOption when the method needs what is not given."""
    master = MasterReloader(options.socket, options.timeout) if options.socket else None
    return _STRATEGIES[method](options, master)


def _master(_options: ReloadOptions, master: MasterReloader | None) -> Reloader:
    if master is None:
        raise InvalidOption("The method master needs socket, the address of HAProxy's master socket.")
    return master


def _systemd(options: ReloadOptions, master: MasterReloader | None) -> Reloader:
    return SystemdReloader(options.service, options.timeout, master)


def _docker(options: ReloadOptions, master: MasterReloader | None) -> Reloader:
    container = _given(options.container, "The method docker needs container, the name of HAProxy's container.")
    engine = DockerEngine(options.docker_host, options.timeout, _client_context(options))
    target = ContainerTarget(engine, container, options.signal or "HUP")
    return SignalReloader(target, options.timeout, master)


def _signal(options: ReloadOptions, master: MasterReloader | None) -> Reloader:
    pid_file = _given(options.pid_file, "The method signal needs pid_file, the file after HAProxy's option -p.")
    return SignalReloader(PidFileTarget(pid_file, options.signal or "USR2"), options.timeout, master)


def _http(options: ReloadOptions, master: MasterReloader | None) -> Reloader:
    endpoint = ReloadEndpoint(
        _given(options.url, "The method http needs url, where to post to."),
        {name: str(value) for name, value in options.headers.items()},
        options.username or "",
        options.password or "",
        options.status_code,
        options.url_timeout,
        _client_context(options),
    )
    return HttpReloader(endpoint, master)


def _given(value: str | None, otherwise: str) -> str:
    if not value:
        raise InvalidOption(otherwise)
    return value


def _client_context(options: ReloadOptions) -> ssl.SSLContext:
    return client_context(options.ca_path, options.client_cert, options.client_key)


_STRATEGIES: dict[str, t.Callable[[ReloadOptions, MasterReloader | None], Reloader]] = {
    "master": _master,
    "systemd": _systemd,
    "docker": _docker,
    "http": _http,
    "signal": _signal,
}
