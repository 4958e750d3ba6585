# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How a run that pushes has ended, to a textfile that node_exporter reads."""

from __future__ import annotations

import contextlib
import os
import typing as t
from datetime import datetime

from ..._errors import LineageError, StoreError
from ..metrics import MetricsReport, read_numbers, require_textfile, write_textfile

if t.TYPE_CHECKING:
    from ..._ports.lineages.certbot_live import CertbotLive
    from ..._ports.queue.push_queue import PushQueue


def count_push(
    targets: t.Sequence[t.Mapping[str, t.Any]],
    textfile: str,
    *,
    queue: PushQueue,
    lineages: CertbotLive,
    hosts: t.Iterable[str],
    succeeded: bool,
    now: datetime,
    check_mode: bool = False,
) -> MetricsReport:
    """Count a run that ends now. targets: as certificate_push returns them, () for a run that has come to nothing;
    hosts: names of all that there are.

    What cannot be looked at stays as it was last seen.

    Raises InvalidOption for a textfile that nobody would read, RotationError without prometheus_client, and StoreError.
    """
    require_textfile(textfile)
    from ..._core.record.push import PushNumbers, read_push, render_push

    path = os.path.abspath(queue.path)
    before, numbers, warnings = read_numbers(textfile, lambda text: read_push(text, path), PushNumbers)
    numbers.add(succeeded, now)
    numbers.see_run(targets)
    try:
        content = queue.content()
        bad = len(content.bad) + len(content.damaged)
        numbers.see_queue(hosts, (*content.owed, *content.claimed), content.dead, bad)
    except StoreError as error:
        warnings.append(f"The metrics tell what is owed as it was last seen: {error.message}")
    with contextlib.suppress(LineageError):  # which the run has told; what was known of them stays
        found = lineages.read_all().lineages
        numbers.see_lineages({lineage.name: lineage.not_after for lineage in found})
    text = render_push(numbers, path)
    write_textfile(textfile, text, check_mode=check_mode)
    return MetricsReport(text != before, len(numbers.lineages), before, text, warnings)
