# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What services are still to be told. Remembered per lineage, not per service: an entry of the option that is corrected
after it failed, or added, is told of what is live as well."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, replace
from datetime import datetime

from ..._errors import InvalidOption
from ..instants import isoformat_utc, parse_isoformat_utc
from .definitions import ServiceDefinition, ServiceOutcome


@dataclass(frozen=True)
class PendingLineage:
    """A lineage that has become live, and not all services that it concerns have been told.

    fingerprint_sha256: of its leaf; pushed_at: aware time of the push that made it live; told: keys of the services
    that have been told of this leaf; answering: labels of the endpoints that answered before any of them was.
    """

    lineage: str
    fingerprint_sha256: str
    pushed_at: datetime
    told: frozenset[str] = frozenset()
    answering: frozenset[str] = frozenset()


def pushed(pending: t.Iterable[PendingLineage], new: PendingLineage) -> tuple[PendingLineage, ...]:
    """All that is pending once this one has become live too. Who was told of it before was told of another leaf."""
    return (*(each for each in pending if each.lineage != new.lineage), new)


def concerned(service: ServiceDefinition, pending: t.Iterable[PendingLineage]) -> tuple[PendingLineage, ...]:
    """Those that the service is still to be told of."""
    return tuple(each for each in pending if service.concerns(each.lineage) and service.key not in each.told)


def still_pending(
    services: t.Iterable[ServiceDefinition], pending: t.Iterable[PendingLineage], outcomes: t.Iterable[ServiceOutcome]
) -> tuple[PendingLineage, ...]:
    """What is left of it after run_services has returned the outcomes. One that failed is told again next time."""
    ran = {(outcome.key, lineage) for outcome in outcomes for lineage in outcome.told}
    services = tuple(services)
    left = []
    for before in pending:
        now = replace(before, told=before.told | {key for key, lineage in ran if lineage == before.lineage})
        if any(concerned(service, [now]) for service in services):
            left.append(now)
    return tuple(left)


def pending_document(pending: t.Iterable[PendingLineage]) -> dict[str, t.Any]:
    """For JSON. Names, fingerprints and times."""
    return {
        each.lineage: {
            "fingerprint_sha256": each.fingerprint_sha256,
            "pushed_at": isoformat_utc(each.pushed_at),
            "told": sorted(each.told),
            "answering": sorted(each.answering),
        }
        for each in pending
    }


def read_pending(document: t.Any) -> tuple[PendingLineage, ...]:
    """The inverse of pending_document. Raises ValueError for anything else."""
    try:
        return tuple(
            PendingLineage(
                str(name),
                str(facts["fingerprint_sha256"]),
                parse_isoformat_utc(facts["pushed_at"]),
                frozenset(str(key) for key in facts["told"]),
                frozenset(str(label) for label in facts.get("answering", ())),
            )
            for name, facts in document.items()
        )
    except (AttributeError, KeyError, TypeError, InvalidOption):
        raise ValueError("it is no record of pending services") from None
