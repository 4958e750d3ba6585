# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which queue of pushes, and what of it."""

from __future__ import annotations

import os
import typing as t

from .._flows.push.queueing import QueueScope
from .push_options import names_of

QUEUE_OPTIONS: dict[str, dict[str, t.Any]] = {
    "path": {"type": "path", "default": "/var/lib/certops-push", "aliases": ["queue"]},
    "host": {"type": "list", "elements": "str", "default": []},
    "lineage": {"type": "list", "elements": "str", "default": []},
}


def scope_of(params: t.Mapping[str, t.Any]) -> QueueScope:
    """From QUEUE_OPTIONS. A lineage may be named by its directory, as certbot does in RENEWED_LINEAGE. Raises
    InvalidOption."""
    lineages = [os.path.basename(text.strip().rstrip("/")) for text in params["lineage"]]
    return QueueScope(names_of("host", params["host"]), names_of("lineage", lineages))
