# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What one scan saw, in a few lines, be it of ten endpoints or of ten thousand. Pure."""

from __future__ import annotations

import collections
import dataclasses
import typing as t
from datetime import datetime, timedelta

from ..instants import isoformat_utc
from .changes import Judgement
from .endpoints import WatchedEndpoint
from .ends import end_of, threshold_reached, thresholds
from .events import WatchEvent
from .policy import WatchPolicy
from .sightings import Sighting
from .standing import CONDITIONS, AddressCondition
from .telling import Teller

MOST_PROBLEMS: t.Final = 100
_NO_END: t.Final = "9999"  # sorts behind all instants


@dataclasses.dataclass(frozen=True)
class ScanProblem:
    """One address that a person should look at. failures: scans in a row without a certificate, this one included."""

    condition: AddressCondition
    endpoint: WatchedEndpoint
    sighting: Sighting
    failures: int
    since: datetime

    def as_result(self, policy: WatchPolicy) -> dict[str, t.Any]:
        sighting, leaf = self.sighting, self.sighting.leaf
        end = end_of(leaf, sighting.needed_until) if leaf else None
        return {
            "name": self.endpoint.name,
            "host": self.endpoint.host,
            "port": self.endpoint.port,
            "address": sighting.address,
            "asked_key_type": sighting.key_type,
            "condition": self.condition,
            "message": self._told(policy),
            "error": sighting.error,
            "trusted": sighting.trusted,
            "trust_error": sighting.trust_error,
            "fingerprint_sha256": leaf.fingerprint_sha256 if leaf else None,
            "ends": None if end is None else isoformat_utc(end),
            "days_left": None if end is None else (end - sighting.at) // timedelta(days=1),
            "since": isoformat_utc(self.since),
            "failures": self.failures,
        }

    def _told(self, policy: WatchPolicy) -> str:
        """In the words of the event."""
        sighting, leaf = self.sighting, self.sighting.leaf
        teller = Teller(self.endpoint, sighting.address, sighting.at)
        end = end_of(leaf, sighting.needed_until) if leaf else None
        if leaf is None:
            return teller.unreachable(sighting.error, self.failures, self.since).message
        if self.condition == "untrusted":
            return teller.untrusted(leaf, sighting.trust_error).message
        if end is None:
            return teller.unread(leaf)
        if self.condition == "expired":
            return teller.expired(leaf, end).message
        limits = thresholds(leaf, policy)
        return teller.expiring(leaf, end, threshold_reached(end, sighting.at, limits) or timedelta(0), False).message

    def is_passing(self, policy: WatchPolicy) -> bool:
        """Whether it has not been silent for long enough to be believed."""
        return self.condition == "unreachable" and self.failures < policy.unreachable_after

    def rank(self, policy: WatchPolicy) -> tuple[t.Any, ...]:
        """The worst first, then what ends first. What may be back for the next scan comes last."""
        leaf = self.sighting.leaf
        end = end_of(leaf, self.sighting.needed_until) if leaf else None
        ends = _NO_END if end is None else isoformat_utc(end)
        return (
            len(CONDITIONS) if self.is_passing(policy) else CONDITIONS.index(self.condition),
            ends,
            self.endpoint.key,
            self.sighting.address or "",
            self.sighting.key_type,
        )


class ScanSummary:
    """Gathers sightings, and what the registry made of them."""

    def __init__(self, endpoints: t.Sequence[WatchedEndpoint], policy: WatchPolicy) -> None:
        self._endpoints = {endpoint.key: endpoint for endpoint in endpoints}
        self._policy = policy
        self._conditions: collections.Counter[str] = collections.Counter()
        self._events: collections.Counter[str] = collections.Counter()
        self._problems: dict[tuple[t.Any, ...], ScanProblem] = {}
        self._unfinished: dict[tuple[str, int], WatchedEndpoint] = {}
        self.changed = False

    def see(self, sighting: Sighting) -> None:
        condition = condition_of(sighting, self._policy)
        self._conditions[condition] += 1
        if condition != "good":
            endpoint = self._endpoints[sighting.endpoint]
            self._problems[_place(sighting)] = ScanProblem(condition, endpoint, sighting, 1, sighting.at)

    def judge(self, sighting: Sighting, judgement: Judgement) -> None:
        """Of one that was seen before, as it is, or would be, recorded."""
        self.changed = self.changed or judgement.opens or bool(judgement.departs)
        after = judgement.after
        if sighting.leaf and after.fingerprint_sha256 == sighting.leaf.fingerprint_sha256:
            known = dataclasses.replace(sighting, trusted=after.trusted, trust_error=after.trust_error)
            self._see_again(sighting, known)
        problem = self._problems.get(_place(sighting))
        if problem is not None:
            self._problems[_place(sighting)] = dataclasses.replace(
                problem, failures=max(after.failures, 1), since=after.since
            )

    def _see_again(self, sighting: Sighting, known: Sighting) -> None:
        """known: the same with what earlier scans have found out."""
        if known != sighting:
            self._conditions[condition_of(sighting, self._policy)] -= 1
            self._problems.pop(_place(sighting), None)
            self.see(known)

    def tell(self, events: t.Iterable[WatchEvent]) -> None:
        self._events.update(event.kind for event in events)

    def miss(self, endpoints: t.Iterable[WatchedEndpoint]) -> None:
        """The time was over before they were seen, or all of their addresses, or all types of keys."""
        self._unfinished.update((endpoint.key, endpoint) for endpoint in endpoints)

    @property
    def unfinished(self) -> list[WatchedEndpoint]:
        return list(self._unfinished.values())

    @property
    def nothing_served(self) -> bool:
        """Of several, which is more likely this host's trouble than theirs."""
        return 1 < self._conditions["unreachable"] == sum(self._conditions.values())

    def as_result(self) -> dict[str, t.Any]:
        """JSON values, at most MOST_PROBLEMS of them in a list."""
        problems = sorted(self._problems.values(), key=lambda problem: problem.rank(self._policy))
        return {
            "endpoints": len(self._endpoints),
            "addresses": sum(self._conditions.values()),
            "states": {condition: self._conditions[condition] for condition in CONDITIONS if condition != "unseen"},
            "events": dict(sorted(self._events.items())),
            "problems": [problem.as_result(self._policy) for problem in problems[:MOST_PROBLEMS]],
            "more_problems": sum(not problem.is_passing(self._policy) for problem in problems[MOST_PROBLEMS:]),
            "unfinished": [str(endpoint) for endpoint in self.unfinished[:MOST_PROBLEMS]],
            "more_unfinished": max(0, len(self._unfinished) - MOST_PROBLEMS),
        }


def condition_of(sighting: Sighting, policy: WatchPolicy) -> AddressCondition:
    """How an address stands, by one sighting alone."""
    leaf = sighting.leaf
    if leaf is None:
        return "unreachable"
    end = end_of(leaf, sighting.needed_until)
    if end is not None and end <= sighting.at:
        return "expired"
    if sighting.trusted is False:
        return "untrusted"
    if end is None:
        return "unread"
    return "good" if threshold_reached(end, sighting.at, thresholds(leaf, policy)) is None else "expiring"


def _place(sighting: Sighting) -> tuple[t.Any, ...]:
    return sighting.endpoint, sighting.address, sighting.key_type
