# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What hosts are owed, from the lineages, the ledger and the queue. It only looks."""

from __future__ import annotations

import contextlib
import os
import typing as t
from datetime import datetime, timedelta

from ..._core.instants import from_timestamp, is_ahead
from ..._core.push.debts import owed
from ..._core.record.push_status import PushStatus
from ..._ports.lineages.certbot_live import CertbotLive
from ..._ports.queue.push_queue import PushQueue
from ..._ports.store.atomic import store_errors

if t.TYPE_CHECKING:
    from ..._core.push.targets import PushTarget


def look_at_pushes(
    queue: PushQueue,
    lineages: CertbotLive,
    targets: t.Sequence[PushTarget],
    *,
    success_files: t.Sequence[str],
    max_age: timedelta | None,
    now: datetime,
) -> PushStatus:
    """success_files: touched by runs that ended well, beside the stamp of the queue; max_age: of the last one, and of
    what is owed. Raises RotationError for what keeps all from being looked at."""
    content = queue.content()
    found = lineages.read_all()
    stamped = queue.last_success()
    touched = [*_touched(success_files), *([] if stamped is None else [from_timestamp(stamped)])]
    waiting = [*content.owed, *content.claimed]
    debts = owed(
        found.lineages,
        targets,
        now=now,
        confirmed={(each.host, each.lineage): each.fingerprint_sha256 for each in content.confirmed},
        queued={(each.host, each.lineage): each.fingerprint_sha256 for each in waiting},
        dead={(each.host, each.lineage): each.fingerprint_sha256 for each in content.dead},
        unreadable=found.failures,
    )
    return PushStatus(
        hosts=[target.name for target in targets],
        debts=debts,
        owed=waiting,
        given_up=content.dead,
        now=now,
        max_age=max_age,
        last_success=max((instant for instant in touched if not is_ahead(instant, now)), default=None),
        ahead=max((instant for instant in touched if is_ahead(instant, now)), default=None),
        knows_runs=bool(success_files or touched),
        claimed=sorted({entry.host for entry in content.claimed}),
        bad=[*(damaged.path for damaged in content.damaged), *content.bad],
        unreadable=found.failures,
        woken=len(content.woken),
    )


def _touched(paths: t.Sequence[str]) -> list[datetime]:
    """When the files were touched. Those that do not exist tell nothing."""
    times = []
    for path in paths:
        with store_errors(f"read {path}"), contextlib.suppress(FileNotFoundError):
            times.append(from_timestamp(os.stat(path).st_mtime))
    return times
