# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Run the program that renews certificates when it is time, and remember that."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, field
from datetime import datetime

from .._core.instants import isoformat_utc
from .._errors import StoreError
from .._ports.host.programs import Completed, run_program
from .._ports.host.stamp import read_stamp, write_stamp

if t.TYPE_CHECKING:
    from .._core.push.renew_schedule import RenewSchedule

_GRACE: t.Final = 30  # seconds to end in good order
_BY_TIMEOUT: t.Final = (124, 137)  # timeout(1): it ran out; it had to be killed


@dataclass(frozen=True)
class Renewal:
    """ran: or would, in check mode; returncode and output: of the program, None and "" where it was not run; error: ""
    when it ended well; last: when it was run before, ISO 8601 in UTC."""

    ran: bool
    last: str | None
    returncode: int | None = None
    output: str = ""
    error: str = ""
    warnings: list[str] = field(default_factory=list)


def renew_when_due(
    schedule: RenewSchedule,
    command: t.Sequence[str],
    *,
    timeout: int,
    stamp: str,
    now: datetime,
    force: bool,
    check: bool,
) -> Renewal:
    """command: without a shell; timeout: seconds; stamp: path; now: in the host's time zone; force: whatever the
    schedule says; check: run nothing. Raises ReloadError when the program cannot be run at all.

    What is remembered is when it was begun, however it ended: one that fails is not run all the time.
    """
    before = read_stamp(stamp)
    last = isoformat_utc(before) if before else None
    if not force and not schedule.is_due(before.astimezone(now.tzinfo) if before else None, now):
        return Renewal(ran=False, last=last)
    if check:
        return Renewal(ran=True, last=last)
    warnings = []
    try:
        write_stamp(stamp, now)
    except StoreError as error:  # no reason not to renew
        warnings.append(error.message)
    bounded = ["timeout", f"--kill-after={_GRACE}", str(timeout), *command]
    completed = run_program(bounded, timeout + 2 * _GRACE)
    return Renewal(True, last, completed.returncode, completed.output, _why_not(command, completed, timeout), warnings)


def _why_not(command: t.Sequence[str], completed: Completed, timeout: int) -> str:
    if completed.returncode == 0:
        return ""
    if completed.returncode in _BY_TIMEOUT:
        return f"{command[0]} did not end within {timeout} seconds and was stopped. Raise the timeout if it needs more."
    if completed.returncode in (126, 127) and "timeout: " in completed.output:
        return f"Cannot run {command[0]}: there is no such program, or it may not be run. Install it or give its path."
    return f"{command[0]} ended with exit code {completed.returncode}. See its output."
