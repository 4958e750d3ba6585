# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""All that the dashboard and its JSON tell, from the views of the registry. Pure; time is an argument.

What is empty, false or not known is left out, so that ten thousand endpoints stay small. Texts of certificates and
servers are made harmless here once (see _core.text), for people, terminals and browsers.
"""

from __future__ import annotations

import collections
import dataclasses
import typing as t
from datetime import datetime, timedelta

from ..instants import CLOCK_SKEW, is_ahead, isoformat_utc
from ..text import harmless
from .deployments import DeployedFor, DeploymentFinding, hold_against_wire
from .events import WatchEvent
from .policy import WatchPolicy
from .registry import EndpointView, FleetDeployment, HistoryEntry
from .sightings import AddressState, SeenCertificate, Sighting
from .urgency import ENDPOINT_CONDITIONS, UrgentStanding, address_urgencies, endpoint_urgency

FORMAT: t.Final = 1
#: Keys of the document that say no more than when it was made.
MOMENT: t.Final = ("generated",)
_Facts = dict[str, t.Any]


@dataclasses.dataclass(frozen=True)
class DashboardSettings:
    """title: of the page; history: intervals of one endpoint that are shown, the newest ones; max_age: how old the last
    scan may be before the page says that it is out of date. whole: all endpoints of the registry are told, so that what
    none of them serves is served by none.
    """

    title: str = "Certificates"
    history: int = 50
    max_age: timedelta = timedelta(hours=26)
    policy: WatchPolicy = dataclasses.field(default_factory=WatchPolicy)
    whole: bool = True


def dashboard_document(
    views: t.Iterable[EndpointView],
    events: t.Iterable[WatchEvent],
    deployments: t.Sequence[FleetDeployment],
    settings: DashboardSettings,
    now: datetime,
) -> dict[str, t.Any]:
    """JSON values only. views: with their history; events: newest first."""
    certificates: dict[str, _Facts] = {}
    endpoints: list[_Facts] = []
    served: dict[tuple[str, int], set[str | None]] = {}

    def passing() -> t.Iterator[EndpointView]:
        for view in views:
            endpoints.append(_endpoint(view, settings, now))
            _collect(certificates, view, endpoints[-1])
            served[view.endpoint.key] = {state.fingerprint_sha256 for state in view.states if state.reach == "served"}
            yield view

    deployments = [dataclasses.replace(each, at=now) if is_ahead(each.at, now) else each for each in deployments]
    if deployments:
        held = _HeldAgainstWire(deployments, hold_against_wire(deployments, passing()))
    else:
        collections.deque(passing(), maxlen=0)
        held = _HeldAgainstWire((), ())
    for endpoint in endpoints:
        key = (endpoint["host"], endpoint["port"])
        endpoint.update(held.of_endpoint(key, endpoint.get("server_name"), served[key], endpoint["condition"]))
    counts = collections.Counter(endpoint["condition"] for endpoint in endpoints)
    urgencies = collections.Counter(endpoint["urgency"] for endpoint in endpoints)
    latest = isoformat_utc(now + CLOCK_SKEW)
    document = {
        "kind": "watch",
        "format": FORMAT,
        "title": settings.title,
        "generated": isoformat_utc(now),
        # What lies in the future was noted by a clock that was wrong, and would make all look fresh until then.
        "scanned": max(
            (each["last_seen"] for each in endpoints if each.get("last_seen", latest) < latest), default=None
        ),
        "max_age_seconds": int(settings.max_age.total_seconds()),
        "summary": {
            "endpoints": len(endpoints),
            "critical": urgencies["critical"],
            "warning": urgencies["warning"],
            "conditions": {condition: counts[condition] for condition in ENDPOINT_CONDITIONS},
        },
        "endpoints": endpoints,
        "certificates": certificates,
        "events": [_event(event) for event in events],
        "unwatched": held.unwatched() if settings.whole else [],
    }
    return t.cast("dict[str, t.Any]", harmless(document))


# -- endpoints ----------------------------------------------------------------------------------------------------


def _endpoint(view: EndpointView, settings: DashboardSettings, now: datetime) -> _Facts:
    endpoint = view.endpoint
    seen = {(each.address, each.sighting.key_type): each.sighting for each in view.history if each.is_open}
    urgencies = address_urgencies(view, settings.policy, now)
    whole = endpoint_urgency(view, urgencies)
    return _known(
        id=str(endpoint),
        name=endpoint.name,
        host=endpoint.host,
        port=endpoint.port,
        server_name=endpoint.server_name,
        starttls=endpoint.starttls,
        address=endpoint.address,
        proxy_protocol=endpoint.proxy_protocol,
        tags=dict(endpoint.tags),
        added=view.added,
        condition=whole.condition,
        urgency=whole.urgency,
        why=whole.why,
        ends=whole.ends,
        notice=whole.notice,
        urgent=whole.urgent,
        last_seen=max((state.last_seen for state in view.states), default=None),
        addresses=[
            _address(state, seen.get((state.address, state.key_type)), urgency)
            for state, urgency in zip(view.states, urgencies)
        ],
        history=[_interval(entry) for entry in view.history[: settings.history]],
        older=max(len(view.history) - settings.history, 0),
    )


def _address(state: AddressState, sighting: Sighting | None, standing: UrgentStanding) -> _Facts:
    return _known(
        address=state.address,
        key_type=_asked(state.key_type),
        condition=standing.condition,
        urgency=standing.urgency,
        why=standing.why,
        ends=standing.ends,
        since=state.since,
        last_seen=state.last_seen,
        failures=state.failures,
        certificate=state.fingerprint_sha256,
        trusted=state.trusted,
        trust_error=state.trust_error,
        error=state.error,
        **_facts_of(sighting),
    )


def _interval(entry: HistoryEntry) -> _Facts:
    leaf = entry.sighting.leaf
    return _known(
        address=entry.address,
        key_type=_asked(entry.sighting.key_type),
        since=entry.since,
        until=entry.until,
        open=entry.is_open,
        certificate=leaf.fingerprint_sha256 if leaf else None,
        error=entry.sighting.error,
        trust_error=entry.sighting.trust_error,
    )


def _asked(key_type: str) -> str | None:
    return None if key_type == "any" else key_type


def _facts_of(sighting: Sighting | None) -> _Facts:
    if sighting is None:
        return {}
    return {
        "chain": [each.fingerprint_sha256 for each in sighting.chain],
        "chain_notes": list(sighting.chain_notes),
        "protocol": sighting.protocol,
        "cipher": sighting.cipher,
        "staple": sighting.staple,
    }


# -- deployments --------------------------------------------------------------------------------------------------


class _HeldAgainstWire:
    """What is deployed beside what is served. findings: those of hold_against_wire."""

    def __init__(self, deployments: t.Sequence[FleetDeployment], findings: t.Sequence[DeploymentFinding]) -> None:
        self._deployed = DeployedFor(deployments)
        self._found: dict[tuple[str, tuple[str, int] | None], list[DeploymentFinding]] = collections.defaultdict(list)
        for finding in findings:
            self._found[finding.kind, finding.endpoint].append(finding)
        self._differing = {
            (host, name): finding.message
            for finding in self._found["layers_differ", None]
            for host in finding.hosts
            for name in finding.certificates
        }

    def of_endpoint(
        self, key: tuple[str, int], server_name: str | None, served: t.Collection[str | None], condition: str
    ) -> _Facts:
        """What of the endpoint's facts follows from deployments, in place of what they were."""
        wrong = self._found["not_served", key]
        facts = _known(
            deployments=[
                self._deployment(each, served, bool(wrong)) for each in self._deployed.endpoint(*key, server_name)
            ],
            unmanaged=bool(self._found["not_managed", key]),
            outdated=bool(self._found["record_outdated", key]),
            unserved=bool(wrong),
        )
        if wrong and condition not in ("expired", "paused"):
            facts.update(condition="unserved", urgency="critical", why=wrong[0].message)
        return facts

    def unwatched(self) -> list[_Facts]:
        return [
            {"host": host, "certificate": name}
            for finding in self._found["not_watched", None]
            for host in finding.hosts
            for name in finding.certificates
        ]

    def _deployment(self, deployment: FleetDeployment, served: t.Collection[str | None], is_wrong: bool) -> _Facts:
        expected = deployment.layers.get("file")
        return _known(
            host=deployment.host,
            certificate=deployment.certificate,
            layers=dict(deployment.layers),
            at=deployment.at,
            # Of several certificates of one endpoint, one is enough: the others are for other names.
            verdict="served" if expected and expected in served else "differs" if is_wrong else "unknown",
            why=self._differing.get((deployment.host, deployment.certificate)),
        )


