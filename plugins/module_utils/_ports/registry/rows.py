# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Rows of the registry from what they mean, and back."""

from __future__ import annotations

import json
import re
import typing as t
from datetime import datetime, timedelta, timezone

from ..._core.watch.endpoints import WatchedEndpoint
from ..._core.watch.events import WatchEvent
from ..._core.watch.registry import FleetDeployment, HistoryEntry
from ..._core.watch.sightings import AddressState, SeenCertificate, Sighting

RegistryRow = t.Mapping[str, t.Any]
NewRegistryRow = dict[str, t.Any]

# PostgreSQL keeps no NUL in text, and what is half a character is none anywhere.
_NOT_KEPT = re.compile("[\x00\ud800-\udfff]")
_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_SECOND = timedelta(seconds=1)


def seconds(instant: datetime) -> int:
    """Since 1970. Fractions are cut off."""
    return (instant - _EPOCH) // _SECOND


def instant(number: int) -> datetime:
    return _EPOCH + number * _SECOND


def endpoint_row(endpoint: WatchedEndpoint) -> NewRegistryRow:
    """Without what only the registry knows of it."""
    return {
        "name": _kept(endpoint.name),
        "host": endpoint.host,
        "port": endpoint.port,
        "server_name": endpoint.server_name,
        "starttls": endpoint.starttls,
        "address": endpoint.address,
        "proxy_protocol": endpoint.proxy_protocol,
        "enabled": endpoint.enabled,
        "tags": json.dumps(endpoint.tags),
    }


def endpoint_of(row: RegistryRow) -> WatchedEndpoint:
    return WatchedEndpoint(
        name=row["name"],
        host=row["host"],
        port=row["port"],
        server_name=row["server_name"],
        starttls=row["starttls"],
        address=row["address"],
        proxy_protocol=row["proxy_protocol"],
        enabled=row["enabled"],
        tags=tuple((key, value) for key, value in json.loads(row["tags"])),
    )


def certificate_row(certificate: SeenCertificate, added: datetime) -> NewRegistryRow:
    return {
        "fingerprint_sha256": certificate.fingerprint_sha256,
        "fingerprint_sha1": certificate.fingerprint_sha1,
        "fingerprint_md5": certificate.fingerprint_md5,
        "key_sha256": certificate.key_sha256,
        "not_before": _maybe(seconds, certificate.not_before),
        "not_after": _maybe(seconds, certificate.not_after),
        "subject": _maybe(_kept, certificate.subject),
        "issuer": _maybe(_kept, certificate.issuer),
        "serial_number": _maybe(_kept, certificate.serial_number),
        "subject_alternative_names": json.dumps(certificate.subject_alternative_names),
        "key_type": _maybe(_kept, certificate.key_type),
        "odd": _maybe(_kept, certificate.odd),
        "der": certificate.der,
        "added": seconds(added),
    }


def certificate_of(row: RegistryRow) -> SeenCertificate:
    return SeenCertificate(
        fingerprint_sha256=row["fingerprint_sha256"],
        fingerprint_sha1=row["fingerprint_sha1"],
        fingerprint_md5=row["fingerprint_md5"],
        der=row["der"],
        key_sha256=row["key_sha256"],
        not_before=_maybe(instant, row["not_before"]),
        not_after=_maybe(instant, row["not_after"]),
        subject=row["subject"],
        issuer=row["issuer"],
        serial_number=row["serial_number"],
        subject_alternative_names=tuple(json.loads(row["subject_alternative_names"])),
        key_type=row["key_type"],
        odd=row["odd"],
    )


