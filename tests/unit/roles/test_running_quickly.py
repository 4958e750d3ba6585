# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The program that runs a playbook's module alone: when it takes the playbook, what is said, and the exit code."""

from __future__ import annotations

import json
import os
import pathlib
import subprocess
import sys
import typing as t

import pytest
from ansible_collections.certops.rotation.tests.support.listening import program

quick = program("quick")
PLAIN = {"source": "host", "activation": "direct"}


@pytest.fixture
def ending(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> t.Callable[..., int]:
    """With what the last playbook left; prints: what the module does, status: its exit code."""

    def run(left: str, prints: str = "", status: int = 0) -> int:
        def rotate(_arguments: object, _compiled: str) -> None:
            os.write(1, prints.encode())
            os._exit(status)

        monkeypatch.setattr(quick, "rotate", rotate)
        call = tmp_path / "call"
        call.write_text(left)
        return int(quick.main(str(call), str(tmp_path)))

    return run


def given(**changed: str) -> str:
    return json.dumps({"haproxy_rotation": {**PLAIN, **changed}})


@pytest.mark.parametrize(
    "left",
    ["", "{", "[]", "7", "{}", '{"haproxy_rotation": 7}', given(source="controller"), given(activation="handlers")],
)
def test_what_takes_a_playbook(left: str, ending: t.Callable[..., int]) -> None:
    assert ending(left, '{"certificates": []}') == quick.TAKES_A_PLAYBOOK


def test_without_a_file_it_takes_a_playbook(tmp_path: pathlib.Path) -> None:
    assert quick.main(str(tmp_path / "none"), str(tmp_path)) == quick.TAKES_A_PLAYBOOK


@pytest.mark.parametrize(
    ("prints", "status"), [("", 1), ("Traceback", 1), ('{"certifi', 0), ("", quick.TAKES_A_PLAYBOOK)]
)
def test_a_module_that_does_not_come_to_an_end_is_left_to_a_playbook(
    prints: str, status: int, ending: t.Callable[..., int]
) -> None:
    assert ending(given(), prints, status) == quick.TAKES_A_PLAYBOOK


def test_what_was_done_is_told(ending: t.Callable[..., int], capsys: pytest.CaptureFixture[str]) -> None:
    certificates = [{"name": "web/a", "action": "updated"}, {"name": "web/b", "action": "unchanged"}]
    assert ending(given(), json.dumps({"certificates": certificates, "changed": True, "error": ""})) == 0
    assert capsys.readouterr().out == "web/a: updated\nThe rotation has ended well: changed.\n"


@pytest.mark.parametrize(
    ("result", "said"),
    [
        ({"failed": True, "msg": "option socket: nothing there"}, "haproxy_certificates_socket: nothing there\n"),
        ({"certificates": [], "error": "web/a: \x1b[2Jexpired"}, "web/a: \\x1b[2Jexpired\n"),
        ({"certificates": [], "msg": "not proven", "error": "x"}, "not proven\n"),
        ({"failed": True}, "The module has failed.\n"),
    ],
)
def test_what_is_wrong_is_told_as_a_playbook_tells_it(
    result: dict[str, t.Any], said: str, ending: t.Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    """In the words of the role, and without what a terminal obeys."""
    warned = {**result, "warnings": ["option path: odd\ud800"]}
    assert ending(given(), json.dumps(warned), status=1) == quick.FAILED
    printed = capsys.readouterr()
    assert printed.err == said
    assert printed.out == "[WARNING]: haproxy_certificates_path: odd\\ud800\n"


def test_it_imports_little_where_nothing_is_wrong() -> None:
    """What tells of trouble takes longer to import than a rotation takes."""
    script = (
        f"import sys; sys.path.insert(0, {str(pathlib.Path(quick.__file__).parent)!r}); import quick;"
        " quick.presentable({'certificates': []}); print('ansible.utils.display' in sys.modules)"
    )
    assert (
        subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout == "False\n"
    )
