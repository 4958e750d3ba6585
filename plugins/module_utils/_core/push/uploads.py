# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How lineages are uploaded by SFTP, and receipts read: which requests follow from which answers. Pure.

Each task here is a generator: it yields what it asks, is sent the answers, and returns what came of it. So many tasks
go on in step over one connection: a round trip to the host moves all of them on (`in_step`), however many there are.
"""

from __future__ import annotations

import typing as t
from posixpath import dirname

from ..text import harmless
from . import sftp
from .lineage import LINEAGE_FILES
from .receipt import LARGEST_RECEIPT, receipt_file_name, receipt_from_json
from .staging import LINEAGE_NAME, UPLOAD_PREFIX, staged_name

if t.TYPE_CHECKING:
    from .lineage import Lineage, Part
    from .receipt import Receipt
    from .targets import PushTarget

_FILE_MODE: t.Final = 0o600
_DIRECTORY_MODE: t.Final = 0o700

_Result = t.TypeVar("_Result")
#: Yields requests, is sent as many replies, returns its result.
Task = t.Generator[t.Sequence[sftp.SftpRequest], t.Sequence[sftp.SftpReply], _Result]


class UploadRefused(Exception):
    """The host let us in, but not do what we wanted. Its text says what that was, why not, and what to do."""


class Uploaded(t.NamedTuple):
    """sent: whether files were sent, for they may have been there; before: the receipt that was there before."""

    sent: bool
    before: Receipt | None = None


def in_step(tasks: t.Sequence[Task[_Result]]) -> Task[list[_Result]]:
    """All of them at once. What one of them raises ends all."""
    results: dict[int, _Result] = {}
    asking: dict[int, t.Sequence[sftp.SftpRequest]] = {}

    def move_on(number: int, replies: t.Sequence[sftp.SftpReply] | None) -> None:
        try:
            asking[number] = tasks[number].send(t.cast("t.Any", replies))
        except StopIteration as end:
            results[number] = end.value
            asking.pop(number, None)

    for number in range(len(tasks)):
        move_on(number, None)
    while asking:
        replies = list((yield [request for requests in asking.values() for request in requests]))
        for number, requests in list(asking.items()):
            own, replies = replies[: len(requests)], replies[len(requests) :]
            move_on(number, own)
    return [results[number] for number in range(len(tasks))]


def upload(lineage: Lineage, target: PushTarget, extensions: t.Collection[str], mark: str) -> Task[Uploaded]:
    """As the target's protocol wants it, whole or not at all where the server can do that.

    extensions: the server's; mark: random, for names that nobody else uses. Raises UploadRefused.
    """
    if not LINEAGE_NAME.match(lineage.name):
        raise UploadRefused("a lineage of this name is not uploaded: it would not stay in its directory. Rename it.")
    if target.protocol == "receiver":
        return _to_receiver(lineage, target, extensions, mark)
    return _to_directory(lineage, target, extensions, mark)


def read_receipt(lineage: str, target: PushTarget) -> Task[Receipt | None]:
    """None: there is none. Raises UploadRefused for one that cannot be read, or is none."""
    path = _join(target.receipts, receipt_file_name(lineage))
    content = yield from _read_file(path, LARGEST_RECEIPT)
    if content is None:
        return None
    try:
        receipt = receipt_from_json(content)
    except ValueError as error:
        raise UploadRefused(f"cannot use the receipt {path}: {error}. See what writes it there.") from None
    if receipt.lineage != lineage:
        raise UploadRefused(f"cannot use the receipt {path}: it is of {receipt.lineage}. See what writes it there.")
    return t.cast("Receipt", harmless(receipt))


def answers(receipt: Receipt, lineage: Lineage) -> bool:
    """Whether it is about this content of the lineage."""
    return receipt.fingerprint_sha256 == lineage.fingerprint_sha256 or (
        not receipt.fingerprint_sha256 and receipt.state == "refused"
    )


# The two protocols


def _to_receiver(lineage: Lineage, target: PushTarget, extensions: t.Collection[str], mark: str) -> Task[Uploaded]:
    """In a directory of its own, which gets its name when it is complete."""
    staged = _join(target.path, staged_name(lineage.name, lineage.fingerprint_sha256))
    before, is_there = yield from _receipt_and(lineage.name, target, staged)
    if is_there:
        return Uploaded(False, before)
    directory = _join(target.path, f"{UPLOAD_PREFIX}{mark}")
    files = {_join(directory, name): content for name, content in _files(lineage, target)}
    (reply,) = yield [sftp.make_directory(directory, _DIRECTORY_MODE)]
    _require(sftp.status_of(reply), f"make a directory in {_named(target.path)}", target.path)
    try:
        yield from in_step([_write_file(path, content, extensions, anew=True) for path, content in files.items()])
        (reply,) = yield [sftp.rename(directory, staged)]
        status = sftp.status_of(reply)
        if status.code != sftp.OK and not (yield from _exists(staged)):  # else somebody else has just uploaded the same
            _require(status, f"rename {directory} to {staged}", target.path)
    except UploadRefused:
        yield from _clear(directory, files)
        raise
    if status.code != sftp.OK:
        yield from _clear(directory, files)
    return Uploaded(status.code == sftp.OK, before)


def _to_directory(lineage: Lineage, target: PushTarget, extensions: t.Collection[str], mark: str) -> Task[Uploaded]:
    """The key first, for what is read when the certificate is new must find the key that belongs to it."""
    directory = _join(target.path, lineage.name)
    files = dict(_files(lineage, target))
    (made,) = yield [sftp.make_directory(directory, _DIRECTORY_MODE)]
    try:
        if sftp.POSIX_RENAME not in extensions:  # a certdeploy client's server: it cannot rename
            for name, content in files.items():
                yield from _write_file(_join(directory, name), content, extensions, anew=False)
            return Uploaded(True)
        # No name that ends with .pem: a certdeploy client takes those.
        beside = {_join(directory, f".{name}.{mark}"): name for name in files}
        try:
            yield from in_step([_write_file(path, files[name], extensions, anew=True) for path, name in beside.items()])
            for path, name in beside.items():
                (reply,) = yield [sftp.posix_rename(path, _join(directory, name))]
                _require(sftp.status_of(reply), f"rename {path} to {name}", directory)
        except UploadRefused:
            yield [sftp.remove(path) for path in beside]
            raise
    except UploadRefused as error:
        status = sftp.status_of(made)  # that it is there already is a failure, too, and none of ours
        if status.code in (sftp.OK, sftp.FAILURE):
            raise
        raise UploadRefused(f"{error} (It could not make {directory} either: {status.text}.)") from None
    return Uploaded(True)


# Parts of both


def _files(lineage: Lineage, target: PushTarget) -> list[tuple[str, bytes]]:
    """File name and content of what the target gets, the key first. Raises UploadRefused."""
    parts: list[Part] = sorted(set(target.files), key=lambda part: (part != "privkey", part))
    missing = [part for part in parts if not lineage.parts.get(part)]
    if missing:
        raise UploadRefused(f"the lineage has no {', '.join(missing)} here. Correct files, or the lineage.")
    return [(LINEAGE_FILES[part], lineage.parts[part]) for part in parts]


def _write_file(path: str, content: bytes, extensions: t.Collection[str], *, anew: bool) -> Task[None]:
    directory = dirname(path)
    (reply,) = yield [sftp.open_for_writing(path, _FILE_MODE, anew=anew)]
    handle = sftp.handle_of(reply)
    if not isinstance(handle, bytes):
        yield from _require_room(handle, path, len(content), extensions)
        raise _refusal(handle, f"write {path}", directory)
    replies = yield sftp.writes(handle, content)
    (closed,) = yield [sftp.close(handle)]  # whose answer may be the first that tells of a full disk, as of a quota
    for status in map(sftp.status_of, (*replies, closed)):
        if status.code != sftp.OK:
            yield from _require_room(status, path, len(content), extensions)
            raise _refusal(status, f"write {path}", directory)


def _read_file(path: str, limit: int) -> Task[bytes | None]:
    """None where there is none. Raises UploadRefused."""
    (reply,) = yield [sftp.open_for_reading(path)]
    handle = sftp.handle_of(reply)
    if not isinstance(handle, bytes):
        if handle.code == sftp.NO_SUCH_FILE:
            return None
        raise _refusal(handle, f"read {path}", dirname(path))
    content = b""
    while True:
        (reply,) = yield [sftp.read(handle, len(content))]
        some = sftp.data_of(reply)
        if not isinstance(some, bytes) or len(content) + len(some) > limit:
            break
        content += some
    yield [sftp.close(handle)]
    if isinstance(some, bytes):
        raise UploadRefused(f"cannot use {path}: it has more than {limit} bytes. See what writes it there.")
    if some.code != sftp.END_OF_FILE:
        raise _refusal(some, f"read {path}", dirname(path))
    return content


def _exists(path: str) -> Task[bool]:
    (reply,) = yield [sftp.lstat(path)]
    found = sftp.exists(reply)
    if isinstance(found, bool):
        return found
    raise _refusal(found, f"look at {path}", dirname(path))


def _clear(directory: str, files: t.Iterable[str]) -> Task[None]:
    """As far as that goes: what stays is in nobody's way, and the receiving side clears it."""
    yield [sftp.remove(path) for path in files]
    yield [sftp.remove_directory(directory)]


