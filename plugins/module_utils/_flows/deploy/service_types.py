# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What tells a service of each type."""

from __future__ import annotations

import os
import typing as t

from ..._core.services.definitions import LiveLineage, Service, ServiceDefinition
from ..._ports.reload.docker import DockerEngine
from ..._ports.reload.http import client_context
from ..._ports.services.docker import DockerContainers, SwarmServices
from ..._ports.services.script import InitScript, ScriptService
from ..._ports.services.systemd import SystemdUnit
from .haproxy_service import HaproxyService


def make_service(definition: ServiceDefinition, names: t.Sequence[str], live: t.Sequence[LiveLineage]) -> Service:
    """names: of the lineages that it is told of; live: all that are. Raises InvalidOption."""
    return _MAKERS[definition.type](definition, names, live)


def _systemd(definition: ServiceDefinition, _names: t.Sequence[str], _live: t.Sequence[LiveLineage]) -> Service:
    return SystemdUnit(definition.name, definition.action, definition.timeout)


def _script(definition: ServiceDefinition, names: t.Sequence[str], live: t.Sequence[LiveLineage]) -> Service:
    paths = [each.path for each in live if each.name in names]
    # Neither can hold a space or a colon, but for the directory, which its administrator names.
    environment = {"CERTOPS_LINEAGES": " ".join(names), "CERTOPS_LINEAGE_PATHS": os.pathsep.join(paths)}
    return ScriptService(definition.name, definition.arguments, definition.timeout, environment)


def _rc(definition: ServiceDefinition, _names: t.Sequence[str], _live: t.Sequence[LiveLineage]) -> Service:
    return InitScript(definition.name, definition.action, definition.timeout)


def _engine(definition: ServiceDefinition) -> DockerEngine:
    settings = definition.settings
    address = str(settings["docker_host"])
    tls = None
    if address.startswith("https:"):
        tls = client_context(settings.get("ca_path"), settings.get("client_cert"), settings.get("client_key"))
    return DockerEngine(address, definition.timeout, tls)


def _docker_container(
    definition: ServiceDefinition, _names: t.Sequence[str], _live: t.Sequence[LiveLineage]
) -> Service:
    return DockerContainers(
        _engine(definition),
        definition.name,
        definition.filters,
        definition.action,
        definition.signal,
        definition.timeout,
    )


def _docker_service(definition: ServiceDefinition, _names: t.Sequence[str], _live: t.Sequence[LiveLineage]) -> Service:
    return SwarmServices(_engine(definition), definition.name, definition.filters, definition.timeout)


def _haproxy(definition: ServiceDefinition, _names: t.Sequence[str], live: t.Sequence[LiveLineage]) -> Service:
    return HaproxyService(definition.settings["rotation"], [each for each in live if definition.concerns(each.name)])


_Maker = t.Callable[[ServiceDefinition, t.Sequence[str], t.Sequence[LiveLineage]], Service]
_MAKERS: t.Final[dict[str, _Maker]] = {
    "systemd": _systemd,
    "script": _script,
    "rc": _rc,
    "docker_container": _docker_container,
    "docker_service": _docker_service,
    "haproxy": _haproxy,
}
