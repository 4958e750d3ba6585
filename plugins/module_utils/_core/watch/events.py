# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What happened to an endpoint: the words that webhooks, commands, rulebooks and the dashboard get. Pure."""

from __future__ import annotations

import dataclasses
import typing as t
from datetime import datetime

#: ``replaced_early``: another certificate while the former had more left than its renewal notice; ``issuer_changed``,
#: ``names_changed``, ``key_changed`` come beside ``renewed`` or ``replaced_early``; ``chain_expiring``: low, something
#: that is sent but not needed ends.
WatchEventKind = t.Literal[
    "new",
    "renewed",
    "replaced_early",
    "issuer_changed",
    "names_changed",
    "key_changed",
    "expiring",
    "expired",
    "chain_expiring",
    "unreachable",
    "recovered",
    "untrusted",
    "trusted_again",
    "retired",
]
WatchSeverity = t.Literal["info", "warning", "critical"]


@dataclasses.dataclass(frozen=True)
class WatchEvent:
    """One thing that happened to one address of one endpoint.

    id: the idempotency key, the same whenever the same thing is told again. message: one sentence for people, which
    names the endpoint. details: JSON values only (fingerprints before and after, days left, names lost and won).
    """

    id: str
    kind: WatchEventKind
    severity: WatchSeverity
    at: datetime
    name: str
    host: str
    port: int
    address: str | None
    message: str
    details: t.Mapping[str, t.Any] = dataclasses.field(default_factory=dict)
