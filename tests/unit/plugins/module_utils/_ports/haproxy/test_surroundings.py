# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What HAProxy was started with, from a process file system of the test's own."""

from __future__ import annotations

import pathlib

from ansible_collections.certops.rotation.plugins.module_utils._ports.haproxy.surroundings import look_at_surroundings


def process(
    proc: pathlib.Path, pid: int, parent: int, words: str, *, name: str = "haproxy", root: str = "/", cwd: str = "/srv"
) -> pathlib.Path:
    place = proc / str(pid)
    place.mkdir()
    (place / "stat").write_text(f"{pid} ({name}) S {parent} 1 1\n")
    (place / "environ").write_bytes(b"ADDR=::\0HAPROXY_MWORKER=1\0GIVEN=no\0")
    (place / "cmdline").write_bytes(words.encode().replace(b" ", b"\0") + b"\0")
    (place / "root").symlink_to(root)
    (place / "cwd").symlink_to(cwd)
    (place / "exe").symlink_to("/usr/sbin/haproxy (deleted)")
    return place


def test_the_master_tells_for_its_workers(tmp_path: pathlib.Path) -> None:
    process(tmp_path, 7, 1, "haproxy -Ws -f a.cfg -C sub -p /run/x.pid -f /etc/b -- c.cfg d.cfg")
    worker = process(tmp_path, 8, 7, "haproxy", root=str(tmp_path))
    known = look_at_surroundings({"GIVEN": 1}, 8, proc=str(tmp_path))
    assert known.environment == {"ADDR": "::", "GIVEN": "1"}
    assert (known.is_known, known.directory, known.program) == (True, "/srv/sub", "/usr/sbin/haproxy")
    assert known.files == ["/srv/sub/a.cfg", "/etc/b", "/srv/sub/c.cfg", "/srv/sub/d.cfg"]
    # In a container its variables count, and its paths do not.
    (worker / "stat").write_text("8 (haproxy) S 1 1 1\n")
    known = look_at_surroundings({}, 8, proc=str(tmp_path))
    assert (known.is_known, known.environment["ADDR"]) == (True, "::")
    assert (known.directory, known.program, known.files) == ("/", "", ())


def test_what_may_not_be_looked_at_is_not_known(tmp_path: pathlib.Path) -> None:
    process(tmp_path, 7, 1, "sshd", name="sshd")
    for pid in (None, 7, 9):
        known = look_at_surroundings({"GIVEN": 1}, pid, "no-such-unit", proc=str(tmp_path))
        assert not known.is_known
        assert known.environment["GIVEN"] == "1"
        assert "ADDR" not in known.environment
