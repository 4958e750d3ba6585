# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What to do about a file that could not be read or written. Pure.

One number of an error has many causes (errno(3)): what else is known of the place decides, and where that does not, all
that is likely is named.
"""

from __future__ import annotations

import typing as t
from dataclasses import dataclass


@dataclass(frozen=True)
class Circumstances:
    """What is known where it failed.

    error: its symbolic name, such as EPERM; step: what was tried, "" where it is not known; is_root: whose process it
    is; unchangeable: path of a file or directory with the attribute immutable or append-only; is_link: whether the name
    is a symbolic link; file_system: its type, such as ext4; free_bytes, free_inodes: for this user, None where unknown.
    """

    error: str
    step: t.Literal["", "owner", "mode", "link"] = ""
    is_root: bool = False
    unchangeable: str = ""
    is_link: bool = False
    file_system: str = ""
    free_bytes: int | None = None
    free_inodes: int | None = None


#: They cannot give a file another name, or keep no owners and modes of their own.
WITHOUT_LINKS: t.Final = frozenset(["exfat", "hfs", "msdos", "vfat"])
#: They may do it or not, as the other end or the program behind them does.
PERHAPS_WITHOUT_LINKS: t.Final = frozenset(
    ["9p", "afs", "ceph", "cifs", "fuse", "glusterfs", "smb3", "smbfs", "vboxsf"]
)

_UNTOUCHED: t.Final = "What was there by this name before is untouched."
_SHARE: t.Final = "The share is not there (any more): mount it again, and see why it went."
_CONFINED: t.Final = "ReadWritePaths= of a confined service"
_BY_NUMBER: t.Final[t.Mapping[str, str]] = {
    "EBUSY": "It is mounted by itself, as a single file in a container is: mount its directory instead.",
    "EDQUOT": f"Raise the quota, which counts space and files. {_UNTOUCHED}",
    "EEXIST": "Something else is in its place: move it away, or use another directory.",
    "EHOSTDOWN": _SHARE,
    "EIO": "The disk or the share fails: see the kernel's log (dmesg).",
    "EISDIR": "A directory is in its place: move it away, or use another name.",
    "ELOOP": "Move the link away, or name what it leads to.",
    "EMFILE": "Raise the limit of open files (LimitNOFILE=, ulimit -n).",
    "ENAMETOOLONG": "Use a shorter name.",
    "ENFILE": "The host has too many open files: see what keeps them, or raise fs.file-max.",
    "ENOTCONN": _SHARE,
    "ENOTDIR": "A part of this path is not a directory: move it away, or use another directory.",
    "ENXIO": "Something else is in its place: move it away.",
    "EROFS": f"The file system is mounted read-only here: mount it writable, or add the directory to {_CONFINED}.",
    "ESTALE": _SHARE,
}
_NO_LINKS: t.Final = frozenset(("EMLINK", "ENOSYS", "EOPNOTSUPP", "EXDEV"))


def has_links(file_system: str) -> bool | None:
    """Whether files of this type of file system may have several names; None where that depends."""
    kind = file_system.partition(".")[0]  # of FUSE there are many
    if kind in WITHOUT_LINKS:
        return False
    return None if kind in PERHAPS_WITHOUT_LINKS else True


def advice(known: Circumstances) -> str:
    """A sentence or two; "" where there is nothing to say."""
    if known.error == "EPERM":
        return _not_permitted(known)
    if known.error == "EACCES":
        return _denied(known)
    if known.error == "ENOSPC":
        return _no_room(known)
    if known.error == "ENOENT":
        if known.is_link:
            return "It is a symbolic link that leads to nothing: move it away, or make what it leads to."
        return "Create the parent directory, or mount what it should be on."
    if known.step == "link" and known.error in _NO_LINKS:
        return _links(known)
    return _BY_NUMBER.get(known.error, "")


def _not_permitted(known: Circumstances) -> str:
    if known.unchangeable:
        path = known.unchangeable
        return f"{path} has the attribute immutable or append-only: 'chattr -i -a {path}', if that is not meant to be."
    if known.step == "link":
        return _links(known)
    if known.step and has_links(known.file_system) is False:
        return f"The file system ({known.file_system}) keeps no owners and modes: use a directory on another one."
    if known.step == "owner" and not known.is_root:
        return "Run as root to set this owner, or drop the owner and group options."
    if known.step == "owner":
        return "The file system or the confinement of this process forbids owners: drop the owner and group options."
    if known.is_root:
        return "The file system, or the confinement of this process, forbids it even to root: use another directory."
    return "Another user's file stays in the way, in a directory like /tmp for instance. Run as root (become: true)."


def _links(known: Circumstances) -> str:
    if has_links(known.file_system) is False:
        return f"The file system ({known.file_system}) has no hard links, which are needed: use another one."
    if known.error == "EXDEV":
        return "Hard links are needed, and what is mounted below the directory is on another file system: unmount it."
    if known.error == "EMLINK":
        return "The file has as many names as the file system allows: remove some."
    kind = f" ({known.file_system})" if known.file_system else ""
    rule = "" if known.is_root else ", or fs.protected_hardlinks forbids one to another user's file"
    return (
        f"Hard links are needed: the file system{kind} may have none{rule}. Use a directory of this user's on a local"
        " file system."
    )


def _denied(known: Circumstances) -> str:
    if known.is_root:
        return (
            f"Root is kept from it: see SELinux or AppArmor (audit log), {_CONFINED}, and whether the share takes root"
            " for nobody (root_squash)."
        )
    return "Run as a user that may (become: true), or change the mode of it or of a directory that it is in."


def _no_room(known: Circumstances) -> str:
    if known.free_inodes == 0 and known.free_bytes != 0:
        return f"The file system has no free inodes: delete files. {_UNTOUCHED}"
    if known.free_bytes == 0 and known.free_inodes != 0:
        return f"Free space on that file system. {_UNTOUCHED}"
    return f"Free space or inodes on that file system. {_UNTOUCHED}"
