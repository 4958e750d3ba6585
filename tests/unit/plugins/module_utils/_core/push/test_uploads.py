# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Uploads step by step: whole or not at all, the key first, in few round trips, whatever the server refuses."""

from __future__ import annotations

import dataclasses
import typing as t

import pytest
from ansible_collections.certops.rotation.plugins.module_utils._core.push import sftp
from ansible_collections.certops.rotation.plugins.module_utils._core.push.lineage import Lineage
from ansible_collections.certops.rotation.plugins.module_utils._core.push.receipt import Receipt, receipt_to_json
from ansible_collections.certops.rotation.plugins.module_utils._core.push.targets import PushTarget
from ansible_collections.certops.rotation.plugins.module_utils._core.push.uploads import (
    Uploaded,
    UploadRefused,
    answers,
    in_step,
    read_receipt,
    upload,
)
from ansible_collections.certops.rotation.tests.support.sftp_server import MemorySftp
from hypothesis import given
from hypothesis import strategies as st

FINGERPRINT = "ab" * 32
EXTENSIONS = {sftp.POSIX_RENAME, sftp.STATVFS}
TARGET = PushTarget(name="web1", address="web1.example.com", domains=("*",), host_keys=())
PLAIN = dataclasses.replace(TARGET, protocol="directory", path="/var/cache/certdeploy")
RECEIPT = Receipt("example.com", FINGERPRINT, "deployed", "2026-11-26T12:00:00Z")
STAGED = f"/staging/example.com@{FINGERPRINT}"
FILES = {"privkey.pem": b"a key", "fullchain.pem": b"a leaf and a chain"}


def lineage(name: str = "example.com", **parts: bytes) -> Lineage:
    given = {"cert": b"a leaf", "chain": b"a chain", "fullchain": FILES["fullchain.pem"], "privkey": b"a key", **parts}
    return Lineage(name, 1, given, FINGERPRINT, (name,), "2027-01-01T00:00:00Z")


def server(**options: t.Any) -> MemorySftp:
    return MemorySftp("/staging", "/receipts", "/var/cache/certdeploy", **options)


def place_receipt(host: MemorySftp, receipt: Receipt) -> None:
    host.files[f"/receipts/{receipt.lineage}.json"] = receipt_to_json(receipt)


# To a receiver


def test_a_receiver_gets_it_whole_under_its_name() -> None:
    host = server()
    assert host.run(upload(lineage(), TARGET, EXTENSIONS, "mark")) == Uploaded(True, None)
    assert host.tree(STAGED) == FILES
    assert host.directories == {"", "/staging", "/receipts", "/var/cache/certdeploy", STAGED}
    assert set(host.modes.values()) == {0o600, 0o700}
    opened = [path for name, path in host.log if name == "open" and "upload-" in path]
    assert [path.rpartition("/")[2] for path in opened] == ["privkey.pem", "fullchain.pem"]


def test_what_lies_there_is_not_sent_again() -> None:
    host = server()
    host.run(upload(lineage(), TARGET, EXTENSIONS, "mark"))
    place_receipt(host, RECEIPT)
    host.log.clear()
    assert host.run(upload(lineage(), TARGET, EXTENSIONS, "other")) == Uploaded(False, RECEIPT)
    assert {name for name, _path in host.log} <= {"lstat", "open", "read", "close"}


@pytest.mark.parametrize("code", [sftp.FAILURE, sftp.PERMISSION_DENIED, 8, 77])
@pytest.mark.parametrize("number", range(20))
def test_whichever_step_is_refused_nothing_half_remains(number: int, code: int) -> None:
    """But for what cannot be cleared because that is refused, too: under a name that nobody takes for a lineage."""
    host = server(refuses=lambda now, _name, _path: code if now == number else None)
    try:
        found = host.run(upload(lineage(), TARGET, EXTENSIONS, "mark"))
    except UploadRefused:
        assert STAGED not in host.directories or host.tree(STAGED) == FILES
        assert not [path for path in host.directories if "upload-" in path]
    else:
        assert found.sent
        assert host.tree(STAGED) == FILES


def test_who_comes_second_has_delivered_too() -> None:
    host = server()

    def refuses(_number: int, name: str, _path: str) -> int | None:
        if name == "rename":  # another pusher was quicker by a moment
            host.directories.add(STAGED)
            host.files.update({f"{STAGED}/{file}": content for file, content in FILES.items()})
            return sftp.FAILURE
        return None

    host._refuses = refuses
    assert host.run(upload(lineage(), TARGET, EXTENSIONS, "mark")) == Uploaded(False, None)
    assert "/staging/.upload-mark" not in host.directories


