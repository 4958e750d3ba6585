# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How a run of issuing ended, to a textfile that node_exporter reads."""

from __future__ import annotations

import typing as t
from datetime import datetime

from ..metrics import MetricsReport, read_numbers, require_textfile, write_textfile

if t.TYPE_CHECKING:
    from ..._core.record.issuance import LimitLeft


def record_issuance(
    report: t.Mapping[str, t.Any] | None,
    textfile: str,
    *,
    journal: str,
    succeeded: bool,
    now: datetime,
    limits: t.Iterable[LimitLeft] = (),
    check_mode: bool = False,
) -> MetricsReport:
    """Count a run that ends now. report: as certificate_issue returns it; None for a run that has looked at nothing, so
    that what is known of the certificates stays; journal: name of its secret; limits: what the ledger says is left.

    Raises InvalidOption for a textfile that nobody would read, RotationError without prometheus_client, and StoreError.
    """
    require_textfile(textfile)
    from ..._core.record.issuance import IssuanceNumbers, read_issuance, render_issuance

    before, numbers, warnings = read_numbers(textfile, lambda text: read_issuance(text, journal), IssuanceNumbers)
    numbers.add(succeeded, now)
    if report is not None:
        numbers.see(report, limits)
    text = render_issuance(numbers, journal)
    write_textfile(textfile, text, check_mode=check_mode)
    return MetricsReport(text != before, len(numbers.certificates), before, text, warnings)
