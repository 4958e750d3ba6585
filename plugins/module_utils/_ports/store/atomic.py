# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Single files: made with owner and mode before they have a name that counts, and read whatever is in their place."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import typing as t

from ..._core.file_advice import Circumstances, advice
from ..._errors import StoreError
from .mounts import file_system_of, is_unchangeable

_NO_FILE = "it is no regular file"
_LARGEST_BLOCK = 1 << 20
#: Bytes. More than any file that is read here; a wrong or hostile one must not fill the memory.
LARGEST_FILE = 1 << 26
TEMPORARY_MARK = ".certops-tmp."  # a leading dot: HAProxy ignores such files in a certificate directory


class FileAttributes(t.NamedTuple):
    """mode: permission bits; uid, gid: owner, None leaves what the system gives to a new file."""

    mode: int = 0o600
    uid: int | None = None
    gid: int | None = None

    def match(self, status: os.stat_result) -> bool:
        return (
            stat.S_IMODE(status.st_mode) == self.mode
            and self.uid in (None, status.st_uid)
            and self.gid in (None, status.st_gid)
        )


class StepRefused(OSError):
    """What was tried of those steps that advice tells apart, where the number of the error has many causes."""

    def __init__(self, error: OSError, step: t.Literal["owner", "mode", "link"]) -> None:
        super().__init__(error.errno, error.strerror, error.filename)
        self.step: t.Literal["owner", "mode", "link"] = step


@contextlib.contextmanager
def store_errors(action: str) -> t.Iterator[None]:
    """Tell an OSError as a StoreError: what was being done, with which file, why not, and what to do."""
    try:
        yield
    except OSError as error:
        where = f" ({error.filename})" if error.filename else ""
        text = f"Cannot {action}: {error.strerror or error}{where}. {advice_of(error)}"
        raise StoreError(text.rstrip()) from None


def advice_of(error: OSError) -> str:
    """What to do about it, by what is known of the place; "" where there is nothing to say."""
    return advice(_circumstances(error))


def _circumstances(error: OSError) -> Circumstances:
    """What is known of the place where it failed."""
    path = error.filename if isinstance(error.filename, str) else ""
    place = path if os.path.isdir(path) else os.path.dirname(path)
    free_bytes = free_inodes = None
    with contextlib.suppress(OSError):
        room = os.statvfs(place)
        free_bytes = room.f_bavail * room.f_frsize
        free_inodes = room.f_favail if room.f_files else None
    return Circumstances(
        _errno_name(error),
        step=error.step if isinstance(error, StepRefused) else "",
        is_root=os.geteuid() == 0,
        unchangeable=next((each for each in (path, place) if each and is_unchangeable(each)), ""),
        is_link=bool(path) and os.path.islink(path),
        file_system=file_system_of(place) if place else "",
        free_bytes=free_bytes,
        free_inodes=free_inodes,
    )


def create_unsynced_file(path: str, data: bytes, attributes: FileAttributes, *, dir_fd: int | None = None) -> int:
    """A new file with its final owner and mode, never looser than 0600 on the way.

    A power cut may still lose the content: the descriptor returned is for sync_and_close.
    """
    flags = os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC
    descriptor = os.open(path, flags, 0o600, dir_fd=dir_fd)
    try:
        set_attributes(descriptor, attributes)
        view = memoryview(data)
        while view:  # a write may be short
            view = view[os.write(descriptor, view) :]
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def close(descriptors: t.Iterable[int]) -> None:
    for descriptor in descriptors:
        os.close(descriptor)


def sync_and_close(descriptors: t.Collection[int]) -> None:
    """Wait until the content of these files is on disk. Closes all, also on failure. Raises OSError."""
    with contextlib.ExitStack() as open_files:
        for descriptor in descriptors:
            open_files.callback(os.close, descriptor)
        for descriptor in descriptors:
            os.fsync(descriptor)


def set_attributes(descriptor: int, attributes: FileAttributes) -> None:
    """Owner first: changing it clears mode bits."""
    step: t.Literal["owner", "mode"] = "owner"
    try:
        if attributes.uid is not None or attributes.gid is not None:
            uid = -1 if attributes.uid is None else attributes.uid
            os.fchown(descriptor, uid, -1 if attributes.gid is None else attributes.gid)
        step = "mode"
        os.fchmod(descriptor, attributes.mode)
    except PermissionError as error:
        raise StepRefused(error, step) from None


def read_regular_file(
    path: str,
    *,
    limit: int = LARGEST_FILE,
    dir_fd: int | None = None,
    follow: bool = True,
    own: bool = False,
    owners: t.Collection[int] = (),
) -> bytes:
    """The content of a file that may be anything: a FIFO does not hang, a device or a flood does not fill the memory.

    path: or a name in the directory dir_fd; limit: bytes; own: only a file of this user with this name alone; owners:
    the same of one of these users. Raises OSError, also for what is no regular file.
    """
    flags = os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC | (0 if follow else os.O_NOFOLLOW)
    try:
        descriptor = os.open(path, flags, dir_fd=dir_fd)
    except OSError as error:
        if error.errno == errno.ELOOP and not follow:
            raise OSError(errno.ELOOP, "it is a symbolic link, which is not followed here", path) from None
        if error.errno == errno.ENXIO:  # a socket
            raise OSError(errno.ENXIO, _NO_FILE, path) from None
        raise
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise OSError(errno.ENXIO, _NO_FILE, path)
        if own and (status.st_uid != os.geteuid() or status.st_nlink > 1):
            raise OSError(errno.ENXIO, "it is not this user's alone", path)
        if owners and (status.st_uid not in owners or status.st_nlink > 1):
            raise OSError(errno.ENXIO, "it is another user's, or has other names", path)
        if status.st_size > limit:
            raise _too_large(path, limit)
        data = b""
        block = max(min(status.st_size, _LARGEST_BLOCK) + 1, 4096)  # files of /proc have no size
        while chunk := os.read(descriptor, block):
            data += chunk
            if len(data) > limit:
                raise _too_large(path, limit)
        return data
    finally:
        os.close(descriptor)


def is_unfit(error: OSError) -> bool:
    """Whether read_regular_file found something that it does not read, whoever may read it."""
    return error.errno in (errno.ELOOP, errno.ENXIO, errno.EFBIG)


def _too_large(path: str, limit: int) -> OSError:
    return OSError(errno.EFBIG, f"it has more than {limit} bytes", path)


def _errno_name(error: OSError) -> str:
    return errno.errorcode.get(error.errno or 0, "")
