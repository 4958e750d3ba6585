# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is known of endpoints, as results have it: JSON values, with instants as ISO 8601 in UTC. Pure."""

from __future__ import annotations

import typing as t
from datetime import datetime

from ..instants import isoformat_utc
from ..x509.pem import encode_pem
from .reading import endpoint_fields
from .standing import CONDITIONS, standings

if t.TYPE_CHECKING:
    from .registry import EndpointView, HistoryEntry
    from .sightings import AddressState, SeenCertificate, Sighting

_OF_A_CERTIFICATE: t.Final = (
    "fingerprint_sha256",
    "fingerprint_sha1",
    "fingerprint_md5",
    "key_sha256",
    "not_before",
    "not_after",
    "subject",
    "issuer",
    "serial_number",
    "subject_alternative_names",
    "key_type",
)
_OF_A_SIGHTING: t.Final = (
    "error",
    "trusted",
    "trust_error",
    "needed_until",
    "chain_notes",
    "protocol",
    "cipher",
    "key_type_ignored",
    "staple",
)
_OF_A_CHAIN: t.Final = ("fingerprint_sha256", "subject", "issuer", "not_before", "not_after")


def endpoint_result(view: EndpointView, now: datetime, *, history: bool) -> dict[str, t.Any]:
    """history: with all intervals of the view."""
    conditions = {_place(each.state): each.condition for each in standings([view], now) if each.state}
    present = {_place(entry.sighting): entry for entry in view.history if entry.is_open}
    found = sorted(conditions.values(), key=CONDITIONS.index)
    unseen = None if view.states or not view.endpoint.enabled else "unseen"
    result = {
        **endpoint_fields(view.endpoint),
        "added": isoformat_utc(view.added),
        "condition": found[0] if found else unseen,
        "last_seen": _value(max((state.last_seen for state in view.states), default=None)),
        "error": next((state.error for state in view.states if state.error), None),
        "addresses": [
            _address(state, present.get(_place(state)), view.certificates, conditions.get(_place(state)))
            for state in view.states
        ],
    }
    if history:
        result["history"] = [_interval(entry) for entry in view.history]
    return result


def _place(thing: AddressState | Sighting) -> tuple[str | None, str]:
    """One address may have a certificate for each type of key."""
    return thing.address, thing.key_type


def _address(
    state: AddressState,
    entry: HistoryEntry | None,
    certificates: t.Mapping[str, SeenCertificate],
    condition: str | None,
) -> dict[str, t.Any]:
    certificate = certificates.get(state.fingerprint_sha256) if state.fingerprint_sha256 else None
    sighting = entry.sighting if entry else None
    return {
        "address": state.address,
        "asked_key_type": state.key_type,
        "condition": condition,
        "served": state.reach == "served",
        "since": isoformat_utc(state.since),
        "last_seen": isoformat_utc(state.last_seen),
        "failures": state.failures,
        **_fields(certificate, _OF_A_CERTIFICATE),
        **_fields(sighting, _OF_A_SIGHTING),
        "pem": encode_pem("CERTIFICATE", certificate.der).decode() if certificate else None,
        "chain": [_fields(each, _OF_A_CHAIN) for each in sighting.chain] if sighting else [],
    }


def _interval(entry: HistoryEntry) -> dict[str, t.Any]:
    sighting = entry.sighting
    return {
        "address": entry.address,
        "asked_key_type": sighting.key_type,
        "since": isoformat_utc(entry.since),
        "until": isoformat_utc(entry.until),
        "open": entry.is_open,
        "served": sighting.reach == "served",
        **_fields(sighting.leaf, _OF_A_CERTIFICATE),
        **_fields(sighting, _OF_A_SIGHTING),
    }


def _fields(thing: t.Any, names: t.Sequence[str]) -> dict[str, t.Any]:
    """null for each where there is nothing, as users of the fields expect them."""
    return {name: _value(getattr(thing, name, None)) for name in names}


def _value(value: t.Any) -> t.Any:
    if isinstance(value, datetime):
        return isoformat_utc(value)
    if isinstance(value, tuple):
        return list(value)
    return value
