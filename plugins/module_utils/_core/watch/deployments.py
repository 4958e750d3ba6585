# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the fleet has deployed, from its own records, held against what its endpoints serve. Pure."""

from __future__ import annotations

import collections
import dataclasses
import typing as t
from datetime import datetime

from ..._errors import InvalidOption
from ..instants import isoformat_utc
from ..text import listed
from .endpoints import WatchedEndpoint
from .events import WatchSeverity
from .reading import read_endpoint_key
from .registry import EndpointView, FleetDeployment
from .sightings import AddressState

#: Words of rotation_status_info for the layers of a FleetDeployment.
_LAYERS: t.Final = {"source": "source", "disk": "file", "memory": "memory", "wire": "wire"}

#: ``not_served``: an endpoint serves none of the certificates that are deployed for it; ``not_managed``: what it serves
#: is deployed nowhere; ``layers_differ``: the host's own record says that one of its layers has another certificate,
#: or none; ``not_watched``: no endpoint of the registry should serve it; ``record_outdated``: the endpoint changed
#: after the record was read, which tells nothing of it any more.
DeploymentFindingKind = t.Literal["not_served", "not_managed", "layers_differ", "not_watched", "record_outdated"]
_SEVERITIES: t.Final[t.Mapping[DeploymentFindingKind, WatchSeverity]] = {
    "not_served": "critical",
    "layers_differ": "warning",
    "not_managed": "info",
    "not_watched": "info",
    "record_outdated": "info",
}


@dataclasses.dataclass(frozen=True)
class DeploymentFinding:
    """One thing in which record and wire do not agree.

    hosts, certificates: those of the record, empty for what no record has. endpoint, address, seen: what was asked and
    the SHA-256 of what it served, None where that is not the matter. expected: SHA-256 of what should be there.
    """

    kind: DeploymentFindingKind
    message: str
    hosts: tuple[str, ...] = ()
    certificates: tuple[str, ...] = ()
    endpoint: tuple[str, int] | None = None
    address: str | None = None
    expected: tuple[str, ...] = ()
    seen: str | None = None

    @property
    def severity(self) -> WatchSeverity:
        return _SEVERITIES[self.kind]


def deployments_of_status(
    host: str, status: t.Mapping[str, t.Any], discovery: t.Mapping[str, t.Any], at: datetime
) -> list[FleetDeployment]:
    """status: result of rotation_status_info on the host; discovery: of endpoint_discovery_info there, or empty.

    Which endpoints should serve a certificate is known from its file, which discovery has found in HAProxy's
    configuration or memory. Raises InvalidOption when these are no such results.
    """
    certificates = status.get("certificates")
    if not isinstance(certificates, list):
        raise InvalidOption(f"{host}: it is no result of rotation_status_info, which has certificates.")
    serving: dict[str, dict[tuple[str, int], None]] = collections.defaultdict(dict)
    for found in discovery.get("certificates") or ():
        keys = (read_endpoint_key(text) for text in found.get("expected_at") or ())
        serving[str(found.get("fingerprint_sha256"))].update(dict.fromkeys(keys))
    return [
        FleetDeployment(
            host=host,
            certificate=str(entry.get("name")),
            layers=_layers(entry),
            endpoints=tuple(serving.get(str(entry.get("fingerprint_sha256")), ())),
            at=at,
        )
        for entry in certificates
    ]


def _layers(entry: t.Mapping[str, t.Any]) -> dict[str, str | None]:
    fingerprint = entry.get("fingerprint_sha256") or ""
    known: dict[str, str | None] = {"ok": str(fingerprint), "differs": "", "absent": None}
    verdicts = entry.get("layers") or {}
    return {
        layer: known[verdicts[word]] for word, layer in _LAYERS.items() if verdicts.get(word) in known
    }  # of the others nobody knows


def told_deployments(
    host: str, status: t.Mapping[str, t.Any], discovery: t.Mapping[str, t.Any], at: datetime
) -> list[dict[str, t.Any]]:
    """The same as the option deployments of endpoint_registry takes it, which a host that has none is told by, too."""
    found = deployments_of_status(host, status, discovery, at)
    return [deployment_fields(deployment) for deployment in found] or [{"host": host}]


def deployment_fields(deployment: FleetDeployment) -> dict[str, t.Any]:
    """As the option deployments of endpoint_registry has it."""
    return {
        "host": deployment.host,
        "certificate": deployment.certificate,
        "layers": dict(deployment.layers),
        "endpoints": [str(WatchedEndpoint("", *key)) for key in deployment.endpoints],
        "at": isoformat_utc(deployment.at),
    }


