# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the registry knows of endpoints and of the delivery of their events, as one status."""

from __future__ import annotations

import typing as t
from datetime import datetime, timedelta

from ..._core.record.endpoint_status import EndpointStatus
from ..._core.watch.registry import EndpointRegistry, EndpointSelection
from ..._core.watch.standing import standings
from .delivering import MOST_LOOKED_AT


def look_at_endpoints(
    registry: EndpointRegistry,
    selection: EndpointSelection,
    *,
    receivers: t.Sequence[str] = (),
    expiring_within: timedelta | None = None,
    max_age: timedelta | None = None,
    unreachable_after: int = 2,
    now: datetime,
) -> EndpointStatus:
    """receivers: names of those whose events are counted. Raises RegistryError."""
    return EndpointStatus(
        list(standings(registry.views(selection, history=True), now, expiring_within)),
        now,
        {name: registry.undelivered(name, MOST_LOOKED_AT) for name in receivers},
        max_age,
        unreachable_after,
    )
