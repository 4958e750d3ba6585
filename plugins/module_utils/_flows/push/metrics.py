# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How a run of pushing ended, and what is owed still, to a textfile that node_exporter reads."""

from __future__ import annotations

import os
import typing as t
from datetime import datetime

from ..._core.push.lineage import Lineage
from ..._errors import RotationError
from ..._ports.lineages.certbot_live import CertbotLive
from ..._ports.queue.push_queue import PushQueue
from ..metrics import MetricsReport, read_textfile, require_textfile, write_textfile


def record_push(
    targets: t.Sequence[t.Mapping[str, t.Any]] | None,
    textfile: str,
    *,
    queue: str,
    lineages: str,
    hosts: t.Iterable[str],
    succeeded: bool,
    now: datetime,
) -> MetricsReport:
    """Count a run that ends now. targets: as certificate_push returns them, None for a run that has looked at nothing;
    queue, lineages: directories; hosts: names of those that lineages are pushed to.

    What cannot be looked at stays as it was last seen. Raises InvalidOption for a textfile that nobody would read,
    RotationError without prometheus_client, and StoreError.
    """
    require_textfile(textfile)
    from ..._core.record.push import PushNumbers, read_push, render_push

    queue = os.path.abspath(queue)
    before, warnings = read_textfile(textfile), []
    try:
        numbers = read_push(before.decode(), queue)
    except ValueError:
        numbers = PushNumbers()
        warnings.append(f"{textfile} is damaged: all counters of the metrics start again at zero.")
    numbers.add(succeeded, now)
    numbers.see_run(targets or ())
    try:
        content = PushQueue(queue).content()
        bad = len(content.bad) + len(content.damaged)
        numbers.see_queue(hosts, [*content.owed, *content.claimed], content.dead, bad)
        numbers.see_lineages({each.name: each.not_after for each in _readable(lineages)})
    except RotationError as error:
        warnings.append(f"The metrics tell what is owed as it was last seen: {error.message}")
    text = render_push(numbers, queue)
    write_textfile(textfile, text)
    return MetricsReport(text != before, len(numbers.lineages), before, text, warnings)


def _readable(lineages: str) -> t.Sequence[Lineage]:
    """Raises LineageError when the directory itself cannot be read."""
    return CertbotLive(lineages, patience=0).read_all().lineages
