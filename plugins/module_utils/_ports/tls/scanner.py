# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Look at watched endpoints, ten as ten thousand: every address of every name, in one process."""

from __future__ import annotations

import dataclasses
import typing as t
from datetime import datetime

if t.TYPE_CHECKING:
    from cryptography import x509

from ..._core.watch.chain_ends import ChainEnds
from ..._core.watch.chain_facts import chain_notes
from ..._core.watch.endpoints import WatchedEndpoint
from ..._core.watch.seen import seen_certificate
from ..._core.watch.sightings import Sighting
from ..._core.watch.staple import staple_state
from ..._errors import ProbeError
from ..host.descriptors import open_files
from .connection import shown, with_port
from .endpoint import Endpoint, is_ip
from .every_address import routed
from .loop import Loop, OutOfTime, Talk, Timed
from .observation import Observation, Trust
from .probe import UNRESOLVED, converse
from .resolver import NameResolver, SocketAddress

#: All addresses of a name, one Sighting each, or the first that takes a connection.
AddressChoice = t.Literal["all", "first"]

_MOST_OPEN: t.Final = 2048  # of which each that is silent needs some 50 KB


@dataclasses.dataclass(frozen=True)
class ScannerSettings:
    """now: the instant that all sightings bear (aware). timeout: seconds for each endpoint, whatever it does.

    deadline: seconds for all of them; what has not been seen by then is in Scanner.unfinished. concurrency: how many at
    a time; those that take much longer than others do not count. trust: None to ask for no verdict. anchors: the
    trust's, for needed_until, which stays None without. staple: ask for the OCSP response, too (needs pyOpenSSL).
    """

    now: datetime
    timeout: float = 10.0
    deadline: float | None = None
    concurrency: int = 128
    addresses: AddressChoice = "all"
    trust: Trust | None = None
    anchors: tuple[x509.Certificate, ...] = ()
    key_type: str = "any"
    staple: bool = False


def scan(endpoints: t.Sequence[WatchedEndpoint], settings: ScannerSettings) -> Scanner:
    return Scanner(endpoints, settings)


class Scanner:
    """Iterate once, for Sightings in the order in which they come. Never raises for what an endpoint does.

    Whoever iterates may take its time between two of them: no endpoint's time-out counts that. unfinished: afterwards,
    the endpoints that were not seen, or not at all of their addresses, because the deadline passed. Of those addresses
    there is no Sighting: nobody knows whether they serve.
    """

    def __init__(self, endpoints: t.Sequence[WatchedEndpoint], settings: ScannerSettings) -> None:
        self._endpoints = endpoints
        self._settings = settings
        self._resolver = NameResolver()
        self._ends = ChainEnds(settings.anchors, settings.now)
        self._left = dict.fromkeys(range(len(endpoints)), 1)

    @property
    def unfinished(self) -> list[WatchedEndpoint]:
        return [self._endpoints[number] for number in self._left]

    def __iter__(self) -> t.Iterator[Sighting]:
        settings = self._settings
        with open_files(min(_MOST_OPEN, len(self._endpoints) + settings.concurrency)) as most_open:
            loop: Loop[_Look] = Loop(settings.concurrency, most_open, settings.deadline)
            talks = (Timed(self._endpoint(number), settings.timeout) for number in range(len(self._endpoints)))
            try:
                for look in loop.run(talks):
                    self._left[look.number] -= 1
                    if not self._left[look.number]:
                        del self._left[look.number]
                    # Here, and not in its talk: however long that takes, the others do not pay for it.
                    yield self._sighting(look)
            finally:
                self._resolver.close()

    def _endpoint(self, number: int) -> _Talk:
        settings = self._settings
        try:
            endpoint = probed(self._endpoints[number], settings.key_type)
            if settings.addresses == "first" or is_ip(endpoint.connect_host):
                return (yield from self._look(number, endpoint, None))
            addresses = yield from self._resolver.addresses(endpoint.connect_host)
        except OutOfTime:
            return _Look(number, None, f"timeout after {settings.timeout:g} s during name resolution")
        except ProbeError as odd:
            return _Look(number, None, odd.message)
        if not addresses:
            return _Look(number, None, UNRESOLVED)
        found = with_port(routed(addresses), endpoint.port)
        self._left[number] = len(found)
        return [Timed(self._look(number, endpoint, each), settings.timeout) for each in found]

    def _look(self, number: int, endpoint: Endpoint, address: SocketAddress | None) -> _Talk:
        settings = self._settings
        only = None if address is None else [address]
        seen = yield from converse(
            endpoint, settings.timeout, settings.trust, self._resolver, only, staple=settings.staple
        )
        return _Look(number, seen.address or (address and shown(address)), seen)

    def _sighting(self, look: _Look) -> Sighting:
        key, seen, now = self._endpoints[look.number].key, look.seen, self._settings.now
        if isinstance(seen, str):
            return Sighting(key, look.address, now, error=seen)
        chain = tuple(map(seen_certificate, seen.chain))
        return Sighting(
            key,
            look.address,
            now,
            chain=chain,
            error=seen.error,
            trusted=seen.trusted if chain else None,
            trust_error=seen.trust_error if chain else None,
            needed_until=self._ends.end(chain, trusted=bool(seen.trusted)),
            chain_notes=chain_notes(chain),
            protocol=seen.protocol,
            cipher=seen.cipher,
            key_type_ignored=seen.key_type_ignored,
            staple=None if seen.staple is None else staple_state(seen.staple, chain, now),
        )


class _Look(t.NamedTuple):
    """number: of the endpoint. seen: or why there was nothing to ask."""

    number: int
    address: str | None
    seen: Observation | str


_Talk = Talk["_Look | list[Timed[_Look]]"]


def probed(watched: WatchedEndpoint, key_type: str = "any") -> Endpoint:
    """What to ask of a watched endpoint. Raises ProbeError when a field makes no sense."""
    host_as_name = None if is_ip(watched.host) else watched.host
    return Endpoint(
        watched.host,
        watched.port,
        server_name=host_as_name if watched.server_name is None else watched.server_name,
        address=watched.address,
        starttls=watched.starttls,
        key_type=key_type,
        proxy_protocol=watched.proxy_protocol,
    )
