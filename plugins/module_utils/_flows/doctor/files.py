# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Is the certificate directory a safe place with room?"""

from __future__ import annotations

import os
import stat
import typing as t
from datetime import datetime

from ..._core.file_advice import has_links
from ..._core.instants import isoformat_utc
from ..._errors import StoreError
from ..._ports.store.directory import CertificateDirectory
from ..._ports.store.mounts import file_system_of, is_unchangeable, unmounted_above
from ..._ports.store.places import open_place
from ..._ports.store.trust import UnsafeDirectory
from .findings import Finding, error, warning

#: Bytes. A thousand certificates with their previous versions take less than the second.
NO_ROOM, LITTLE_ROOM = 2**20, 2**24
#: A certificate takes one for each version, and one more while it is written.
NO_INODES, FEW_INODES = 10, 1000
_SHOWN = 5  # certificates in one message


def directory_findings(path: str, now: datetime) -> t.Iterator[Finding]:
    """path: the certificate directory, which need not exist yet. Whether it may be written is for the preflight.

    now: aware time for judging validity.
    """
    place = path if os.path.isdir(path) else os.path.dirname(os.path.abspath(path))
    if not os.path.isdir(place):
        return
    yield room_finding(place)
    yield from _file_system(place)
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
    """Bytes, and inodes where the file system counts them."""
    room = os.statvfs(place)
    free = room.f_bavail * room.f_frsize
    inodes = room.f_favail if room.f_files else None
    if inodes is not None and inodes < NO_INODES:
        text = f"The file system of {place} has {inodes or 'no'} free inodes. Delete files or enlarge it."
        return error("free space", text)
    text = f"{free // 2**20} MiB are free in {place}."
    advice = "Delete files or enlarge the file system."
    if free < NO_ROOM:
        return error("free space", f"{text} New certificates cannot be written. {advice}")
    if free < LITTLE_ROOM:
        return warning("free space", f"{text} {advice}")
    if inodes is not None and inodes < FEW_INODES:
        return warning("free space", f"{text} But only {inodes} inodes are: delete files or enlarge the file system.")
    return Finding("free space", text)


def _file_system(place: str) -> t.Iterator[Finding]:
    """What of it keeps certificates from being written, whoever writes."""
    kind = file_system_of(place)
    if has_links(kind) is False:
        text = f"{place} is on {kind}, which has no hard links. Use a directory on another file system."
        yield error("hard links", text)
    elif has_links(kind) is None:
        text = f"{place} is on {kind}, which may have no hard links. Without them certificates cannot be written."
        yield warning("hard links", f"{text} Try 'ln', or use a local file system.")
    missing = unmounted_above(place)
    if missing:
        text = f"/etc/fstab has a file system for {missing}, which is not mounted now. Certificates go below it."
        yield warning("mount", f"{text} Mount it: 'mount {missing}'.")
    if is_unchangeable(place):
        text = f"{place} has the attribute immutable or append-only, so nothing can be replaced in it."
        yield error("attributes", f"{text} Take it away: 'chattr -i -a {place}'.")


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
    fixed = [file for file in paths if file not in missing and is_unchangeable(file)]
    if fixed:
        text = f"{_some(fixed)} immutable or append-only, so it cannot be renewed."
        yield error("attributes", f"{text} Take that away: 'chattr -i -a {fixed[0]}'.")
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
