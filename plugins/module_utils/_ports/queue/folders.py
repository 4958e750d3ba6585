# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The folders of the push queue and the files in them, whatever somebody has put there."""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
import typing as t

from ..._core.push.entry_files import SUFFIX, confirmation_from_json, file_name, owed_from_json, to_json
from ..._errors import StoreError
from ..store.atomic import TEMPORARY_MARK, FileAttributes, is_unfit, store_errors, sync_and_close
from ..store.foreseen import require_makeable, require_writable
from ..store.places import Place, make_place, open_place
from ..store.trust import refuse

if t.TYPE_CHECKING:
    from ..._core.push.entries import Confirmation, OwedEntry

OWED, CLAIMED, CONFIRMED, DEAD, BAD, WAKE = "owed", "claimed", "confirmed", "dead", "bad", "wake"
FOLDERS: t.Final = frozenset({OWED, CLAIMED, CONFIRMED, DEAD, BAD, WAKE})
STAMP_FILE: t.Final = "last-success"  # beside them
LOCK: t.Final = ".lock"
_ATTRIBUTES: t.Final = FileAttributes(0o600)
_POLL_SECONDS: t.Final = 0.01
#: Seconds. What is older was left by a process that was killed; one that writes needs a moment.
_OLD: t.Final = 3600


class DamagedEntry(t.NamedTuple):
    """path: of a file that is no entry; reason: why not."""

    path: str
    reason: str


@contextlib.contextmanager
def folder(path: str, *names: str) -> t.Iterator[Place | None]:
    """The queue's directory, or one below it; None when it is not there.

    Raises StoreError, also for one in which others may write.
    """
    with store_errors(f"use the push queue {path}"), contextlib.ExitStack() as stack:
        try:
            place: Place | None = _opened(stack, path, names, create=False)
        except FileNotFoundError:
            place = None
        yield place


@contextlib.contextmanager
def made_folder(path: str, *names: str) -> t.Iterator[Place]:
    """The same, made with mode 0700 when it is not there."""
    with store_errors(f"use the push queue {path}"), contextlib.ExitStack() as stack:
        yield _opened(stack, path, names, create=True)


def foresee_folder(path: str) -> None:
    """Raises the StoreError of making what is not there of a queue, and makes nothing."""
    with store_errors(f"use the push queue {path}"), contextlib.ExitStack() as stack:
        try:
            place = _opened(stack, path, (), create=False)
            if place.look(OWED):
                require_writable(stack.enter_context(place.directory(OWED)))
            else:
                require_writable(place, OWED)
        except FileNotFoundError:
            require_makeable(path)


def _opened(stack: contextlib.ExitStack, path: str, names: tuple[str, ...], *, create: bool) -> Place:
    place = stack.enter_context(make_place(path) if create else open_place(path, private=True))
    for name in names:
        above = place
        place, made = above.make_directory(name) if create else (above.directory(name), False)
        stack.enter_context(place)
        if made:
            above.sync()
        if not place.is_closed():
            refuse(place.path, place.status())
    return place


def entry_names(names: t.Iterable[str]) -> list[str]:
    """Those of files that should hold an entry, sorted."""
    return sorted(name for name in names if name.endswith(SUFFIX) and not name.startswith("."))


def read_owed(place: Place, host_file: str, name: str) -> OwedEntry | DamagedEntry | None:
    """None: it is gone."""
    return _read(place, host_file, name, owed_from_json)


def read_confirmation(place: Place, host_file: str, name: str) -> Confirmation | DamagedEntry | None:
    """None: it is gone."""
    return _read(place, host_file, name, confirmation_from_json)


_Entry = t.TypeVar("_Entry", "OwedEntry", "Confirmation")


def _read(place: Place, host_file: str, name: str, parse: t.Callable[[bytes], _Entry]) -> _Entry | DamagedEntry | None:
    path = os.path.join(place.path, name)
    try:
        data = place.read(name)
    except OSError as error:
        if not is_unfit(error):
            raise
        return DamagedEntry(path, error.strerror or "it is no file")
    if data is None:
        return None
    try:
        entry = parse(data)
    except ValueError:
        return DamagedEntry(path, "it is empty" if not data.strip() else "it is no entry of a queue")
    if (file_name(entry.host), file_name(entry.lineage) + SUFFIX) != (host_file, name):
        return DamagedEntry(path, "it is about another host or lineage than its name says")
    return entry


def write_entry(place: Place, entry: OwedEntry | Confirmation) -> None:
    """In place of one that is there. Durable when this returns."""
    place.write(file_name(entry.lineage) + SUFFIX, to_json(entry), _ATTRIBUTES, own=True)
    place.sync()


def write_new_entries(place: Place, entries: t.Iterable[OwedEntry]) -> list[OwedEntry]:
    """Those of lineages of which there is no file, and returns the others. Durable when this returns."""
    left: list[OwedEntry] = []
    temporary: dict[str, OwedEntry] = {}
    descriptors: list[int] = []
    try:
        for entry in entries:
            name = f"{TEMPORARY_MARK}{os.urandom(8).hex()}"
            temporary[name] = entry
            descriptors.append(place.create(name, to_json(entry), _ATTRIBUTES))
        written, descriptors = descriptors, []
        sync_and_close(written)
        for name, entry in temporary.items():
            if not _link_new(place, file_name(entry.lineage) + SUFFIX, place, name):
                left.append(entry)
    finally:
        for descriptor in descriptors:
            os.close(descriptor)
        for name in temporary:
            with contextlib.suppress(OSError):
                place.unlink(name)
    place.sync()
    return left


def move_new(place: Place, to: Place, name: str) -> None:
    """An entry, unless there is one of this name already: then it is removed alone. A kill in between leaves both."""
    _link_new(to, name, place, name)
    discard(place, name)


def _link_new(place: Place, name: str, source: Place, source_name: str) -> bool:
    """Whether there was none of this name."""
    try:
        place.link_new(name, source, source_name)
    except FileExistsError:
        return False
    return True


def discard(place: Place, name: str) -> bool:
    """Whether there was one. NFS may say that there was none of what it has just removed, too."""
    try:
        place.unlink(name)
    except FileNotFoundError:
        return False
    return True


def set_aside(path: str, kind: str, host_file: str, place: Place, name: str) -> str:
    """Move what is no entry to ``bad``. Returns its new path."""
    with made_folder(path, BAD, host_file) as bad:
        new = f"{name}.{kind}.{time.time_ns()}"
        place.move(name, bad, new)
    return os.path.join(path, BAD, host_file, new)


def remove_old_temporaries(place: Place) -> None:
    """What killed processes left."""
    limit = time.time() - _OLD
    for name in place.names():
        if name.startswith(TEMPORARY_MARK):
            found = place.look(name)
            if found and found.st_mtime < limit:
                place.remove(name)


def lock(place: Place, seconds: float) -> int | None:
    """A descriptor that holds the lock of a host until it is closed, or its process ends, however. None: somebody else
    holds it. seconds: to wait; who only asks holds it for less than that."""
    deadline = time.monotonic() + seconds
    descriptor = place.open_lock(LOCK, create=True, write=True)
    if descriptor is None:  # it is made where there is none
        raise StoreError(f"There can be no lock in {place.path}.")
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return descriptor
        except BlockingIOError:
            if time.monotonic() >= deadline:
                os.close(descriptor)
                return None
        except BaseException:
            os.close(descriptor)
            raise
        time.sleep(_POLL_SECONDS)


def is_locked(place: Place) -> bool:
    """Whether a run that lives holds the lock of a host."""
    descriptor = place.open_lock(LOCK, create=False)
    if descriptor is None:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False
