# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a module finds and leaves when tests run it by fork is the same as in a process of its own, as users have it."""

from __future__ import annotations

import pathlib
import typing as t

import pytest
from ansible_collections.certops.rotation.tests.support.playbook import PlaybookRun, run_playbook

_MODULE = """
import os, signal, sys, tempfile, threading, warnings
from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.common.text.converters import to_text
try:
    from ansible.module_utils._internal import is_controller
except ImportError:  # ansible-core < 2.19
    is_controller = False

OF_A_RUN = ("ANSIBLE_PIPELINING", "TASK_LOG")

def run():
    module = AnsibleModule({"end": {}, "secret": {"no_log": True}}, supports_check_mode=True)
    parts = {name: name.split(".")[1:2] for name in sys.modules if name.startswith("ansible")}
    found = {
        "argv": len(sys.argv),
        "controller": is_controller,
        "cwd": os.getcwd(),
        "descriptors": sorted(os.listdir("/proc/self/fd")),
        "environment": {name: value for name, value in os.environ.items() if name not in OF_A_RUN},
        "filters": len(warnings.filters),
        "finders": [name for name in map(repr, sys.meta_path) if "<class " in name or "Ansible" in name],
        "group": os.getpgid(0) == os.getpid(),
        "input": sys.stdin.read(),
        "of ansible": sorted(name for name, part in parts.items() if part not in ([], ["module_utils"], ["modules"])),
        "path": sys.path[1:],
        "secret": module.params["secret"],
        "signals": [str(signal.getsignal(number)) for number in (2, 10, 13, 15, 17)],
        "temporary": tempfile.gettempdir(),
        "text": to_text(b"text"),
        "threads": threading.active_count(),
        "umask": os.umask(0o22),
    }
    end = module.params["end"]
    if end == "raise":
        raise ValueError("nobody expects this")
    if end == "exit":
        sys.exit("no result")
    if end == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    if end == "fail":
        module.fail_json(msg="as foreseen", found=found)
    sys.stderr.write("aside")
    module.exit_json(found=found)

if __name__ == "__main__":
    run()
"""
_ENDS = ("well", "fail", "raise", "exit", "kill")
_PLAY = """
- hosts: haproxy
  gather_facts: false
  ignore_errors: true
  tasks:
    - look:
        end: "{{ item }}"
        secret: abracadabra
      environment: {TEXT: "it's one", OTHER: "$TEXT"}
      loop: [well, fail, raise, exit, kill]
"""
AS_USERS = {"ANSIBLE_PIPELINING": "false"}


@pytest.fixture
def play(tmp_path: pathlib.Path) -> str:
    library = tmp_path / "library"
    library.mkdir()
    (library / "look.py").write_text(_MODULE)
    (tmp_path / "look.yml").write_text(_PLAY)
    return str(tmp_path / "look.yml")


def results(run: PlaybookRun) -> list[dict[str, t.Any]]:
    """What the module has returned, one end after the other, without what each process has of its own."""
    assert run.returncode == 0, run.output
    assert "abracadabra" not in run.output
    (task,) = run.tasks
    told: list[dict[str, t.Any]] = task.result["results"]
    return told


@pytest.mark.usefixtures("ansible_version")
def test_nothing_differs(play: str) -> None:
    forked, alone = (results(run_playbook({}, playbook=play, env=env)) for env in ({}, AS_USERS))
    assert [one["item"] for one in forked] == [*_ENDS]
    for of_fork, of_process in zip(forked, alone, strict=True):
        for name, what in of_process.get("found", {}).items():
            assert of_fork["found"][name] == what, name
        for name in ("failed", "msg", "rc", "module_stdout"):
            assert of_fork.get(name) == of_process.get(name), name
        last_lines = [one.get("module_stderr", "").splitlines()[-1:] for one in (of_fork, of_process)]
        assert last_lines[0] == last_lines[1] or of_fork["item"] == "kill"  # where the shell says something, too
    found = forked[0]["found"]
    assert found["controller"] is False
    assert (found["environment"]["TEXT"], found["environment"]["OTHER"]) == ("it's one", "$TEXT")
