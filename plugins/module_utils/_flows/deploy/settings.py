# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a deployment is asked for, beside what every sync is."""

from __future__ import annotations

import typing as t
from datetime import timedelta

from ..._core.services.definitions import ServiceDefinition


class DeploymentSettings(t.NamedTuple):
    """receipts: directory where the pusher is told, None for nowhere; settle: how long an upload may be without change
    whose name does not say that it is whole, before it is judged as it is; services: in order; update_delay: after the
    last push; run_pending: whether services are told now of what waits for that delay; allow_older: whether a
    certificate that was issued before the deployed one may take its place.
    """

    receipts: str | None = None
    settle: timedelta = timedelta(minutes=1)
    services: t.Sequence[ServiceDefinition] = ()
    update_delay: timedelta = timedelta(0)
    run_pending: bool = False
    allow_older: bool = False
