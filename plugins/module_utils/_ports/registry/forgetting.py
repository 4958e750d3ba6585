# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Retention: what ended long ago goes, what is open stays."""

from __future__ import annotations

from datetime import datetime

try:
    import sqlalchemy as sa
except ImportError:  # told by the runners
    pass

from . import rows
from .tables import registry_tables

_CHUNK = 500  # values of one list in SQL: older SQLite takes 999


def forget(connection: sa.Connection, before: datetime) -> int:
    """In the caller's transaction. Returns how many rows went."""
    tables = registry_tables()
    limit = rows.seconds(before)
    endpoints, intervals, deliveries = tables.endpoints, tables.intervals, tables.deliveries
    gone = connection.execute(
        sa.delete(intervals).where(intervals.c.open.is_(False), intervals.c.until < limit)
    ).rowcount
    kept = sa.select(intervals.c.endpoint_id)
    gone += connection.execute(
        sa.delete(endpoints).where(endpoints.c.retired < limit, endpoints.c.id.not_in(kept))
    ).rowcount
    gone += _forget_events(connection, limit)
    known = sa.select(tables.events.c.event_id)
    gone += connection.execute(sa.delete(deliveries).where(deliveries.c.event_id.not_in(known))).rowcount
    return gone + _forget_certificates(connection)


def _forget_events(connection: sa.Connection, limit: int) -> int:
    """Those that everybody has who still takes any: a receiver that has confirmed nothing since then is none."""
    events, deliveries = registry_tables().events, registry_tables().deliveries
    receivers = connection.execute(
        sa.select(deliveries.c.receiver).where(deliveries.c.at >= limit).distinct()
    ).scalars()
    old = sa.delete(events).where(events.c.at < limit)
    for receiver in receivers:
        has = sa.select(deliveries.c.event_id).where(deliveries.c.receiver == receiver)
        old = old.where(events.c.event_id.in_(has))
    return connection.execute(old).rowcount


def _forget_certificates(connection: sa.Connection) -> int:
    """Those that no interval names."""
    intervals, certificates = registry_tables().intervals, registry_tables().certificates
    named: set[str] = set()
    for row in connection.execute(sa.select(intervals.c.chain, intervals.c.fingerprint_sha256).distinct()).mappings():
        named.update(rows.chain_of(row), [row["fingerprint_sha256"] or ""])
    unnamed = sorted(set(connection.execute(sa.select(certificates.c.fingerprint_sha256)).scalars()) - named)
    for start in range(0, len(unnamed), _CHUNK):
        chunk = unnamed[start : start + _CHUNK]
        connection.execute(sa.delete(certificates).where(certificates.c.fingerprint_sha256.in_(chunk)))
    return len(unnamed)
