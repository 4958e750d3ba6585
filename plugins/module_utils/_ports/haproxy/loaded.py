# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What HAProxy's process has loaded, which need not be what lies on disk now.

A certificate that was added while HAProxy runs comes last in its list, wherever its name would sort; a file that
somebody put there after the start is in no list; one that is gone from the disk still is.
"""

from __future__ import annotations

import typing as t

from ..._core.haproxy.parsing import parse_version
from ..._core.haproxy.variables import parse_environment
from ..._errors import HaproxyPermissionDenied
from .certificates import CertificateMemory
from .errors import UnsupportedCommand
from .runtime import RuntimeApi


class Loaded(t.NamedTuple):
    """names: of all certificates; lists: crt-list file or directory -> certificate and options with filters of each
    entry, in the order in which HAProxy took them. All as HAProxy calls them; started_at: seconds since 1970, or None.
    version: as (3, 2), or None; program_version and pid: as HAProxy tells them, or None. environment: all its
    variables, or None. It may hold passwords: never show it.
    """

    names: t.Collection[str]
    lists: t.Mapping[str, t.Sequence[tuple[str, str]]]
    started_at: int | None = None
    version: tuple[int, int] | None = None
    program_version: str | None = None
    environment: t.Mapping[str, str] | None = None
    pid: int | None = None


def look_at_loaded(api: RuntimeApi) -> Loaded:
    """What the process behind a stats socket has loaded. Raises HaproxyError."""
    memory = CertificateMemory(api)
    _transaction, names = memory.list_names()
    lists = {name: [(entry.name, entry.rest) for entry in entries] for name, entries in memory.crt_lists().items()}
    info = api.info()
    version = info.get("Version", "")
    return Loaded(
        frozenset(names),
        lists,
        number_of(info.get("Start_time_sec", "")),
        parse_version(version),
        version or None,
        environment_of(api),
        number_of(info.get("Pid", "")),
    )


def environment_of(api: RuntimeApi) -> dict[str, str] | None:
    """All variables of HAProxy's process, as they are after its configuration was read; None where it does not tell.
    They may hold passwords: never show them. Raises HaproxyError.
    """
    try:
        return parse_environment(api.execute("show env"))
    except (HaproxyPermissionDenied, UnsupportedCommand):
        return None


def number_of(text: str) -> int | None:
    """Of a field of `show info`; None where it has none."""
    return int(text) if text.isdigit() else None
