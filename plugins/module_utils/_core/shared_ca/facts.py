# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is stored of a shared authority, judged, as results and diffs show it."""

from __future__ import annotations

import typing as t
from datetime import datetime, timedelta

from ..._errors import RotationError
from ..ca.crl import StoredCrl
from ..ca.imported import stored_problems
from ..ca.judge import authority_problems, leaf_problems
from ..ca.keys import key_pem
from ..ca.trial import PeerVerdict
from ..ca.trust import PeerTrust
from ..instants import isoformat_utc
from ..x509.problems import MaterialError, Problem
from .state import Pair, State


class _Stored(t.NamedTuple):
    """name: of the client, or "ca"; secret: of the certificate; role: what it is for."""

    name: str
    secret: str
    role: str
    pair: Pair


def facts(
    state: State,
    at: datetime,
    warn_before: timedelta,
    verdict: PeerVerdict,
    mask: t.Callable[[str], None] | None = None,
) -> dict[str, t.Any]:
    """What results tell of what is stored. mask: told of each private key before it is returned, None to return none.

    Revocation lists that cannot be read are one of the problems, and nothing of them is told: they may be anything.
    """
    certificates = []
    for stored in _stored(state):
        problems = _problems(state, stored, at, warn_before, verdict)
        certificates.append(_certificate_facts(state, stored, problems, mask))
    current = state.current.certificate if state.current else None
    return {
        "prefix": state.names.prefix,
        "stage": state.phase,
        "ca_certificate": current.pem.decode() if current else None,
        "fingerprint_sha256": current.fingerprint_sha256 if current else None,
        "trust_bundle": state.trust_bundle,
        "trusted_fingerprints": [certificate.fingerprint_sha256 for certificate in state.trusted],
        "crl": _lists(state),
        "certificates": certificates,
        "problems": [
            {"name": certificate["name"], **problem}
            for certificate in certificates
            for problem in certificate["problems"]
        ]
        + [{"name": "crl", **problem.as_dict()} for problem in state.crl_problems(at, warn_before)],
    }


def shown(state: State) -> dict[str, t.Any]:
    """For a diff: names, fingerprints and dates."""
    return {
        "stage": state.phase,
        "certificates": {
            f"{stored.secret} ({stored.role})": {
                "fingerprint_sha256": certificate.fingerprint_sha256 if certificate else None,
                "not_after": isoformat_utc(certificate.not_after) if certificate else None,
                "revoked": _is_revoked(state, stored),
                **_shown_above(stored.pair),
            }
            for stored in _stored(state)
            for certificate in (stored.pair.certificate,)
        },
    }


def _shown_above(pair: Pair) -> dict[str, list[str]]:
    """Of an authority that is no root."""
    return {"above": [above.fingerprint_sha256 for above in pair.above]} if pair.above else {}


def outcome_items(state: State, outcomes: t.Mapping[str, str]) -> dict[str, str]:
    """Secret, without the prefix -> generated, renewed or retrieved. outcomes: of those that a run has written."""
    names = state.names
    there = {names.ca_cert, names.ca_key, *outcomes}
    there |= {names.crl} if state.crl else set()
    for client in state.clients.values():
        if client.pair:
            there |= {names.client_cert(client.name), names.client_key(client.name)}
    return {names.item(name): outcomes.get(name, "retrieved") for name in sorted(there)}


def _stored(state: State) -> t.Iterator[_Stored]:
    roles = {"current": state.current, "successor": state.successor, "retiring": state.retiring}
    for role, pair in roles.items():
        if pair:
            yield _Stored("ca", state.names.ca_cert, role, pair)
    for client in state.clients.values():
        if client.pair:
            yield _Stored(client.name, state.names.client_cert(client.name), "client", client.pair)


def _lists(state: State) -> str | None:
    """As PEM; None where there are none that can be read."""
    try:
        return StoredCrl(state.crl.text).pem if state.crl else None
    except MaterialError:
        return None


def _is_revoked(state: State, stored: _Stored) -> bool:
    """By lists that cannot be read, nobody is."""
    pair = stored.pair
    if stored.role != "client" or pair.certificate is None or pair.key is None:
        return False
    try:
        return state.is_revoked(pair.certificate)
    except RotationError:
        return False


def _problems(
    state: State, stored: _Stored, at: datetime, warn_before: timedelta, verdict: PeerVerdict
) -> list[Problem]:
    pair = stored.pair
    if pair.certificate is None or pair.key is None:
        return [*pair.problems]
    if stored.role == "client":
        trust = PeerTrust(tuple(state.trusted)) if _is_revoked(state, stored) else state.trust
        found = leaf_problems(pair.certificate, pair.key, "client", trust, at, warn_before, verdict)
    else:
        found = authority_problems(pair.certificate, pair.key, at, warn_before)
        found += stored_problems(pair.path, at, warn_before)
    return [*pair.problems, *found]


def _certificate_facts(
    state: State, stored: _Stored, problems: list[Problem], mask: t.Callable[[str], None] | None
) -> dict[str, t.Any]:
    pair, revoked = stored.pair, _is_revoked(state, stored)
    item: dict[str, t.Any] = {
        "name": stored.name,
        "secret": stored.secret,
        "role": stored.role,
        "version_id": pair.version_id,
        "valid": not revoked and not any(problem.severity == "error" for problem in problems),
        "revoked": revoked,
        "problems": [problem.as_dict() for problem in problems],
        "subject": None,
        "fingerprint_sha256": None,
        "not_before": None,
        "not_after": None,
        "serial_number": None,
        "key": None,
        "certificate": None,
    }
    if pair.certificate:
        summary = pair.certificate.summary()
        item.update({key: summary[key] for key in summary if key in item})
        item.update(subject=pair.certificate.subject, certificate="".join(each.pem.decode() for each in pair.path))
    if mask:
        item["private_key"] = None
        if pair.key is not None:
            pem = key_pem(pair.key)
            mask(pem)
            item["private_key"] = pem
    return item
