# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a running HAProxy was given and does not tell, remembered in its own memory."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.certops.rotation.plugins.module_utils._errors import HaproxyError
from ansible_collections.certops.rotation.plugins.module_utils._ports.haproxy.errors import UnsupportedCommand
from ansible_collections.certops.rotation.plugins.module_utils._ports.haproxy.untold_marks import UntoldMarks


class Memory:
    """CA files by their names. failure: HAProxy does not know the commands, or somebody may not use them."""

    def __init__(self, *names: str, failure: type[HaproxyError] | None = None) -> None:
        self.names = [*names]
        self.failure = failure
        self.asked = 0

    def ask(self, command: str) -> str:
        self.asked += 1
        if self.failure is not None:
            raise self.failure("It did not work.")
        assert command == "show ssl ca-file"
        return "\n".join(["# filename", *self.names, ""])

    def ask_all(self, *commands: tuple[str, str]) -> list[str]:
        self.asked += 1
        assert len(commands) <= 25
        if self.failure is not None:
            raise self.failure("It did not work.")
        for command, name in commands:
            (self.names.remove if command.startswith("del ") else self.names.append)(name)
        return [""] * len(commands)


def marks(memory: Memory) -> UntoldMarks:
    return UntoldMarks(t.cast("t.Any", memory))


def test_what_was_given_last_is_remembered() -> None:
    memory = Memory("clients.pem")
    first = marks(memory)
    assert first.find("a.pem", "1" * 64) is None
    first.set("a.pem", "1" * 64)
    assert first.find("a.pem", "1" * 64) is True
    assert memory.names == ["clients.pem"]
    first.save()
    second = marks(memory)
    assert [second.find("a.pem", digit * 64) for digit in "12"] == [True, False]
    assert second.find("b.pem", "1" * 64) is None
    second.set("a.pem", "2" * 64)
    second.save()
    third = marks(memory)
    assert [third.find("a.pem", digit * 64) for digit in "12"] == [False, True]
    assert len(memory.names) == 2


def test_nothing_is_remembered_too() -> None:
    """A certificate without intermediates may have had DH parameters, or get some."""
    memory = Memory()
    for digest in (None, "1" * 64, None):
        given = marks(memory)
        given.set("a.pem", digest)
        given.save()
        assert [marks(memory).find("a.pem", one) for one in (None, "1" * 64)] == [digest is None, digest is not None]
        assert len(memory.names) == 1


def test_what_is_gone_is_forgotten() -> None:
    memory = Memory("clients.pem")
    first = marks(memory)
    first.set("a.pem", "1" * 64)
    first.set("b.pem", "2" * 64)
    first.save()
    first.forget("a.pem")
    first.save()
    assert (marks(memory).find("a.pem", "1" * 64), marks(memory).find("b.pem", "2" * 64)) == (None, True)
    assert len(memory.names) == 2


def test_many_are_saved_with_a_few_requests() -> None:
    memory = Memory()
    first = marks(memory)
    for number in range(60):
        first.set(f"{number}.pem", "1" * 64)
    first.set("0.pem", "1" * 64)
    first.save()
    first.save()
    assert (len(memory.names), memory.asked) == (60, 1 + 3)


@pytest.mark.parametrize(("failure", "found"), [(HaproxyError, None), (UnsupportedCommand, True)])
def test_where_it_cannot_be_remembered_nothing_fails(failure: type[HaproxyError], found: bool | None) -> None:
    """Before HAProxy 2.5 an intermediate that was issued again goes unseen, instead of being given in each run."""
    memory = Memory(failure=failure)
    first = marks(memory)
    first.set("a.pem", "1" * 64)
    first.save()
    assert marks(memory).find("a.pem", "1" * 64) is found
