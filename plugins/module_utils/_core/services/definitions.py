# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A service that is told of new certificates, and what became of that. Whatever serves: HAProxy is one type of many."""

from __future__ import annotations

import types
import typing as t
from dataclasses import dataclass

ServiceType = t.Literal["systemd", "docker_container", "docker_service", "script", "rc", "haproxy"]


@dataclass(frozen=True)
class ServiceDefinition:
    """One entry of the option ``services``, checked.

    name: unit, container, swarm service, program or init script, "" where filters say which; action: restart, reload,
    signal, update (of a swarm service), run, depending on the type; filters: of Docker's API; signal: for action
    signal; timeout: seconds; lineages: names of those that concern it, () for all; endpoints: of tls_endpoint_info,
    whose handshake has to get the new leaf afterwards; settings: of type haproxy, the rest of its options.
    """

    type: ServiceType
    name: str = ""
    action: str = "restart"
    filters: t.Mapping[str, t.Sequence[str]] = types.MappingProxyType({})
    signal: str = ""
    timeout: float = 60
    lineages: tuple[str, ...] = ()
    endpoints: tuple[t.Mapping[str, t.Any], ...] = ()
    settings: t.Mapping[str, t.Any] = types.MappingProxyType({})

    @property
    def title(self) -> str:
        """For reports: ``systemd nginx.service``."""
        return f"{self.type} {self.name}".strip()


class Service(t.Protocol):
    """One way to tell a service. Raises ServiceError, within about the definition's timeout."""

    def activate(self) -> str:
        """Returns what it printed, without secrets."""


@dataclass(frozen=True)
class ServiceOutcome:
    """service: title; outcome: ran, failed, pending (its delay is not over), unchanged (nothing that concerns it);
    message: why it failed, or what it printed; wrong: lineages of which an endpoint did not show the new leaf;
    proven: those of which all did."""

    service: str
    outcome: t.Literal["ran", "failed", "pending", "unchanged"]
    message: str = ""
    wrong: tuple[str, ...] = ()
    proven: tuple[str, ...] = ()
