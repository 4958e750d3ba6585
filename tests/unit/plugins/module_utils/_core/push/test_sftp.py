# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""SFTP's packets: as the draft has them, and whatever a server makes of them."""

from __future__ import annotations

import contextlib
import struct
import typing as t

import pytest
from ansible_collections.certops.rotation.plugins.module_utils._core.push import sftp
from hypothesis import given
from hypothesis import strategies as st

KEY = b"-- a private key --"


def string(content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + content


def status(code: int, message: bytes = b"") -> sftp.SftpReply:
    return sftp.SftpReply(101, struct.pack(">I", code) + string(message) + string(b"en"))


@pytest.mark.parametrize(
    ("request_", "kind", "body"),
    [
        (sftp.open_for_reading("/r/a"), 3, string(b"/r/a") + b"\0\0\0\x01" + b"\0\0\0\0"),
        (sftp.open_for_writing("/s", 0o600, anew=True), 3, string(b"/s") + b"\0\0\0\x2a" + b"\0\0\0\x04\0\0\x01\x80"),
        (sftp.open_for_writing("/s", 0o600, anew=False), 3, string(b"/s") + b"\0\0\0\x1a" + b"\0\0\0\x04\0\0\x01\x80"),
        (sftp.close(b"h"), 4, string(b"h")),
        (sftp.read(b"h", 7), 5, string(b"h") + b"\0\0\0\0\0\0\0\x07" + b"\0\0\x80\0"),
        (sftp.lstat("é"), 7, string("é".encode())),
        (sftp.remove("/a"), 13, string(b"/a")),
        (sftp.make_directory("/a", 0o700), 14, string(b"/a") + b"\0\0\0\x04\0\0\x01\xc0"),
        (sftp.remove_directory("/a"), 15, string(b"/a")),
        (sftp.rename("/a", "/b"), 18, string(b"/a") + string(b"/b")),
        (sftp.posix_rename("/a", "/b"), 200, string(b"posix-rename@openssh.com") + string(b"/a") + string(b"/b")),
        (sftp.statvfs("/a"), 200, string(b"statvfs@openssh.com") + string(b"/a")),
    ],
)
def test_requests_are_those_of_the_draft(request_: sftp.SftpRequest, kind: int, body: bytes) -> None:
    assert request_.packet(258) == struct.pack(">I", len(body) + 5) + bytes([kind]) + b"\0\0\x01\x02" + body


def test_content_is_written_in_pieces_that_every_server_takes() -> None:
    content = bytes(range(256)) * 257
    requests = sftp.writes(b"h", content)
    found = b""
    for request_ in requests:
        (offset,) = struct.unpack(">Q", request_.body[5:13])
        assert offset == len(found)
        assert len(request_.packet(1)) < 34000
        found += request_.body[17:]
    assert found == content
    assert sftp.writes(b"h", b"") == []


def test_what_is_sent_is_not_shown() -> None:
    request_ = sftp.writes(b"h", KEY)[0]
    assert KEY in request_.packet(1)
    assert "key" not in f"{request_!r} {sftp.SftpReply(103, string(KEY))!r}"


def test_a_server_names_its_version_and_extensions() -> None:
    assert sftp.init_packet() == b"\0\0\0\x05\x01\0\0\0\x03"
    assert sftp.parse_version(b"\x02\0\0\0\x03") == frozenset()
    extensions = string(b"statvfs@openssh.com") + string(b"2") + string(b"\xff") + string(b"")
    assert sftp.parse_version(b"\x02\0\0\0\x03" + extensions) == {sftp.STATVFS, "�"}


@pytest.mark.parametrize(
    "packet", [b"", b"\x02\0\0", b"\x02\0\0\0\x02", b"Welcome to host", b"\x02\0\0\0\x03\0\0\0\x09a"]
)
def test_anything_else_is_not_sftp(packet: bytes) -> None:
    with pytest.raises(sftp.SftpNonsense):
        sftp.parse_version(packet)


@pytest.mark.parametrize(
    ("reply", "text"),
    [
        (status(4, b"Failure"), "failure"),
        (status(3, b"Permission denied"), "permission denied"),
        (status(2, b"No such file"), "no such file or directory"),
        (status(4, b"Quota exceeded"), "failure: Quota exceeded"),
        (status(99, b"odd"), "error 99: odd"),
        (status(4, b"a" * 9999), "failure: " + "a" * 300),
        (sftp.SftpReply(101, b"\0\0\0\x04"), "failure"),
    ],
)
def test_a_status_is_said_once(reply: sftp.SftpReply, text: str) -> None:
    assert sftp.status_of(reply).text == text


def test_answers_are_told_from_refusals() -> None:
    assert sftp.handle_of(sftp.SftpReply(102, string(b"h"))) == b"h"
    assert sftp.data_of(sftp.SftpReply(103, string(b"some"))) == b"some"
    for answer in (sftp.handle_of, sftp.data_of, sftp.exists):
        refusal: t.Any = answer(status(3))
        assert refusal.code == sftp.PERMISSION_DENIED
    with pytest.raises(sftp.SftpNonsense, match="with nothing"):
        sftp.data_of(sftp.SftpReply(103, string(b"")))  # again and again, it would never end
    assert sftp.exists(sftp.SftpReply(105, bytes(4))) is True
    assert sftp.exists(status(2)) is False


@pytest.mark.parametrize(
    ("available", "files", "free_files", "expected"),
    [(2, 0, 0, False), (1, 0, 0, True), (0, 10, 10, True), (100, 10, 0, True), (100, 10, 1, False)],
)
def test_no_room_is_no_blocks_or_no_files(available: int, files: int, free_files: int, expected: bool) -> None:
    fields = struct.pack(">11Q", 4096, 1024, 1000, 500, available, files, 7, free_files, 0, 0, 255)
    assert sftp.is_full(sftp.SftpReply(201, fields), 2000) is expected
    assert not sftp.is_full(status(8), 2000)


@given(st.integers(0, 255), st.binary(max_size=80))
def test_whatever_a_server_sends_is_understood_or_called_nonsense(kind: int, content: bytes) -> None:
    packet = bytes([kind]) + content
    with contextlib.suppress(sftp.SftpNonsense):
        sftp.parse_version(packet)
    for answer in (sftp.status_of, sftp.handle_of, sftp.data_of, sftp.exists):
        with contextlib.suppress(sftp.SftpNonsense):
            answer(sftp.parse_reply(packet)[1])
