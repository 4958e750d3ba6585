# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Directories that are opened once and then worked in by descriptor, so that nobody can put a link in between.

Who may write in a directory can at any time replace every name in it by a link, a FIFO or another directory. So a path
is walked once, each directory on it is judged, and what is done afterwards is done in the directory that was judged,
whatever its path leads to by then. Names in it are never followed.
"""

from __future__ import annotations

import contextlib
import errno
import functools
import hashlib
import os
import secrets
import stat
import time
import typing as t

from .atomic import (
    TEMPORARY_MARK,
    FileAttributes,
    StepRefused,
    create_unsynced_file,
    read_regular_file,
    set_attributes,
    sync_and_close,
)
from .exchanging import exchange_names
from .trust import foreign_link, is_closed, is_sticky, is_trusted, refuse

_ABANDONED = 3600  # seconds: nobody writes one file for so long
_MAX_LINKS = 40  # as many as Linux follows
# A directory that may only be passed through is enough for those on the way.
_PASS = getattr(os, "O_PATH", os.O_RDONLY) | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_LIST = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_LINK_REFUSED = (errno.EPERM, errno.EMLINK, errno.ENOSYS, errno.EOPNOTSUPP, errno.EXDEV)
_Method = t.TypeVar("_Method", bound=t.Callable[..., t.Any])


def _located(method: _Method) -> _Method:
    """An OSError tells the whole path, not just the name in the directory."""

    @functools.wraps(method)
    def wrapped(self: Place, name: str, *args: t.Any, **kwargs: t.Any) -> t.Any:
        try:
            return method(self, name, *args, **kwargs)
        except OSError as error:
            error.filename, error.filename2 = os.path.join(self.path, name), None
            raise

    return t.cast("_Method", wrapped)


class Place:
    """An opened directory. name: always one in it, without "/". Methods raise OSError."""

    def __init__(self, descriptor: int, path: str) -> None:
        self._descriptor = descriptor
        self.path = path  # for people, and never used again

    def __enter__(self) -> Place:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.close()

    def close(self) -> None:
        os.close(self._descriptor)

    @property
    def descriptor(self) -> int:
        """For what is done here by others; to be closed here alone."""
        return self._descriptor

    # -- looking ------------------------------------------------------------------------------------------------

    def status(self) -> os.stat_result:
        """Of the directory itself."""
        return os.fstat(self._descriptor)

    def is_closed(self) -> bool:
        """Whether only root and this user may write in it."""
        return is_closed(self.status(), self._descriptor)

    def may_follow(self, link: os.stat_result) -> bool:
        """Whether nobody but root and this user could have put a symbolic link here."""
        return self.is_closed() or (is_sticky(self.status()) and is_trusted(link.st_uid))

    def names(self) -> list[str]:
        return os.listdir(self._descriptor)

    @_located
    def look(self, name: str) -> os.stat_result | None:
        """Of the name itself, also where it is a link; None when there is none."""
        try:
            return os.stat(name, dir_fd=self._descriptor, follow_symlinks=False)
        except FileNotFoundError:
            return None

    @_located
    def link_target(self, name: str) -> str | None:
        """Where a symbolic link leads to; None for anything else, and for nothing."""
        try:
            return os.readlink(name, dir_fd=self._descriptor)
        except OSError as error:
            if error.errno in (errno.EINVAL, errno.ENOENT):
                return None
            raise

    @_located
    def read(self, name: str, *, own: bool = False) -> bytes | None:
        """The content of a regular file; None when there is none. What is no regular file is an OSError.

        own: so is a file of somebody else, or one that has other names.
        """
        try:
            return read_regular_file(name, dir_fd=self._descriptor, follow=False, own=own)
        except FileNotFoundError:
            return None

    @_located
    def require_replaceable(self, name: str) -> None:
        """Raises where there is something else than a regular file: a rename would take away a link, a device, a FIFO
        or a socket for good."""
        found = self.look(name)
        if found and not stat.S_ISREG(found.st_mode):
            raise _not_replaced(errno.EISDIR if stat.S_ISDIR(found.st_mode) else errno.EEXIST, name)

    @_located
    def directory(self, name: str) -> Place:
        """An existing one."""
        return Place(os.open(name, _LIST, dir_fd=self._descriptor), os.path.join(self.path, name))

    @_located
    def open_lock(self, name: str, *, create: bool, write: bool = False) -> int | None:
        """A descriptor of a regular file. create: it is made when there is none, in place of anything else; write: it
        is opened for writing, without which NFS has no exclusive lock (flock(2))."""
        flags = (
            (os.O_RDWR if write else os.O_RDONLY)
            | os.O_NOFOLLOW
            | os.O_NONBLOCK
            | os.O_CLOEXEC
            | (os.O_CREAT if create else 0)
        )
        found = self.look(name)
        if found and not (stat.S_ISREG(found.st_mode) and is_trusted(found.st_uid)):
            if not create:
                return None
            self.remove(name)
        try:
            return os.open(name, flags, 0o600, dir_fd=self._descriptor)
        except FileNotFoundError:
            return None

    @_located
    def open_file(self, name: str) -> int:
        """A descriptor for sync_and_close."""
        return os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=self._descriptor)

    # -- changing -----------------------------------------------------------------------------------------------

    @_located
    def make_directory(self, name: str) -> tuple[Place, bool]:
        """Opened, and whether it had to be made: with mode 0700. Two runs may both try."""
        made = True
        try:
            os.mkdir(name, 0o700, dir_fd=self._descriptor)
        except FileExistsError:
            made = False
        return self.directory(name), made

    @_located
    def touch(self, name: str, attributes: FileAttributes, instant: float) -> None:
        """Make it a file, an empty one unless there is one, that was written at this instant (seconds since 1970)."""
        found = self.look(name)
        if not (found and stat.S_ISREG(found.st_mode)):
            self.write(name, b"", attributes, own=True)
        os.utime(name, (instant, instant), dir_fd=self._descriptor, follow_symlinks=False)

    @_located
    def create(self, name: str, data: bytes, attributes: FileAttributes) -> int:
        """A new file with its final owner and mode, never looser than 0600 on the way. A power cut may still lose the
        content: the descriptor returned is for sync_and_close."""
        return create_unsynced_file(name, data, attributes, dir_fd=self._descriptor)

    @_located
    def write(
        self, name: str, data: bytes, attributes: FileAttributes, *, temporary_suffix: str = "", own: bool = False
    ) -> None:
        """Replace or create a regular file, whole or not at all. The rename is durable only after sync.

        temporary_suffix: of the temporary file, for readers that take every file with the suffix of name; own: the name
        is none that a person has chosen, so that whatever somebody put there makes room.
        """
        with self._put_in_place(name, temporary_suffix) as temporary:
            sync_and_close([self.create(temporary, data, attributes)])
            if not own:
                self.require_replaceable(name)

    @_located
    def link(self, name: str, source: Place, source_name: str) -> None:
        """Make name another name of a file, in one step even where a file or a link has it. Both on one file system."""

        def link(new: str) -> None:
            self.link_new(new, source, source_name)

        with contextlib.suppress(FileExistsError):
            link(name)
            return
        with self._put_in_place(name) as temporary:
            link(temporary)
            found = self.look(name)
            if found and is_special(found):
                raise _not_replaced(errno.EEXIST, name)

    @_located
    def link_new(self, name: str, source: Place, source_name: str) -> None:
        """The same where there is nothing by this name: a FileExistsError else. Of two who try, one does it."""
        try:
            os.link(
                source_name, name, src_dir_fd=source._descriptor, dst_dir_fd=self._descriptor, follow_symlinks=False
            )
        except OSError as error:
            if error.errno not in _LINK_REFUSED:
                raise
            raise StepRefused(error, "link") from None

    @_located
    def move(self, name: str, to: Place, new_name: str) -> None:
        """A file, in one step, in place of what has the new name. Both on one file system."""
        os.rename(name, new_name, src_dir_fd=self._descriptor, dst_dir_fd=to._descriptor)

    @_located
    def symlink(self, name: str, target: str) -> None:
        """Make name a symbolic link, in one step even where it is one already."""
        with self._put_in_place(name) as temporary:
            os.symlink(target, temporary, dir_fd=self._descriptor)

    @_located
    def exchange(self, name: str, other: Place, other_name: str) -> None:
        """Two names change places in one step, whatever each is. Both on one file system, which has to know how."""
        exchange_names(self._descriptor, name, other._descriptor, other_name)

    @_located
    def unlink(self, name: str) -> None:
        os.unlink(name, dir_fd=self._descriptor)

    @_located
    def remove(self, name: str) -> None:
        """A file, a link, or a directory with all that is in it."""
        found = self.look(name)
        if found and stat.S_ISDIR(found.st_mode):
            with self.directory(name) as below:
                for each in below.names():
                    below.remove(each)
            os.rmdir(name, dir_fd=self._descriptor)
        elif found:
            with contextlib.suppress(FileNotFoundError):
                self.unlink(name)

    def set_attributes(self, attributes: FileAttributes) -> None:
        """Of the directory itself. A file's are never changed: it might have names elsewhere. It is written anew."""
        set_attributes(self._descriptor, attributes)

    def sync(self) -> None:
        """Make renames and unlinks durable."""
        os.fsync(self._descriptor)

    def remove_temporaries(self) -> None:
        """Remove what a killed process left. Only under the directory's lock."""
        for name in self.names():
            if name.startswith(TEMPORARY_MARK):
                self.remove(name)

    def remove_temporaries_of(self, name: str) -> None:
        """The same for one file in a directory of others. Only by who alone writes that file."""
        for each in self.names():
            if each.startswith(_mark_of(name)):
                self.unlink(each)

    def remove_abandoned_of(self, name: str) -> None:
        """The same where others may be writing that file now: only what has been there for an hour.

        What cannot be removed is not ours, in a directory where others may write: it harms nobody.
        """
        for each in self.names():
            if not each.startswith(_mark_of(name)):
                continue
            with contextlib.suppress(OSError):
                found = self.look(each)
                if found and found.st_mtime < time.time() - _ABANDONED:
                    self.unlink(each)

    @contextlib.contextmanager
    def _put_in_place(self, name: str, suffix: str = "") -> t.Iterator[str]:
        temporary = f"{_mark_of(name)}{secrets.token_hex(8)}{suffix}"
        try:
            yield temporary
            os.rename(temporary, name, src_dir_fd=self._descriptor, dst_dir_fd=self._descriptor)
        finally:
            # rename(2) of two names of one file does nothing and leaves both.
            with contextlib.suppress(OSError):
                os.unlink(temporary, dir_fd=self._descriptor)


