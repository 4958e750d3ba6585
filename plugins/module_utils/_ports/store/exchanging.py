# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""renameat2(2) with RENAME_EXCHANGE, which Python does not have: two names change places, and neither is ever gone."""

from __future__ import annotations

import errno
import os
import platform
import typing as t

_RENAME_EXCHANGE: t.Final = 2
_UNABLE: t.Final = "two names cannot be exchanged on this file system; move the directory away by hand"
#: Numbers of the system call, for a C library that does not have the function (musl).
_NUMBERS: t.Final[t.Mapping[str, int]] = {
    **dict.fromkeys(("x86_64", "amd64"), 316),
    **dict.fromkeys(("aarch64", "riscv64"), 276),
    **dict.fromkeys(("ppc64", "ppc64le"), 357),
    "s390x": 347,
}


def exchange_names(directory: int, name: str, other_directory: int, other_name: str) -> None:
    """By the descriptors of the directories. Raises OSError: ENOSYS or EINVAL where it cannot be done."""
    try:
        import ctypes  # a Python may be built without
    except ImportError:
        raise OSError(errno.ENOSYS, _UNABLE, other_name) from None
    library = ctypes.CDLL(None, use_errno=True)
    arguments = (directory, os.fsencode(name), other_directory, os.fsencode(other_name), _RENAME_EXCHANGE)
    if hasattr(library, "renameat2"):
        failed = library.renameat2(*arguments)
    elif platform.machine() in _NUMBERS:
        failed = library.syscall(_NUMBERS[platform.machine()], *arguments)
    else:
        raise OSError(errno.ENOSYS, _UNABLE, other_name)
    if failed:
        number = ctypes.get_errno()
        # EXDEV: of an overlay, where a directory comes from a layer below (a container's image).
        text = _UNABLE if number in (errno.EINVAL, errno.ENOSYS, errno.EXDEV) else os.strerror(number)
        raise OSError(number, text, other_name)
