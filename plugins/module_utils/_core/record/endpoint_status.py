# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Are all watched endpoints as they should be? One verdict from what the registry knows. Pure; time is an argument."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from ..instants import format_duration, is_ahead, isoformat_utc, spoken_duration
from ..text import counted, listed
from ..watch.standing import CONDITIONS, AddressStanding, count_by_condition

if t.TYPE_CHECKING:
    from ..watch.events import WatchEvent

#: Of single addresses; how many more there are is told beside them.
MOST_PROBLEMS: t.Final = 100


@dataclass(frozen=True)
class EndpointStatus:
    """found: of all endpoints that are enabled; undelivered: receiver -> events that it has not got, oldest first;
    max_age: of the last scan, and of such events; unreachable_after: scans without a certificate that are an error."""

    found: t.Sequence[AddressStanding]
    now: datetime
    undelivered: t.Mapping[str, t.Sequence[WatchEvent]] = field(default_factory=dict)
    max_age: timedelta | None = None
    unreachable_after: int = 2

    @property
    def last_scan(self) -> datetime | None:
        """None also where all that is noted lies in the future."""
        seen = (each.state.last_seen for each in self.found if each.state)
        return max((instant for instant in seen if not is_ahead(instant, self.now)), default=None)

    @property
    def _ahead(self) -> datetime | None:
        seen = (each.state.last_seen for each in self.found if each.state)
        return max((instant for instant in seen if is_ahead(instant, self.now)), default=None)

    def as_result(self) -> dict[str, t.Any]:
        of_all = [*self._scan_problems(), *self._delivery_problems()]
        of_addresses = list(self._address_problems())
        # The worst first, and of those with dates the one that ends first.
        problems = sorted([*of_all, *of_addresses[:MOST_PROBLEMS]], key=lambda problem: problem["severity"])
        more = len(of_addresses[MOST_PROBLEMS:])
        errors = sum(problem["severity"] == "error" for problem in [*of_all, *of_addresses])
        return {
            "healthy": errors == 0,
            "problems": problems,
            "more_problems": more,
            "conditions": count_by_condition(self.found),
            "last_scan_at": isoformat_utc(self.last_scan) if self.last_scan else None,
            "msg": self._text(errors, problems, more),
        }

    def _text(self, errors: int, problems: t.Sequence[t.Mapping[str, t.Any]], more: int) -> str:
        verdict = "Healthy" if not errors else f"Not healthy, {errors} problem{'s' if errors > 1 else ''}"
        endpoints = len({each.endpoint.key for each in self.found})
        last = self.last_scan
        none = "last scan not known" if self._ahead else "no scan yet"
        when = f"last scan {spoken_duration(self.now - last)} ago" if last else none
        addresses = counted(len(self.found), "address", "addresses")
        lines = [f"{verdict}: {counted(endpoints, 'endpoint', 'endpoints')}, {addresses}, {when}."]
        lines += [f"{problem['severity']}: {problem['message']}" for problem in problems]
        if more:
            lines.append(f"And {more} more, which the dashboard and endpoint_registry_info show.")
        counts = count_by_condition(self.found)
        lines.append(", ".join(f"{condition}: {count}" for condition, count in counts.items() if count))
        return "\n".join(filter(None, lines))

    def _scan_problems(self) -> t.Iterator[dict[str, str]]:
        if not self.found:
            yield _told("no_endpoints", "error", "No endpoint is registered and enabled, so nothing is watched.")
            return
        unseen = [str(each.endpoint) for each in self.found if each.condition == "unseen"]
        ahead = self._ahead
        if ahead is not None:
            text = (
                f"The time of a scan, {isoformat_utc(ahead)}, lies in the future, so it does not count. The clock of"
                " who scans was wrong then, or this one is wrong now: see to it, then run endpoint_scan."
            )
            yield _told("time_in_future", "error" if self.last_scan is None else "warning", text)
        elif self.last_scan is None:
            yield _told("never_scanned", "error", "No scan has asked any endpoint yet. Run endpoint_scan.")
        elif unseen:
            yield _told("unseen", "warning", f"No scan has asked these yet: {listed(unseen)}.")
        if self.last_scan is not None and self.max_age is not None and self.now - self.last_scan > self.max_age:
            age, limit = spoken_duration(self.now - self.last_scan), format_duration(self.max_age)
            yield _told("last_scan_too_old", "error", f"The last scan was {age} ago, the limit is {limit}.")

    def _delivery_problems(self) -> t.Iterator[dict[str, str]]:
        for receiver, events in self.undelivered.items():
            if events:
                age = max(self.now - events[0].at, timedelta())
                is_late = self.max_age is not None and (is_ahead(events[0].at, self.now) or age > self.max_age)
                owed = counted(len(events), "event", "events")
                text = f"{receiver} has not got {owed}, the oldest one for {spoken_duration(age)}."
                advice = "The last run of endpoint_events says why."
                yield _told("undelivered", "error" if is_late else "warning", f"{text} {advice}")

    def _address_problems(self) -> t.Iterator[dict[str, str]]:
        order = {condition: number for number, condition in enumerate(CONDITIONS)}
        never = self.now + timedelta(days=365_000)
        for each in sorted(self.found, key=lambda one: (order[one.condition], one.ends or never)):
            problem = self._problem_of(each)
            if problem is not None:
                yield problem

    def _problem_of(self, each: AddressStanding) -> dict[str, str] | None:
        state = each.state
        if state is None or each.condition in ("good", "unseen"):
            return None
        at = f", {state.address}" if state.address else ""
        who = f"{each.endpoint.name} ({each.endpoint}{at})"
        ends = isoformat_utc(each.ends) if each.ends else ""
        if each.condition == "expired":
            text = f"{who} serves what has expired at {ends}. Renew it, and see that it is loaded."
        elif each.condition == "unreachable":
            why = (state.error or "it is not known why").rstrip(".")
            since, scans = isoformat_utc(state.since), max(state.failures, 1)
            text = f"{who} gave no certificate in {scans} scan{'s' if scans > 1 else ''}, since {since}: {why}."
            if state.failures < self.unreachable_after:
                return _told("unreachable", "warning", text)
        elif each.condition == "untrusted":
            text = f"{who} is not trusted: {(state.trust_error or 'it is not known why').rstrip('.')}."
        elif each.condition == "expiring":
            return _told(
                "expiring", "warning", f"{who} serves what ends at {ends}, and should serve another one by now."
            )
        else:
            return _told("unread", "warning", f"{who} serves a certificate whose dates cannot be read.")
        return _told(each.condition, "error", text)


def _told(code: str, severity: str, message: str) -> dict[str, str]:
    return {"code": code, "severity": severity, "message": message}
