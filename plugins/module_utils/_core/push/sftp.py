# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What an SFTP client asks and is answered: version 3 of the protocol, which every server speaks.

Source: draft-ietf-secsh-filexfer-02; OpenSSH's extensions from its file PROTOCOL. Packets here are without their
length. What a server sends is not trusted: whatever does not fit raises SftpNonsense.
"""

from __future__ import annotations

import struct
import typing as t
from dataclasses import dataclass, field

#: Nothing that we ask for has a longer answer: a server that announces one is not listened to any longer.
MAX_PACKET: t.Final = 256 * 1024
#: Of one write or read; every server takes that much (draft, section 3).
CHUNK: t.Final = 32 * 1024

_INIT, _VERSION = 1, 2
_OPEN, _CLOSE, _READ, _WRITE, _LSTAT = 3, 4, 5, 6, 7
_REMOVE, _MKDIR, _RMDIR, _RENAME = 13, 14, 15, 18
_STATUS, _HANDLE, _DATA, _ATTRS = 101, 102, 103, 105
_EXTENDED, _EXTENDED_REPLY = 200, 201
_FOR_READING, _FOR_WRITING, _CREATE, _TRUNCATE, _EXCLUSIVE = 0x01, 0x02, 0x08, 0x10, 0x20
_PERMISSIONS = 0x04
_LONGEST_MESSAGE = 300

#: Renames over what is there, in one step, as rename(2) does.
POSIX_RENAME: t.Final = "posix-rename@openssh.com"
STATVFS: t.Final = "statvfs@openssh.com"

OK: t.Final = 0
END_OF_FILE: t.Final = 1
NO_SUCH_FILE: t.Final = 2
PERMISSION_DENIED: t.Final = 3
FAILURE: t.Final = 4
_CODES: t.Final = (
    "OK",
    "end of file",
    "no such file or directory",
    "permission denied",
    "failure",
    "bad message",
    "no connection",
    "connection lost",
    "operation unsupported",
)


class SftpNonsense(ValueError):
    """The server does not follow the protocol. Its text says how."""


class SftpRequest(t.NamedTuple):
    """kind: SSH_FXP_*; body: what follows the request's number. Its content may be a private key: see __repr__."""

    kind: int
    body: bytes

    def __repr__(self) -> str:
        return f"SftpRequest(kind={self.kind})"

    def packet(self, number: int) -> bytes:
        """With its length, as it is sent."""
        return struct.pack(">IBI", len(self.body) + 5, self.kind, number) + self.body


@dataclass(frozen=True)
class SftpReply:
    """kind: SSH_FXP_*; body: what follows the request's number."""

    kind: int
    body: bytes = field(repr=False)


class SftpStatus(t.NamedTuple):
    """code: SSH_FX_*; text: what it means, and the server's own words where they say more, as it sent them."""

    code: int
    text: str


# What is asked


def init_packet() -> bytes:
    return struct.pack(">IBI", 5, _INIT, 3)


def open_for_reading(path: str) -> SftpRequest:
    return SftpRequest(_OPEN, _text(path) + struct.pack(">II", _FOR_READING, 0))


def open_for_writing(path: str, mode: int, *, anew: bool) -> SftpRequest:
    """anew: it must not be there; else what is there is emptied."""
    flags = _FOR_WRITING | _CREATE | (_EXCLUSIVE if anew else _TRUNCATE)
    return SftpRequest(_OPEN, _text(path) + struct.pack(">III", flags, _PERMISSIONS, mode))


def close(handle: bytes) -> SftpRequest:
    return SftpRequest(_CLOSE, _string(handle))


def read(handle: bytes, offset: int) -> SftpRequest:
    return SftpRequest(_READ, _string(handle) + struct.pack(">QI", offset, CHUNK))


def writes(handle: bytes, content: bytes) -> list[SftpRequest]:
    """All of it, in pieces."""
    return [
        SftpRequest(_WRITE, _string(handle) + struct.pack(">Q", at) + _string(content[at : at + CHUNK]))
        for at in range(0, len(content), CHUNK)
    ]


def lstat(path: str) -> SftpRequest:
    return SftpRequest(_LSTAT, _text(path))


