# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Run modules by fork, one after the other: to kill one at work, to see how much memory it used."""

from __future__ import annotations

import json
import typing as t

from . import secrets_scan
from .forking import ForkServer, Running
from .module import FORKED, ModuleRun, module_request, parse_result


class ModuleServer:
    """One module at a time. Its use is that of run_module. program: FORKED, and what more is to be loaded once."""

    def __init__(self, program: str = FORKED) -> None:
        self._server = ForkServer(program)

    def close(self) -> None:
        self._server.close()

    def start(
        self, module: str, args: t.Mapping[str, t.Any], *, check: bool = False, env: t.Mapping[str, str] | None = None
    ) -> Running:
        return self._server.begin(json.loads(module_request(module, args, check=check, diff=True)), env)

    def run(
        self, module: str, args: t.Mapping[str, t.Any], *, check: bool = False, env: t.Mapping[str, str] | None = None
    ) -> ModuleRun:
        """Raises AssertionError when the process prints no JSON result, or any private key material."""
        return self.result(module, self.start(module, args, check=check, env=env))

    def result(self, module: str, running: Running) -> ModuleRun:
        """Of one that was started, when it has ended. Raises AssertionError as run does."""
        status, _memory = running.wait()
        output = self._server.output
        secrets_scan.assert_no_private_key(output)
        return parse_result(module, status, output)
