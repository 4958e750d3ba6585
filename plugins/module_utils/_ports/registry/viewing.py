# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reading all that is known of some endpoints."""

from __future__ import annotations

import collections
import typing as t

try:
    import sqlalchemy as sa
except ImportError:  # told by the runners
    pass

from ..._core.watch.registry import EndpointView, present_states
from ..._core.watch.sightings import SeenCertificate
from . import rows
from .tables import registry_tables

_CHUNK = 500  # values of one list in SQL: older SQLite takes 999


def views_of(connection: sa.Connection, keys: t.Sequence[tuple[str, int]], *, history: bool) -> list[EndpointView]:
    """In the order of keys; those that are not registered (any more) are left out. keys: at most a list's values."""
    tables = registry_tables()
    hosts = list({host for host, _port in keys})
    asked = sa.select(tables.endpoints).where(tables.endpoints.c.host.in_(hosts), tables.endpoints.c.retired.is_(None))
    registered = {(row["host"], row["port"]): row for row in connection.execute(asked).mappings()}
    found = {key: t.cast(rows.RegistryRow, registered[key]) for key in keys if key in registered}
    intervals = _intervals(connection, [row["id"] for row in found.values()], closed=history)
    named = {name for each in intervals.values() for row in each for name in _named(row)}
    certificates = _certificates(connection, sorted(named))
    return [_view(row, intervals[row["id"]], certificates) for row in found.values()]


def _view(
    endpoint_row: rows.RegistryRow,
    intervals: t.Sequence[rows.RegistryRow],
    certificates: t.Mapping[str, SeenCertificate],
) -> EndpointView:
    endpoint = rows.endpoint_of(endpoint_row)
    states = present_states([rows.state_of(row, endpoint.key) for row in intervals if row["open"]])
    return EndpointView(
        endpoint=endpoint,
        added=rows.instant(endpoint_row["added"]),
        states=tuple(sorted(states, key=lambda state: state.address or "")),
        history=tuple(rows.history_of(row, endpoint.key, certificates) for row in intervals),
        certificates={name: certificates[name] for row in intervals for name in _named(row)},
    )


def _named(row: rows.RegistryRow) -> list[str]:
    """The certificates of an interval: what was sent, and what was served last before nothing was."""
    return [*rows.chain_of(row), *([row["fingerprint_sha256"]] if row["fingerprint_sha256"] else [])]


def _intervals(
    connection: sa.Connection, numbers: t.Sequence[int], *, closed: bool
) -> dict[int, list[rows.RegistryRow]]:
    """Of each endpoint, newest first."""
    table = registry_tables().intervals
    asked = sa.select(table).where(table.c.endpoint_id.in_(numbers))
    if not closed:
        asked = asked.where(table.c.open.is_(True))
    found: dict[int, list[rows.RegistryRow]] = collections.defaultdict(list)
    for row in connection.execute(asked.order_by(table.c.since.desc(), table.c.id.desc())).mappings():
        found[row["endpoint_id"]].append(t.cast(rows.RegistryRow, row))
    return found


def _certificates(connection: sa.Connection, fingerprints: t.Sequence[str]) -> dict[str, SeenCertificate]:
    table = registry_tables().certificates
    found = {}
    for start in range(0, len(fingerprints), _CHUNK):
        chunk = fingerprints[start : start + _CHUNK]
        for row in connection.execute(sa.select(table).where(table.c.fingerprint_sha256.in_(chunk))).mappings():
            found[row["fingerprint_sha256"]] = rows.certificate_of(t.cast(rows.RegistryRow, row))
    return found
