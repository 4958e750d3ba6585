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

from ..instants import isoformat_utc
from ..text import harmless
from .events import WatchEvent
from .policy import WatchPolicy
from .registry import EndpointView, FleetDeployment, HistoryEntry
from .sightings import AddressState, SeenCertificate, Sighting
from .urgency import ENDPOINT_CONDITIONS, UrgentStanding, address_urgencies, endpoint_urgency

FORMAT: t.Final = 1
#: Keys of the document that say no more than when it was made.
MOMENT: t.Final = ("generated",)
LAYERS: t.Final = ("source", "file", "memory", "wire")
_Facts = dict[str, t.Any]


@dataclasses.dataclass(frozen=True)
class DashboardSettings:
    """title: of the page; history: intervals of one endpoint that are shown, the newest ones; max_age: how old the last
    scan may be before the page says that it is out of date.
    """

    title: str = "Certificates"
    history: int = 50
    max_age: timedelta = timedelta(hours=26)
    policy: WatchPolicy = dataclasses.field(default_factory=WatchPolicy)


def dashboard_document(
    views: t.Iterable[EndpointView],
    events: t.Iterable[WatchEvent],
    deployments: t.Sequence[FleetDeployment],
    settings: DashboardSettings,
    now: datetime,
) -> dict[str, t.Any]:
    """JSON values only. views: with their history; events: newest first."""
    by_endpoint: dict[tuple[str, int], list[FleetDeployment]] = collections.defaultdict(list)
    for deployment in deployments:
        for key in deployment.endpoints:
            by_endpoint[key].append(deployment)
    certificates: dict[str, _Facts] = {}
    endpoints = []
    watched = set()
    for view in views:
        watched.add(view.endpoint.key)
        endpoints.append(_endpoint(view, by_endpoint[view.endpoint.key], bool(deployments), settings, now))
        _collect(certificates, view, endpoints[-1])
    counts = collections.Counter(endpoint["condition"] for endpoint in endpoints)
    urgencies = collections.Counter(endpoint["urgency"] for endpoint in endpoints)
    document = {
        "kind": "watch",
        "format": FORMAT,
        "title": settings.title,
        "generated": isoformat_utc(now),
        "scanned": max((each["last_seen"] for each in endpoints if "last_seen" in each), default=None),
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
        "unwatched": [_deployment(each, None) for each in deployments if not watched.intersection(each.endpoints)],
    }
    return t.cast("dict[str, t.Any]", harmless(document))


# -- endpoints ----------------------------------------------------------------------------------------------------


def _endpoint(
    view: EndpointView,
    deployments: t.Sequence[FleetDeployment],
    managed: bool,
    settings: DashboardSettings,
    now: datetime,
) -> _Facts:
    endpoint = view.endpoint
    seen = {entry.address: entry.sighting for entry in view.history if entry.is_open}
    urgencies = address_urgencies(view, settings.policy, now)
    served = {state.fingerprint_sha256 for state in view.states if state.reach == "served"}
    told = [_deployment(each, served) for each in deployments]
    whole = _with_deployments(endpoint_urgency(view, urgencies), told)
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
        addresses=[_address(state, seen.get(state.address), urgency) for state, urgency in zip(view.states, urgencies)],
        history=[_interval(entry) for entry in view.history[: settings.history]],
        older=max(len(view.history) - settings.history, 0),
        deployments=told,
        unmanaged=managed and bool(served) and not deployments,
    )


def _address(state: AddressState, sighting: Sighting | None, standing: UrgentStanding) -> _Facts:
    return _known(
        address=state.address,
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
        since=entry.since,
        until=entry.until,
        open=entry.is_open,
        certificate=leaf.fingerprint_sha256 if leaf else None,
        error=entry.sighting.error,
        trust_error=entry.sighting.trust_error,
    )


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


def _deployment(deployment: FleetDeployment, served: t.Collection[str | None] | None) -> _Facts:
    """served: fingerprints that the endpoint presents; empty when it could not be asked, None without an endpoint."""
    wanted = deployment.layers.get("file") or deployment.layers.get("source")
    verdict = "unknown"
    if served and wanted:
        verdict = "served" if set(served) == {wanted} else "differs"
    return _known(
        host=deployment.host,
        certificate=deployment.certificate,
        layers={layer: deployment.layers.get(layer) for layer in LAYERS if layer in deployment.layers},
        at=deployment.at,
        verdict=verdict,
    )


def _with_deployments(whole: UrgentStanding, told: t.Sequence[_Facts]) -> UrgentStanding:
    """A certificate of its hosts that it does not serve. With several of them, one is enough: names have their own."""
    if not told or whole.condition in ("paused", "expired") or any(each["verdict"] == "served" for each in told):
        return whole
    wrong = [each for each in told if each["verdict"] == "differs"]
    if not wrong:
        return whole
    first = wrong[0]
    why = f"{first['host']} has another version of {first['certificate']} than is served here."
    return dataclasses.replace(whole, condition="unserved", urgency="critical", why=why)


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
    """Without what is empty or not known; false stays only where it says something: trusted."""
    return {
        name: isoformat_utc(value) if isinstance(value, datetime) else value
        for name, value in facts.items()
        if not (value is None or value == "" or value == [] or value == {} or value == 0)
        or (name == "trusted" and value is False)
    }
