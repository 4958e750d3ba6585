# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How each address of the endpoints stands now, by the certificate that it serves now. Pure; time is an argument."""

from __future__ import annotations

import collections
import dataclasses
import typing as t
from datetime import datetime, timedelta

from ..instants import earlier, isoformat_utc
from ..renewal import renewal_notice
from .ends import end_of

if t.TYPE_CHECKING:
    from .endpoints import WatchedEndpoint
    from .registry import EndpointView
    from .sightings import AddressState, SeenCertificate

#: The worst first. ``unread``: it serves something that has no dates; ``unseen``: no scan has asked it yet.
AddressCondition = t.Literal["expired", "unreachable", "untrusted", "expiring", "unread", "unseen", "good"]
CONDITIONS: t.Final[tuple[AddressCondition, ...]] = t.get_args(AddressCondition)


@dataclasses.dataclass(frozen=True)
class AddressStanding:
    """One address of one endpoint that is enabled, and one kind of key where it was asked for several.

    condition: the worst that holds. state, certificate: None as long as there is none. ends: when what is needed of it
    ends, which may be an intermediate certificate. renewal: when another one should be there. served: whether a
    certificate came when it was last asked; else certificate is the last one that was seen.
    """

    endpoint: WatchedEndpoint
    condition: AddressCondition
    state: AddressState | None = None
    certificate: SeenCertificate | None = None
    ends: datetime | None = None
    renewal: datetime | None = None

    @property
    def served(self) -> bool:
        return self.state is not None and self.state.reach == "served"

    def as_result(self, now: datetime) -> dict[str, t.Any]:
        """JSON values. days_left: whole days, rounded down, so that the day of its end is 0 and the next one -1."""
        state, certificate = self.state, self.certificate
        return {
            "name": self.endpoint.name,
            "host": self.endpoint.host,
            "port": self.endpoint.port,
            "address": state.address if state else None,
            "key_type": state.key_type if state else None,
            "condition": self.condition,
            "not_after": _text(certificate.not_after if certificate else None),
            "ends": _text(self.ends),
            "renewal": _text(self.renewal),
            "days_left": None if self.ends is None else (self.ends - now) // timedelta(days=1),
            "fingerprint_sha256": state.fingerprint_sha256 if state else None,
            "last_seen": _text(state.last_seen if state else None),
            "since": _text(state.since if state else None),
            "error": state.error if state else None,
            "trust_error": state.trust_error if state else None,
        }


def standings(
    views: t.Iterable[EndpointView], now: datetime, expiring_within: timedelta | None = None
) -> t.Iterator[AddressStanding]:
    """One for each address, in the order of the views; disabled endpoints are left out.

    expiring_within: None for the notice relative to each lifetime (_core.renewal). An end within exactly that is
    expiring, one at exactly now has expired. With the views' history, intermediate certificates count as well.
    """
    for view in views:
        if not view.endpoint.enabled:
            continue
        if not view.states:
            yield AddressStanding(view.endpoint, "unseen")
        needed = {
            (each.address, each.sighting.key_type): each.sighting.needed_until for each in view.history if each.is_open
        }
        for state in view.states:
            yield _standing(view, state, needed.get((state.address, state.key_type)), now, expiring_within)


def _standing(
    view: EndpointView,
    state: AddressState,
    needed_until: datetime | None,
    now: datetime,
    expiring_within: timedelta | None,
) -> AddressStanding:
    certificate = view.certificates.get(state.fingerprint_sha256) if state.fingerprint_sha256 else None
    ends = end_of(certificate, needed_until) if certificate else None
    renewal = None
    if certificate and certificate.not_before and certificate.not_after and ends:
        renewal = earlier(ends, renewal_notice(certificate.not_before, certificate.not_after))
    notice = renewal if expiring_within is None or ends is None else earlier(ends, expiring_within)
    condition: AddressCondition
    if state.reach == "unreachable":
        condition = "unreachable"
    elif ends is not None and ends <= now:
        condition = "expired"
    elif state.trusted is False:
        condition = "untrusted"
    elif ends is None:
        condition = "unread"
    else:
        condition = "expiring" if notice is not None and notice <= now else "good"
    return AddressStanding(view.endpoint, condition, state, certificate, ends, renewal)


def count_by_condition(found: t.Iterable[AddressStanding]) -> dict[str, int]:
    """All of CONDITIONS, those without any too."""
    counts = collections.Counter(each.condition for each in found)
    return {condition: counts[condition] for condition in CONDITIONS}


def _text(instant: datetime | None) -> str | None:
    return None if instant is None else isoformat_utc(instant)
