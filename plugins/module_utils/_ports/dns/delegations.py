# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The authoritative servers of a zone, found from the top-level domain downwards, and what they say.

The system's resolver is asked only for the servers of a top-level domain and for addresses of servers: it may know a
private zone of the same name, or what was there some minutes ago, and a CA sees neither.
"""

from __future__ import annotations

import threading
import typing as t
from concurrent.futures import ThreadPoolExecutor

try:
    import dns.exception
    import dns.message
    import dns.name
    import dns.rdatatype
    import dns.resolver
    import dns.rrset
except ImportError:  # who needs it reports it
    pass

from ..._core.acme.zones import parents
from ..._errors import DnsError
from .servers import ANSWER_TIMEOUT, FirstAnswer, NameServer, NoAnswer

_MOST_REFERRALS = 16
_MOST_SERVERS = 26  # of one zone: as many as the root has addresses
_SYSTEM_TIMEOUT = 5.0
_CONCURRENT_LOOKUPS = 8


class DnsAnswer(t.NamedTuple):
    """zone: whose servers gave it, as far as referrals told; servers: all of that zone."""

    message: dns.message.Message
    zone: str
    servers: tuple[NameServer, ...]


class Delegations:
    """May be asked by many threads.

    system: the resolver for top-level domains and servers' addresses, None for the system's own; port: of all
    authoritative servers; answer_timeout: seconds for each of them, by UDP and again by TCP.
    """

    def __init__(
        self,
        system: dns.resolver.Resolver | None = None,
        port: int = 53,
        answer_timeout: float = ANSWER_TIMEOUT,
    ) -> None:
        self.answer_timeout = answer_timeout
        self._one_of = FirstAnswer(answer_timeout)
        self._system = system
        self._port = port
        self._lock = threading.Lock()
        self._starting = threading.Lock()
        self._known: dict[str, tuple[NameServer, ...]] = {}
        self._addresses: dict[str, tuple[str, ...]] = {}

    def answer(self, name: str, kind: str) -> DnsAnswer:
        """Of the authoritative servers for the name. Raises DnsError."""
        zone, servers = self._start(name)
        for _referral in range(_MOST_REFERRALS):
            message = self._first_answer(zone, servers, name, kind)
            referral = _referral_in(message, zone, name)
            if referral is None:
                return DnsAnswer(message, zone, servers)
            zone = _text(referral.name)
            servers = self._servers(zone, referral, message)
        raise DnsError(f"The DNS leads from server to server for {name} and never to an answer.", [name])

    def of_zone(self, zone: str) -> tuple[NameServer, ...]:
        """All servers that the parent or the zone itself names, with all their addresses. Raises DnsError."""
        answer = self.answer(zone, "NS")
        delegated = answer.servers if answer.zone == zone else ()
        known = {server.name for server in delegated}
        own = [
            _text(record.target)
            for rrset in answer.message.answer
            if rrset.rdtype == dns.rdatatype.NS and _text(rrset.name) == zone
            for record in rrset
        ]
        servers = (*delegated, *self._with_addresses(host for host in own if host not in known))
        if not servers:
            raise DnsError(
                f"The zone {zone} is delegated to no server in the DNS: enter its servers at its parent.", [zone]
            )
        return servers

    def addresses(self, host: str) -> tuple[str, ...]:
        """IPv4 and IPv6 addresses of a host, by the system's resolver; empty when there is none or no answer."""
        with self._lock:
            known = self._addresses.get(host)
        if known is None:
            known = tuple(address for kind in ("A", "AAAA") for address in self._looked_up(host, kind))
            with self._lock:
                self._addresses[host] = known
        return known

    def _looked_up(self, name: str, kind: str) -> list[str]:
        try:
            found = self._resolver().resolve(f"{name}.", kind, lifetime=_SYSTEM_TIMEOUT, search=False)
        except (dns.exception.DNSException, OSError):
            return []
        return [record.to_text() for record in found]

    def _resolver(self) -> dns.resolver.Resolver:
        return self._system or dns.resolver.get_default_resolver()

    def _start(self, name: str) -> tuple[str, tuple[NameServer, ...]]:
        """The nearest zone that is known already, else the top-level domain. Raises DnsError."""
        with self._lock:
            known = next(((zone, self._known[zone]) for zone in parents(name) if zone in self._known), None)
        if known:
            return known
        with self._starting:  # of many threads, one asks
            return self._top_level(name.rpartition(".")[2], name)

    def _top_level(self, top: str, name: str) -> tuple[str, tuple[NameServer, ...]]:
        with self._lock:
            if top in self._known:
                return top, self._known[top]
        hosts = [host.removesuffix(".").lower() for host in self._looked_up(top, "NS")]
        servers = self._with_addresses(hosts)
        if not servers:
            raise DnsError(
                f"The resolver of this host knows no servers for the top-level domain {top} of {name}. Check the name"
                " and this host's DNS, or name the servers to ask in nameservers: those that the CA uses, for names"
                " that are not in the public DNS.",
                [name],
            )
        return top, self._remembered(top, servers)

    def _servers(self, zone: str, referral: dns.rrset.RRset, message: dns.message.Message) -> tuple[NameServer, ...]:
        servers = self._found(referral, message)
        if not servers:
            hosts = ", ".join(sorted(_text(record.target) for record in referral))
            raise DnsError(f"The zone {zone} is delegated to {hosts}, which have no address.", [zone])
        return self._remembered(zone, servers)

    def _remembered(self, zone: str, servers: tuple[NameServer, ...]) -> tuple[NameServer, ...]:
        with self._lock:
            return self._known.setdefault(zone, servers)

    def _found(self, named: dns.rrset.RRset, message: dns.message.Message) -> tuple[NameServer, ...]:
        """By the addresses that came along (glue), else by those that the system's resolver finds."""
        glue: dict[str, list[str]] = {}
        for rrset in message.additional:
            if rrset.rdtype in (dns.rdatatype.A, dns.rdatatype.AAAA):
                glue.setdefault(_text(rrset.name), []).extend(record.address for record in rrset)
        return self._with_addresses(sorted(_text(record.target) for record in named), glue)

    def _with_addresses(
        self, hosts: t.Iterable[str], glue: t.Mapping[str, t.Sequence[str]] | None = None
    ) -> tuple[NameServer, ...]:
        named = list(hosts)
        with ThreadPoolExecutor(_CONCURRENT_LOOKUPS) as pool:
            found = list(pool.map(lambda host: (glue or {}).get(host) or self.addresses(host), named))
        servers = [
            NameServer(address, self._port, host) for host, addresses in zip(named, found) for address in addresses
        ]
        return tuple(servers[:_MOST_SERVERS])

    def _first_answer(self, zone: str, servers: tuple[NameServer, ...], name: str, kind: str) -> dns.message.Message:
        try:
            return self._one_of.ask(servers, name, kind, recursive=False)
        except NoAnswer as error:
            raise DnsError(
                f"No server of the zone {zone} answers for {name}: {error.why}. Where this host may not ask servers"
                " outside, name one that it may in nameservers.",
                [name],
            ) from None


def _referral_in(message: dns.message.Message, zone: str, name: str) -> dns.rrset.RRset | None:
    """To a zone below this one that the name is in; one to elsewhere is nonsense, and no reason to go there."""
    if message.answer:
        return None
    below = set(parents(name)) - set(parents(zone))
    named = [rrset for rrset in message.authority if rrset.rdtype == dns.rdatatype.NS and _text(rrset.name) in below]
    return max(named, key=lambda rrset: len(rrset.name), default=None)


def _text(name: dns.name.Name) -> str:
    return name.to_text(omit_final_dot=True).lower()
