# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Files that no reader ever sees half of: temporary file in the same directory, owner and mode, fsync, rename."""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import stat
import typing as t

from .._errors import StoreError

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


@contextlib.contextmanager
def store_errors(action: str) -> t.Iterator[None]:
    """Tell an OSError as a StoreError: what was being done, with which file, why not, and what to do."""
    try:
        yield
    except OSError as error:
        where = f" ({error.filename})" if error.filename else ""
        advice = {
            "ENOSPC": "Free space or inodes on that file system; nothing that was there before has been touched.",
            "EDQUOT": "Raise the quota; nothing that was there before has been touched.",
            "EACCES": "Run as a user that may write there (become: true), or change the directory's mode.",
            "EPERM": "Run as root to set this owner, or drop the owner and group options.",
            "EEXIST": "Something else is in its place: move it away, or use another directory.",
            "ENOTDIR": "A part of this path is not a directory: move it away, or use another directory.",
            "EROFS": "The file system is mounted read-only.",
            "ENOENT": "Create the parent directory.",
        }.get(_errno_name(error), "")
        raise StoreError(f"Cannot {action}: {error.strerror or error}{where}. {advice}".rstrip()) from None


def write_file(path: str, data: bytes, attributes: FileAttributes, *, temporary_suffix: str = "") -> None:
    """Replace or create path, whole or not at all. The rename is durable only after fsync_directory. Raises OSError.

    temporary_suffix: of the temporary file, for readers that take every file with the suffix of path.
    """
    directory, name = os.path.split(path)
    temporary = os.path.join(directory, f"{TEMPORARY_MARK}{secrets.token_hex(6)}.{name}"[:240] + temporary_suffix)
    try:
        create_file(temporary, data, attributes)
        os.rename(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise


def create_file(path: str, data: bytes, attributes: FileAttributes) -> None:
    """A new file with its final owner and mode, on disk when this returns. Never looser than 0600 on the way."""
    sync_and_close([create_unsynced_file(path, data, attributes)])


def create_unsynced_file(path: str, data: bytes, attributes: FileAttributes) -> int:
    """The same, but a power cut may still lose the content: the descriptor returned is for sync_and_close."""
    descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        set_attributes(descriptor, attributes)
        view = memoryview(data)
        while view:  # a write may be short
            view = view[os.write(descriptor, view) :]
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def sync_and_close(descriptors: t.Collection[int]) -> None:
    """Wait until the content of these files is on disk. Closes all, also on failure. Raises OSError."""
    with contextlib.ExitStack() as open_files:
        for descriptor in descriptors:
            open_files.callback(os.close, descriptor)
        for descriptor in descriptors:
            os.fsync(descriptor)


def set_attributes(file: int | str, attributes: FileAttributes) -> None:
    """Owner first: changing it clears mode bits. file: a descriptor or a path (links are followed)."""
    if attributes.uid is not None or attributes.gid is not None:
        os.chown(
            file, -1 if attributes.uid is None else attributes.uid, -1 if attributes.gid is None else attributes.gid
        )
    os.chmod(file, attributes.mode)


def replace_with_link(source: str, path: str) -> None:
    """Make path another name of the file source, in one step even where path exists. Both on one file system."""
    with contextlib.suppress(FileExistsError):
        os.link(source, path, follow_symlinks=False)
        return
    directory, name = os.path.split(path)
    temporary = os.path.join(directory, f"{TEMPORARY_MARK}{secrets.token_hex(6)}.{name}"[:250])
    os.link(source, temporary, follow_symlinks=False)
    _rename_link(temporary, path)


def replace_with_symlink(target: str, path: str) -> None:
    """Make path a symbolic link to target, in one step even where path is one already."""
    directory, name = os.path.split(path)
    temporary = os.path.join(directory, f"{TEMPORARY_MARK}{secrets.token_hex(6)}.{name}"[:250])
    os.symlink(target, temporary)
    _rename_link(temporary, path)


def _rename_link(temporary: str, path: str) -> None:
    try:
        os.rename(temporary, path)
    finally:
        # rename(2) of two names of one file does nothing and leaves both.
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)


def fsync_directory(path: str) -> None:
    """Make renames and unlinks in this directory durable. Raises OSError."""
    sync_and_close([os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)])


def remove_temporaries(directory: str) -> None:
    """Remove what a killed process left. Only under the directory's lock. Raises OSError."""
    for name in os.listdir(directory):
        if name.startswith(TEMPORARY_MARK):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(os.path.join(directory, name))


def _errno_name(error: OSError) -> str:
    return errno.errorcode.get(error.errno or 0, "")
