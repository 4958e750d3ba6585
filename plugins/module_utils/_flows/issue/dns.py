# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Publish the TXT values of a batch in whatever zones they belong, wait until the world sees them, and take them away.

The flow of an issuance uses it so::

    located = publisher.locate(challenge_name(identifier) for ...)  # before ordering; bad ones are out alone
    records = txt_records((located.records[name], value) for name, value in ...)  # into the journal
    placed = publisher.place(records)  # few calls a zone; placed.failures by record
    failures = publisher.wait(placed, timeout)
    failures = publisher.withdraw(records)  # also those of a run that was killed, from its journal
"""

from __future__ import annotations

import time
import typing as t
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from ..._core.acme.dns import DnsProvider, TxtRecord, Zone, ZoneFinder
from ..._core.acme.zones import ZoneOfName, no_zone, zone_of
from ..._errors import DnsError
from ..._ports.dns.propagation import wait_until_published
from ..._ports.dns.resolver import DnsResolver

_CONCURRENT_ZONES = 8
#: Seconds that are kept for the authoritative check, however long a provider takes.
_LEAST_CHECK = 10.0


@dataclass(frozen=True)
class Located:
    """records: where the CA looks -> the name of the record that is to hold the values, in a zone of a provider;
    failures: where it looks -> why nothing can be published for it."""

    records: t.Mapping[str, str]
    failures: t.Mapping[str, DnsError]


@dataclass
class PlacedRecords:
    """What has been published. failures: name of a record -> why it has not been; changes: what each provider waits
    for."""

    records: dict[ZoneOfName, list[TxtRecord]] = field(default_factory=dict)
    failures: dict[str, DnsError] = field(default_factory=dict)
    changes: dict[int, list[str]] = field(default_factory=dict)


class DnsPublisher:
    """providers: the first one wins where two have a zone; resolver: what the world sees; warn: for people."""

    def __init__(
        self,
        providers: t.Sequence[DnsProvider],
        resolver: DnsResolver,
        warn: t.Callable[[str], None] = lambda _warning: None,
    ) -> None:
        self._providers = tuple(providers)
        self._resolver = resolver
        self._warn = warn
        self._zones: tuple[tuple[Zone, ...], ...] | None = None
        self._looked_up: set[str] = set()

    def zones(self) -> tuple[tuple[Zone, ...], ...]:
        """Of each provider, asked once, and those that have been found since. Raises DnsError when one cannot tell."""
        if self._zones is None:
            with ThreadPoolExecutor(_CONCURRENT_ZONES) as pool:
                self._zones = tuple(map(tuple, pool.map(lambda provider: provider.zones(), self._providers)))
        return self._zones

    def _zones_for(self, names: t.Sequence[str]) -> tuple[tuple[Zone, ...], ...]:
        """Those that providers find for these names, too. Raises DnsError."""
        zones = self.zones()
        unknown = [name for name in names if name not in self._looked_up]
        if unknown:
            self._zones = zones = tuple(
                tuple(dict.fromkeys([*known, *provider.find_zones(unknown)]))
                if isinstance(provider, ZoneFinder)
                else known
                for provider, known in zip(self._providers, zones)
            )
            self._looked_up.update(unknown)
        return zones

    def locate(self, names: t.Iterable[str]) -> Located:
        """names: where the CA will look (challenge_name). Changes nothing. Raises DnsError as zones does."""
        targets = self._resolver.targets(names)
        zones = self._zones_for([name if isinstance(target, DnsError) else target for name, target in targets.items()])
        records: dict[str, str] = {}
        failures: dict[str, DnsError] = {}
        for name, target in targets.items():
            unknown = target.message if isinstance(target, DnsError) else ""
            record = name if isinstance(target, DnsError) else target
            try:
                found = zone_of(record, zones)
            except DnsError as error:
                failures[name] = error
                continue
            if found is None:
                every = [zone for offered in zones for zone in offered]
                failures[name] = no_zone(name, record, every, unknown)
            elif isinstance(target, DnsError):
                failures[name] = target
            else:
                records[name] = record
        return Located(records, failures)

    def place(self, records: t.Sequence[TxtRecord]) -> PlacedRecords:
        """records: by name of the record itself (Located.records). What fails is out, the others are published."""
        placed = PlacedRecords()
        work = self._by_zone(records, placed.failures)

        def add(found: ZoneOfName, here: t.Sequence[TxtRecord]) -> t.Sequence[str]:
            return self._providers[found.provider].add(found.zone, here)

        for found, changes in self._in_each_zone(work, add, placed.failures):
            placed.records[found] = [record for record in work[found] if record.name not in placed.failures]
            placed.changes.setdefault(found.provider, []).extend(changes or ())
        return placed

    def wait(self, placed: PlacedRecords, timeout: float) -> dict[str, DnsError]:
        """Until the providers have published them and every authoritative server shows them.

        timeout: seconds for both. Returns what is not there, by name of the record: what failed to be placed, too.
        """
        end = time.monotonic() + timeout
        failures = dict(placed.failures)
        with ThreadPoolExecutor(_CONCURRENT_ZONES) as pool:
            waiting = {
                provider: pool.submit(self._providers[provider].wait, changes, max(timeout - _LEAST_CHECK, 1))
                for provider, changes in placed.changes.items()
                if changes
            }
        for provider, result in waiting.items():
            error = result.exception()
            if isinstance(error, DnsError):
                here = [
                    record for found in placed.records if found.provider == provider for record in placed.records[found]
                ]
                failures.update({record.name: error for record in here})
            elif error is not None:
                raise error
        zones: dict[str, list[TxtRecord]] = {}
        for found, records in placed.records.items():
            zones.setdefault(found.zone.name, []).extend(record for record in records if record.name not in failures)
        zones = {zone: records for zone, records in zones.items() if records}
        seen = wait_until_published(self._resolver, zones, max(end - time.monotonic(), _LEAST_CHECK))
        for text in seen.silent:
            self._warn(f"The DNS server {text}, so it was passed over. Mend it, or take it out of the zone's servers.")
        return failures | {name: DnsError(text, [name]) for name, text in seen.missing.items()}

    def withdraw(self, records: t.Sequence[TxtRecord]) -> dict[str, DnsError]:
        """Take these values away, and nothing else. records: as given to place. Returns what is still there."""
        failures: dict[str, DnsError] = {}
        work = self._by_zone(records, failures)

        def remove(found: ZoneOfName, here: t.Sequence[TxtRecord]) -> t.Sequence[str]:
            self._providers[found.provider].remove(found.zone, here)
            return ()

        for _removed in self._in_each_zone(work, remove, failures):
            pass
        return failures

    def _by_zone(
        self, records: t.Sequence[TxtRecord], failures: dict[str, DnsError]
    ) -> dict[ZoneOfName, list[TxtRecord]]:
        zones = self._zones_for([record.name for record in records])
        work: dict[ZoneOfName, list[TxtRecord]] = {}
        for record in records:
            try:
                found = zone_of(record.name, zones)
            except DnsError as error:
                failures[record.name] = error
                continue
            if found is None:
                failures[record.name] = no_zone(record.name, record.name, [zone for some in zones for zone in some])
            else:
                work.setdefault(found, []).append(record)
        return work

    def _in_each_zone(
        self,
        work: t.Mapping[ZoneOfName, t.Sequence[TxtRecord]],
        function: t.Callable[[ZoneOfName, t.Sequence[TxtRecord]], t.Sequence[str]],
        failures: dict[str, DnsError],
    ) -> t.Iterator[tuple[ZoneOfName, t.Sequence[str]]]:
        """Of each zone, what the function returned, () where it failed. Zones at once, each in one thread."""
        with ThreadPoolExecutor(_CONCURRENT_ZONES) as pool:
            tasks = {found: pool.submit(function, found, records) for found, records in work.items()}
        for found, task in tasks.items():
            changes: t.Sequence[str] = ()
            try:
                changes = task.result()
            except DnsError as error:
                # A provider that names some has done the others.
                named = set(error.names) & {record.name for record in work[found]}
                failures.update({record.name: error for record in work[found] if not named or record.name in named})
            yield found, changes
