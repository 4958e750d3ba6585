# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""File systems of this host, and what they hold of a file beside its mode. Linux; elsewhere little is known."""

from __future__ import annotations

import fcntl
import os
import stat
import struct
import sys
import typing as t

from ..._core.text import lines_of

_MOUNTS: t.Final = "/proc/self/mountinfo"
_TABLE: t.Final = "/etc/fstab"
# ioctl_iflags(2): the request is made of the size of a long; the bits of the answer.
_GET_FLAGS: t.Final = 0x80006601 | struct.calcsize("l") << 16
_IMMUTABLE, _APPEND_ONLY = 0x10, 0x20


def file_system_of(path: str, mounts: str = _MOUNTS) -> str:
    """Its type, such as ext4 or fuse.sshfs, by proc_pid_mountinfo(5); "" where that is not known."""
    place = os.path.realpath(path)
    found, longest = "", -1
    try:
        with open(mounts, encoding="utf-8", errors="surrogateescape") as file:
            text = file.read()
    except OSError:
        return ""
    for line in lines_of(text):
        head, _dash, tail = line.partition(" - ")
        fields, kinds = head.split(" "), tail.split(" ")
        if len(fields) < 5:
            continue
        mounted = _unescaped(fields[4]).rstrip("/")
        # The last one of two at one place is on top.
        if (place == mounted or place.startswith(f"{mounted}/")) and len(mounted) >= longest:
            found, longest = kinds[0], len(mounted)
    return found


def unmounted_above(path: str, table: str = _TABLE) -> str:
    """The place of fstab(5) that the path is in, where nothing is mounted there now; "" else."""
    place = os.path.realpath(path)
    try:
        with open(table, encoding="utf-8", errors="surrogateescape") as file:
            text = file.read()
    except OSError:
        return ""
    rows = [line.split() for line in lines_of(text) if not line.lstrip().startswith("#")]
    places = [_unescaped(row[1]).rstrip("/") for row in rows if len(row) > 2 and row[1].startswith("/")]
    above = [each for each in places if each and (place == each or place.startswith(f"{each}/"))]
    nearest = max(above, key=len, default="")
    return "" if not nearest or os.path.ismount(nearest) else nearest


def is_read_only(path: str) -> bool:
    """Whether what it is on is mounted so, here. False where that is not known."""
    try:
        return bool(os.statvfs(path).f_flag & os.ST_RDONLY)
    except OSError:
        return False


def is_unchangeable(path: str) -> bool:
    """Whether a file or directory has the attribute immutable or append-only (chattr(1)). False where not known."""
    flags = os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        mode = os.lstat(path).st_mode
        if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
            return False
        descriptor = os.open(path, flags)
    except (OSError, ValueError):
        return False
    try:
        answer = bytearray(8)
        fcntl.ioctl(descriptor, _GET_FLAGS, answer)
    except OSError:
        return False
    finally:
        os.close(descriptor)
    return bool(int.from_bytes(answer[:4], sys.byteorder) & (_IMMUTABLE | _APPEND_ONLY))


def _unescaped(name: str) -> str:
    for code, character in (("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")):
        name = name.replace(code, character)
    return name
