# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the roles of pushing look at before they change or remove anything: it may be somebody else's."""

from __future__ import annotations

import pathlib
import subprocess
import typing as t

import yaml
from ansible_collections.certops.rotation.plugins.module_utils._ports.queue.folders import FOLDERS, STAMP_FILE
from ansible_collections.certops.rotation.plugins.module_utils._ports.store.atomic import TEMPORARY_MARK

ROLES = pathlib.Path(__file__).parents[3] / "roles"


def said(role: str, variable: str, *arguments: t.Any) -> str:
    """arguments: in the place of those that the role gives."""
    variables = yaml.safe_load((ROLES / role / "vars/main.yml").read_text())
    command = [*variables[variable][: variables[variable].index("sh", 1) + 1], *map(str, arguments)]
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=30).stdout


def of_pusher(queue: t.Any, program: t.Any = "", key: t.Any = "") -> str:
    return said("certificate_push", "__certificate_push_look", queue, program, key)


def test_a_queue_is_for_nothing_else(tmp_path: pathlib.Path) -> None:
    queue = tmp_path / "queue"
    assert of_pusher(queue) == ""
    for name in FOLDERS:
        (queue / name).mkdir(parents=True)
    (queue / STAMP_FILE).touch()
    (queue / f"{TEMPORARY_MARK}0123").touch()  # left by a run that was killed
    assert of_pusher(queue) == ""
    (queue / ".profile").touch()
    assert f"{queue} holds .profile, which is not the queue's" in of_pusher(queue)
    assert "is no directory" in of_pusher(queue / ".profile")
    (tmp_path / "link").symlink_to(queue)
    assert "holds .profile" in of_pusher(tmp_path / "link")


def test_a_program_of_others_is_neither_replaced_nor_removed(tmp_path: pathlib.Path) -> None:
    program = tmp_path / "program"
    template = (ROLES / "certificate_push/templates/certops-push.j2").read_text()
    for content, right in ((template, True), ("#!/bin/sh", False)):
        program.write_text(content)
        assert (of_pusher("/none", program) == "") is right
    assert "this role has not written it" in of_pusher("/none", tmp_path)


def test_a_key_from_elsewhere_is_its_owners_alone(tmp_path: pathlib.Path) -> None:
    key = tmp_path / "key"
    assert of_pusher("/none", key=key) == ""
    key.touch(0o600)
    (tmp_path / "link").symlink_to(key)
    assert of_pusher("/none", key=key) == of_pusher("/none", key=tmp_path / "link") == ""
    for mode in (0o640, 0o604):
        key.chmod(mode)
        assert f"chmod go= {key}" in of_pusher("/none", key=key)
        assert "chmod go= " in of_pusher("/none", key=tmp_path / "link")


def test_a_closed_directory_of_others_becomes_no_chroot(tmp_path: pathlib.Path) -> None:
    chroot = tmp_path / "chroot"
    (chroot / "staging").mkdir(parents=True)
    chroot.chmod(0o700)

    def holds() -> bool:
        arguments = ("comment", "", "", "nobody-of-that-name", chroot)
        return "holds secret, and is not open" in said(
            "certificate_receiver", "__certificate_receiver_look", *arguments
        )

    assert not holds()
    (chroot / "secret").touch()
    assert holds()
    chroot.chmod(0o755)
    assert not holds()


def test_a_command_of_others_is_neither_replaced_nor_removed(tmp_path: pathlib.Path) -> None:
    command = tmp_path / "command"
    look = ("certificate_receiver", "__certificate_receiver_look_at_command")
    assert said(*look, command) == said(*look, "") == ""
    command.write_text((ROLES / "certificate_receiver/templates/command.j2").read_text())
    assert said(*look, command) == ""
    for other in (tmp_path, pathlib.Path("/bin/sh")):
        assert f"{other} is there, and this role has not written it" in said(*look, other)