def test_many_lineages_take_no_more_round_trips_than_one() -> None:
    alone, together = server(), server()
    alone.run(upload(lineage(), TARGET, EXTENSIONS, "mark"))
    names = [f"host{n}.example.com" for n in range(40)]
    tasks = [upload(lineage(name), TARGET, EXTENSIONS, name) for name in names]
    assert together.run(in_step(tasks)) == [Uploaded(True, None)] * 40
    assert together.rounds == alone.rounds <= 6


def test_a_long_chain_goes_in_pieces() -> None:
    chain = bytes(range(256)) * 400
    host = server()
    host.run(upload(lineage(fullchain=chain), TARGET, EXTENSIONS, "mark"))
    assert host.tree(STAGED)["fullchain.pem"] == chain
    assert len([name for name, _path in host.log if name == "write"]) == 5


def test_only_the_parts_that_the_host_gets() -> None:
    host = server()
    host.run(upload(lineage(), dataclasses.replace(TARGET, files=("chain", "cert")), EXTENSIONS, "mark"))
    assert host.tree(STAGED) == {"cert.pem": b"a leaf", "chain.pem": b"a chain"}


def test_a_part_that_is_missing_here_is_named_before_anything_is_made() -> None:
    host = server()
    for target in (TARGET, PLAIN):
        with pytest.raises(UploadRefused, match="no privkey here"):
            host.run(upload(lineage(privkey=b""), target, EXTENSIONS, "mark"))
    assert not {name for name, _path in host.log} - {"open", "lstat"}


@pytest.mark.parametrize("name", ["../example.com", "a/b", ".hidden", "", "a\nb", "a@b", "-x"])
def test_a_name_that_would_leave_the_directory_is_not_used(name: str) -> None:
    host = server()
    for target in (TARGET, PLAIN):
        with pytest.raises(UploadRefused, match="of this name"):
            host.run(upload(lineage(name), target, EXTENSIONS, "mark"))
    assert host.log == []


@pytest.mark.parametrize(
    ("target", "code", "said"),
    [
        (dataclasses.replace(TARGET, path="/nowhere"), None, "no such file or directory. Make /nowhere there"),
        (TARGET, sftp.PERMISSION_DENIED, "permission denied. Let the user write in /staging, or correct path"),
        (dataclasses.replace(TARGET, path=""), sftp.PERMISSION_DENIED, "in the login directory: permission denied"),
        (TARGET, sftp.FAILURE, "failure. See its log; is its disk full?"),
    ],
)
def test_what_to_do_is_said(target: PushTarget, code: int | None, said: str) -> None:
    host = server(refuses=lambda _number, name, _path: code if name == "mkdir" else None)
    with pytest.raises(UploadRefused) as refused:
        host.run(upload(lineage(), target, EXTENSIONS, "mark"))
    assert said in str(refused.value)


@pytest.mark.parametrize("step", ["open", "write", "close"])
def test_a_full_disk_is_called_so(step: str) -> None:
    host = server(refuses=lambda _number, name, path: sftp.FAILURE if name == step and "upload-" in path else None)
    host.is_full = True
    with pytest.raises(UploadRefused, match=r"privkey.pem: its disk is full"):
        host.run(upload(lineage(), TARGET, EXTENSIONS, "mark"))
    with pytest.raises(UploadRefused, match="is its disk full"):
        host.run(upload(lineage(), TARGET, (), "mark"))


# To a plain directory


def test_a_plain_server_gets_files_by_renaming_each() -> None:
    host = server()
    for content in (b"first", b"second"):
        assert host.run(upload(lineage(privkey=content), PLAIN, EXTENSIONS, "mark")) == Uploaded(True)
        assert host.tree("/var/cache/certdeploy/example.com") == {**FILES, "privkey.pem": content}
    renamed = [path.rpartition("/")[2] for name, path in host.log if name == "posix-rename"]
    assert renamed == [".privkey.pem.mark", ".fullchain.pem.mark"] * 2


@pytest.mark.parametrize("number", range(12))
def test_of_a_plain_server_that_refuses_a_step_no_file_is_cut_off(number: int) -> None:
    host = server()
    host.run(upload(lineage(), PLAIN, EXTENSIONS, "mark"))
    host.log.clear()
    host._refuses = lambda now, _name, _path: sftp.FAILURE if now == number else None
    new = {"privkey": b"another key", "fullchain": b"another leaf and a chain"}
    try:
        host.run(upload(lineage(**new), PLAIN, EXTENSIONS, "mark"))
    except UploadRefused:
        pass
    found = host.tree("/var/cache/certdeploy/example.com")
    assert found["privkey.pem"] in (FILES["privkey.pem"], new["privkey"])
    assert found["fullchain.pem"] in (FILES["fullchain.pem"], new["fullchain"])
    assert set(found) == set(FILES)


