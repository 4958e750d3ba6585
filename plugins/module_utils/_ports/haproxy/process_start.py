# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""When a running HAProxy had read its files, and what has changed since."""

from __future__ import annotations

import os
import typing as t

from ..host.processes import find_process, started_at
from .runtime import RuntimeApi


def process_start(api: RuntimeApi, info: t.Mapping[str, str]) -> float | None:
    """In seconds since 1970. info: of `show info`; what it tells itself is rounded to whole seconds."""
    pid, seconds = info.get("Pid", ""), info.get("Start_time_sec", "")
    process = find_process(int(pid)) if api.path is not None and pid.isdecimal() else None
    began = started_at(process.pid) if process is not None and process.name.startswith("haproxy") else None
    if began is not None:
        return began
    return float(seconds) + 1 if seconds.isdecimal() else None


def changed_at(path: str) -> float:
    """When the file of this name became what it is; in seconds since 1970, 0 when it is gone."""
    try:
        return os.stat(path).st_ctime
    except OSError:
        return 0.0
