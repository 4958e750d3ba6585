# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Run ansible-playbook as a user does, at -vvvv --diff, and look at every byte it printed and at each task's result."""

from __future__ import annotations

import json
import os
import pathlib
import subprocess
import sys
import tempfile
import typing as t

from . import forking, packing, secrets_scan
from .systemd_host import SystemdHost

_FORKED_MODULES = pathlib.Path(__file__).with_name("forked_modules.py")
_ALWAYS = {
    **packing.ENVIRONMENT,
    "ANSIBLE_CALLBACKS_ENABLED": "task_log",
    "ANSIBLE_LOCALHOST_WARNING": "false",
    "ANSIBLE_NOCOLOR": "true",
    "ANSIBLE_PIPELINING": "true",
    "ANSIBLE_RETRY_FILES_ENABLED": "false",
}
# Ansible reads its settings and makes its temporary directory while it is imported, and each run removes that one.
_PROGRAM = f"""
import importlib.util, os, sys
found = importlib.util.spec_from_file_location("forked_modules", {str(_FORKED_MODULES)!r})
forked_modules = importlib.util.module_from_spec(found)
found.loader.exec_module(forked_modules)
beginning = forked_modules.prepared()
sys.argv = ["ansible-playbook"]
import ansible.cli.playbook
from ansible import constants
forked_modules.install(beginning)

def run(request):
    forked_modules.begin()
    os.makedirs(constants.DEFAULT_LOCAL_TMP, mode=0o700, exist_ok=True)
    sys.argv = ["ansible-playbook", *request["arguments"]]
    ansible.cli.playbook.main(sys.argv)
"""
ROTATE = "certops.rotation.rotate"


class TaskResult(t.NamedTuple):
    """status: ok, failed, skipped or unreachable; task: name without the role's; result: as the module returned it."""

    host: str
    task: str
    action: str
    status: str
    result: dict[str, t.Any]


class PlaybookRun(t.NamedTuple):
    """output: all that was printed; tasks: in the order in which they ended."""

    returncode: int
    output: str
    tasks: list[TaskResult]

    def of(self, module: str) -> list[TaskResult]:
        """Results of one of the collection's modules that was not skipped."""
        action = f"certops.rotation.{module}"
        return [task for task in self.tasks if task.action == action and task.status != "skipped"]

    def result(self, module: str) -> dict[str, t.Any]:
        """What its only call returned."""
        calls = self.of(module)
        assert len(calls) == 1, f"{module} was called {len(calls)} times:\n{self.output}"
        return calls[0].result

    @property
    def modules(self) -> list[str]:
        """The collection's modules that ran, in order."""
        prefix = "certops.rotation."
        return [
            task.action[len(prefix) :]
            for task in self.tasks
            if task.action.startswith(prefix) and task.status != "skipped"
        ]

    @property
    def changed(self) -> list[str]:
        """Names of the tasks that changed something."""
        return [task.task for task in self.tasks if task.status == "ok" and task.result.get("changed")]

    @property
    def error(self) -> str:
        """Message of the last task that failed; "" when none did."""
        failed = [task for task in self.tasks if task.status in ("failed", "unreachable")]
        return str(failed[-1].result.get("msg", "")) if failed else ""


def run_playbook(
    variables: t.Mapping[str, t.Any],
    *,
    playbook: str | list[dict[str, t.Any]] = ROTATE,
    hosts: t.Sequence[str] = ("host",),
    env: t.Mapping[str, str] | None = None,
    check: bool = False,
    timeout: float = 300,
    inside: SystemdHost | None = None,
    extra: t.Mapping[str, t.Any] | None = None,
    verbosity: int = 4,
    inventory: pathlib.Path | None = None,
    limit: str | None = None,
) -> PlaybookRun:
    """Run a playbook on hosts that are all this machine, or inside of it. playbook: a name, or plays; timeout: seconds.

    extra: variables of the command line, for what a play itself is told; verbosity: how many -v.
    inventory: a further one; limit: pattern of the hosts that are left.

    Raises AssertionError when any private key material is printed.
    """
    everywhere = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
    hosts_and_variables = {"haproxy": {"hosts": {host: {} for host in hosts}, "vars": {**everywhere, **variables}}}
    with tempfile.TemporaryDirectory(dir=inside.shared if inside else None) as directory:
        folder = pathlib.Path(directory)
        (folder / "inventory.json").write_text(json.dumps(hosts_and_variables))
        if not isinstance(playbook, str):
            (folder / "play.yml").write_text(json.dumps(playbook))
            playbook = str(folder / "play.yml")
        arguments = [playbook, "-i", str(folder / "inventory.json"), *([f"-{'v' * verbosity}"] if verbosity else [])]
        arguments += ["-i", str(inventory)] if inventory else []
        arguments += ["--limit", limit] if limit else []
        arguments += ["--diff", *(["--check"] if check else []), "--extra-vars", json.dumps(extra or {})]
        returncode, output = _run(arguments, {"TASK_LOG": str(folder / "tasks"), **(env or {})}, timeout, inside)
        log = folder / "tasks"
        lines = log.read_text(encoding="utf-8").splitlines() if log.exists() else []
    secrets_scan.assert_no_private_key(output)
    return PlaybookRun(returncode, output, [TaskResult(**json.loads(line)) for line in lines])


def _run(arguments: list[str], env: t.Mapping[str, str], timeout: float, inside: SystemdHost | None) -> tuple[int, str]:
    """ansible-playbook's exit code and output: by fork where it is run with nothing but the usual settings.

    With others it is what a user has: processes of their own, and modules that are copied.
    """
    if not any(name.startswith("ANSIBLE_") for name in env):
        settings = {**_ALWAYS, **env}
        with inside.server(_PROGRAM, _ALWAYS) if inside else forking.borrowed(_PROGRAM, _ALWAYS) as server:
            return server.run({"arguments": arguments}, settings, timeout)
    settings = {**_ALWAYS, "ANSIBLE_PIPELINING": "false", **env}
    command = [sys.executable, "-m", "ansible", "playbook", *arguments]
    process = subprocess.run(
        inside.command(command, settings) if inside else command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=timeout,
        check=False,
        env={**os.environ, **settings},
    )
    return process.returncode, process.stdout
