# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Who else may write in a directory: by its owner, its mode and its group."""

from __future__ import annotations

import grp
import os
import pathlib
import pwd
import subprocess
import types
import typing as t

import pytest
from ansible_collections.certops.rotation.plugins.module_utils._ports.store import trust

ALICE, BOB, NOBODY = 4001, 4002, 4003


def status(uid: int, mode: int, gid: int = 0) -> os.stat_result:
    return os.stat_result((mode, 0, 0, 1, uid, gid, 0, 0, 0, 0))


@pytest.fixture
def users(monkeypatch: pytest.MonkeyPatch) -> t.Callable[[int], None]:
    """Alice has a group of her own; Bob shares the group team with her, and 4003 has no name. Returns "run as"."""
    names = {0: "root", ALICE: "alice", BOB: "bob"}
    accounts = {uid: types.SimpleNamespace(pw_name=name, pw_uid=uid, pw_gid=uid) for uid, name in names.items()}
    groups = {
        0: types.SimpleNamespace(gr_name="root", gr_mem=[]),
        ALICE: types.SimpleNamespace(gr_name="alice", gr_mem=["root"]),
        BOB: types.SimpleNamespace(gr_name="bob", gr_mem=[]),
        5000: types.SimpleNamespace(gr_name="team", gr_mem=["alice", "bob"]),
        5001: types.SimpleNamespace(gr_name="deploy", gr_mem=["alice"]),
    }
    by_name = {account.pw_name: account for account in accounts.values()}
    monkeypatch.setattr(pwd, "getpwuid", accounts.__getitem__)
    monkeypatch.setattr(pwd, "getpwnam", by_name.__getitem__)
    monkeypatch.setattr(pwd, "getpwall", lambda: list(accounts.values()))
    monkeypatch.setattr(grp, "getgrgid", groups.__getitem__)
    return lambda uid: monkeypatch.setattr(os, "geteuid", lambda: uid)


@pytest.mark.parametrize(
    ("runner", "owner", "mode", "group", "closed"),
    [
        (0, 0, 0o755, 0, True),
        (0, ALICE, 0o700, ALICE, False),
        (0, 0, 0o770, 0, False),
        (0, 0, 0o775, 5001, False),
        (0, 0, 0o702, 0, False),
        (ALICE, ALICE, 0o755, ALICE, True),
        (ALICE, 0, 0o755, 0, True),
        (ALICE, BOB, 0o755, BOB, False),
        (ALICE, ALICE, 0o775, ALICE, True),  # umask 002, and a group that is hers alone
        (ALICE, 0, 0o770, 5001, True),
        (ALICE, ALICE, 0o775, 5000, False),
        (ALICE, ALICE, 0o775, BOB, False),  # nobody is listed in it, but it is Bob's primary one
        (ALICE, ALICE, 0o775, NOBODY, False),
        (ALICE, ALICE, 0o777, ALICE, False),
        (NOBODY, NOBODY, 0o700, NOBODY, True),
    ],
)
def test_closed_to_others(
    users: t.Callable[[int], None], runner: int, owner: int, mode: int, group: int, closed: bool
) -> None:
    users(runner)
    assert trust.is_closed(status(owner, mode, group)) is closed


def test_sticky_counts_when_it_is_of_somebody_trusted(users: t.Callable[[int], None]) -> None:
    users(ALICE)
    assert [trust.is_sticky(status(uid, 0o1777)) for uid in (0, ALICE, BOB)] == [True, True, False]
    assert not trust.is_sticky(status(0, 0o777))


def test_an_access_control_list_is_seen(users: t.Callable[[int], None], tmp_path: pathlib.Path) -> None:
    """What it gives away shows in the bits for the group, even where the group is a user's own."""
    descriptor = os.open(tmp_path, os.O_PATH)
    try:
        users(ALICE)
        assert trust.is_closed(status(ALICE, 0o770, ALICE), descriptor)
        # u::rwx, u:4002:rwx, g::r-x, m::rwx, o::r-x (linux/posix_acl_xattr.h)
        entries = [(1, 7, 0xFFFFFFFF), (2, 7, BOB), (4, 5, 0xFFFFFFFF), (16, 7, 0xFFFFFFFF), (32, 5, 0xFFFFFFFF)]
        value = (2).to_bytes(4, "little") + b"".join(
            tag.to_bytes(2, "little") + rights.to_bytes(2, "little") + uid.to_bytes(4, "little")
            for tag, rights, uid in entries
        )
        os.setxattr(tmp_path, "system.posix_acl_access", value)
        assert tmp_path.stat().st_mode & 0o020
        assert not trust.is_closed(status(ALICE, 0o770, ALICE), descriptor)
    finally:
        os.close(descriptor)


def test_the_message_names_owner_mode_and_the_command_that_mends_it(users: t.Callable[[int], None]) -> None:
    users(0)
    with pytest.raises(trust.UnsafeDirectory) as caught:
        trust.refuse("/etc/my certs", status(ALICE, 0o775, 5000))
    message = caught.value.message
    assert "/etc/my certs belongs to alice:team and has mode 0775" in message
    assert "alice and the group team may put something else in place" in message
    assert "chown root '/etc/my certs' && chmod go-w '/etc/my certs'" in message
    with pytest.raises(trust.UnsafeDirectory, match=r"every user of this host.* run chmod go-w /tmp/x or"):
        trust.refuse("/tmp/x", status(0, 0o777))


def test_the_command_mends_it(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "my certs"
    path.mkdir()
    path.chmod(0o777)
    with pytest.raises(trust.UnsafeDirectory) as caught:
        trust.refuse(str(path), path.stat())
    command = caught.value.message.partition("As root run ")[2].partition(" or use another")[0]
    subprocess.run(["sh", "-c", command], check=True)
    assert trust.is_closed(path.stat())


@pytest.mark.parametrize(
    ("uid", "gid", "member"), [(ALICE, ALICE, True), (BOB, 5000, True), (BOB, 5001, False), (NOBODY, 5001, True)]
)
def test_members_of_a_group(users: t.Callable[[int], None], uid: int, gid: int, member: bool) -> None:
    users(0)
    assert trust.is_member(uid, gid) is member
