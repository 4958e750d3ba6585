# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whether there is work for a deployment: by names and times alone, so that it costs next to nothing to look."""

from __future__ import annotations

import typing as t
from datetime import datetime, timedelta

from ..services.debounce import debounce
from .deployments import Unfinished
from .staging import parse_staged_name

#: ``ready``: a run takes it or refuses it; ``settling``: somebody may still be uploading it; ``nothing``: no lineage,
#: or an upload that is renamed when it is complete.
Readiness = t.Literal["ready", "settling", "nothing"]

#: Seconds in which nothing changes where all files are there, but nobody says that they are complete.
QUIET: t.Final = 2.0
_NEEDED: t.Final = ({"privkey.pem"}, {"fullchain.pem", "cert.pem"})
#: What a run that was killed had moved aside, and has not yet put back.
_LEFT: t.Final = ".taken-"


def readiness(name: str, files: t.Collection[str] | None, idle: float, settle: float) -> Readiness:
    """Of one name in staging. files: names in it, None where it is no directory; idle: seconds since something changed
    there; settle: the option.

    Whoever uploads sets times, and clocks are set: a change in the future is none that is waited for.
    """
    if name.startswith(_LEFT):
        return "ready"
    staged = parse_staged_name(name)
    if staged is None:
        return "nothing"
    is_whole = staged.fingerprint_sha256 is not None
    if files is None and not is_whole:
        return "nothing"  # a run leaves it alone, as long as it lies there
    is_quiet = not 0 <= idle < (QUIET if all(each & set(files or ()) for each in _NEEDED) else settle)
    return "ready" if is_whole or is_quiet else "settling"


def has_work_left(unfinished: Unfinished, now: datetime, update_delay: timedelta) -> bool:
    """Whether an earlier run has left something that the next one does now: services that are due, receipts that have
    not been written, endpoints that did not show what is live.

    What was taken back is remembered for long after. As long as it is to be restored, services wait to be told of it.
    """
    return bool(unfinished.unproven or unfinished.receipts) or debounce(unfinished.pending, now, update_delay).due
