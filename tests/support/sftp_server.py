# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""An SFTP server in memory, which refuses whatever a test wants it to; for decisions that no network is needed for."""

from __future__ import annotations

import posixpath
import struct
import typing as t

from ansible_collections.certops.rotation.plugins.module_utils._core.push import sftp
from ansible_collections.certops.rotation.plugins.module_utils._core.push.uploads import Task

_Result = t.TypeVar("_Result")
Refuses = t.Callable[[int, str, str], t.Optional[int]]


class MemorySftp:
    """files: path -> content; directories: paths; modes: what each was made with; log: of each request, its name and
    path; rounds: how many round trips it took."""

    def __init__(self, *directories: str, refuses: Refuses = lambda _number, _name, _path: None) -> None:
        """refuses: is given the request's number (from 0), name and path; a status code, or None to do it."""
        self.files: dict[str, bytes] = {}
        self.directories = {"", *directories}
        self.modes: dict[str, int] = {}
        self.log: list[tuple[str, str]] = []
        self.rounds = 0
        self.is_full = False
        self._refuses = refuses
        self._handles: dict[bytes, str] = {}

    def run(self, task: Task[_Result]) -> _Result:
        """To its end."""
        try:
            requests = next(task)
            while True:
                self.rounds += 1
                requests = task.send([self._answer(request) for request in requests])
        except StopIteration as end:
            return t.cast("_Result", end.value)

    def tree(self, directory: str) -> dict[str, bytes]:
        """Files below it, by their relative path."""
        return {posixpath.relpath(path, directory): content for path, content in self.files.items() if
                path.startswith(f"{directory}/")}  # fmt: skip

    def _answer(self, request: sftp.SftpRequest) -> sftp.SftpReply:
        names = {3: "open", 4: "close", 5: "read", 6: "write", 7: "lstat", 13: "remove", 14: "mkdir", 15: "rmdir",
                 18: "rename", 200: "extended"}  # fmt: skip
        name = names[request.kind]
        path, rest = self._string(request.body)
        if name == "extended":
            name = path.decode().partition("@")[0]
            path, rest = self._string(rest)
        shown = self._handles.get(path, path.decode()) if name in ("close", "read", "write") else path.decode()
        code = self._refuses(len(self.log), name, shown)
        self.log.append((name, shown))
        if code is not None:
            return self._status(code)
        answer = getattr(self, f"_{name.replace('-', '_')}")(shown, rest)
        return answer if isinstance(answer, sftp.SftpReply) else self._status(answer)

    def _open(self, path: str, rest: bytes) -> t.Any:
        flags, attributes = struct.unpack(">II", rest[:8])
        if not flags & 0x02 and path not in self.files:
            return sftp.NO_SUCH_FILE
        if flags & 0x02:
            if posixpath.dirname(path) not in self.directories:
                return sftp.NO_SUCH_FILE
            if path in self.directories or (flags & 0x20 and path in self.files):
                return sftp.FAILURE
            self.files[path] = b""
            assert attributes == 4
            self.modes[path] = int.from_bytes(rest[8:12], "big")
        handle = f"handle of {len(self._handles)}".encode()
        self._handles[handle] = path
        return sftp.SftpReply(102, struct.pack(">I", len(handle)) + handle)

    def _write(self, path: str, rest: bytes) -> int:
        (offset,) = struct.unpack(">Q", rest[:8])
        content = self._string(rest[8:])[0]
        assert offset == len(self.files[path])
        assert len(content) <= sftp.CHUNK
        self.files[path] += content
        return sftp.OK

    def _read(self, path: str, rest: bytes) -> t.Any:
        offset, length = struct.unpack(">QI", rest)
        some = self.files[path][offset : offset + min(length, 1000)]  # a server may give less
        return sftp.SftpReply(103, struct.pack(">I", len(some)) + some) if some else sftp.END_OF_FILE

    def _close(self, _path: str, _rest: bytes) -> int:
        return sftp.OK

    def _lstat(self, path: str, _rest: bytes) -> t.Any:
        return sftp.SftpReply(105, bytes(4)) if path in self.directories | set(self.files) else sftp.NO_SUCH_FILE

    def _mkdir(self, path: str, rest: bytes) -> int:
        if path in self.directories:
            return sftp.FAILURE
        if posixpath.dirname(path) not in self.directories:
            return sftp.NO_SUCH_FILE
        self.directories.add(path)
        self.modes[path] = int.from_bytes(rest[4:8], "big")
        return sftp.OK

    def _remove(self, path: str, _rest: bytes) -> int:
        return sftp.OK if self.files.pop(path, None) is not None else sftp.NO_SUCH_FILE

    def _rmdir(self, path: str, _rest: bytes) -> int:
        if path not in self.directories or self.tree(path):
            return sftp.FAILURE
        self.directories.remove(path)
        return sftp.OK

    def _rename(self, old: str, rest: bytes) -> int:
        new = self._string(rest)[0].decode()
        if new in self.directories or new in self.files:
            return sftp.FAILURE
        self.directories = {new if path == old else path for path in self.directories}
        self.files = {path.replace(f"{old}/", f"{new}/", 1): content for path, content in self.files.items()}
        return sftp.OK

    def _posix_rename(self, old: str, rest: bytes) -> int:
        self.files[self._string(rest)[0].decode()] = self.files.pop(old)
        return sftp.OK

    def _statvfs(self, _path: str, _rest: bytes) -> sftp.SftpReply:
        return sftp.SftpReply(
            201, struct.pack(">11Q", 4096, 4096, 64, 0, 0 if self.is_full else 64, 0, 0, 0, 0, 0, 255)
        )

    @staticmethod
    def _status(code: int) -> sftp.SftpReply:
        return sftp.SftpReply(101, struct.pack(">II", code, 0) + struct.pack(">I", 0))

    @staticmethod
    def _string(data: bytes) -> tuple[bytes, bytes]:
        (length,) = struct.unpack(">I", data[:4])
        return data[4 : 4 + length], data[4 + length :]
