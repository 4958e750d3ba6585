# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How an endpoint is at one instant, in one word, and whether it needs a person. Pure; time is an argument."""

from __future__ import annotations

import dataclasses
import typing as t
from datetime import datetime, timedelta

from ..instants import isoformat_utc
from ..renewal import renewal_notice
from .registry import EndpointView
from .sightings import AddressState, SeenCertificate, Sighting

#: From what needs somebody first to what needs nobody. ``unserved``: its host has another certificate than it serves;
#: ``pending``: never scanned; ``paused``: not enabled.
EndpointCondition = t.Literal[
    "expired", "unserved", "untrusted", "unreachable", "expiring", "unreadable", "pending", "paused", "ok"
]
CONDITIONS: t.Final[tuple[EndpointCondition, ...]] = t.get_args(EndpointCondition)
#: ``critical``: a person has to do something today; ``warning``: soon; ``none``: nothing to do.
Urgency = t.Literal["critical", "warning", "none"]
URGENCIES: t.Final[tuple[Urgency, ...]] = t.get_args(Urgency)


@dataclasses.dataclass(frozen=True)
class ConditionRules:
    """expiring_within: the longest threshold, None for the policy relative to the lifetime (_core.renewal).

    unreachable_after: scans in a row without a certificate after which somebody has to look.
    """

    expiring_within: timedelta | None = None
    unreachable_after: int = 2

    def notice(self, certificate: SeenCertificate, ends: datetime) -> timedelta:
        """How long before its end a certificate is to be replaced."""
        if self.expiring_within is not None:
            return self.expiring_within
        return renewal_notice(certificate.not_before or ends, ends)


@dataclasses.dataclass(frozen=True)
class AddressCondition:
    """Of one address. why: one sentence, "" for ``ok``; ends: of what is needed of the chain, the leaf or what is above
    it; notice, urgent: from when on it is ``expiring``, and needs a person today.
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
        return URGENCIES.index(self.urgency), CONDITIONS.index(self.condition)


def address_condition(
    state: AddressState,
    sighting: Sighting | None,
    certificate: SeenCertificate | None,
    rules: ConditionRules,
    now: datetime,
) -> AddressCondition:
    """sighting: of the open interval; certificate: the leaf that is served, or was served last."""
    ends = _ends(sighting, certificate)
    notice = urgent = None
    if certificate and ends:
        length = rules.notice(certificate, ends)
        notice, urgent = ends - length, ends - length / 2

    def made(condition: EndpointCondition, urgency: Urgency = "none", why: str = "") -> AddressCondition:
        return AddressCondition(condition, urgency, why, ends, notice, urgent)

    if state.reach == "unreachable":
        is_told = state.failures >= rules.unreachable_after or "unreachable" in state.told
        return made("unreachable", "critical" if is_told else "warning", state.error or "No certificate came.")
    if certificate is None or ends is None or notice is None or urgent is None:
        odd = certificate.odd if certificate else None
        return made("unreadable", "warning", odd or "The certificate does not tell when it ends.")
    above = certificate.not_after is not None and ends < certificate.not_after
    what = "A certificate above its own" if above else "Its certificate"
    if ends <= now:
        return made("expired", "critical", f"{what} expired at {_minute(ends)}.")
    if state.trusted is False:
        return made("untrusted", "critical", state.trust_error or "Clients do not trust it.")
    if notice < now:
        urgency: Urgency = "critical" if urgent < now else "warning"
        return made("expiring", urgency, f"{what} ends at {_minute(ends)}. Renewal was due on {_minute(notice)[:10]}.")
    return made("ok")


def endpoint_condition(view: EndpointView, addresses: t.Sequence[AddressCondition]) -> AddressCondition:
    """The worst of its addresses, with the earliest end of all. addresses: in the order of view.states."""
    if not addresses:
        condition: EndpointCondition = "pending" if view.endpoint.enabled else "paused"
        return AddressCondition(condition)
    worst = min(range(len(addresses)), key=lambda index: addresses[index].rank)
    found = addresses[worst]
    name = view.states[worst].address
    if found.why and name and len(addresses) > 1 and not found.why.startswith(name):
        found = dataclasses.replace(found, why=f"{name}: {found.why}")
    first = min(addresses, key=lambda each: (each.ends is None, each.ends or datetime.min))
    found = dataclasses.replace(found, ends=first.ends, notice=first.notice, urgent=first.urgent)
    if not view.endpoint.enabled:
        return dataclasses.replace(found, condition="paused", urgency="none", why="")
    return found


def _ends(sighting: Sighting | None, certificate: SeenCertificate | None) -> datetime | None:
    known = [each for each in (sighting and sighting.needed_until, certificate and certificate.not_after) if each]
    return min(known, default=None)


def _minute(instant: datetime) -> str:
    """For people, such as 2026-11-24 08:10 UTC."""
    return f"{isoformat_utc(instant)[:16].replace('T', ' ')} UTC"
