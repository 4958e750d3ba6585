# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The directories behind a certificate directory, opened: whose they are is settled here, once for a run.

The certificate directory and .certops belong to the user that runs this, whoever the files are for: the owner of a
directory can put anything in place of what is in it.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import sys
import time
import typing as t

from ..._errors import StoreError
from .atomic import FileAttributes
from .foreseen import require_makeable, require_writable
from .live import STATE_DIRECTORY, VERSIONS, Opened, is_directory
from .places import Place, make_place, open_place
from .trust import is_member, is_trusted, primary_group, refuse

LOCK = "lock"
_LOCK_POLL_SECONDS = 0.05


class DirectorySettings(t.NamedTuple):
    """attributes: of the certificate files, None leaves those that are there as they are; directory_mode: of
    directories made here; keep: previous versions kept; readers_below: whether live files are links into .certops;
    adopts: whether a lineage takes the place of a directory with the same files that somebody else has made."""

    attributes: FileAttributes | None
    directory_mode: int = 0o700
    keep: int = 1
    readers_below: bool = False
    adopts: bool = False


#: For who writes no new content: what is there keeps its owner and mode, and everything kept stays.
AS_FOUND = DirectorySettings(None, keep=sys.maxsize)


def directory_attributes(settings: DirectorySettings) -> FileAttributes:
    """Of directories that readers of the files use. They are never given away with the files: instead the user whom the
    files are given to may do by its group, or else as everybody, what the mode lets an owner do, except writing."""
    mode, uid, gid = settings.directory_mode, None, None
    if settings.attributes:
        uid, gid = settings.attributes.uid, settings.attributes.gid
    if uid is not None and not is_trusted(uid):
        reading = mode & 0o500
        gid = primary_group(uid) if gid is None else gid
        mode |= reading >> 3 if gid is not None and is_member(uid, gid) else reading >> 6
    return FileAttributes(mode, None, gid)


@contextlib.contextmanager
def opened(path: str, settings: DirectorySettings, *, create: bool, write: bool) -> t.Iterator[Opened]:
    """For a run that relies on what it finds. create: make what is not there; write: take back what was given away.

    Raises UnsafeDirectory, and OSError.
    """
    with contextlib.ExitStack() as stack:
        found = Opened()
        found.base = base = _open_base(path, settings, create=create, write=write)
        if base:
            stack.enter_context(base)
            found.state = state = _open_own(base, STATE_DIRECTORY, settings, create=create, write=write)
            if state:
                stack.enter_context(state)
                found.versions = _open_own(state, VERSIONS, settings, create=create, write=write)
                if found.versions:
                    stack.enter_context(found.versions)
        yield found


def foresee(path: str, settings: DirectorySettings, name: str | None) -> None:
    """Raises what opened would with create, and makes nothing; given the name of a live file, what writing it would."""
    with opened(path, settings, create=False, write=False) as found:
        if not found.base:
            require_makeable(path)
            return
        if not found.state:
            require_writable(found.base, STATE_DIRECTORY)
        elif not found.versions:
            require_writable(found.state, VERSIONS)
        if name:
            adopted = settings.adopts and is_directory(found.base.look(name))
            require_writable(found.base, "" if adopted else name, own=True)


@contextlib.contextmanager
def looked_at(path: str) -> t.Iterator[Opened]:
    """For who only looks, whoever the directories belong to. Raises OSError."""
    with contextlib.ExitStack() as stack:
        found = Opened()
        with contextlib.suppress(FileNotFoundError):
            descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            found.base = stack.enter_context(Place(descriptor, path))
            found.state = stack.enter_context(found.base.directory(STATE_DIRECTORY))
            found.versions = stack.enter_context(found.state.directory(VERSIONS))
        yield found


@contextlib.contextmanager
def lock(state: Place, path: str, timeout: float, *, create: bool, name: str = LOCK) -> t.Iterator[None]:
    """Hold a lock of a certificate directory. Raises StoreError when another run does not give it up in time.

    create: make the file of the lock; without it nothing is locked where there is none. name: of that file.
    """
    deadline = time.monotonic() + timeout
    with contextlib.ExitStack() as stack:
        while True:
            attempt = stack.enter_context(contextlib.ExitStack())
            descriptor = state.open_lock(name, create=create)
            if descriptor is None:
                break
            attempt.callback(os.close, descriptor)
            _wait_for_lock(descriptor, path, timeout, deadline)
            named = state.look(name)
            if named and os.path.samestat(named, os.fstat(descriptor)):
                break
            attempt.close()  # what was locked is no longer what others will lock
            if time.monotonic() >= deadline:
                raise _still_locked(path, timeout)
        yield


def _wait_for_lock(descriptor: int, path: str, timeout: float, deadline: float) -> None:
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            if time.monotonic() >= deadline:
                raise _still_locked(path, timeout) from None
        time.sleep(_LOCK_POLL_SECONDS)


def _still_locked(path: str, timeout: float) -> StoreError:
    return StoreError(
        f"Another run holds the lock of {path} and did not finish within {timeout:g} s."
        " Wait for it, or raise lock_timeout."
    )


def _open_base(path: str, settings: DirectorySettings, *, create: bool, write: bool) -> Place | None:
    given_to = settings.attributes.uid if settings.attributes else None
    if given_to is not None and is_trusted(given_to):
        given_to = None
    try:
        base = open_place(path, private=True, given_to=given_to)
    except FileNotFoundError:
        if create:
            return make_place(path, directory_attributes(settings))
        with contextlib.suppress(FileNotFoundError):
            open_place(os.path.dirname(path), private=True, to_make_in=True).close()
        return None
    with _closed_on_error(base):
        if not base.is_closed():
            # Earlier versions gave it away with the files. That it is one of theirs is seen by what is in it.
            status = base.status()
            if status.st_uid != given_to or not is_directory(base.look(STATE_DIRECTORY)):
                refuse(path, status)
            if write:
                base.set_attributes(directory_attributes(settings)._replace(uid=os.geteuid()))
    return base


def _open_own(above: Place, name: str, settings: DirectorySettings, *, create: bool, write: bool) -> Place | None:
    """A directory that nobody else has any business in, except to pass through to a live file (readers_below)."""
    try:
        place = above.make_directory(name)[0] if create else above.directory(name)
    except FileNotFoundError:
        return None
    with _closed_on_error(place):
        status, is_own = place.status(), place.is_closed()
        passing, gid = status.st_mode & 0o011, None
        if settings.readers_below:
            attributes = directory_attributes(settings)
            passing, gid = attributes.mode & 0o011, attributes.gid
        own = FileAttributes(0o700 | passing, None if is_trusted(status.st_uid) else os.geteuid(), gid)
        if write and (not is_own or (settings.attributes and not own.match(status))):
            place.set_attributes(own)
    return place


@contextlib.contextmanager
def _closed_on_error(place: Place) -> t.Iterator[None]:
    try:
        yield
    except BaseException:
        place.close()
        raise
