# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""TXT values by signed dynamic updates (RFC 2136, RFC 8945), as BIND, Knot, PowerDNS and Windows take them.

A value is added to a name and deleted from it by itself, whatever else is there (RFC 2136 sections 2.5.1 and 2.5.4), so
others' values survive, also those written at the same moment.
"""

from __future__ import annotations

import typing as t
from concurrent.futures import ThreadPoolExecutor

try:
    import dns.exception
    import dns.flags
    import dns.message
    import dns.name
    import dns.query
    import dns.rcode
    import dns.rdataclass
    import dns.rdatatype
    import dns.rdtypes.ANY.TXT
    import dns.tsig
    import dns.update
except ImportError:  # who needs it reports it
    pass

from ..._core.acme.dns import TxtRecord, Zone
from ..._core.acme.txt import TTL
from ..._core.acme.update_key import UpdateKey
from ..._core.acme.zones import parents, plain_name
from ..._errors import DnsError
from .servers import ANSWER_TIMEOUT, NameServer, NoAnswer, ask

#: Seconds for the answer to an update.
UPDATE_TIMEOUT: t.Final = 10.0
_RECORDS_A_MESSAGE = 100  # far below the 64 KiB of a message
_CONCURRENT_QUESTIONS = 16
_MOST_REFUSALS = 3
_ADVICE = {
    "NOTAUTH": "It is no server of this zone, or does not know the key: name the zone's primary server and its key.",
    "REFUSED": "Allow this key to update TXT records in the zone (BIND: update-policy; Knot: acl).",
    "NOTZONE": "The name is outside of the zone: correct zones.",
    "SERVFAIL": "See its log; it may not be able to write the zone's journal.",
    "NOTIMP": "It takes no dynamic updates.",
    "FORMERR": "See its log.",
}


#: Writes a record with a lifetime into an update.
_Write = t.Callable[[t.Any, TxtRecord, int], None]


class _RefusedUpdate(DnsError):
    """The server has understood it, and does not do it."""


class Rfc2136:
    """A DnsProvider. May be used from many threads.

    servers: addresses of the primary server, the first that answers is used; key: None for updates without a signature;
    zones: those that it may write; where there are none, they are found by asking the server (find_zones).
    """

    def __init__(
        self,
        servers: t.Sequence[NameServer],
        key: UpdateKey | None,
        *,
        zones: t.Sequence[str] = (),
        timeout: float = UPDATE_TIMEOUT,
    ) -> None:
        self._servers = tuple(servers)
        self._key = dns.tsig.Key(key.name, key.secret, key.algorithm) if key else None
        self._given = tuple(Zone(name, name) for name in dict.fromkeys(map(plain_name, zones)))
        self._timeout = timeout

    def zones(self) -> tuple[Zone, ...]:
        return self._given

    def find_zones(self, names: t.Sequence[str]) -> tuple[Zone, ...]:
        """Those of the server's zones that the names are in, where no zones were given: by their SOA records."""
        if self._given:
            return ()
        with ThreadPoolExecutor(_CONCURRENT_QUESTIONS) as pool:
            found = dict.fromkeys(name for name in pool.map(self._zone_of, names) if name)
        return tuple(Zone(name, name) for name in found)

    def add(self, zone: Zone, records: t.Sequence[TxtRecord]) -> list[str]:
        with ThreadPoolExecutor(_CONCURRENT_QUESTIONS) as pool:
            lifetimes = list(pool.map(self._lifetime, records))

        def enter(update: dns.update.UpdateMessage, record: TxtRecord, ttl: int) -> None:
            update.add(_absolute(record.name), ttl, *map(_data, record.values))

        self._update(zone, list(zip(records, lifetimes)), enter)
        return []

    def wait(self, changes: t.Sequence[str], timeout: float) -> None:
        """Nothing: the server answers by what it has taken. Whether the others follow, they are asked themselves."""

    def remove(self, zone: Zone, records: t.Sequence[TxtRecord]) -> None:
        def delete(update: dns.update.UpdateMessage, record: TxtRecord, _ttl: int) -> None:
            update.delete(_absolute(record.name), *map(_data, record.values))

        self._update(zone, [(record, 0) for record in records], delete)

    def _update(self, zone: Zone, records: t.Sequence[tuple[TxtRecord, int]], write: _Write) -> None:
        """Raises DnsError with the names that were not written, when all others were."""
        failures: dict[str, str] = {}
        for start in range(0, len(records), _RECORDS_A_MESSAGE):
            part = records[start : start + _RECORDS_A_MESSAGE]
            try:
                self._send(zone, part, write)
            except _RefusedUpdate as error:
                failures.update(self._one_by_one(zone, part, write, error))
            except DnsError as error:
                failures.update({record.name: error.message for record, _ttl in part})
        if failures:
            raise DnsError(" ".join(dict.fromkeys(failures.values())), list(failures))

    def _one_by_one(
        self, zone: Zone, records: t.Sequence[tuple[TxtRecord, int]], write: _Write, refused: DnsError
    ) -> dict[str, str]:
        """A message is refused as a whole, be it for one of its names. Returns what was not written, and why."""
        failures: dict[str, str] = {}
        for number, (record, ttl) in enumerate(records):
            if number == len(failures) and number >= _MOST_REFUSALS:  # none was taken so far: it is not for the names
                failures[record.name] = refused.message
                continue
            try:
                self._send(zone, [(record, ttl)], write)
            except DnsError as error:
                failures[record.name] = error.message
        return failures

    def _send(self, zone: Zone, records: t.Sequence[tuple[TxtRecord, int]], write: _Write) -> None:
        """In one message, to the first server that takes it. Raises DnsError."""
        update = dns.update.UpdateMessage(_absolute(zone.name), keyring=self._key)
        for record, ttl in records:
            write(update, record, ttl)
        problems = []
        for server in self._servers:
            try:
                reply = dns.query.tcp(update, server.address, port=server.port, timeout=self._timeout)
            except (dns.exception.DNSException, OSError, EOFError, ValueError) as error:
                problems.append(f"{server} {self._failure(error)}")
                if isinstance(error, dns.tsig.PeerError):  # it has read it, and will not change its mind
                    break
                continue
            if reply.rcode() == dns.rcode.NOERROR:
                return
            code = dns.rcode.to_text(reply.rcode())
            advice = _ADVICE.get(code, "See its log.")
            raise _RefusedUpdate(f"The DNS zone {zone.name} could not be updated: {server} answers {code}. {advice}")
        raise DnsError(f"The DNS zone {zone.name} could not be updated: {'; '.join(problems)}")

    def _failure(self, error: Exception) -> str:
        """Behind the server's name. Texts of these errors may quote what the server sent, and are left out."""
        key = self._key.name.to_text(omit_final_dot=True) if self._key else ""
        if isinstance(error, dns.tsig.PeerBadKey):
            return (
                f"does not know the key {key}, or does not let it update the zone (BADKEY). Check key_name, algorithm"
                " and what the server allows."
            )
        if isinstance(error, dns.tsig.PeerBadSignature):
            return f"does not accept the signature by the key {key} (BADSIG). Its secret differs: check key_secret."
        if isinstance(error, dns.tsig.PeerBadTime):
            return "has another time than this host (BADTIME). Set both clocks."
        if isinstance(error, dns.exception.Timeout):
            return f"did not answer within {self._timeout:g} seconds."
        if isinstance(error, ConnectionError) or (isinstance(error, OSError) and error.strerror):
            return f"cannot be reached ({error.strerror or type(error).__name__})."
        if isinstance(error, dns.exception.FormError) and self._key:
            return "answers without a signature, as servers do about a zone that is not theirs. Check server and zones."
        return f"gave an answer that is not to be trusted ({type(error).__name__})."

    # -- questions ----------------------------------------------------------------------------------------------

    def _ask(self, name: str, kind: str) -> dns.message.Message | None:
        """Of the first server that answers."""
        for server in self._servers:
            try:
                return ask(server, name, kind, recursive=False, timeout=ANSWER_TIMEOUT)
            except NoAnswer:
                continue
        return None

    def _zone_of(self, name: str) -> str | None:
        """By the SOA record that comes with whatever an authoritative server answers (RFC 2308 section 3)."""
        message = self._ask(name, "SOA")
        if message is None or not message.flags & dns.flags.AA:
            return None
        owners = {
            rrset.name.to_text(omit_final_dot=True).lower()
            for rrset in (*message.answer, *message.authority)
            if rrset.rdtype == dns.rdatatype.SOA
        }
        return next((parent for parent in parents(name) if parent in owners), None)

    def _lifetime(self, record: TxtRecord) -> int:
        """Of the records that are there, which an update would change; else of ours. Seconds."""
        message = self._ask(record.name, "TXT")
        found = [rrset.ttl for rrset in message.answer if rrset.rdtype == dns.rdatatype.TXT] if message else []
        return found[0] if found else TTL


def _absolute(name: str) -> dns.name.Name:
    return dns.name.from_text(f"{name}.")


def _data(value: str) -> t.Any:
    return dns.rdtypes.ANY.TXT.TXT(dns.rdataclass.IN, dns.rdatatype.TXT, [value.encode()])
