# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Removing what somebody else has made, and may go on to change: of any depth, and nothing outside of it."""

from __future__ import annotations

import contextlib
import errno
import os
import secrets

_LIST = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_ATTEMPTS = 3


def remove_tree(top: int, name: str) -> None:
    """Remove a name in the directory with the descriptor top: whatever it is, with all that is below it.

    No link is followed. Directories below are moved up first, so that their depth costs neither descriptors nor stack.
    Raises OSError; what could be removed is gone then.
    """
    left = [name]
    while left:
        left += _remove_one(top, left.pop())


def _remove_one(top: int, name: str) -> list[str]:
    """Returns names in top that are still to be removed."""
    try:
        descriptor = os.open(name, _LIST, dir_fd=top)
    except FileNotFoundError:
        return []
    except OSError as error:
        if error.errno not in (errno.ENOTDIR, errno.ELOOP):
            raise
        with contextlib.suppress(FileNotFoundError):
            os.unlink(name, dir_fd=top)
        return []
    moved: list[str] = []
    try:
        for attempt in range(_ATTEMPTS):
            _empty(descriptor, top, moved)
            try:
                os.rmdir(name, dir_fd=top)
            except FileNotFoundError:
                break
            except OSError as error:
                if error.errno not in (errno.ENOTEMPTY, errno.EEXIST) or attempt == _ATTEMPTS - 1:
                    raise
            else:
                break
    finally:
        os.close(descriptor)
    return moved


def _empty(descriptor: int, top: int, moved: list[str]) -> None:
    with os.scandir(descriptor) as entries:
        for entry in entries:
            with contextlib.suppress(FileNotFoundError):  # whoever may write here may be faster
                if entry.is_dir(follow_symlinks=False):
                    aside = f".removed-{secrets.token_hex(8)}"
                    os.rename(entry.name, aside, src_dir_fd=descriptor, dst_dir_fd=top)
                    moved.append(aside)
                else:
                    os.unlink(entry.name, dir_fd=descriptor)
