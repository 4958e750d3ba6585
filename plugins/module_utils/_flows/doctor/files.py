# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Is the certificate directory a safe place with room?"""

from __future__ import annotations

import os
import stat
import typing as t
from datetime import datetime

from ..._core.instants import isoformat_utc
from ..._errors import StoreError
from ..._ports.store.directory import CertificateDirectory
from ..._ports.store.places import open_place
from ..._ports.store.trust import UnsafeDirectory
from .findings import Finding, error, warning

#: Bytes. A thousand certificates with their previous versions take less than the second.
NO_ROOM, LITTLE_ROOM = 2**20, 2**24
_SHOWN = 5  # certificates in one message


def directory_findings(path: str, now: datetime) -> t.Iterator[Finding]:
    """path: the certificate directory, which need not exist yet. Whether it may be written is for the preflight.

    now: aware time for judging validity.
    """
    place = path if os.path.isdir(path) else os.path.dirname(os.path.abspath(path))
    if not os.path.isdir(place):
        return
    yield room_finding(place)
    if place != path:
        return
    yield from _files(path, now)
    try:
        with open_place(path, private=True) as opened:
            mode = stat.S_IMODE(opened.status().st_mode)
        yield Finding("path mode", f"{path} has mode {mode:04o}: nobody else may replace certificates.")
    except UnsafeDirectory as unsafe:
        yield error("path mode", unsafe.message)
    except OSError as failed:
        yield error("path mode", f"{path} cannot be looked into: {failed.strerror or failed}.")


def room_finding(place: str) -> Finding:
    room = os.statvfs(place)
    free = room.f_bavail * room.f_frsize
    if room.f_files and not room.f_favail:
        return error("free space", f"The file system of {place} has no free inodes. Delete files or enlarge it.")
    text = f"{free // 2**20} MiB are free in {place}."
    advice = "Delete files or enlarge the file system."
    if free < NO_ROOM:
        return error("free space", f"{text} New certificates cannot be written. {advice}")
    if free < LITTLE_ROOM:
        return warning("free space", f"{text} {advice}")
    return Finding("free space", text)


def _files(path: str, now: datetime) -> t.Iterator[Finding]:
    try:
        manifest, damaged = CertificateDirectory(path).load()
    except StoreError as failed:
        yield error("files", failed.message)
        return
    if damaged:
        yield warning("files", damaged)
    paths = [os.path.join(path, name) for entry in manifest.entries.values() for name in entry.paths.values()]
    missing = sorted(file for file in paths if not os.path.exists(file))
    loose = sorted(file for file in paths if file not in missing and os.stat(file).st_mode & 0o007)
    if missing:
        yield warning("files", f"{_some(missing)} missing. The next rotation writes what is missing: run it.")
    if loose:
        yield error("files", f"{_some(loose)} open to every user of the host, private keys included. Run the rotation.")
    ends = {name: entry.current.summary.get("not_after") for name, entry in sorted(manifest.entries.items())}
    expired = [f"{name}, at {end}" for name, end in ends.items() if end and end <= isoformat_utc(now)]
    if expired:
        more = f"; and {len(expired) - _SHOWN} more" if len(expired) > _SHOWN else ""
        text = f"Deployed certificates have expired: {'; '.join(expired[:_SHOWN])}{more}."
        yield error(
            "expiry", f"{text} See whether their secrets are selected and hold newer ones, then run the rotation."
        )
    else:
        yield Finding("expiry", f"None of the {len(ends)} deployed certificates has expired.")
    if not (damaged or missing or loose):
        yield Finding("files", f"{len(paths)} deployed, none of them missing or open to others.")


def _some(paths: t.Sequence[str]) -> str:
    return f"{paths[0]} is" if len(paths) == 1 else f"{paths[0]} and {len(paths) - 1} more are"
