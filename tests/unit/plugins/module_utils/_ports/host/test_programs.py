# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Programs of the host, run for a limited time."""

from __future__ import annotations

import pathlib
import sys

import pytest
from ansible_collections.certops.rotation.plugins.module_utils._errors import ReloadError
from ansible_collections.certops.rotation.plugins.module_utils._ports.host.processes import find_process
from ansible_collections.certops.rotation.plugins.module_utils._ports.host.programs import run_program
from ansible_collections.certops.rotation.plugins.module_utils._ports.reload.reloader import wait_until


def test_programs(tmp_path: pathlib.Path) -> None:
    assert run_program([sys.executable, "-c", "import os; os.write(2, b'\\xff')"], 20).output == "\ufffd"
    with pytest.raises(ReloadError, match=r"took more than 0\.2 seconds"):
        run_program([sys.executable, "-c", "import time; time.sleep(20)"], 0.2)
    with pytest.raises(ReloadError, match="Cannot run"):
        run_program([str(tmp_path)], 1)
    said = run_program(
        [sys.executable, "-c", "import os; print(os.getcwd(), *os.environ.values())"],
        20,
        environment={"LC_ALL": "C"},
        directory=str(tmp_path),
    )
    assert said.output == f"{tmp_path.resolve()} C"


@pytest.mark.parametrize(
    ("text", "mode", "said", "other"),
    [
        (None, 0, "Install it", "noexec"),
        ("#!/bin/sh\n", 0o644, "noexec", "Install it"),
        ("\x7fELF damaged", 0o755, "no program of this machine", "Install it"),
    ],
)
def test_each_reason_has_its_own_advice(
    tmp_path: pathlib.Path, text: str | None, mode: int, said: str, other: str
) -> None:
    program = tmp_path / "haproxy"
    if text is not None:
        program.write_text(text)
        program.chmod(mode)
    with pytest.raises(ReloadError, match="Cannot run") as caught:
        run_program([str(program)], 5)
    assert said in caught.value.message
    assert other not in caught.value.message


def test_a_program_has_a_session_of_its_own_and_ends_with_all_that_it_started(tmp_path: pathlib.Path) -> None:
    """What a terminal sends to all processes of its session is not for it; its time limit is for all of them."""
    fake, pids = tmp_path / "haproxy", tmp_path / "pids"
    fake.write_text(f"#!/bin/sh\nsleep 300 &\necho $! >{pids}\nwait\n")
    fake.chmod(0o755)
    with pytest.raises(ReloadError, match="took more than 1 seconds"):
        run_program([str(fake)], 1)
    assert wait_until(lambda: find_process(int(pids.read_text())) is None, 20), "it would have run for 300 seconds"
    said = run_program([sys.executable, "-c", "import os; print(os.getsid(0) == os.getpid())"], 20)
    assert said.output == "True"
