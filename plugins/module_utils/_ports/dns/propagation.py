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
    """What one server has not shown yet.

    answered: whether it ever gave an answer, to whatever name; failure: why it is as if it was not there, "" when it
    is; strikes: how often in a row; whys: name of a record -> what it said instead of an answer.
    """

    zone: str
    server: NameServer
    pending: list[TxtRecord]
    recursive: bool
    timeout: float
    answered: bool = False
    failure: str = ""
    silent: bool = False
    reachable: bool = True
    strikes: int = 0
    whys: dict[str, str] = field(default_factory=dict)
    cached_for: dict[str, int] = field(default_factory=dict)

    @property
    def done(self) -> bool:
        given_up = bool(self.failure) and (self.strikes >= _STRIKES or not self.reachable)
        return not self.pending or given_up

    def ask_for(self, records: t.Sequence[TxtRecord]) -> list[TxtRecord]:
        """Those that it shows. Ends at the first question on which it is silent, of whichever thread."""
        shown = []
        for record in records:
            if self.silent:
                break
            try:
                message = ask(self.server, record.name, "TXT", recursive=self.recursive, timeout=self.timeout)
            except NoAnswer as error:
                self.whys[record.name] = error.why
                self.silent, self.reachable = error.silent, error.reachable
                continue
            self.answered = True
            self.whys.pop(record.name, None)
            if set(record.values) <= _values(message):
                shown.append(record)
            else:
                self.cached_for[record.name] = _cached_for(message)
        return shown

    def judge(self, shown: t.Collection[TxtRecord]) -> None:
        """After a round. One that refuses all names does not have the zone; one that refuses some, has it."""
        asked, self.pending = self.pending, [record for record in self.pending if record not in shown]
        if self.silent or not self.answered:
            self.failure = next((self.whys[record.name] for record in asked if record.name in self.whys), "")
            self.strikes += 1
        else:
            self.failure, self.strikes = "", 0


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
        server.silent = False
        records = server.pending
        parts = [records[start : start + _NAMES_A_TASK] for start in range(0, len(records), _NAMES_A_TASK)]
        tasks.append((server, [pool.submit(server.ask_for, part) for part in parts]))
    for server, parts_of_it in tasks:
        server.judge({record for part in parts_of_it for record in part.result()})


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
    for zone in zones:
        of_zone = [server for server in servers if server.zone == zone]
        answering = [server for server in of_zone if not server.failure]
        told = [f"{server.server} {server.failure}" for server in of_zone if server.failure and server.reachable]
        if of_zone and not answering:
            why = f"No server of the zone {zone} answers: {'; '.join(told) or 'none can be reached from here'}."
            shown_by_none = set.intersection(*({record.name for record in server.pending} for server in of_zone))
            missing.update(dict.fromkeys(shown_by_none, why))
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
    did = server.whys.get(record.name) or "does not show the TXT record"
    return (
        f"{record.name}: the server {server.server} of the zone {server.zone} {did} after {timeout:g} seconds.{cached}"
        " See whether it follows its primary server, and run this again."
    )