def is_special(status: os.stat_result) -> bool:
    """Whether it is a device, a FIFO or a socket, which nobody but a person can make again."""
    return not any(kind(status.st_mode) for kind in (stat.S_ISREG, stat.S_ISLNK, stat.S_ISDIR))


def _not_replaced(number: int, name: str) -> OSError:
    return OSError(number, "it is no regular file, so it is not replaced", name)


def _mark_of(name: str) -> str:
    """What the names of temporary files for this one begin with."""
    return f"{TEMPORARY_MARK}{hashlib.sha256(os.fsencode(name)).hexdigest()[:8]}."


def open_place(path: str, *, private: bool, given_to: int | None = None, to_make_in: bool = False) -> Place:
    """The directory at path. Links on the way are followed only where nobody but root and this user could put them.

    private: for what nobody else may replace. Then each directory on the way must be closed to others, or be like /tmp:
    sticky, and of root or this user; and the directory itself must be closed. Without it the directory may be
    anybody's, and whoever it belongs to decides what happens in it, and nowhere else.
    given_to: a user whom the directory itself, and nothing above it, may belong to even so.
    to_make_in: it is on the way, too, for another one is to be made in it.

    Raises UnsafeDirectory, which says what to do, and OSError.
    """
    try:
        way = _walk(path, private, given_to, to_make_in)
        try:
            return Place(os.open(".", _LIST, dir_fd=way), path)
        finally:
            os.close(way)
    except OSError as error:
        error.filename = path
        raise


