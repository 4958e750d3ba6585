# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Who else may write in a directory. Root and the user that runs this are trusted, and nobody else."""

from __future__ import annotations

import errno
import grp
import os
import pwd
import shlex
import stat
import typing as t

from ..._errors import StoreError


class UnsafeDirectory(StoreError):
    """Others may write in a directory where nobody else may."""


def is_trusted(uid: int) -> bool:
    return uid in (0, os.geteuid())


def is_closed(status: os.stat_result, descriptor: int | None = None) -> bool:
    """Whether only root and this user may write in a directory. descriptor: the directory, to ask for its ACL.

    With an ACL, the mode's bits for the group are the most that it gives to anybody (acl(5)), so they tell of it, too.
    """
    if not is_trusted(status.st_uid) or status.st_mode & stat.S_IWOTH:
        return False
    return not status.st_mode & stat.S_IWGRP or _is_own_group(status.st_gid, descriptor)


def is_sticky(status: os.stat_result) -> bool:
    """Whether others may write in a directory, but not take away what is not theirs, as in /tmp."""
    return is_trusted(status.st_uid) and bool(status.st_mode & stat.S_ISVTX)


def refuse(path: str, status: os.stat_result) -> t.NoReturn:
    """Raise UnsafeDirectory: whose the directory is, its mode, and the command that mends it."""
    owner, group, user = user_name(status.st_uid), _group_name(status.st_gid), user_name(os.geteuid())
    who = []
    commands = []
    quoted = shlex.quote(path)
    if not is_trusted(status.st_uid):
        who.append(owner)
        commands.append(f"chown {user} {quoted}")
    if status.st_mode & stat.S_IWOTH:
        who.append("every user of this host")
    elif status.st_mode & stat.S_IWGRP:
        who.append(f"the group {group}")
    commands.append(f"chmod go-w {quoted}")
    raise UnsafeDirectory(
        f"{path} belongs to {owner}:{group} and has mode {stat.S_IMODE(status.st_mode):04o}, so {' and '.join(who)} may"
        f" put something else in place of all that is below it. Nothing is written there. As root run"
        f" {' && '.join(commands)} or use another directory."
    )


def foreign_link(path: str) -> UnsafeDirectory:
    return UnsafeDirectory(
        f"{path} is a symbolic link in a directory in which others than {user_name(os.geteuid())} may write, so it is"
        " not followed. Name the path that it leads to."
    )


def user_name(uid: int) -> str:
    """Or the number of a user that this host does not know."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def primary_group(uid: int) -> int | None:
    try:
        return pwd.getpwuid(uid).pw_gid
    except KeyError:
        return None


def is_member(uid: int, gid: int) -> bool:
    """Of a user that this host does not know, in a container for instance, it is believed."""
    try:
        user = pwd.getpwuid(uid)
        return user.pw_gid == gid or user.pw_name in grp.getgrgid(gid).gr_mem
    except KeyError:
        return primary_group(uid) is None


def _is_own_group(gid: int, descriptor: int | None) -> bool:
    """Whether a user has this group alone, as those of many systems have one. What root runs for is never shared."""
    if os.geteuid() == 0 or _has_acl(descriptor):
        return False
    try:
        members = {pwd.getpwnam(name).pw_uid for name in grp.getgrgid(gid).gr_mem}
    except KeyError:
        return False
    members |= {user.pw_uid for user in pwd.getpwall() if user.pw_gid == gid}
    return all(map(is_trusted, members))


def _has_acl(descriptor: int | None) -> bool:
    if descriptor is None or not hasattr(os, "getxattr"):
        return False
    try:
        # By way of /proc also for a descriptor that only lets pass.
        os.getxattr(f"/proc/self/fd/{descriptor}", "system.posix_acl_access")
    except OSError as error:
        return error.errno not in (errno.ENODATA, errno.ENOTSUP)
    return True


def _group_name(gid: int) -> str:
    try:
        return grp.getgrgid(gid).gr_name
    except KeyError:
        return str(gid)
