# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Asks watched endpoints what they serve, and has the registry write down what that means."""

from __future__ import annotations

import dataclasses
import typing as t
from datetime import datetime

from ..._core.watch.changes import Judgement
from ..._core.watch.endpoints import WatchedEndpoint
from ..._core.watch.events import WatchEvent
from ..._core.watch.policy import WatchPolicy
from ..._core.watch.registry import EndpointSelection
from ..._core.watch.scan_summary import ScanSummary
from ..._core.watch.selecting import not_found
from ..._core.watch.sightings import Sighting
from ..._core.watch.staple import with_revocation
from ..._errors import InvalidOption

ANY_KEY: t.Final = "any"
_MOST_NAMED: t.Final = 10


class SightingSource(t.Protocol):
    """Iterate once; then unfinished is what the time did not suffice for."""

    def __iter__(self) -> t.Iterator[Sighting]: ...

    @property
    def unfinished(self) -> list[WatchedEndpoint]: ...


class RecordingRegistry(t.Protocol):
    """What a scan needs of an EndpointRegistry."""

    @property
    def place(self) -> str: ...

    def endpoints(self, selection: EndpointSelection) -> list[WatchedEndpoint]: ...

    def record(
        self,
        sightings: t.Iterable[Sighting],
        policy: WatchPolicy,
        now: datetime,
        *,
        check: bool = False,
        judged: t.Callable[[Sighting, Judgement], None] | None = None,
    ) -> list[WatchEvent]: ...


def registered_endpoints(registry: RecordingRegistry, selection: EndpointSelection) -> list[WatchedEndpoint]:
    """Those of the selection that are enabled. Raises InvalidOption when a name or host of it is not registered."""
    found = registry.endpoints(selection)
    missing = not_found(selection, found)
    if missing:
        more = f" and {len(missing) - _MOST_NAMED} more" if len(missing) > _MOST_NAMED else ""
        among = " with these tags" if selection.tags else ""
        raise InvalidOption(
            f"{registry.place} has no endpoint {', '.join(missing[:_MOST_NAMED])}{more}{among}."
            " certops.rotation.endpoint_registry_info tells which it has, and endpoint_registry adds one."
        )
    return [endpoint for endpoint in found if endpoint.enabled]


class EndpointScan:
    """One scan. look: asks endpoints for certificates of a type of key, "any" for what clients of today get.

    key_types: further ones to ask for, where something is served. registry: None to record nothing. check: tell what
    would be recorded, and record nothing.
    """

    def __init__(
        self,
        endpoints: t.Sequence[WatchedEndpoint],
        look: t.Callable[[t.Sequence[WatchedEndpoint], str], SightingSource],
        policy: WatchPolicy,
        *,
        key_types: t.Sequence[str] = (),
        registry: RecordingRegistry | None = None,
        now: datetime,
        check: bool = False,
    ) -> None:
        self._endpoints = endpoints
        self._look = look
        self._policy = policy
        self._key_types = [key_type for key_type in dict.fromkeys(key_types) if key_type != ANY_KEY]
        self._registry = registry
        self._now = now
        self._check = check
        self._leaves: dict[tuple[tuple[str, int], str | None], set[str]] = {}
        self.summary = ScanSummary(endpoints, policy)

    def run(self) -> ScanSummary:
        """Raises RegistryError; what was recorded until then stays, and summary tells what was seen."""
        summary, seen = self.summary, self._seen()
        if self._registry is None:
            for _sighting in seen:
                pass
        else:
            summary.tell(self._registry.record(seen, self._policy, self._now, check=self._check, judged=summary.judge))
        return summary

    def _seen(self) -> t.Iterator[Sighting]:
        source = self._look(self._endpoints, ANY_KEY)
        for sighting in map(with_revocation, source):
            if self._key_types and sighting.leaf:
                self._leaves.setdefault(_place(sighting), set()).add(sighting.leaf.fingerprint_sha256)
            self.summary.see(sighting)
            yield sighting
        self.summary.miss(source.unfinished)
        for key_type in self._key_types:
            yield from self._further(key_type)

    def _further(self, key_type: str) -> t.Iterator[Sighting]:
        """Of addresses that serve something: what they have besides. That they have no such thing is no news."""
        serving = {endpoint for endpoint, _address in self._leaves}
        source = self._look([endpoint for endpoint in self._endpoints if endpoint.key in serving], key_type)
        for sighting in map(with_revocation, source):
            known = self._leaves.get(_place(sighting))
            if sighting.leaf is None or known is None or sighting.leaf.fingerprint_sha256 in known:
                continue
            if not sighting.key_type_ignored:
                known.add(sighting.leaf.fingerprint_sha256)
                further = dataclasses.replace(sighting, key_type=key_type)
                self.summary.see(further)
                yield further
        self.summary.miss(source.unfinished)


def _place(sighting: Sighting) -> tuple[tuple[str, int], str | None]:
    return sighting.endpoint, sighting.address