def make_place(path: str, attributes: FileAttributes | None = None) -> Place:
    """A private place, made when it is not there, with these attributes or mode 0700. Raises as open_place does."""
    try:
        return open_place(path, private=True)
    except FileNotFoundError:
        parent, name = os.path.split(path)
    with open_place(parent, private=True, to_make_in=True) as above:
        place, made = above.make_directory(name)
    try:
        if made and attributes:
            place.set_attributes(attributes)
        if not place.is_closed():
            refuse(path, place.status())
    except BaseException:
        place.close()
        raise
    return place


def open_file_place(path: str, *, private: bool) -> tuple[Place, str]:
    """The directory that a file is in, and the file's name there. Raises as open_place does.

    A link in place of the file is followed under the same rules as those on the way, so that it stays one.
    """
    for _link in range(_MAX_LINKS):
        directory, name = os.path.split(path)
        place = open_place(directory or ".", private=private)
        target = place.link_target(name)
        if target is None:
            return place, name
        with place:
            found = place.look(name)
            if found is None or not place.may_follow(found):
                raise foreign_link(path)
        path = os.path.join(directory, target)
    raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), path)


def _walk(path: str, private: bool, given_to: int | None, to_make_in: bool) -> int:
    """A descriptor of the directory, good for passing through."""
    names = _names(os.path.join(os.getcwd(), path))
    where, links = "/", 0
    descriptor = os.open("/", _PASS)
    try:
        status = os.fstat(descriptor)
        safe_so_far = True
        while True:
            is_safe = is_closed(status, descriptor)
            if (
                private
                and not is_safe
                and (not is_sticky(status) if names or to_make_in else status.st_uid != given_to)
            ):
                refuse(where, status)
            if not names:
                return descriptor
            safe_so_far = safe_so_far and (is_safe or is_sticky(status))
            name = names.pop()
            found = os.stat(name, dir_fd=descriptor, follow_symlinks=False)
            if stat.S_ISLNK(found.st_mode):
                links += 1
                if links > _MAX_LINKS:
                    raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
                if not safe_so_far or not (is_safe or is_trusted(found.st_uid)):
                    raise foreign_link(os.path.join(where, name))
                target = os.readlink(name, dir_fd=descriptor)
                names += _names(target)
                name = "/" if target.startswith("/") else "."
            below = os.open(name, _PASS, dir_fd=descriptor)
            os.close(descriptor)
            descriptor = below
            status = os.fstat(descriptor)
            where = os.path.normpath(os.path.join(where, name))
    except BaseException:
        os.close(descriptor)
        raise


def _names(path: str) -> list[str]:
    """The last one first."""
    return [name for name in reversed(path.split("/")) if name not in ("", ".")]
