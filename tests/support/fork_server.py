# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Run modules by fork: a process of its own for every run, without the second that imports take, and easy to kill."""

from __future__ import annotations

import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import time
import typing as t

from . import secrets_scan
from .module import ModuleRun, module_request, parse_result

# What the modules import, loaded once. Nothing here starts a thread, so that forking is safe.
_SERVER = r"""
import json, os, resource, runpy, sys, time
import boto3
from ansible.module_utils.testing import patch_module_args
import ansible_collections.amazon.aws.plugins.module_utils.modules
import ansible_collections.amazon.aws.plugins.module_utils.retries
import ansible_collections.certops.rotation.plugins.module_utils._module.rotation_record
import ansible_collections.certops.rotation.plugins.module_utils._module.shared_ca
import ansible_collections.certops.rotation.plugins.module_utils._module.shared_ca_member
import ansible_collections.certops.rotation.plugins.module_utils._module.shared_ca_rotation
import ansible_collections.certops.rotation.plugins.module_utils._module.certificate_sync
import ansible_collections.certops.rotation.plugins.module_utils._core.pipeline.verify

for line in sys.stdin:
    request = json.loads(line)
    child = os.fork()
    if child == 0:
        os.setpgid(0, 0)
        os.environ.clear()
        os.environ.update(request["env"])
        output = os.open(request["output"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        os.dup2(output, 1)
        os.dup2(output, 2)
        sys.argv = [request["module"]]
        name = "ansible_collections.certops.rotation.plugins.modules." + request["module"]
        with patch_module_args(request["args"]):
            runpy.run_module(name, run_name="__main__")
        os._exit(0)
    print(child, flush=True)
    _pid, status, usage = os.wait4(child, 0)
    print(json.dumps([os.waitstatus_to_exitcode(status), usage.ru_maxrss]), flush=True)
"""


class Running(t.NamedTuple):
    """A module at work. pid: of its process; started: monotonic clock."""

    pid: int
    started: float
    server: ModuleServer

    def kill(self) -> None:
        """SIGKILL, unless it has ended by itself."""
        try:
            os.kill(self.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass

    def wait(self) -> tuple[int, int]:
        """The exit status (negative: the signal that ended it) and the peak of its memory in KiB."""
        return self.server.wait()


class ModuleServer:
    """One module at a time. Its use is that of run_module."""

    def __init__(self) -> None:
        self._directory = tempfile.TemporaryDirectory()
        self._output = pathlib.Path(self._directory.name) / "output"
        self._process = subprocess.Popen(
            [sys.executable, "-c", _SERVER],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=pathlib.Path(__file__).parents[2],
        )

    def close(self) -> None:
        self._process.communicate()
        self._directory.cleanup()

    def start(
        self, module: str, args: t.Mapping[str, t.Any], *, check: bool = False, env: t.Mapping[str, str] | None = None
    ) -> Running:
        request = json.loads(module_request(module, args, check=check, diff=True))
        request.update(env={**os.environ, **(env or {})}, output=str(self._output))
        self._send(json.dumps(request))
        return Running(int(self._receive()), time.monotonic(), self)

    def run(
        self, module: str, args: t.Mapping[str, t.Any], *, check: bool = False, env: t.Mapping[str, str] | None = None
    ) -> ModuleRun:
        """Raises AssertionError when the process prints no JSON result, or any private key material."""
        self.start(module, args, check=check, env=env)
        status, _memory = self.wait()
        output = self._output.read_text()
        secrets_scan.assert_no_private_key(output)
        return parse_result(module, status, output)

    def wait(self) -> tuple[int, int]:
        status, memory = json.loads(self._receive())
        return status, memory

    def _send(self, line: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()

    def _receive(self) -> str:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line, "the module server has ended"
        return line
