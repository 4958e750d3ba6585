# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The program that runs the module without a playbook: when it leaves it to one, and what it tells."""

from __future__ import annotations

import json
import pathlib
import stat
import typing as t

import pytest
from ansible_collections.certops.rotation.plugins.plugin_utils._remembered_call import remember
from ansible_collections.certops.rotation.tests.support.listening import program

quick = program("quick")
HERE = {"source": "host", "activation": "direct"}


@pytest.mark.parametrize(
    "text",
    [
        None,
        "",
        "nonsense",
        "{}",
        json.dumps({"certificate_sync": HERE}),
        json.dumps({"haproxy_rotation": {**HERE, "source": "controller"}}),
        json.dumps({"haproxy_rotation": {**HERE, "activation": "handlers"}}),
    ],
)
def test_what_takes_a_playbook(text: str | None, tmp_path: pathlib.Path) -> None:
    path = tmp_path / "call"
    if text is not None:
        path.write_text(text)
    assert quick.main(str(path), str(tmp_path)) == 75


RESULTS: dict[str, tuple[dict[str, t.Any], int, str]] = {
    "nothing to do": ({"certificates": [{"name": "a", "action": "unchanged"}]}, 0, "nothing to do"),
    "a new one": ({"certificates": [{"name": "a", "action": "updated"}], "changed": True}, 0, "a: updated"),
    "failed": ({"msg": "No.", "failed": True}, 2, "No."),
    "failed without a word": ({}, 2, "The module has failed."),
    "one refused": ({"certificates": [], "error": "a has expired", "msg": ""}, 2, "a has expired"),
    "proof failed": ({"certificates": [], "error": "x", "msg": "Not proven."}, 2, "Not proven."),
    "warned": ({"certificates": [], "warnings": ["Mind a."]}, 0, "[WARNING]: Mind a."),
}


@pytest.mark.parametrize(("result", "code", "told"), RESULTS.values(), ids=RESULTS)
def test_the_exit_code_is_that_of_the_playbook(
    result: dict[str, t.Any], code: int, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert quick.tell(result) == code
    said = capsys.readouterr()
    assert told in said.out + said.err


def test_what_was_given_is_for_its_owner_alone(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "call"
    (tmp_path / "call.new").write_text("left by one that was killed")
    remember(path, {"haproxy_rotation": HERE})
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert json.loads(path.read_text()) == {"haproxy_rotation": HERE}
    remember(tmp_path / "nowhere" / "call", {})
    remember(path, {"haproxy_rotation": {"x": object()}})
    assert json.loads(path.read_text()) == {"haproxy_rotation": HERE}
    assert [found.name for found in tmp_path.iterdir()] == ["call"]