def _receipt_and(lineage: str, target: PushTarget, staged: str) -> Task[tuple[Receipt | None, bool]]:
    """The receipt that is there, None for one that cannot be read, too; and whether the lineage is staged already."""

    def earlier_receipt() -> Task[Receipt | None]:
        try:
            return (yield from read_receipt(lineage, target))
        except UploadRefused:
            return None

    tasks: list[Task[t.Any]] = [earlier_receipt(), _exists(staged)]
    receipt, is_there = yield from in_step(tasks)
    return receipt, is_there


def _require_room(status: sftp.SftpStatus, path: str, size: int, extensions: t.Collection[str]) -> Task[None]:
    """A server says no more than "failure" when its disk is full. Raises UploadRefused when it is."""
    if status.code == sftp.FAILURE and sftp.STATVFS in extensions:
        (reply,) = yield [sftp.statvfs(dirname(path) or ".")]
        if sftp.is_full(reply, size):
            raise UploadRefused(f"cannot write {path}: its disk is full. Make room there.")


def _require(status: sftp.SftpStatus, what: str, directory: str) -> None:
    if status.code != sftp.OK:
        raise _refusal(status, what, directory)


def _refusal(status: sftp.SftpStatus, what: str, directory: str) -> UploadRefused:
    advice = {
        sftp.NO_SUCH_FILE: f"Make {_named(directory)} there, or correct path.",
        sftp.PERMISSION_DENIED: f"Let the user write in {_named(directory)}, or correct path.",
    }
    return UploadRefused(f"cannot {what}: {status.text}. {advice.get(status.code, 'See its log; is its disk full?')}")


def _named(directory: str) -> str:
    return directory or "the login directory"


def _join(directory: str, name: str) -> str:
    return f"{directory.rstrip('/')}/{name}" if directory else name
