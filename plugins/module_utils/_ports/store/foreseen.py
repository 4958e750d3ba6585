# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What writing would fail with, asked for without writing: check mode is to tell what a run does.

A disk that is full, or a quota, is found by writing alone.
"""

from __future__ import annotations

import errno
import os
import stat

from .places import Place, open_place


def require_writable(place: Place, name: str = "", *, own: bool = False) -> None:
    """Raises the OSError that Place.write would, with these; without a name, of one that is not there."""
    path = os.path.join(place.path, name)
    if not os.access(".", os.W_OK | os.X_OK, dir_fd=place.descriptor):
        raise _refusal(place.descriptor, path)
    found = place.look(name) if name else None
    if found and own and stat.S_ISDIR(found.st_mode):
        raise OSError(errno.EISDIR, os.strerror(errno.EISDIR), path)
    if found and not own:
        place.require_replaceable(name)


def require_makeable(path: str, *, parents: bool = False) -> None:
    """For a directory that is not there: raises the OSError, or UnsafeDirectory, that making it would.

    parents: those that are missing on the way are made, too.
    """
    above, name = os.path.split(path)
    if parents and not os.path.exists(above):
        if os.path.lexists(above):  # a link that leads to nothing
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), above)
        require_makeable(above, parents=True)
        return
    with open_place(above, private=True, to_make_in=True) as place:
        if place.look(name):  # such as a link that leads to nothing
            place.directory(name).close()
        require_writable(place, name)


def _refusal(descriptor: int, path: str) -> OSError:
    """access(2) has said no; os.access does not say why. Root is kept from writing by the file system alone."""
    if os.fstatvfs(descriptor).f_flag & os.ST_RDONLY:
        number = errno.EROFS
    else:
        number = errno.EACCES if os.geteuid() else errno.EPERM
    return OSError(number, os.strerror(number), path)
