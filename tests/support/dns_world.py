# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A DNS of one's own on loopback: a resolver, servers of a top-level domain and of zones, one address each, one port.

They answer for zones with delegations and wildcards, over UDP and TCP, and misbehave on request.
"""

from __future__ import annotations

import contextlib
import itertools
import socket
import struct
import threading
import time
import typing as t

import dns.resolver
import dnslib
from ansible_collections.certops.rotation.plugins.module_utils._ports.dns.delegations import Delegations
from ansible_collections.certops.rotation.plugins.module_utils._ports.dns.resolver import DnsResolver
from dnslib import CLASS, QTYPE, RCODE, RR, DNSRecord

from .dns_answers import ZoneContent, answer, fits_or_truncated, normal
from .ports import free_port

#: How a server may behave: nothing comes; a wrong id; garbage; a byte now and then, by TCP; REFUSED or SERVFAIL.
Behaviour = t.Literal["well", "silent", "wrong id", "garbage", "drips", "REFUSED", "SERVFAIL", "FORMERR", "no EDNS"]
ANSWER_TIMEOUT = 0.4

_numbers = itertools.count(10)


class DnsServer:
    """records: (name, type) -> values, as Route53 writes them, of the zone; delegations: name of a zone -> its servers.

    zone: "" for a resolver that answers whatever it holds. queries: (name, type) of all questions so far.
    """

    def __init__(self, port: int, name: str, zone: str) -> None:
        self.address, self.port, self.name, self.zone = f"127.0.0.{next(_numbers)}", port, name, zone
        self.records: dict[tuple[str, str], list[str]] = {}
        self.delegations: dict[str, list[DnsServer]] = {}
        self.behaviour: Behaviour = "well"
        self.authoritative = True
        self.refused_names: set[str] = set()  # SERVFAIL
        self.queries: list[tuple[str, str]] = []
        self._udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._udp.bind((self.address, port))
        self._tcp = socket.create_server((self.address, port), backlog=100)
        self._closed = False
        for work in (self._serve_udp, self._accept):
            threading.Thread(target=work, daemon=True).start()

    def close(self) -> None:
        self._closed = True
        with contextlib.suppress(OSError):
            self._udp.sendto(b"", self._udp.getsockname())  # wakes the thread
        self._tcp.shutdown(socket.SHUT_RDWR)
        self._tcp.close()

    def asked(self, kind: str) -> list[str]:
        return [name for name, asked in self.queries if asked == kind]

    # -- serving ------------------------------------------------------------------------------------------------

    def _serve_udp(self) -> None:
        with self._udp:
            while True:
                data, sender = self._udp.recvfrom(4096)
                if self._closed:
                    return
                reply = self._reply(data, udp=True)
                if reply:
                    self._udp.sendto(reply, sender)

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                threading.Thread(target=self._serve_tcp, args=(self._tcp.accept()[0],), daemon=True).start()

    def _serve_tcp(self, connection: socket.socket) -> None:
        with contextlib.suppress(OSError, struct.error), connection, connection.makefile("rb") as reading:
            (length,) = struct.unpack("!H", reading.read(2))
            reply = self._reply(reading.read(length), udp=False)
            if reply is None:
                reading.read(1)  # until the other end gives up
                return
            content = struct.pack("!H", len(reply)) + reply
            for byte in content if self.behaviour == "drips" else ():
                connection.sendall(bytes([byte]))
                time.sleep(0.1)
            if self.behaviour != "drips":
                connection.sendall(content)

    def _reply(self, data: bytes, *, udp: bool) -> bytes | None:
        request = DNSRecord.parse(data)
        self.queries.append((str(request.q.qname).rstrip(".").lower(), QTYPE[request.q.qtype]))
        if self.behaviour == "silent":
            return None
        if self.behaviour == "garbage":
            return b"\x00garbage\xff"
        made = self._made(request)
        if self.behaviour in ("REFUSED", "SERVFAIL", "FORMERR"):
            made = request.reply()
            made.header.rcode = getattr(RCODE, self.behaviour)
        if str(request.q.qname).rstrip(".") in self.refused_names:
            made = request.reply()
            made.header.rcode = RCODE.SERVFAIL
        if self.behaviour == "no EDNS" and request.ar:
            made = request.reply()
            made.header.rcode = RCODE.FORMERR
        made.header.aa = int(self.authoritative and bool(made.rr or not made.auth or made.auth[0].rtype == QTYPE.SOA))
        if self.behaviour == "wrong id":
            made.header.id ^= 1
        if self.behaviour == "drips" and udp:
            made.rr, made.header.tc = [], 1
        return fits_or_truncated(request, made) if udp else bytes(made.pack())

    def _made(self, request: DNSRecord) -> DNSRecord:
        name = normal(str(request.q.qname))
        for zone, servers in self.delegations.items():
            if f".{name}".endswith(f".{zone}."):
                reply = request.reply()
                for server in servers:
                    reply.add_auth(RR(f"{zone}.", QTYPE.NS, CLASS.IN, 60, dnslib.NS(f"{server.name}.")))
                    reply.add_ar(RR(f"{server.name}.", QTYPE.A, CLASS.IN, 60, dnslib.A(server.address)))
                return reply
        content = ZoneContent(self.zone or ".", self._record_sets(), 1) if self.zone else None
        if content is not None:
            return answer(request, [content])
        reply = request.reply()
        for value in self.records.get((name.rstrip("."), QTYPE[request.q.qtype]), []):
            for record in RR.fromZone(f"{name} 5 IN {QTYPE[request.q.qtype]} {value}"):
                reply.add_answer(record)
        if not reply.rr:
            reply.header.rcode = RCODE.NXDOMAIN
        return reply

    def _record_sets(self) -> dict[tuple[str, str], tuple[int, list[str]]]:
        return {(f"{name}.", kind): (5, values) for (name, kind), values in self.records.items()}


class DnsWorld:
    """system: the resolver of this host; top: the server of the top-level domain test."""

    def __init__(self) -> None:
        self.port = free_port()
        self._servers: list[DnsServer] = []
        self.system = self.server("resolver", "")
        self.top = self.server("ns.nic.test", "test")
        self.system.records[("test", "NS")] = ["ns.nic.test."]
        self.system.records[("ns.nic.test", "A")] = [self.top.address]

    def server(self, name: str, zone: str) -> DnsServer:
        made = DnsServer(self.port, name, zone)
        self._servers.append(made)
        return made

    def zone(self, name: str, servers: int = 2, parent: DnsServer | None = None) -> list[DnsServer]:
        """Delegated to so many servers, which hold different copies of its records. parent: None for test."""
        made = [self.server(f"ns{number + 1}.{name}", name) for number in range(servers)]
        for server in made:
            server.records[(name, "NS")] = [f"{other.name}." for other in made]
        (parent or self.top).delegations[name] = made
        return made

    def resolver(self, *nameservers: str) -> DnsResolver:
        system = dns.resolver.Resolver(configure=False)
        system.nameservers, system.port = [self.system.address], self.port
        return DnsResolver(nameservers, Delegations(system, self.port, ANSWER_TIMEOUT))

    def close(self) -> None:
        for server in self._servers:
            server.close()
