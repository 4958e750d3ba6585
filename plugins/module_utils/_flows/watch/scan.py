# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Asks watched endpoints what they serve, and has the registry write down what that means."""

from __future__ import annotations

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
from ..._errors import InvalidOption

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
    """One scan. registry: None to record nothing. check: tell what would be recorded, and record nothing."""

    def __init__(
        self,
        endpoints: t.Sequence[WatchedEndpoint],
        sightings: SightingSource,
        policy: WatchPolicy,
        *,
        registry: RecordingRegistry | None = None,
        now: datetime,
        check: bool = False,
    ) -> None:
        self._sightings = sightings
        self._policy = policy
        self._registry = registry
        self._now = now
        self._check = check
        self.summary = ScanSummary(endpoints, policy)

    def run(self) -> ScanSummary:
        """Raises RegistryError; what was recorded until then stays, and summary tells what was seen."""
        summary = self.summary
        if self._registry is None:
            for _sighting in self._seen():
                pass
        else:
            summary.tell(
                self._registry.record(
                    self._seen(), self._policy, self._now, check=self._check, judged=self.summary.judge
                )
            )
        summary.miss(self._sightings.unfinished)
        return summary

    def _seen(self) -> t.Iterator[Sighting]:
        for sighting in self._sightings:
            self.summary.see(sighting)
            yield sighting
