# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What an authoritative DNS server answers from Route53's record sets. Pure: no sockets, no moto.

As Pebble asks it like a resolver, it also follows CNAMEs into all zones that it has (RFC 1034 section 4.3.2), and makes
answers from wildcards (RFC 4592). Names are absolute, lower case, with ``*`` as such.
"""

from __future__ import annotations

import re
import typing as t

import dnslib
from dnslib import CLASS, QTYPE, RCODE, RR, DNSRecord

#: (name, type) -> (TTL, values as Route53 has them)
RecordSets = t.Mapping[tuple[str, str], tuple[int, t.Sequence[str]]]
SERVERS = ("127.0.0.1", "127.0.0.2")
_TTL = 5
_CHAIN = 16


def normal(name: str) -> str:
    """As above; Route53 writes the star as an escape."""
    return name.lower().rstrip(".").replace("\\052", "*") + "."


class ZoneContent:
    """One state of one zone, ready to be asked."""

    def __init__(self, name: str, record_sets: RecordSets, serial: int) -> None:
        self.name = normal(name)
        self.record_sets = record_sets
        self.serial = serial
        self._nodes: dict[str, dict[str, list[RR]]] = {}
        for (owner, kind), (ttl, values) in {**record_sets, **self._own_records()}.items():
            records = [_record(owner, kind, ttl, value) for value in values]
            self._nodes.setdefault(owner, {})[kind] = records
        # Names that are there only because others are below them (RFC 8020).
        for owner in list(self._nodes):
            labels = owner.removesuffix(self.name).split(".")[1:-1]
            for index in range(len(labels)):
                self._nodes.setdefault(".".join([*labels[index:], self.name]), {})

    def _own_records(self) -> dict[tuple[str, str], tuple[int, list[str]]]:
        """Whoever asks for the zone's servers is to come here, at the port of which it has been told."""
        names = [f"ns{number}.{self.name}" for number, _address in enumerate(SERVERS, 1)]
        soa = f"{names[0]} hostmaster.{self.name} {self.serial} 7200 900 1209600 {_TTL}"
        own: dict[tuple[str, str], tuple[int, list[str]]] = {
            (self.name, "SOA"): (_TTL, [soa]),
            (self.name, "NS"): (_TTL, names),
        }
        own.update({(name, "A"): (_TTL, [address]) for name, address in zip(names, SERVERS)})
        return own

    @property
    def soa(self) -> RR:
        return self._nodes[self.name]["SOA"][0]

    def holds(self, name: str) -> bool:
        return name == self.name or name.endswith(f".{self.name}")

    def node(self, name: str) -> dict[str, list[RR]] | None:
        """Type -> records; None when there is no such name, and no wildcard for it."""
        if name in self._nodes:
            return self._nodes[name]
        encloser = name
        while encloser not in self._nodes:
            encloser = encloser.partition(".")[2]
        return self._nodes.get(f"*.{encloser}")


def answer(request: DNSRecord, zones: t.Sequence[ZoneContent]) -> DNSRecord:
    """From the zone with the longest name; REFUSED when none holds the name."""
    reply = request.reply()
    reply.header.aa = 1
    reply.header.ra = 0
    name, kind = normal(str(request.q.qname)), QTYPE[request.q.qtype]
    for step in range(_CHAIN):
        zone = max((zone for zone in zones if zone.holds(name)), key=lambda zone: len(zone.name), default=None)
        if zone is None:
            if step == 0:
                reply.header.rcode = RCODE.REFUSED
                reply.header.aa = 0
            return reply
        node = zone.node(name)
        if node is None:
            reply.header.rcode = RCODE.NXDOMAIN
            reply.add_auth(zone.soa)
            return reply
        found = [record for records in node.values() for record in records] if kind == "ANY" else node.get(kind, [])
        aliases = [] if found or kind == "CNAME" else node.get("CNAME", [])
        for record in found or aliases:
            reply.add_answer(RR(name, record.rtype, CLASS.IN, record.ttl, record.rdata))
        if not aliases:
            if not found:
                reply.add_auth(zone.soa)
            return reply
        name = normal(str(aliases[0].rdata.label))
    return reply


def fits_or_truncated(request: DNSRecord, reply: DNSRecord) -> bytes:
    """For UDP: at most what the asker takes (RFC 6891), else an empty answer that tells to ask by TCP."""
    limit = 512
    for extra in request.ar:
        if extra.rtype == QTYPE.OPT:
            limit = max(limit, extra.edns_len)
            reply.add_ar(dnslib.EDNS0(udp_len=4096))
    packed = reply.pack()
    if len(packed) <= limit:
        return bytes(packed)
    short = request.reply()
    short.header.aa, short.header.tc = 1, 1
    return bytes(short.pack())


_STRING = re.compile(r'"((?:[^"\\]|\\.)*)"')


def character_strings(value: str) -> list[bytes]:
    """Of a TXT value: each in quotation marks; ``\\"`` and octal escapes (Route53's documentation of TXT).

    Raises ValueError when it is not written so.
    """
    found = _STRING.findall(value)
    if not found or _STRING.sub("", value).strip():
        raise ValueError("Value should be enclosed in quotation marks")

    def plain(match: re.Match[str]) -> str:
        return chr(int(match[1], 8)) if match[1][0].isdigit() else match[1]

    return [re.sub(r"\\([0-7]{3}|.)", plain, text).encode("latin-1") for text in found]


def _record(owner: str, kind: str, ttl: int, value: str) -> RR:
    kinds: dict[str, t.Callable[[str], t.Any]] = {
        "TXT": lambda text: dnslib.TXT(character_strings(text)),
        "CAA": _caa,
        "SOA": lambda text: dnslib.SOA(*text.split()[:2], tuple(map(int, text.split()[2:]))),
        "MX": lambda text: dnslib.MX(text.split()[1], int(text.split()[0])),
        **dict.fromkeys(("CNAME", "NS", "PTR"), dnslib.CNAME),
        "A": dnslib.A,
        "AAAA": dnslib.AAAA,
    }
    return RR(owner, getattr(QTYPE, kind), CLASS.IN, ttl, kinds[kind](value))


def _caa(text: str) -> dnslib.CAA:
    flags, tag, value = text.split(None, 2)
    return dnslib.CAA(int(flags), tag, character_strings(value)[0].decode())
