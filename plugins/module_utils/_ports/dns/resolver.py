# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the DNS says, as a CA will see it: explicit CNAMEs, CAA records, TXT values, and whether all servers agree."""

from __future__ import annotations

import secrets
import threading
import typing as t
from concurrent.futures import ThreadPoolExecutor

try:
    import dns.message
    import dns.name
    import dns.rdatatype
except ImportError:  # who needs it reports it
    pass

from ..._core.acme.caa import CaaRecord, CaaSet
from ..._core.acme.zones import parents, plain_name
from ..._errors import DnsError
from .delegations import Delegations
from .servers import FirstAnswer, NameServer, NoAnswer, name_server

_LONGEST_CHAIN = 10
_CONCURRENT_QUESTIONS = 16

T = t.TypeVar("T")


class DnsResolver:
    """Asks authoritative servers, or those given. May be used from many threads.

    nameservers: texts of the option (``host``, ``host:port``), asked instead of the zones' own for everything; such a
    server should not cache: it would go on saying that a name is absent. Raises InvalidOption.
    """

    def __init__(self, nameservers: t.Sequence[str] = (), delegations: Delegations | None = None) -> None:
        self._delegations = delegations or Delegations()
        self.answer_timeout = self._delegations.answer_timeout
        self._one_of = FirstAnswer(self.answer_timeout)
        self.nameservers: tuple[NameServer, ...] = tuple(
            server for text in nameservers for server in name_server(text, self._delegations.addresses)
        )
        self._lock = threading.Lock()
        self._caa_sets: dict[str, tuple[CaaRecord, ...]] = {}
        self._wildcards: dict[str, str | None] = {}

    def servers_of(self, zone: str) -> tuple[NameServer, ...]:
        """All that are to have what is published in it. Raises DnsError."""
        return self.nameservers or self._delegations.of_zone(zone)

    # -- CNAME --------------------------------------------------------------------------------------------------

    def targets(self, names: t.Iterable[str]) -> dict[str, str | DnsError]:
        """Each name with the one that it leads to through explicit CNAME records, or what is wrong; many at once."""
        return self._each(self.target, names)

    def target(self, name: str) -> str:
        """Where the name leads through explicit CNAME records: itself, when it has none.

        A CNAME that a wildcard record stands in for is not followed: a record at the name itself takes its place.
        Raises DnsError, for loops and chains without an end, too.
        """
        chain = [name]
        while True:
            following = self._explicit_cname(chain[-1])
            if following is None:
                return chain[-1]
            if following in chain:
                raise DnsError(
                    f"CNAME records lead in a circle: {' -> '.join([*chain, following])}. Correct them.", [name]
                )
            chain.append(following)
            if len(chain) > _LONGEST_CHAIN:
                raise DnsError(f"More than {_LONGEST_CHAIN} CNAME records follow each other from {name}.", [name])

    def _explicit_cname(self, name: str) -> str | None:
        answer = self._answer(name, "CNAME")
        found = _cname_of(answer, name)
        if found is None or any(rrset.rdtype == dns.rdatatype.DNAME for rrset in answer.answer):
            return found
        return None if found == self._wildcard_cname(name.partition(".")[2]) else found

    def _wildcard_cname(self, parent: str) -> str | None:
        """What names below this one lead to that nobody has entered."""
        with self._lock:
            if parent in self._wildcards:
                return self._wildcards[parent]
        label = f"_{secrets.token_hex(12)}"
        found = _cname_of(self._answer(f"{label}.{parent}", "CNAME"), f"{label}.{parent}")
        with self._lock:
            return self._wildcards.setdefault(parent, found)

    # -- CAA and TXT --------------------------------------------------------------------------------------------

    def caa(self, names: t.Iterable[str]) -> dict[str, CaaSet | DnsError | None]:
        """Of each name, without ``*.``, the CAA records that count for it: its own, else its nearest parent's (RFC 8659
        section 3); None when there are none up to the top. Many at once."""
        return self._each(self._relevant_caa, names)

    def _relevant_caa(self, name: str) -> CaaSet | None:
        for owner in parents(name):
            records = self._caa_at(owner)
            if records:
                return CaaSet(owner, records)
        return None

    def _caa_at(self, name: str) -> tuple[CaaRecord, ...]:
        with self._lock:
            if name in self._caa_sets:
                return self._caa_sets[name]
        found = tuple(
            CaaRecord(record.flags, record.tag.decode("ascii", "replace"), record.value.decode("utf-8", "replace"))
            for record in self._records(name, "CAA")
        )
        with self._lock:
            return self._caa_sets.setdefault(name, found)

    def txt(self, names: t.Iterable[str]) -> dict[str, tuple[str, ...] | DnsError]:
        """TXT values of each name, the strings of each joined, CNAMEs followed; empty for none. Many at once."""
        return self._each(lambda name: tuple(map(txt_value, self._records(name, "TXT"))), names)

    def _records(self, name: str, kind: str) -> list[t.Any]:
        """Of the name, or of what it leads to by whatever CNAMEs. Raises DnsError."""
        wanted = dns.rdatatype.from_text(kind)
        asked = name
        for _step in range(_LONGEST_CHAIN):
            answer = self._answer(name, kind)
            end = _end_of_chain(answer, name)
            found = [rrset for rrset in answer.answer if rrset.rdtype == wanted and _text(rrset.name) == end]
            if found or end == name:
                return [record for rrset in found for record in rrset]
            name = end
        raise DnsError(f"CNAME records lead on and on from {asked}, or in a circle. Correct them.", [asked])

    # -- asking -------------------------------------------------------------------------------------------------

    def _answer(self, name: str, kind: str) -> dns.message.Message:
        if not self.nameservers:
            return self._delegations.answer(name, kind).message
        try:
            return self._one_of.ask(self.nameservers, name, kind, recursive=True)
        except NoAnswer as error:
            raise DnsError(f"No server of nameservers answers for {name}: {error.why}.", [name]) from None

    def _each(self, function: t.Callable[[str], T], names: t.Iterable[str]) -> dict[str, T | DnsError]:
        def outcome(name: str) -> T | DnsError:
            try:
                return function(plain_name(name))
            except DnsError as error:
                return error

        wanted = list(dict.fromkeys(names))
        with ThreadPoolExecutor(_CONCURRENT_QUESTIONS) as pool:
            return dict(zip(wanted, pool.map(outcome, wanted)))


def txt_value(record: t.Any) -> str:
    """Of a TXT record of dnspython, its strings joined."""
    value = b"".join(record.strings)
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value.decode("latin-1")


def _cname_of(message: dns.message.Message, name: str) -> str | None:
    for rrset in message.answer:
        if rrset.rdtype == dns.rdatatype.CNAME and _text(rrset.name) == name:
            return _text(rrset[0].target)
    return None


def _end_of_chain(message: dns.message.Message, name: str) -> str:
    """As far as the answer leads. Raises DnsError for a circle."""
    seen = [name]
    while (following := _cname_of(message, seen[-1])) is not None:
        if following in seen:
            raise _circle([*seen, following])
        seen.append(following)
    return seen[-1]


def _circle(chain: t.Sequence[str]) -> DnsError:
    return DnsError(f"CNAME records lead in a circle: {' -> '.join(chain)}. Correct them.", chain[:1])


def _text(name: dns.name.Name) -> str:
    return name.to_text(omit_final_dot=True).lower()
