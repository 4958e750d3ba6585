# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""When what an endpoint serves ends, and whether that is near. Pure."""

from __future__ import annotations

import typing as t
from datetime import datetime, timedelta

from ..renewal import renewal_notice
from .policy import WatchPolicy
from .sightings import SeenCertificate


def end_of(leaf: SeenCertificate, needed_until: datetime | None) -> datetime | None:
    """The instant from which on clients refuse it: the leaf's own end, or that of an intermediate which it needs.

    None when the leaf's bytes do not tell.
    """
    ends = [end for end in (leaf.not_after, needed_until) if end is not None]
    return min(ends) if leaf.not_after else None


def thresholds(certificate: SeenCertificate, policy: WatchPolicy) -> list[timedelta]:
    """The times before its end at which that is told, longest first.

    The policy's, else two of its own: its renewal notice, and a third of that, when a renewal is badly late.
    """
    if policy.expiring_within:
        return sorted(set(policy.expiring_within), reverse=True)
    if not certificate.not_before or not certificate.not_after:
        return []
    notice = renewal_notice(certificate.not_before, certificate.not_after)
    return [notice, notice / 3]


def threshold_reached(end: datetime, at: datetime, limits: t.Iterable[timedelta]) -> timedelta | None:
    """The shortest of the limits within which the end lies; None for none."""
    return min((limit for limit in limits if end - at <= limit), default=None)


def unneeded_ends(
    chain: t.Sequence[SeenCertificate], needed_until: datetime | None, at: datetime, policy: WatchPolicy
) -> list[SeenCertificate]:
    """What is sent beside the leaf, ends soon or has ended, and is not needed: an old cross-sign, for instance.

    Nothing is known to be needless without needed_until, the end of a valid path.
    """
    if needed_until is None:
        return []
    return [
        certificate
        for certificate in chain[1:]
        if certificate.not_after
        and certificate.not_after < needed_until
        and threshold_reached(certificate.not_after, at, thresholds(certificate, policy)) is not None
    ]
