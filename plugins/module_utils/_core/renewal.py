# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The decision when a certificate is due for renewal."""

from __future__ import annotations

import datetime
import typing as t

#: Renew when less than this remains, whatever the lifetime.
LONGEST_NOTICE: t.Final = datetime.timedelta(days=30)
#: Certificates that live shorter than this are renewed at half of their lifetime instead of at two thirds.
SHORT_LIFETIME: t.Final = datetime.timedelta(days=10)


def renewal_notice(not_before: datetime.datetime, not_after: datetime.datetime) -> datetime.timedelta:
    """How long before its end a certificate should be renewed, from its lifetime.

    One third of the lifetime and at most 30 days; half of it when the lifetime is under 10 days.
    """
    lifetime = max(not_after - not_before, datetime.timedelta(0))
    if lifetime < SHORT_LIFETIME:
        return lifetime / 2
    return min(LONGEST_NOTICE, lifetime / 3)


def worth_renewing(
    not_before: datetime.datetime,
    not_after: datetime.datetime,
    at: datetime.datetime,
    successor_end: datetime.datetime,
    renew_before: datetime.timedelta | None = None,
) -> bool:
    """Whether a certificate nears its end, and one that is issued now would end later (all instants aware).

    successor_end: of that one. It may be the same end: nothing outlives its issuer. renew_before: how long before its
    end a certificate is renewed, None for the renewal policy (see renewal_notice).
    """
    if successor_end <= not_after:
        return False
    if renew_before is None:
        return renewal_due(not_before, not_after, at)
    return not_after - at < renew_before


def renewal_due(not_before: datetime.datetime, not_after: datetime.datetime, at: datetime.datetime) -> bool:
    """Whether the certificate should be renewed at that instant (all three aware)."""
    return not_after - at < renewal_notice(not_before, not_after)
