# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A service that is told of new certificates, and what became of that. Whatever serves: HAProxy is one type of many."""

from __future__ import annotations

import json
import types
import typing as t
from dataclasses import dataclass, field

ServiceType = t.Literal["systemd", "docker_container", "docker_service", "script", "rc", "haproxy"]

#: What can be done with a service of each type; the first is what is done if nothing is said.
SERVICE_ACTIONS: t.Final[t.Mapping[ServiceType, tuple[str, ...]]] = types.MappingProxyType(
    {
        "systemd": ("restart", "reload"),
        "docker_container": ("restart", "signal"),
        "docker_service": ("update",),
        "script": ("run",),
        "rc": ("restart", "reload"),
        "haproxy": ("update",),
    }
)


@dataclass(frozen=True)
class ServiceDefinition:
    """One entry of the option ``services``, checked.

    name: unit, container, swarm service, program or init script, "" where filters say which, and for haproxy; action:
    restart, reload, signal, update (of a swarm service, or HAProxy's memory), run, depending on the type; filters: of
    Docker's API; signal: for action signal, without SIG; arguments: of a script; timeout: seconds; on_missing: whether
    there being no such service is an error ("fail") or no reason to tell it ("skip"); lineages: names of those that
    concern it, () for all; endpoints: of tls_endpoint_info, whose handshake has to get the new leaf afterwards;
    prove_within: seconds in which an endpoint may come to answer rightly; settings: the rest, of one type alone:
    docker_host, ca_path, client_cert and client_key of Docker's, rotation of haproxy's (a HaproxySettings).
    """

    type: ServiceType
    name: str = ""
    action: str = "restart"
    filters: t.Mapping[str, t.Sequence[str]] = field(default_factory=dict)
    signal: str = ""
    timeout: float = 60
    lineages: tuple[str, ...] = ()
    endpoints: tuple[t.Mapping[str, t.Any], ...] = ()
    settings: t.Mapping[str, t.Any] = field(default_factory=dict)
    arguments: tuple[str, ...] = ()
    on_missing: t.Literal["fail", "skip"] = "fail"
    prove_within: float = 15

    @property
    def title(self) -> str:
        """For reports: ``systemd nginx.service``."""
        filters = ",".join(f"{name}={value}" for name, values in self.filters.items() for value in values)
        return " ".join(filter(None, (self.type, self.name, filters)))

    @property
    def key(self) -> str:
        """What is done, and to what: by this it is remembered that it has been done. Not how it is proven."""
        filters = {name: sorted(values) for name, values in self.filters.items()}
        parts = [self.type, self.name, self.action, self.signal, filters, list(self.arguments)]
        place = self.settings.get("docker_host") or self.settings.get("path") or ""
        return json.dumps([*parts, place], sort_keys=True)

    def concerns(self, lineage: str) -> bool:
        """Whether it is told of this lineage."""
        return not self.lineages or lineage in self.lineages


class Activation(t.NamedTuple):
    """What came of telling a service. output: what it printed, as it came: whoever reports it shortens it, and takes
    keys out of it; proven, unasked: lineages that it has looked after itself, as in a ServiceOutcome; error: why it
    could not be told."""

    output: str = ""
    proven: tuple[str, ...] = ()
    unasked: tuple[str, ...] = ()
    error: str = ""


class Service(t.Protocol):
    """One way to tell a service."""

    def activate(self) -> Activation:
        """Within about the definition's timeout. Raises RotationError; in its details log, what was printed, and
        wrong, proven and unasked, lineages as in a ServiceOutcome."""


@dataclass(frozen=True)
class LiveLineage:
    """A lineage that is live on this host. name: of its directory; fingerprint_sha256: of its leaf, lower-case hex;
    subject_alternative_names: the leaf's; path: absolute, of the directory (or the link to it) with the four files;
    """

    name: str
    fingerprint_sha256: str
    subject_alternative_names: tuple[str, ...]
    path: str


@dataclass(frozen=True)
class ServiceOutcome:
    """service: title; outcome: ran, failed, pending (its delay is not over), unchanged (nothing that concerns it);
    message: why it failed, or what it printed; wrong: lineages of which an endpoint did not show the new leaf, though
    the service was told, or that are not served any more since it ran; proven: those of which all did; unasked: those
    of which an endpoint could not be asked, or nobody knows what it should show, or the service could not be told;
    lineages: those that it was to be told of; told: those that it has been told of, as far as it says; key: see
    ServiceDefinition; complaint: of the message what anybody may read, so nothing that the service printed or logged.
    """

    service: str
    outcome: t.Literal["ran", "failed", "pending", "unchanged"]
    message: str = ""
    wrong: tuple[str, ...] = ()
    proven: tuple[str, ...] = ()
    unasked: tuple[str, ...] = ()
    lineages: tuple[str, ...] = ()
    told: tuple[str, ...] = ()
    key: str = ""
    complaint: str = ""

    def as_result(self) -> dict[str, t.Any]:
        """For a module's result."""
        names = ("wrong", "proven", "unasked", "lineages")
        lists = {name: list(getattr(self, name)) for name in names}
        return {"service": self.service, "outcome": self.outcome, "message": self.message, **lists}
