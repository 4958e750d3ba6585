# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The registry of endpoints in a relational database."""

from __future__ import annotations

import itertools
import typing as t
from datetime import datetime, timedelta

try:
    import sqlalchemy as sa
except ImportError:  # told by the runners
    pass

from ..._core.instants import earlier
from ..._core.watch.changes import retirement
from ..._core.watch.endpoints import WatchedEndpoint
from ..._core.watch.events import WatchEvent
from ..._core.watch.policy import WatchPolicy
from ..._core.watch.registry import EndpointChange, EndpointSelection, EndpointView, FleetDeployment
from ..._core.watch.selecting import hosts_in, is_selected
from ..._core.watch.sightings import SeenCertificate, Sighting
from . import rows
from .database import RegistryDatabase
from .forgetting import count_forgettable, forget
from .migrations import MIGRATIONS, Migration
from .recording import OnJudgement, judge_batch, record_batch
from .tables import registry_tables
from .viewing import views_of

#: Sightings of one transaction, endpoints of one read, and values of one list in SQL: older SQLite takes 999.
_BATCH = 250


class SqlRegistry:
    """An EndpointRegistry, see there. url: the option database_url. read_only: also a file is never made.

    A database without a registry is an empty one; the first write makes it.
    """

    def __init__(self, url: str, *, read_only: bool = False, migrations: t.Sequence[Migration] = MIGRATIONS) -> None:
        self._database = RegistryDatabase(url, read_only=read_only, migrations=migrations)
        self._tables = registry_tables()

    @property
    def place(self) -> str:
        """The database for people, without the password."""
        return str(self._database.url)

    @property
    def secrets(self) -> list[str]:
        """Of its URL."""
        return self._database.url.secrets

    def exists(self) -> bool:
        """Whether anything has ever been written to it."""
        with self._database.reading() as connection:
            return connection is not None

    def endpoints(self, selection: EndpointSelection) -> list[WatchedEndpoint]:
        with self._database.reading() as connection:
            known = self._registered(connection)
        return [endpoint for endpoint in known.values() if is_selected(endpoint, selection)]

    def put(
        self, endpoints: t.Sequence[WatchedEndpoint], now: datetime, *, prune: bool = False, check: bool = False
    ) -> list[EndpointChange]:
        wanted = {endpoint.key: endpoint for endpoint in endpoints}

        def changes(known: t.Mapping[tuple[str, int], WatchedEndpoint]) -> list[EndpointChange]:
            found = [EndpointChange(known.get(key), endpoint) for key, endpoint in wanted.items()]
            others = [endpoint for key, endpoint in known.items() if prune and key not in wanted]
            return [*found, *(EndpointChange(endpoint, None) for endpoint in others)]

        return self._changed(changes, now, check)

    def remove(self, keys: t.Sequence[tuple[str, int]], now: datetime, *, check: bool = False) -> list[EndpointChange]:
        return self._changed(
            lambda known: [EndpointChange(known.get(key), None) for key in dict.fromkeys(keys)], now, check
        )

    def record(
        self,
        sightings: t.Iterable[Sighting],
        policy: WatchPolicy,
        now: datetime,
        *,
        check: bool = False,
        judged: OnJudgement | None = None,
    ) -> list[WatchEvent]:
        events: list[WatchEvent] = []
        source = iter(sightings)
        while batch := list(itertools.islice(source, _BATCH)):
            if check:
                with self._database.reading() as reader:
                    events += judge_batch(reader, batch, policy, now, judged) if reader else []
                continue
            with self._database.writing() as connection:
                events += record_batch(connection, batch, policy, now, judged)
        return events

    def views(self, selection: EndpointSelection, *, history: bool = False) -> t.Iterator[EndpointView]:
        selected = self.endpoints(selection)
        for start in range(0, len(selected), _BATCH):
            keys = [endpoint.key for endpoint in selected[start : start + _BATCH]]
            with self._database.reading() as connection:
                found = views_of(connection, keys, history=history) if connection else []
            yield from found

    def certificate(self, fingerprint_sha256: str) -> SeenCertificate | None:
        table = self._tables.certificates
        asked = sa.select(table).where(table.c.fingerprint_sha256 == fingerprint_sha256)
        with self._database.reading() as connection:
            row = connection.execute(asked).mappings().first() if connection else None
        return rows.certificate_of(t.cast(rows.RegistryRow, row)) if row else None

    def undelivered(self, receiver: str, limit: int) -> list[WatchEvent]:
        events, deliveries = self._tables.events, self._tables.deliveries
        confirmed = sa.and_(deliveries.c.event_id == events.c.event_id, deliveries.c.receiver == receiver)
        asked = (
            sa.select(events)
            .outerjoin(deliveries, confirmed)
            .where(deliveries.c.event_id.is_(None))
            .order_by(events.c.id)
            .limit(limit)
        )
        with self._database.reading() as connection:
            return [rows.event_of(row) for row in _rows(connection, asked)]

    def delivered(self, receiver: str, ids: t.Sequence[str], now: datetime) -> None:
        deliveries = self._tables.deliveries
        wanted = list(dict.fromkeys(ids))
        if not wanted:
            return
        with self._database.writing() as connection:
            for start in range(0, len(wanted), _BATCH):
                chunk = wanted[start : start + _BATCH]
                already = connection.execute(
                    sa.select(deliveries.c.event_id).where(
                        deliveries.c.receiver == receiver, deliveries.c.event_id.in_(chunk)
                    )
                ).scalars()
                new = set(chunk).difference(already)
                if new:
                    at = rows.seconds(now)
                    connection.execute(
                        sa.insert(deliveries),
                        [{"event_id": each, "receiver": receiver, "at": at} for each in chunk if each in new],
                    )

    def events(self, selection: EndpointSelection, since: datetime | None, limit: int) -> list[WatchEvent]:
        table = self._tables.events
        asked = sa.select(table).order_by(table.c.id.desc())
        if since is not None:
            asked = asked.where(table.c.at >= rows.seconds(since))
        with self._database.reading() as connection:
            if selection == EndpointSelection():  # those of retired endpoints, too
                return [rows.event_of(row) for row in _rows(connection, asked.limit(limit))]
            known = self._registered(connection)
            hosts = {endpoint.host for endpoint in known.values() if is_selected(endpoint, selection)}
            if 0 < len(selection.names) + len(selection.hosts) <= _BATCH and len(hosts) <= _BATCH:
                by_host = table.c.host.in_(sorted(hosts | hosts_in(selection)))
                asked = asked.where(sa.or_(by_host, table.c.name.in_(selection.names)))
            found = map(rows.event_of, _rows(connection, asked))
            # One that is retired is what its events say of it.
            chosen = (
                event
                for event in found
                if is_selected(known.get((event.host, event.port), _endpoint_of(event)), selection)
            )
            return list(itertools.islice(chosen, limit))

    def put_deployments(self, hosts: t.Sequence[str], deployments: t.Sequence[FleetDeployment]) -> None:
        table = self._tables.deployments
        replaced = list(dict.fromkeys([*hosts, *(deployment.host for deployment in deployments)]))
        with self._database.writing() as connection:
            for start in range(0, len(replaced), _BATCH):
                connection.execute(sa.delete(table).where(table.c.host.in_(replaced[start : start + _BATCH])))
            if deployments:
                connection.execute(sa.insert(table), [rows.deployment_row(each) for each in deployments])

    def deployments(self) -> list[FleetDeployment]:
        table = self._tables.deployments
        with self._database.reading() as connection:
            asked = sa.select(table).order_by(table.c.id)
            return [rows.deployment_of(row) for row in _rows(connection, asked)]

    def forget(self, older_than: timedelta, now: datetime, *, check: bool = False) -> int:
        limit = earlier(now, older_than)
        with self._database.reading() as reader:
            going = count_forgettable(reader, limit) if reader else 0
        if check or not going:
            return going
        with self._database.writing() as connection:
            return forget(connection, limit)

    # Endpoints

    def _registered(self, connection: sa.Connection | None) -> dict[tuple[str, int], WatchedEndpoint]:
        """In the order of host and port, as Python sorts: databases differ."""
        table = self._tables.endpoints
        asked = sa.select(table).where(table.c.retired.is_(None))
        found = (rows.endpoint_of(row) for row in _rows(connection, asked))
        return {endpoint.key: endpoint for endpoint in sorted(found, key=lambda endpoint: endpoint.key)}

    def _changed(
        self,
        changes: t.Callable[[t.Mapping[tuple[str, int], WatchedEndpoint]], list[EndpointChange]],
        now: datetime,
        check: bool,
    ) -> list[EndpointChange]:
        with self._database.reading() as reader:
            found = changes(self._registered(reader))
        if not any(change.changed for change in found):
            return found  # a run that changes nothing waits for nobody
        if check:
            self._database.foresee()
            return found
        with self._database.writing() as connection:
            found = changes(self._registered(connection))
            self._apply(connection, [change for change in found if change.changed], now)
        return found

    def _apply(self, connection: sa.Connection, changes: t.Sequence[EndpointChange], now: datetime) -> None:
        table = self._tables.endpoints
        asked = sa.select(table.c.host, table.c.port).where(table.c.retired.is_not(None))
        retired = {(row["host"], row["port"]) for row in _rows(connection, asked)}
        new: list[rows.NewRegistryRow] = []
        changed: list[rows.NewRegistryRow] = []
        returning: list[rows.NewRegistryRow] = []
        gone: list[WatchedEndpoint] = []
        for before, after in ((change.before, change.after) for change in changes):
            if after is None:
                gone.append(t.cast(WatchedEndpoint, before))
                continue
            values = rows.endpoint_row(after)
            if before is None:
                values.update(added=rows.seconds(now), retired=None)
                (returning if after.key in retired else new).append(values)
            else:
                changed.append(values)
        this = sa.and_(table.c.host == sa.bindparam("this_host"), table.c.port == sa.bindparam("this_port"))
        for of_a_kind in (changed, returning):  # one that was retired comes back with its history
            if of_a_kind:
                named = [{**values, "this_host": values["host"], "this_port": values["port"]} for values in of_a_kind]
                connection.execute(sa.update(table).where(this), named)
        if new:
            connection.execute(sa.insert(table), new)
        for start in range(0, len(gone), _BATCH):
            self._retire(connection, gone[start : start + _BATCH], now)

    def _retire(self, connection: sa.Connection, gone: t.Sequence[WatchedEndpoint], now: datetime) -> None:
        """gone: at most a list's values."""
        table, intervals, events = self._tables.endpoints, self._tables.intervals, self._tables.events
        keys, hosts = {endpoint.key for endpoint in gone}, {endpoint.host for endpoint in gone}
        asked = sa.select(table.c.id, table.c.host, table.c.port).where(table.c.host.in_(hosts))
        numbers = [row["id"] for row in _rows(connection, asked) if (row["host"], row["port"]) in keys]
        connection.execute(sa.update(table).where(table.c.id.in_(numbers)).values(retired=rows.seconds(now)))
        of_them = sa.and_(intervals.c.endpoint_id.in_(numbers), intervals.c.open.is_(True))
        connection.execute(sa.update(intervals).where(of_them).values(open=False))
        told = {event.id: event for event in (retirement(endpoint, now) for endpoint in gone)}
        known = sa.select(events.c.event_id).where(events.c.event_id.in_(list(told)))
        for row in list(_rows(connection, known)):
            del told[row["event_id"]]
        if told:
            connection.execute(sa.insert(events), [rows.event_row(event) for event in told.values()])


def _endpoint_of(event: WatchEvent) -> WatchedEndpoint:
    return WatchedEndpoint(event.name, event.host, event.port)


def _rows(connection: sa.Connection | None, asked: sa.Select[t.Any]) -> t.Iterator[rows.RegistryRow]:
    """None without a registry."""
    if connection is not None:
        for row in connection.execute(asked).mappings():
            yield t.cast(rows.RegistryRow, row)
