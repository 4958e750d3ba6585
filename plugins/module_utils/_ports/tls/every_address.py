# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Each address of a name by itself: the hosts behind it may serve different certificates."""

from __future__ import annotations

import errno
import socket
import typing as t

from ..._errors import ProbeError
from ..host.descriptors import open_files
from .connection import with_port
from .endpoint import Endpoint, is_ip
from .loop import Loop, OutOfTime, Talk, Timed
from .observation import Observation, Trust
from .probe import converse
from .resolver import NameResolver, SocketAddress

_NO_ROUTE: t.Final = (errno.ENETUNREACH, errno.EHOSTUNREACH, errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT)
_DISCARD: t.Final = 9  # a port; nothing is sent

_Seen = tuple[tuple[int, int], Observation]


def probe_every_address(
    endpoints: t.Sequence[Endpoint],
    timeout: float,
    concurrency: int,
    trust: Trust | None = None,
    *,
    staple: bool = False,
) -> list[Observation]:
    """As probe_many, with an observation for each address of each endpoint, in the order of endpoints and addresses.

    timeout: seconds for each address, with the resolution of its name.
    """
    resolver = NameResolver()

    def one(number: int, place: int, addresses: t.Sequence[SocketAddress] | None) -> Talk[_Seen | list[Timed[_Seen]]]:
        seen = yield from converse(endpoints[number], timeout, trust, resolver, addresses, staple=staple)
        return (number, place), seen

    def each(number: int) -> Talk[_Seen | list[Timed[_Seen]]]:
        endpoint = endpoints[number]
        try:
            by_name = endpoint.unix_path is None and not is_ip(endpoint.connect_host)
            found = (yield from resolver.addresses(endpoint.connect_host)) if by_name else []
        except ProbeError:
            found = []  # which the probe tells
        except OutOfTime:
            error = f"timeout after {timeout:g} s during name resolution"
            trusted, why = (None, None) if trust is None else (False, error)
            return (number, 0), Observation(endpoint, None, error=error, trusted=trusted, trust_error=why)
        if not found:
            return (yield from one(number, 0, None))
        addresses = with_port(routed(found), endpoint.port)
        return [Timed(one(number, place, [address]), timeout) for place, address in enumerate(addresses)]

    with open_files(len(endpoints) + concurrency) as most_open:
        loop: Loop[_Seen] = Loop(concurrency, most_open)
        seen = dict(loop.run(Timed(each(number), timeout) for number in range(len(endpoints))))
    resolver.close()
    return [seen[place] for place in sorted(seen)]


def routed(addresses: t.Sequence[SocketAddress]) -> t.Sequence[SocketAddress]:
    """Without those that this host has no way to, such as IPv6 on a host without it: they say nothing of the endpoint.

    Unless they are all that there is.
    """
    return [each for each in addresses if _has_route(each)] or addresses


def _has_route(address: SocketAddress) -> bool:
    family, (ip, _port, *scope) = address
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as asking:
            asking.connect((ip, _DISCARD, *scope))  # looks up the route, and sends nothing
    except OSError as error:
        return error.errno not in _NO_ROUTE
    return True
