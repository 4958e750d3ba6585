# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How a whole endpoint stands, in one word, and whether that needs a person. Pure; time is an argument."""

from __future__ import annotations

import dataclasses
import typing as t
from datetime import datetime

from ..instants import earlier, isoformat_utc
from .ends import thresholds
from .policy import WatchPolicy
from .registry import EndpointView
from .standing import AddressStanding, standings

#: The worst first: of an address (_core.watch.standing), and ``unserved``: its host has another certificate than it
#: serves; ``paused``: it is not enabled.
EndpointCondition = t.Literal[
    "expired", "unserved", "untrusted", "unreachable", "expiring", "unread", "unseen", "paused", "good"
]
ENDPOINT_CONDITIONS: t.Final[tuple[EndpointCondition, ...]] = t.get_args(EndpointCondition)
#: Whether a person has to do something: ``critical``: today; ``warning``: soon; ``none``.
Urgency = t.Literal["critical", "warning", "none"]
URGENCIES: t.Final[tuple[Urgency, ...]] = t.get_args(Urgency)


@dataclasses.dataclass(frozen=True)
class UrgentStanding:
    """Of an address, or of an endpoint. why: one sentence, "" where there is nothing to do.

    ends: of what is needed of the chain; notice, urgent: from when on it is ``expiring``, and a person is needed today.
    """

    condition: EndpointCondition
    urgency: Urgency = "none"
    why: str = ""
    ends: datetime | None = None
    notice: datetime | None = None
    urgent: datetime | None = None

    @property
    def rank(self) -> tuple[int, int]:
        """The worst is the least."""
        return URGENCIES.index(self.urgency), ENDPOINT_CONDITIONS.index(self.condition)


def address_urgencies(view: EndpointView, policy: WatchPolicy, now: datetime) -> list[UrgentStanding]:
    """In the order of view.states, also of an endpoint that is not enabled. view: with its history."""
    if not view.states:
        return []
    asked = dataclasses.replace(view, endpoint=dataclasses.replace(view.endpoint, enabled=True))
    within = max(policy.expiring_within, default=None)
    return [_urgency(standing, policy, now) for standing in standings([asked], now, within)]


def endpoint_urgency(view: EndpointView, addresses: t.Sequence[UrgentStanding]) -> UrgentStanding:
    """The worst of its addresses, with the earliest end of all. addresses: those of address_urgencies."""
    if not addresses:
        return UrgentStanding("unseen" if view.endpoint.enabled else "paused")
    worst = min(range(len(addresses)), key=lambda index: addresses[index].rank)
    found = addresses[worst]
    if len({each.why for each in addresses}) > 1 and found.why:
        state = view.states[worst]
        key_type = "" if state.key_type == "any" else f" ({state.key_type})"
        found = dataclasses.replace(found, why=f"{state.address}{key_type}: {found.why}")
    ending = [(each.ends, index) for index, each in enumerate(addresses) if each.ends is not None]
    if ending:
        first = addresses[min(ending)[1]]
        found = dataclasses.replace(found, ends=first.ends, notice=first.notice, urgent=first.urgent)
    if not view.endpoint.enabled:
        return dataclasses.replace(found, condition="paused", urgency="none", why="")
    return found


def _urgency(standing: AddressStanding, policy: WatchPolicy, now: datetime) -> UrgentStanding:
    state, certificate, ends = standing.state, standing.certificate, standing.ends
    limits = thresholds(certificate, policy) if certificate else []
    notice = earlier(ends, limits[0]) if ends and limits else None
    # With one threshold alone nobody has said what is late.
    urgent = earlier(ends, limits[-1] if len(limits) > 1 else limits[0] / 3) if ends and limits else None

    def made(urgency: Urgency, why: str) -> UrgentStanding:
        return UrgentStanding(standing.condition, urgency, why, ends, notice, urgent)

    if state is None or standing.condition in ("good", "unseen"):
        return made("none", "")
    if standing.condition == "unreachable":
        is_believed = state.failures >= policy.unreachable_after or "unreachable" in state.told
        return made("critical" if is_believed else "warning", _sentence(state.error or "no certificate came"))
    if standing.condition == "untrusted":
        return made("critical", _sentence(state.trust_error or "clients do not trust it"))
    if ends is None or certificate is None:
        return made("warning", (certificate and certificate.odd) or "The certificate does not tell when it ends.")
    what = "Its certificate" if ends == certificate.not_after else "An intermediate certificate that it needs"
    if standing.condition == "expired":
        return made("critical", f"{what} expired at {_minute(ends)}.")
    is_late = urgent is not None and urgent <= now
    since = f" It was to be renewed by {_minute(notice)[:10]}." if notice and notice <= now else ""
    return made("critical" if is_late else "warning", f"{what} ends at {_minute(ends)}.{since}")


def _sentence(text: str) -> str:
    text = text.rstrip(".")
    return f"{text[:1].upper()}{text[1:]}."


def _minute(instant: datetime) -> str:
    """For people, such as 2026-11-24 08:10 UTC."""
    return f"{isoformat_utc(instant)[:16].replace('T', ' ')} UTC"