class DeployedFor:
    """What of the fleet's deployments an endpoint should serve: those for its host and port, or else those with a
    wildcard that covers its name."""

    def __init__(self, deployments: t.Iterable[FleetDeployment]) -> None:
        self._by_key: dict[tuple[str, int], list[FleetDeployment]] = collections.defaultdict(list)
        for deployment in deployments:
            for key in deployment.endpoints:
                self._by_key[key].append(deployment)

    def endpoint(self, host: str, port: int, server_name: str | None = None) -> t.Sequence[FleetDeployment]:
        """server_name: what it is asked for, where that is not its host."""
        _label, dot, rest = (server_name or host).partition(".")
        return self._by_key.get((host, port), []) or self._by_key.get((f"*{dot}{rest}", port), [])


def hold_against_wire(
    deployments: t.Iterable[FleetDeployment], views: t.Iterable[EndpointView]
) -> list[DeploymentFinding]:
    """In which record and wire do not agree, worst first. Without any record nothing is compared.

    Several certificates of one endpoint (of two key types, or of several hosts behind it) are all right there. An
    endpoint that does not answer, and one that was not asked since the record was read, says nothing.
    """
    known = list(deployments)
    if not known:
        return []
    deployed = {fingerprint for each in known for fingerprint in each.layers.values() if fingerprint}
    wanted = DeployedFor(known)
    found: list[DeploymentFinding] = []
    watched: set[int] = set()
    for view in views:
        endpoint = view.endpoint
        own = wanted.endpoint(endpoint.host, endpoint.port, endpoint.server_name)
        watched.update(map(id, own))
        found += _of_endpoint(view, own, deployed)
    for deployment in known:
        found += _of_record(deployment, is_watched=id(deployment) in watched)
    order = list(_SEVERITIES)
    return sorted(found, key=lambda finding: order.index(finding.kind))


def _of_endpoint(
    view: EndpointView, deployments: t.Sequence[FleetDeployment], deployed: t.Collection[str]
) -> t.Iterator[DeploymentFinding]:
    judged = [(each, expected) for each in deployments for expected in [_expected(each)] if expected]
    accepted = tuple(dict.fromkeys(expected for _each, expected in judged))
    for state in view.states:
        seen = state.fingerprint_sha256
        if not view.endpoint.enabled or state.reach != "served" or seen is None or seen in accepted:
            continue
        key, where = view.endpoint.key, _named(view.endpoint, state)
        if not judged:
            if seen not in deployed:
                text = f"{where} serves {_short(seen)}, which no host of the fleet has deployed."
                yield DeploymentFinding("not_managed", text, (), (), key, state.address, (), seen)
            continue
        hosts = tuple(dict.fromkeys(each.host for each, _expected_one in judged))
        names = tuple(dict.fromkeys(each.certificate for each, _expected_one in judged))
        asked_since = all(state.last_seen >= each.at for each, _expected_one in judged)
        # One that was not watched before the record was read has not changed: it is seen for the first time.
        changed_since = any(state.since > each.at > view.added for each, _expected_one in judged)
        if changed_since:
            text = (
                f"{where} serves another certificate since {isoformat_utc(state.since)}, and the"
                f" record of {listed(hosts)} is older: read it again."
            )
            yield DeploymentFinding("record_outdated", text, hosts, names, key, state.address, accepted, seen)
        elif asked_since:
            text = (
                f"{where} serves {_short(seen)}, and {listed(names)} was deployed for it on"
                f" {listed(hosts)} ({', '.join(map(_short, accepted))}): see that the service has been told, and what"
                " else may answer there."
            )
            yield DeploymentFinding("not_served", text, hosts, names, key, state.address, accepted, seen)


def _of_record(deployment: FleetDeployment, *, is_watched: bool) -> t.Iterator[DeploymentFinding]:
    about = ((deployment.host,), (deployment.certificate,))
    expected = _expected(deployment)
    odd = [layer for layer, seen in deployment.layers.items() if not seen or seen != (expected or seen)]
    if odd:
        text = (
            f"{deployment.certificate} on {deployment.host}: {' and '.join(odd)} has another one than what was"
            " deployed, or none. The playbook status tells more."
        )
        yield DeploymentFinding("layers_differ", text, *about, expected=(expected,) if expected else ())
    if not is_watched:
        text = f"{deployment.certificate} on {deployment.host}: no endpoint that is watched should serve it."
        yield DeploymentFinding("not_watched", text, *about, expected=(expected,) if expected else ())


def _expected(deployment: FleetDeployment) -> str:
    """What should be served: what lies in the file. "" when that is not known."""
    return deployment.layers.get("file") or ""


def _named(endpoint: WatchedEndpoint, state: AddressState) -> str:
    where = f" at {state.address}" if state.address and state.address != endpoint.host else ""
    named = f"{endpoint.name} ({endpoint})" if endpoint.name != endpoint.host else str(endpoint)
    return f"{named}{where}"


def _short(fingerprint: str) -> str:
    return f"{fingerprint[:16]}..."
