# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Another emulated AWS: ministack, which tells EventBridge of secrets, and has labels moved as AWS does.

(After AWSCURRENT was moved, moto answers the old value. Of filters and pages moto knows more.)
"""

from __future__ import annotations

import contextlib
import os
import pathlib
import subprocess
import typing as t

from .moto import REGION, MotoServer

_PROGRAM = pathlib.Path(__file__).parents[2] / ".dev/ministack/bin/hypercorn"


class MinistackServer(MotoServer):
    """As MotoServer; what it says goes to the file log, if there is one."""

    _answers = "/_ministack/health"
    _reset = "/_ministack/reset"

    def __init__(self, port: int | None = None, log: pathlib.Path | None = None) -> None:
        super().__init__(port)
        self._log = log

    def _begin(self) -> subprocess.Popen[bytes]:
        assert _PROGRAM.exists(), "ministack is missing: run scripts/bootstrap"
        env = {**os.environ, "GATEWAY_PORT": str(self.port), "AWS_DEFAULT_REGION": REGION, "LOG_LEVEL": "WARNING"}
        with pathlib.Path(self._log or os.devnull).open("ab") as log:
            application = f"{pathlib.Path(__file__).with_name('ministack_app') / 'application.py'}:app"
            return subprocess.Popen(
                [_PROGRAM, "--bind", f"127.0.0.1:{self.port}", application], stdout=log, stderr=log, env=env
            )


@contextlib.contextmanager
def ministack_server(log: pathlib.Path | None = None) -> t.Iterator[MinistackServer]:
    server = MinistackServer(log=log)
    server.start()
    try:
        yield server
    finally:
        server.stop()
