# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The program of a running process, asked about conditions; only one that is trusted is run."""

from __future__ import annotations

import os
import pathlib
import shutil
import subprocess

import pytest
from ansible_collections.certops.rotation.plugins.module_utils._ports.haproxy.program import RunningProgram


def running(program: pathlib.Path) -> subprocess.Popen[bytes]:
    """A copy of the shell that waits until its input ends."""
    shutil.copy("/bin/sh", program)
    program.chmod(0o755)
    return subprocess.Popen([str(program), "-c", "read line"], stdin=subprocess.PIPE)


@pytest.mark.parametrize(
    ("name", "mode", "expected"),
    [("haproxy", 0o755, False), ("haproxy", 0o777, None), ("another", 0o755, None)],
)
def test_only_a_trusted_haproxy_is_run(tmp_path: pathlib.Path, name: str, mode: int, expected: bool | None) -> None:
    """The shell knows no -cc, and ends with a code that says so: it was run where that is told apart from no answer."""
    process = running(tmp_path / name)
    try:
        (tmp_path / name).chmod(mode)
        program = RunningProgram(process.pid)
        # sh -cc COMMAND runs it: "false" is an answer.
        assert program.holds("false") is expected
        assert program.holds("exit 2") is None
    finally:
        process.communicate()


def test_no_process_is_no_answer() -> None:
    assert RunningProgram(2**22 + 1).holds("feature(OPENSSL)") is None
    assert RunningProgram(os.getpid()).holds("feature(OPENSSL)") is None
