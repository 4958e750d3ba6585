# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the flows of watching need of a registry. The one there is: _ports.registry. Pure."""

from __future__ import annotations

import dataclasses
import typing as t
from datetime import datetime, timedelta

from .changes import Judgement
from .endpoints import WatchedEndpoint
from .events import WatchEvent
from .policy import WatchPolicy
from .sightings import AddressState, SeenCertificate, Sighting


@dataclasses.dataclass(frozen=True)
class EndpointSelection:
    """Which endpoints: all that is given must hold; empty means any. enabled: None for both.

    names, hosts: one may be given as host:port, too ([address]:port for IPv6), which means one endpoint.
    """

    names: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()
    tags: tuple[tuple[str, str], ...] = ()
    enabled: bool | None = None


@dataclasses.dataclass(frozen=True)
class EndpointChange:
    """What putting or removing did to one endpoint. before, after: None when it was, or is, not there."""

    before: WatchedEndpoint | None
    after: WatchedEndpoint | None

    @property
    def changed(self) -> bool:
        return self.before != self.after


@dataclasses.dataclass(frozen=True)
class FleetDeployment:
    """What the fleet's own record says of one certificate on one host, to be held against the wire.

    layers: layer ("source", "file", "memory", "wire") -> SHA-256 of the leaf there in lower-case hexadecimal, None
    when that layer has none, "" for another one than the file's whose fingerprint nobody knows; of a layer that could
    not be asked nothing. endpoints: (host, port) that should serve it, of which a host such as
    "*.example.com" stands for all that are watched below it. at: when it was read.
    """

    host: str
    certificate: str
    layers: t.Mapping[str, str | None]
    endpoints: tuple[tuple[str, int], ...]
    at: datetime


@dataclasses.dataclass(frozen=True)
class HistoryEntry:
    """One interval of one address: the same was seen from since to until (last seen); is_open: it is the present."""

    address: str | None
    since: datetime
    until: datetime
    is_open: bool
    sighting: Sighting


#: An address that a scan of others of its endpoint has left out for that long is no part of the present any more: a
#: scan a day later has not found it, while one that ended too early, or asked for less, may have an hour ago.
_ABSENT_AFTER: t.Final = timedelta(hours=20)


def present_states(states: t.Sequence[AddressState]) -> list[AddressState]:
    """Those of addresses that the endpoint still has, as far as the last scans tell; long before the others are retired
    (WatchPolicy.gone_after), they alarm nobody. While a name does not resolve, its addresses stay."""
    asked: dict[str, datetime] = {}
    for state in states:
        if state.address is not None:
            asked[state.key_type] = max(state.last_seen, asked.get(state.key_type, state.last_seen))
    return [
        state for state in states if state.address is None or asked[state.key_type] - state.last_seen < _ABSENT_AFTER
    ]


@dataclasses.dataclass(frozen=True)
class EndpointView:
    """All that is known of one endpoint. added: when it was. states: of the present, see present_states.

    history: newest first; at least what is open, which is the present. certificates: all that states and history name,
    by SHA-256, with what they were sent with.
    """

    endpoint: WatchedEndpoint
    added: datetime
    states: tuple[AddressState, ...] = ()
    history: tuple[HistoryEntry, ...] = ()
    certificates: t.Mapping[str, SeenCertificate] = dataclasses.field(default_factory=dict)


class EndpointRegistry(t.Protocol):
    """All raise RegistryError. Each method is one transaction; other writers may work at the same time."""

    def endpoints(self, selection: EndpointSelection) -> list[WatchedEndpoint]:
        """In the order of host and port."""

    def put(
        self, endpoints: t.Sequence[WatchedEndpoint], now: datetime, *, prune: bool = False, check: bool = False
    ) -> list[EndpointChange]:
        """Add or change these; with prune, retire all others. check: tell, and change nothing."""

    def remove(self, keys: t.Sequence[tuple[str, int]], now: datetime, *, check: bool = False) -> list[EndpointChange]:
        """Retire them: their history stays until it is forgotten (retention), an event "retired" is recorded."""

    def record(
        self,
        sightings: t.Iterable[Sighting],
        policy: WatchPolicy,
        now: datetime,
        *,
        check: bool = False,
        judged: t.Callable[[Sighting, Judgement], None] | None = None,
    ) -> list[WatchEvent]:
        """Write what was seen: intervals, certificates, and the events that follow, in the same transactions.

        Decides by _core.watch.changes. Of endpoints that are not (any more) registered, nothing is written. check:
        tell, and change nothing. judged: is called with each sighting of one that is registered, and what it means.
        """

    def views(self, selection: EndpointSelection, *, history: bool = False) -> t.Iterator[EndpointView]:
        """One endpoint after the other, so that ten thousand need no memory, in the order of host and port.

        history: with what is closed, too.
        """

    def certificate(self, fingerprint_sha256: str) -> SeenCertificate | None: ...

    def undelivered(self, receiver: str, limit: int) -> list[WatchEvent]:
        """Events that this receiver has not confirmed, oldest first. receiver: a name, such as "webhook"."""

    def delivered(self, receiver: str, ids: t.Sequence[str], now: datetime) -> None: ...

    def events(self, selection: EndpointSelection, since: datetime | None, limit: int) -> list[WatchEvent]:
        """Newest first."""

    def put_deployments(self, hosts: t.Sequence[str], deployments: t.Sequence[FleetDeployment]) -> None:
        """All that is known of these hosts is replaced."""

    def deployments(self) -> list[FleetDeployment]: ...

    def forget(self, older_than: timedelta, now: datetime, *, check: bool = False) -> int:
        """Remove closed intervals, delivered events, retired endpoints and certificates that ended before that;
        returns how many went. What is open stays for ever. check: tell, and change nothing."""
