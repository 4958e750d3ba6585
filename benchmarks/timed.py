# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Run one command and leave what it took in a JSON file. Usage: timed.py RESULT_FILE COMMAND...

A process of its own because Linux counts a parent's memory at the moment of exec as its child's: this one is small.
Imports are few for the same reason.
"""

from __future__ import annotations

import os
import sys
import time


def main(result_file: str, command: list[str]) -> int:
    start = time.monotonic()
    pid = os.posix_spawnp(command[0], command, os.environ)
    _pid, status, usage = os.wait4(pid, 0)
    seconds = time.monotonic() - start
    with open(result_file, "w", encoding="utf-8") as file:  # noqa: PTH123  # pathlib would double this process
        cpu = usage.ru_utime + usage.ru_stime
        file.write(f'{{"seconds": {seconds:.4f}, "cpu_seconds": {cpu:.4f}, "peak_mb": {usage.ru_maxrss / 1024:.1f}}}')
    return os.waitstatus_to_exitcode(status)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
