# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Retention: what ended long ago goes, what is open stays."""

from __future__ import annotations

import typing as t
from datetime import datetime

try:
    import sqlalchemy as sa
except ImportError:  # told by the runners
    pass

from . import rows
from .tables import registry_tables

_CHUNK = 500  # values of one list in SQL: older SQLite takes 999


def forget(connection: sa.Connection, before: datetime) -> int:
    """In the caller's transaction. Returns how many records went, certificates among them."""
    tables = registry_tables()
    certificates = _unnamed_certificates(connection, before)
    gone = len(certificates)
    for table, rule in _rules(connection, before):
        gone += connection.execute(sa.delete(table).where(rule)).rowcount
    for start in range(0, len(certificates), _CHUNK):
        chunk = certificates[start : start + _CHUNK]
        connection.execute(sa.delete(tables.certificates).where(tables.certificates.c.fingerprint_sha256.in_(chunk)))
    known = sa.select(tables.events.c.event_id)
    connection.execute(sa.delete(tables.deliveries).where(tables.deliveries.c.event_id.not_in(known)))
    return gone


def count_forgettable(connection: sa.Connection, before: datetime) -> int:
    """How many forget would remove now."""
    counts = [
        connection.execute(sa.select(sa.func.count()).select_from(table).where(rule)).scalar_one()
        for table, rule in _rules(connection, before)
    ]
    return sum(counts, len(_unnamed_certificates(connection, before)))


def _rules(connection: sa.Connection, before: datetime) -> list[tuple[sa.Table, sa.ColumnElement[bool]]]:
    """What goes from each table: from intervals first, as others refer to them."""
    tables = registry_tables()
    endpoints, intervals, events, deployments = tables.endpoints, tables.intervals, tables.events, tables.deployments
    limit = rows.seconds(before)
    with_history = sa.select(intervals.c.endpoint_id).where(sa.not_(_old_intervals(before)))
    retired = sa.and_(endpoints.c.retired < limit, endpoints.c.id.not_in(with_history))
    return [
        (intervals, _old_intervals(before)),
        (endpoints, retired),
        (events, sa.and_(events.c.at < limit, *_everybody_has(connection, limit))),
        (deployments, deployments.c.at < limit),  # of a host that nobody reads any more
    ]


def _old_intervals(before: datetime) -> sa.ColumnElement[bool]:
    intervals = registry_tables().intervals
    return sa.and_(intervals.c.open.is_(False), intervals.c.until < rows.seconds(before))


def _everybody_has(connection: sa.Connection, limit: int) -> t.Iterator[sa.ColumnElement[bool]]:
    """Everybody who still takes any events: a receiver that has confirmed nothing since then is none."""
    events, deliveries = registry_tables().events, registry_tables().deliveries
    asked = sa.select(deliveries.c.receiver).where(deliveries.c.at >= limit).distinct()
    for receiver in connection.execute(asked).scalars().all():
        yield events.c.event_id.in_(sa.select(deliveries.c.event_id).where(deliveries.c.receiver == receiver))


def _unnamed_certificates(connection: sa.Connection, before: datetime) -> list[str]:
    """Those that no interval names that is kept."""
    intervals, certificates = registry_tables().intervals, registry_tables().certificates
    asked = sa.select(intervals.c.chain, intervals.c.fingerprint_sha256).where(sa.not_(_old_intervals(before)))
    named: set[str] = set()
    for row in connection.execute(asked.distinct()).mappings():
        named.update(rows.chain_of(row), [row["fingerprint_sha256"] or ""])
    return sorted(set(connection.execute(sa.select(certificates.c.fingerprint_sha256)).scalars()) - named)
