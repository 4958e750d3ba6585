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

from ansible_collections.certops.rotation.plugins.module_utils._core.instants import parse_duration
from ansible_collections.certops.rotation.plugins.module_utils._core.push.readiness import Readiness, readiness

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
            files = {each.name: each.lstat().st_ctime for each in path.iterdir()} if is_directory else {}
            changed = max([status.st_ctime, *files.values()])
        except FileNotFoundError:
            continue
        found.add(readiness(path.name, files, time.time() - changed, settle))
    return found


def main() -> int:
    """The exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--staging", action="append", type=pathlib.Path, default=[])
    parser.add_argument("--live", action="append", type=pathlib.Path, default=[])
    parser.add_argument("--settle", type=lambda text: parse_duration(text).total_seconds(), required=True)
    parser.add_argument("--update-delay", required=True)
    arguments = parser.parse_args()
    ready_at = None
    end = time.monotonic() + arguments.settle + TOGETHER
    while True:
        found = set().union(*(look(path, arguments.settle) for path in arguments.staging))
        if "ready" in found:
            ready_at = ready_at or time.monotonic()
        if "settling" not in found or time.monotonic() > min(end, (ready_at or end) + TOGETHER):
            break
        time.sleep(0.5)
    return YES if "ready" in found else NO


if __name__ == "__main__":
    sys.exit(main())
