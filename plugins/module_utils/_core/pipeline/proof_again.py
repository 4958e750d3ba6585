# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How often to ask what was answered rightly, because not everybody who listens there may answer so. Pure.

Where several sockets listen at one address (SO_REUSEPORT), the kernel chooses one for each connection, each about as
often. Of n connections none comes to a certain one of k sockets with probability (1 - 1/k)^n.
"""

from __future__ import annotations

import math
import typing as t

from ..haproxy.listeners import TlsBind

Address = tuple[str, int, t.Optional[str]]  # host, port, path of a unix socket

ALONE = 3  # more connections for an address where one listens alone: it may pass them on to several others
MOST = 1000  # more connections for one address
_HAPROXY = "haproxy"
_MISSED = 0.001  # the accepted probability that one of several is not met
_MOST_FOR_ONE = 200  # connections for one question


class ListeningProcess(t.Protocol):
    """A process that has a listening socket open. family: one number for HAProxy's workers of one master."""

    @property
    def pid(self) -> int: ...

    @property
    def name(self) -> str: ...

    @property
    def family(self) -> int: ...


class Share(t.NamedTuple):
    """Who may get a connection to an address. sockets: how many, when they are not one and the same, as the shards of
    one bind are, else 1; by: who they are, for people; strange: whether one of them is not HAProxy.
    """

    sockets: int
    by: tuple[str, ...] = ()
    strange: bool = False

    @property
    def shared(self) -> bool:
        """Whether several are known that need not answer alike."""
        return len(self.by) > 1


#: Where nobody can be counted there may be two.
UNKNOWN = Share(2)


def share_of(sockets: t.Sequence[t.Sequence[ListeningProcess]], binds: t.Sequence[str], *, configured: bool) -> Share:
    """sockets: owners of each that listens at the address, () where they may not be seen. binds: those of HAProxy's
    configuration that are there, when they are several (see twins). configured: whether that is known.
    """
    owners = {owner.pid: owner for each in sockets for owner in each}
    families = {owner.family: owner for owner in owners.values()}
    hidden = sum(not each for each in sockets)
    strange = any(not owner.name.startswith(_HAPROXY) for owner in owners.values())
    named = [f"{owner.name} (process {owner.pid})" for owner in families.values()]
    if hidden and len(sockets) > 1:
        named.append(f"{hidden} of {len(sockets)} sockets are of processes that this user may not see")
    by = [*binds, *(named if len(named) > 1 or not binds else ())]
    if not sockets:
        return Share(max(UNKNOWN.sockets, len(binds)), tuple(by))
    one = not binds and len(owners) < 2 and (len(sockets) == 1 or (not hidden and configured))
    accepting = sum(max(len(each), 1) for each in sockets)
    return Share(1 if one else max(accepting, len(binds)), tuple(by), strange)


def connections(sockets: int) -> int:
    """That meet each of so many sockets but for one case in a thousand: 10 for two, 25 for four, 52 for eight."""
    if sockets < 2:
        return 1
    return min(math.ceil(math.log(_MISSED) / math.log(1 - 1 / sockets)), _MOST_FOR_ONE)


def questions_again(questions: t.Sequence[tuple[int, Address]], shares: t.Mapping[Address, Share]) -> list[int]:
    """The numbers of the questions to ask again, each as often as it is to be asked.

    questions: number and address of each that was answered once. Where one listens alone, a few of an address are
    enough; where several do, each question is one of its own, as long as that is not too much.
    """
    by_address: dict[Address, list[int]] = {}
    for number, address in questions:
        by_address.setdefault(address, []).append(number)
    return [
        number for address, numbers in by_address.items() for number in _spread(numbers, shares.get(address, UNKNOWN))
    ]


def _spread(numbers: t.Sequence[int], share: Share) -> list[int]:
    """In turns, so that one certificate is not asked for in a quick burst."""
    count = len(numbers)
    total = ALONE if share.sockets < 2 else min(count * (connections(share.sockets) - 1), MOST)
    rounds, rest = divmod(total, count)
    return [*numbers] * rounds + [numbers[position * count // rest] for position in range(rest)]


def address_of(bind: TlsBind) -> Address:
    """Where it is asked."""
    return bind.host, bind.port, bind.unix_path


def twins(binds: t.Sequence[TlsBind], address: Address) -> tuple[str, ...]:
    """The binds of one address, for people; () where there is one, or several of one section that load the same."""
    here = [bind for bind in binds if bind.not_probeable is None and address_of(bind) == address]
    groups = {(bind.everywhere, bind.section, bind.references, bind.strict_sni): bind for bind in here}
    everywhere = {bind.everywhere for bind in here}
    if len(groups) < 2 or len(everywhere) > 1:
        return ()
    return tuple(
        f"{bind.section or 'a section'} ({bind.line})" if bind.line else bind.label for bind in groups.values()
    )