def remove(path: str) -> SftpRequest:
    return SftpRequest(_REMOVE, _text(path))


def make_directory(path: str, mode: int) -> SftpRequest:
    return SftpRequest(_MKDIR, _text(path) + struct.pack(">II", _PERMISSIONS, mode))


def remove_directory(path: str) -> SftpRequest:
    return SftpRequest(_RMDIR, _text(path))


def rename(old: str, new: str) -> SftpRequest:
    return SftpRequest(_RENAME, _text(old) + _text(new))


def posix_rename(old: str, new: str) -> SftpRequest:
    return SftpRequest(_EXTENDED, _text(POSIX_RENAME) + _text(old) + _text(new))


def statvfs(path: str) -> SftpRequest:
    return SftpRequest(_EXTENDED, _text(STATVFS) + _text(path))


# What is answered


def parse_version(packet: bytes) -> frozenset[str]:
    """The names of the server's extensions."""
    kind, version, rest = _head(packet)
    if kind != _VERSION or version < 3:
        raise SftpNonsense(f"it answered the first packet with packet type {kind}, version {version}")
    names = set()
    while rest:
        name, rest = _first_string(rest)
        _value, rest = _first_string(rest)
        names.add(name.decode("utf-8", "replace"))
    return frozenset(names)


def parse_reply(packet: bytes) -> tuple[int, SftpReply]:
    """The number of the request that it answers, and the rest."""
    kind, number, body = _head(packet)
    return number, SftpReply(kind, body)


def status_of(reply: SftpReply) -> SftpStatus:
    if reply.kind != _STATUS or len(reply.body) < 4:
        raise SftpNonsense(f"it answered with packet type {reply.kind} where a status was due")
    code = int.from_bytes(reply.body[:4], "big")
    meaning = _CODES[code] if code < len(_CODES) else f"error {code}"
    if len(reply.body) == 4:  # as servers of version 2 did
        return SftpStatus(code, meaning)
    message, _language = _first_string(reply.body[4:])
    text = message[:_LONGEST_MESSAGE].decode("utf-8", "replace").strip()
    return SftpStatus(code, meaning if meaning.startswith(text.lower()) else f"{meaning}: {text}")


def handle_of(reply: SftpReply) -> bytes | SftpStatus:
    """Why not, if it is none."""
    return status_of(reply) if reply.kind != _HANDLE else _first_string(reply.body)[0]


def data_of(reply: SftpReply) -> bytes | SftpStatus:
    """Never empty: a file's end is a status."""
    if reply.kind != _DATA:
        return status_of(reply)
    data, _rest = _first_string(reply.body)
    if not data:
        raise SftpNonsense("it answered a read with nothing")
    return data


def exists(reply: SftpReply) -> bool | SftpStatus:
    """What lstat found; the status when that cannot be known."""
    if reply.kind == _ATTRS:
        return True
    status = status_of(reply)
    return False if status.code == NO_SUCH_FILE else status


def is_full(reply: SftpReply, needed: int) -> bool:
    """Whether statvfs says that needed bytes have no room there, or no further file has, for anybody but root."""
    if reply.kind != _EXTENDED_REPLY or len(reply.body) < 88:
        return False
    fields = struct.unpack(">11Q", reply.body[:88])
    (_bsize, block, _blocks, _free, available, files, _free_files, available_files, *_rest) = fields
    return bool(available * block < needed or (files > 0 and available_files == 0))


def _head(packet: bytes) -> tuple[int, int, bytes]:
    if len(packet) < 5:
        raise SftpNonsense(f"it sent a packet of {len(packet)} bytes")
    return packet[0], int.from_bytes(packet[1:5], "big"), packet[5:]


def _first_string(data: bytes) -> tuple[bytes, bytes]:
    """It, and what follows it."""
    length = int.from_bytes(data[:4], "big")
    if len(data) < 4 + length:
        raise SftpNonsense("it sent a packet that ends in the middle of a string")
    return data[4 : 4 + length], data[4 + length :]


def _string(content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + content


def _text(path: str) -> bytes:
    return _string(path.encode("utf-8", "surrogateescape"))