def test_a_server_that_cannot_rename_gets_the_key_first() -> None:
    """As certdeploy's."""
    host = server(refuses=lambda _number, name, _path: 8 if "rename" in name else None)
    for _again in range(2):
        host.log.clear()
        host.run(upload(lineage(), PLAIN, {"check-file"}, "mark"))
        assert host.tree("/var/cache/certdeploy/example.com") == FILES
        steps = [(name, path.rpartition("/")[2]) for name, path in host.log]
        assert steps.index(("close", "privkey.pem")) < steps.index(("open", "fullchain.pem"))


def test_the_login_directory_is_nameless() -> None:
    host = server()
    host.run(upload(lineage(), dataclasses.replace(PLAIN, path=""), EXTENSIONS, "mark"))
    assert host.files == {f"example.com/{name}": content for name, content in FILES.items()}


def test_both_reasons_are_told_where_there_is_no_directory() -> None:
    host = server()
    with pytest.raises(
        UploadRefused, match=r"cannot write /no/example.com/.*could not make /no/example.com either: no"
    ):
        host.run(upload(lineage(), dataclasses.replace(PLAIN, path="/no"), EXTENSIONS, "mark"))


STRING = b"\0\0\0\x02ab"
REPLIES = st.one_of(
    st.builds(lambda code: sftp.SftpReply(101, bytes([0, 0, 0, code]) + bytes(8)), st.integers(0, 9)),
    st.sampled_from([sftp.SftpReply(102, STRING), sftp.SftpReply(103, STRING), sftp.SftpReply(105, bytes(4))]),
    st.builds(sftp.SftpReply, st.integers(0, 255), st.binary(max_size=12)),
)


@given(st.data(), st.sampled_from([TARGET, PLAIN]))
def test_a_server_that_answers_anything_is_believed_or_not(data: st.DataObject, target: PushTarget) -> None:
    """No other exception than these, and an end."""
    task = upload(lineage(), target, EXTENSIONS, "mark")
    try:
        requests = next(task)
        for _round in range(200):
            requests = task.send([data.draw(REPLIES) for _request in requests])
    except (StopIteration, UploadRefused, sftp.SftpNonsense):
        pass


# Receipts


def test_a_receipt_is_read_to_its_end() -> None:
    host = server()
    receipt = dataclasses.replace(RECEIPT, message="why not " * 400)
    assert host.run(read_receipt("example.com", TARGET)) is None
    place_receipt(host, receipt)
    assert host.run(read_receipt("example.com", TARGET)) == receipt


def test_what_a_receipt_says_moves_no_cursor() -> None:
    host = server()
    place_receipt(host, dataclasses.replace(RECEIPT, message="\x1b[2Jall is well"))
    receipt = host.run(read_receipt("example.com", TARGET))
    assert receipt
    assert receipt.message == "\\x1b[2Jall is well"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "no receipt|Expecting"),
        (b"{}", "no receipt"),
        (b"[" * 60000, "no receipt"),
        (receipt_to_json(dataclasses.replace(RECEIPT, lineage="other.example.com")), "of other.example.com"),
        (b" " * 70000, "more than 65536 bytes"),
    ],
)
def test_something_else_is_no_receipt(content: bytes, said: str) -> None:
    host = server()
    host.files["/receipts/example.com.json"] = content
    with pytest.raises(UploadRefused, match=said):
        host.run(read_receipt("example.com", TARGET))
    assert host.run(upload(lineage(), TARGET, EXTENSIONS, "mark")) == Uploaded(True, None)  # it is in nobody's way


def test_a_receipt_that_may_not_be_read() -> None:
    host = server(refuses=lambda _number, name, _path: sftp.PERMISSION_DENIED if name == "open" else None)
    with pytest.raises(UploadRefused, match=r"cannot read /receipts/example.com.json: permission denied"):
        host.run(read_receipt("example.com", TARGET))


@pytest.mark.parametrize(
    ("receipt", "expected"),
    [
        (RECEIPT, True),
        (dataclasses.replace(RECEIPT, state="pending"), True),
        (dataclasses.replace(RECEIPT, fingerprint_sha256="cd" * 32), False),
        (dataclasses.replace(RECEIPT, fingerprint_sha256="", state="refused"), True),
        (dataclasses.replace(RECEIPT, fingerprint_sha256=""), False),
    ],
)
def test_a_receipt_answers_for_one_content(receipt: Receipt, expected: bool) -> None:
    assert answers(receipt, lineage()) is expected
