# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Writing down what was seen: intervals, certificates and the events that follow."""

from __future__ import annotations

import typing as t
from datetime import datetime

try:
    import sqlalchemy as sa
except ImportError:  # told by the runners
    pass

from ..._core.watch.changes import Judgement, judge
from ..._core.watch.events import WatchEvent
from ..._core.watch.policy import WatchPolicy
from ..._core.watch.sightings import AddressState, SeenCertificate, Sighting
from . import rows
from .tables import registry_tables

OnJudgement = t.Callable[[Sighting, Judgement], None]
_Place = tuple[int, t.Optional[str], str]  # the row of an endpoint, an address, and the type of key asked for


def record_batch(
    connection: sa.Connection,
    sightings: t.Sequence[Sighting],
    policy: WatchPolicy,
    now: datetime,
    judged: OnJudgement | None = None,
) -> list[WatchEvent]:
    """In the caller's transaction. sightings: at most as many as one list in SQL may have values."""
    batch = _Recording(connection, now)
    events = batch.judged(sightings, policy, judged)
    return batch.written(events)


def judge_batch(
    connection: sa.Connection,
    sightings: t.Sequence[Sighting],
    policy: WatchPolicy,
    now: datetime,
    judged: OnJudgement | None = None,
) -> list[WatchEvent]:
    """What record_batch would return; nothing is written."""
    batch = _Recording(connection, now)
    return batch.unknown(batch.judged(sightings, policy, judged))


class _Recording:
    def __init__(self, connection: sa.Connection, now: datetime) -> None:
        self._connection = connection
        self._now = now
        self._tables = registry_tables()
        self._open: dict[_Place, rows.NewRegistryRow] = {}
        self._touched: dict[int, rows.NewRegistryRow] = {}  # rows with an id, by that
        self._new: list[rows.NewRegistryRow] = []
        self._certificates: dict[str, SeenCertificate] = {}

    def judged(
        self, sightings: t.Sequence[Sighting], policy: WatchPolicy, tell: OnJudgement | None = None
    ) -> list[WatchEvent]:
        endpoints = self._endpoints({sighting.endpoint for sighting in sightings})
        keys = {number: key for key, (number, _endpoint) in endpoints.items()}
        self._open = self._open_intervals(list(keys))
        states: dict[int, dict[tuple[str | None, str], AddressState]] = {number: {} for number in keys}
        for (number, address, key_type), row in self._open.items():
            states[number][address, key_type] = rows.state_of(row, keys[number])
        served = [state.fingerprint_sha256 for of_one in states.values() for state in of_one.values()]
        former = self._known([fingerprint for fingerprint in served if fingerprint])
        events: list[WatchEvent] = []
        for sighting in sightings:
            if sighting.endpoint not in endpoints:
                continue  # retired since it was asked
            number, endpoint = endpoints[sighting.endpoint]
            others = states[number]
            before = others.pop((sighting.address, sighting.key_type), None)
            last = former.get(before.fingerprint_sha256 or "") if before else None
            judgement = judge(before, sighting, endpoint, last, policy, tuple(others.values()))
            if tell is not None:
                tell(sighting, judgement)
            events += judgement.events
            others[sighting.address, sighting.key_type] = judgement.after
            for state in judgement.departs:
                del others[state.address, state.key_type]
                self._close((number, state.address, state.key_type))
            if judgement.after is not before:
                self._keep(
                    (number, sighting.address, sighting.key_type), judgement.after, sighting, opens=judgement.opens
                )
                seen = {certificate.fingerprint_sha256: certificate for certificate in sighting.chain}
                self._certificates.update(seen)
                former.update(seen)
        return events

    def _keep(self, place: _Place, after: AddressState, sighting: Sighting, *, opens: bool) -> None:
        values = rows.interval_row(place[0], after, sighting)
        present = self._open.get(place)
        if present is not None and not opens:
            present.update(values)
            self._touch(present)
            return
        self._close(place)
        self._open[place] = values
        self._new.append(values)

    def _close(self, place: _Place) -> None:
        present = self._open.pop(place, None)
        if present is not None:
            present["open"] = False
            self._touch(present)

    def _touch(self, row: rows.NewRegistryRow) -> None:
        if "id" in row:
            self._touched[row["id"]] = row

    def written(self, events: t.Sequence[WatchEvent]) -> list[WatchEvent]:
        """events: without those that are there already."""
        self._write_certificates()
        intervals = self._tables.intervals
        if self._new:
            self._connection.execute(sa.insert(intervals), self._new)
        if self._touched:
            # An update of many takes the name of a column for what is to be set.
            this = intervals.c.id == sa.bindparam("this")
            values = [{**row, "this": row.pop("id")} for row in self._touched.values()]
            self._connection.execute(sa.update(intervals).where(this), values)
        return self._write_events(events)

    def _write_certificates(self) -> None:
        known = self._known(list(self._certificates), whole=False)
        new = [each for fingerprint, each in self._certificates.items() if fingerprint not in known]
        if new:
            made = [rows.certificate_row(each, self._now) for each in new]
            self._connection.execute(sa.insert(self._tables.certificates), made)

    def _write_events(self, events: t.Sequence[WatchEvent]) -> list[WatchEvent]:
        new = self.unknown(events)
        if new:
            self._connection.execute(sa.insert(self._tables.events), [rows.event_row(event) for event in new])
        return new

    def unknown(self, events: t.Sequence[WatchEvent]) -> list[WatchEvent]:
        """Those that are not there yet."""
        table = self._tables.events
        by_id = {event.id: event for event in events}
        for chunk in _chunks(list(by_id)):
            for told in self._connection.execute(sa.select(table.c.event_id).where(table.c.event_id.in_(chunk))):
                del by_id[told.event_id]
        return list(by_id.values())

    # What is there

    def _endpoints(self, keys: t.Collection[tuple[str, int]]) -> dict[tuple[str, int], tuple[int, t.Any]]:
        table = self._tables.endpoints
        hosts = list({host for host, _port in keys})
        asked = sa.select(table).where(table.c.host.in_(hosts), table.c.retired.is_(None))
        found = {}
        for row in self._connection.execute(asked).mappings():
            endpoint = rows.endpoint_of(t.cast(rows.RegistryRow, row))
            if endpoint.key in keys:
                found[endpoint.key] = row["id"], endpoint
        return found

    def _open_intervals(self, numbers: t.Sequence[int]) -> dict[_Place, dict[str, t.Any]]:
        table = self._tables.intervals
        asked = sa.select(table).where(table.c.endpoint_id.in_(numbers), table.c.open.is_(True))
        return {
            (row["endpoint_id"], row["address"], row["key_type"]): dict(t.cast(rows.RegistryRow, row))
            for row in self._connection.execute(asked).mappings()
        }

    def _known(self, fingerprints: t.Sequence[str], *, whole: bool = True) -> dict[str, t.Any]:
        table = self._tables.certificates
        found: dict[str, t.Any] = {}
        for chunk in _chunks(list(dict.fromkeys(fingerprints))):
            asked = sa.select(table) if whole else sa.select(table.c.fingerprint_sha256)
            for row in self._connection.execute(asked.where(table.c.fingerprint_sha256.in_(chunk))).mappings():
                kept = rows.certificate_of(t.cast(rows.RegistryRow, row)) if whole else None
                found[row["fingerprint_sha256"]] = kept
        return found


def _chunks(values: t.Sequence[str], size: int = 500) -> t.Iterator[t.Sequence[str]]:
    for start in range(0, len(values), size):
        yield values[start : start + size]
