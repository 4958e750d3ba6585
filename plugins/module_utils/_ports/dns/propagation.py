# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whether every authoritative server of a zone shows the TXT values that a CA will look for."""

from __future__ import annotations

import time
import typing as t
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

try:
    import dns.flags
    import dns.message
    import dns.rdatatype
except ImportError:  # who needs it reports it
    pass

from ..._core.acme.dns import TxtRecord
from ..._errors import DnsError
from .resolver import DnsResolver, txt_value
from .servers import NameServer, NoAnswer, ask

_PAUSES = (0.1, 0.3, 0.5, 1.0, 2.0)
_CONCURRENT_QUESTIONS = 32
_NAMES_A_TASK = 25
#: In a row, after which a server is not waited for any more, as long as another one has everything.
_STRIKES = 3


@dataclass(frozen=True)
class Propagation:
    """missing: name of a record -> why the CA may not see it, for people; silent: of the servers that were passed over
    because they do not answer, what is wrong."""

    missing: t.Mapping[str, str]
    silent: tuple[str, ...] = ()


@dataclass
class _AskedServer:
    """What one server has not shown yet. failure: why it did not answer the last time; strikes: how often in a row."""

    zone: str
    server: NameServer
    pending: list[TxtRecord]
    recursive: bool
    timeout: float
    strikes: int = 0
    failure: str = ""
    reachable: bool = True
    cached_for: dict[str, int] = field(default_factory=dict)

    @property
    def given_up(self) -> bool:
        return bool(self.failure) and (self.strikes >= _STRIKES or not self.reachable)

    @property
    def done(self) -> bool:
        return not self.pending or self.given_up


def wait_until_published(
    resolver: DnsResolver,
    zones: t.Mapping[str, t.Sequence[TxtRecord]],
    timeout: float,
    sleep: t.Callable[[float], None] = time.sleep,
) -> Propagation:
    """Ask every server of each zone for every record, again only for what it did not show, until all do.

    zones: name of a zone -> records in it; timeout: seconds for all. A server that does not answer some times in a row
    is passed over, as a CA passes it over, unless no other server of its zone has the values.
    """
    end = time.monotonic() + timeout
    missing: dict[str, str] = {}
    servers: list[_AskedServer] = []
    with ThreadPoolExecutor(_CONCURRENT_QUESTIONS) as pool:
        found = {zone: pool.submit(resolver.servers_of, zone) for zone in zones}
        for zone, future in found.items():
            try:
                named = future.result()
            except DnsError as error:
                missing.update({record.name: error.message for record in zones[zone]})
                continue
            recursive = bool(resolver.nameservers)
            servers += [
                _AskedServer(zone, server, list(zones[zone]), recursive, resolver.answer_timeout) for server in named
            ]
        attempt = 0
        while True:
            _ask_all(pool, [server for server in servers if not server.done])
            left = end - time.monotonic()
            if left <= 0 or all(server.done for server in servers):
                break
            sleep(min(_PAUSES[min(attempt, len(_PAUSES) - 1)], left))
            attempt += 1
    return _judged(servers, zones, missing, timeout)


def _ask_all(pool: ThreadPoolExecutor, servers: t.Sequence[_AskedServer]) -> None:
    """One round: each server in a few threads."""
    tasks = []
    for server in servers:
        records = server.pending
        parts = [records[start : start + _NAMES_A_TASK] for start in range(0, len(records), _NAMES_A_TASK)]
        server.failure = ""
        tasks += [(server, pool.submit(_ask_for, server, part)) for part in parts]
    shown: dict[int, set[TxtRecord]] = {}
    for server, task in tasks:
        shown.setdefault(id(server), set()).update(task.result())
    for server in servers:
        server.pending = [record for record in server.pending if record not in shown[id(server)]]
        server.strikes = server.strikes + 1 if server.failure else 0


def _ask_for(server: _AskedServer, records: t.Sequence[TxtRecord]) -> list[TxtRecord]:
    """Those that it shows. Ends at the first question that it does not answer, of whichever thread."""
    shown = []
    for record in records:
        if server.failure:
            break
        try:
            message = ask(server.server, record.name, "TXT", recursive=server.recursive, timeout=server.timeout)
        except NoAnswer as error:
            server.failure, server.reachable = error.why, error.reachable
            break
        if set(record.values) <= _values(message):
            shown.append(record)
        else:
            server.cached_for[record.name] = _cached_for(message)
    return shown


def _values(message: dns.message.Message) -> set[str]:
    return {txt_value(record) for rrset in message.answer if rrset.rdtype == dns.rdatatype.TXT for record in rrset}


def _cached_for(message: dns.message.Message) -> int:
    """Seconds for which a server that is no authority of the zone will go on saying so; 0 of one that is."""
    if message.flags & dns.flags.AA:
        return 0
    return max((rrset.ttl for rrset in (*message.answer, *message.authority)), default=0)


def _judged(
    servers: t.Sequence[_AskedServer],
    zones: t.Mapping[str, t.Sequence[TxtRecord]],
    missing: dict[str, str],
    timeout: float,
) -> Propagation:
    silent: list[str] = []
    for zone, records in zones.items():
        of_zone = [server for server in servers if server.zone == zone]
        answering = [server for server in of_zone if not server.failure]
        told = [f"{server.server} {server.failure}" for server in of_zone if server.failure and server.reachable]
        if of_zone and not answering:
            why = f"No server of the zone {zone} answers: {'; '.join(told) or 'none can be reached from here'}."
            missing.update(dict.fromkeys((record.name for record in records), why))
            continue
        silent += told
        for server in answering:
            for record in server.pending:
                missing.setdefault(record.name, _not_shown(server, record, timeout))
    return Propagation(missing, tuple(dict.fromkeys(silent)))


def _not_shown(server: _AskedServer, record: TxtRecord, timeout: float) -> str:
    seconds = server.cached_for.get(record.name, 0)
    cached = (
        f" It answers from a cache for {seconds} more seconds: name a server that does not in nameservers."
        if seconds > timeout
        else ""
    )
    return (
        f"{record.name}: the server {server.server} of the zone {server.zone} does not show the TXT record after"
        f" {timeout:g} seconds.{cached} See whether it follows its primary server, and run this again."
    )
