# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""When the end of a certificate is near enough to be told, and how often a silence is believed. Pure."""

from __future__ import annotations

import dataclasses
from datetime import timedelta


@dataclasses.dataclass(frozen=True)
class WatchPolicy:
    """expiring_within: thresholds, each told once, or empty for the policy relative to the lifetime (_core.renewal).

    unreachable_after: scans in a row without a certificate after which "unreachable" is told; recovered_after: with
    one, after which "recovered" is. So an endpoint that flaps tells nothing new.
    settled_after: the same change there and back is told once; what has stayed that long since is news again.
    gone_after: an address that has not been asked for that long, while others of its endpoint were, is retired. That
    is told unless one of those serves the same.
    """

    expiring_within: tuple[timedelta, ...] = ()
    unreachable_after: int = 2
    recovered_after: int = 1
    settled_after: timedelta = timedelta(days=3)
    gone_after: timedelta = timedelta(days=3)