# -- the rest -----------------------------------------------------------------------------------------------------


def _collect(certificates: dict[str, _Facts], view: EndpointView, endpoint: _Facts) -> None:
    """What the endpoint's facts name, and no more: what is older than the history shown is not told."""
    named = {address.get("certificate") for address in endpoint.get("addresses", ())}
    named.update(each for address in endpoint.get("addresses", ()) for each in address.get("chain", ()))
    named.update(entry.get("certificate") for entry in endpoint.get("history", ()))
    for fingerprint in named:
        certificate = view.certificates.get(fingerprint or "")
        if certificate and fingerprint not in certificates:
            certificates[certificate.fingerprint_sha256] = _certificate(certificate)


def _certificate(certificate: SeenCertificate) -> _Facts:
    return _known(
        subject=certificate.subject,
        issuer=certificate.issuer,
        names=list(certificate.subject_alternative_names),
        not_before=certificate.not_before,
        not_after=certificate.not_after,
        key_type=certificate.key_type,
        serial_number=certificate.serial_number,
        sha1=certificate.fingerprint_sha1,
        md5=certificate.fingerprint_md5,
        odd=certificate.odd,
    )


def _event(event: WatchEvent) -> _Facts:
    endpoint = f"[{event.host}]:{event.port}" if ":" in event.host else f"{event.host}:{event.port}"
    return _known(
        id=event.id,
        kind=event.kind,
        severity=event.severity,
        at=event.at,
        endpoint=endpoint,
        name=event.name,
        address=event.address,
        message=event.message,
    )


def _known(**facts: t.Any) -> _Facts:
    """Without what is empty or not known. What is empty or false stays where it says something: trusted, and that no
    server name is sent."""
    return {
        name: isoformat_utc(value) if isinstance(value, datetime) else value
        for name, value in facts.items()
        if not (value is None or value == "" or value == [] or value == {} or value == 0)
        or (name == "trusted" and value is False)
        or (name == "server_name" and value == "")
    }