def interval_row(endpoint_id: int, state: AddressState, sighting: Sighting) -> NewRegistryRow:
    """The open one. sighting: the last that belongs to it."""
    return {
        "endpoint_id": endpoint_id,
        "address": state.address,
        "key_type": state.key_type,
        "since": seconds(state.since),
        "until": seconds(state.last_seen),
        "open": True,
        "reach": state.reach,
        "fingerprint_sha256": state.fingerprint_sha256,
        "failures": state.failures,
        "told": json.dumps(dict(state.told)),
        "chain": json.dumps([certificate.fingerprint_sha256 for certificate in sighting.chain]),
        "error": _maybe(_kept, state.error),
        "trusted": state.trusted,
        "trust_error": _maybe(_kept, state.trust_error),
        "needed_until": _maybe(seconds, sighting.needed_until),
        "chain_notes": json.dumps(sighting.chain_notes),
        "protocol": sighting.protocol,
        "cipher": sighting.cipher,
        "key_type_ignored": sighting.key_type_ignored,
        "staple": sighting.staple,
    }


def state_of(row: RegistryRow, endpoint: tuple[str, int]) -> AddressState:
    return AddressState(
        endpoint=endpoint,
        address=row["address"],
        reach=row["reach"],
        since=instant(row["since"]),
        last_seen=instant(row["until"]),
        fingerprint_sha256=row["fingerprint_sha256"],
        trusted=row["trusted"],
        trust_error=row["trust_error"],
        error=row["error"],
        failures=row["failures"],
        told=json.loads(row["told"]),
        key_type=row["key_type"],
    )


def chain_of(row: t.Any) -> list[str]:
    """SHA-256 of what was sent, the leaf first."""
    fingerprints: list[str] = json.loads(row["chain"])
    return fingerprints


def history_of(
    row: RegistryRow, endpoint: tuple[str, int], certificates: t.Mapping[str, SeenCertificate]
) -> HistoryEntry:
    """certificates: all that the row names."""
    sighting = Sighting(
        endpoint=endpoint,
        address=row["address"],
        at=instant(row["until"]),
        chain=tuple(certificates[fingerprint] for fingerprint in chain_of(row)),
        error=row["error"],
        trusted=row["trusted"],
        trust_error=row["trust_error"],
        needed_until=_maybe(instant, row["needed_until"]),
        chain_notes=tuple(json.loads(row["chain_notes"])),
        protocol=row["protocol"],
        cipher=row["cipher"],
        key_type_ignored=row["key_type_ignored"],
        staple=row["staple"],
        key_type=row["key_type"],
    )
    return HistoryEntry(row["address"], instant(row["since"]), instant(row["until"]), row["open"], sighting)


def event_row(event: WatchEvent) -> NewRegistryRow:
    return {
        "event_id": event.id,
        "kind": event.kind,
        "severity": event.severity,
        "at": seconds(event.at),
        "name": _kept(event.name),
        "host": event.host,
        "port": event.port,
        "address": event.address,
        "message": _kept(event.message),
        "details": json.dumps(dict(event.details)),
    }


def event_of(row: RegistryRow) -> WatchEvent:
    return WatchEvent(
        id=row["event_id"],
        kind=row["kind"],
        severity=row["severity"],
        at=instant(row["at"]),
        name=row["name"],
        host=row["host"],
        port=row["port"],
        address=row["address"],
        message=row["message"],
        details=json.loads(row["details"]),
    )


def deployment_row(deployment: FleetDeployment) -> NewRegistryRow:
    return {
        "host": deployment.host,
        "certificate": _kept(deployment.certificate),
        "layers": json.dumps(dict(deployment.layers)),
        "endpoints": json.dumps(deployment.endpoints),
        "at": seconds(deployment.at),
    }


def deployment_of(row: RegistryRow) -> FleetDeployment:
    return FleetDeployment(
        host=row["host"],
        certificate=row["certificate"],
        layers=json.loads(row["layers"]),
        endpoints=tuple((host, port) for host, port in json.loads(row["endpoints"])),
        at=instant(row["at"]),
    )


_From = t.TypeVar("_From")
_To = t.TypeVar("_To")


def _maybe(change: t.Callable[[_From], _To], value: _From | None) -> _To | None:
    return None if value is None else change(value)


def _kept(text: str) -> str:
    return _NOT_KEPT.sub("\ufffd", text)
