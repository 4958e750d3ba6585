# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""DH parameters that a running HAProxy was given are remembered in its own memory."""

from __future__ import annotations

from ansible_collections.certops.rotation.plugins.module_utils._errors import HaproxyError
from ansible_collections.certops.rotation.plugins.module_utils._ports.haproxy.dh_marks import DhMarks
from ansible_collections.certops.rotation.plugins.module_utils._ports.haproxy.errors import UnsupportedCommand


class Memory:
    """CA files by their names. fails: with what."""

    def __init__(self) -> None:
        self.names = ["/etc/ca.pem", "@changed-at-run-time"]
        self.fails: Exception | None = None

    def ask(self, command: str, *arguments: str) -> str:
        if self.fails is not None:
            raise self.fails
        if command.startswith("new"):
            self.names += arguments
        elif command.startswith("del"):
            self.names.remove(*arguments)
        return "# filename\n" + "".join(f"{name} - 0 certificate(s)\n" for name in self.names)


def test_what_was_given_last() -> None:
    memory = Memory()
    assert DhMarks(memory.ask).find("/a.pem", "1" * 64) is None
    marks = DhMarks(memory.ask)
    for digest in ("1" * 64, "2" * 64, "1" * 64):
        marks.set("/a.pem", digest)
        for one in (marks, DhMarks(memory.ask)):  # in this run, and in the next one
            assert one.find("/a.pem", digest) is True
            assert one.find("/a.pem", "3" * 64) is False
            assert one.find("/b.pem", digest) is None
    assert len(memory.names) == 3
    marks.set("/b.pem", "1" * 64)
    assert (marks.find("/a.pem", "1" * 64), marks.find("/b.pem", "1" * 64), len(memory.names)) == (True, True, 4)


def test_where_nothing_can_be_remembered() -> None:
    memory = Memory()
    for failure in (UnsupportedCommand("too old"), HaproxyError("locked")):
        memory.fails = failure
        marks = DhMarks(memory.ask)
        assert marks.find("/a.pem", "1" * 64) is None
        marks.set("/a.pem", "1" * 64)
