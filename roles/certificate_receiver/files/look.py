# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Is there something to deploy, or a service that is due? Exit code 0: yes; 3: no; any other: nobody knows.

What is still being uploaded is waited for, as long as it may take to settle. Changes nothing.
"""

from __future__ import annotations

import argparse
import pathlib
import stat
import sys
import time
from datetime import datetime, timedelta, timezone

from ansible_collections.certops.rotation.plugins.module_utils._core.instants import parse_duration
from ansible_collections.certops.rotation.plugins.module_utils._core.push.deployments import (
    UNFINISHED_FILE,
    Unfinished,
)
from ansible_collections.certops.rotation.plugins.module_utils._core.push.readiness import (
    Readiness,
    has_work_left,
    readiness,
)
from ansible_collections.certops.rotation.plugins.module_utils._core.services.debounce import parse_update_delay
from ansible_collections.certops.rotation.plugins.module_utils._ports.store.live import STATE_DIRECTORY

YES, NO = 0, 3
#: Seconds: so long others are waited for where one is ready.
TOGETHER = 10


def look(staging: pathlib.Path, settle: float) -> set[Readiness]:
    """What lies there. Raises OSError."""
    found: set[Readiness] = set()
    for path in staging.iterdir():
        try:
            status = path.lstat()
            is_directory = stat.S_ISDIR(status.st_mode)
            files = {each.name: each.lstat().st_ctime for each in path.iterdir()} if is_directory else None
            changed = max([status.st_ctime, *(files or {}).values()])
        except FileNotFoundError:
            continue
        found.add(readiness(path.name, files, time.time() - changed, settle))
    return found


def look_for_work(live: pathlib.Path, update_delay: timedelta) -> set[Readiness]:
    """What is left from earlier. Raises ValueError for a damaged record, which a run makes good; and OSError."""
    try:
        data = (live / STATE_DIRECTORY / UNFINISHED_FILE).read_bytes()
    except FileNotFoundError:
        return {"nothing"}
    is_due = has_work_left(Unfinished.from_json(data), datetime.now(timezone.utc), update_delay)
    return {"ready" if is_due else "nothing"}


def main() -> int:
    """The exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--staging", action="append", type=pathlib.Path, default=[])
    parser.add_argument("--live", action="append", type=pathlib.Path, default=[])
    parser.add_argument("--settle", type=parse_duration, required=True)
    parser.add_argument("--update-delay", type=parse_update_delay, required=True)
    arguments = parser.parse_args()
    settle = arguments.settle.total_seconds()
    begun = time.monotonic()
    ready_at = None
    while True:
        found = [look(path, settle) for path in arguments.staging]
        found += [look_for_work(path, arguments.update_delay) for path in arguments.live]
        kinds = set().union(*found)
        if ready_at is None and "ready" in kinds:
            ready_at = time.monotonic()
        end = min(begun + settle, begun if ready_at is None else ready_at) + TOGETHER
        if "settling" not in kinds or time.monotonic() > end:
            return YES if "ready" in kinds else NO
        time.sleep(0.5)


if __name__ == "__main__":
    sys.exit(main())
