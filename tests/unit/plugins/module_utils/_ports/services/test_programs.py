# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Somebody else's program, whatever it does, costs its time-out and no more."""

from __future__ import annotations

import os
import pathlib
import signal
import stat
import subprocess
import time
import typing as t

import pytest
from ansible_collections.certops.rotation.plugins.module_utils._errors import ServiceError
from ansible_collections.certops.rotation.plugins.module_utils._ports.services.programs import run_to_end


@pytest.fixture
def script(tmp_path: pathlib.Path) -> t.Callable[[str], str]:
    def make(body: str, *, interpreter: str = "#!/bin/sh") -> str:
        path = tmp_path / "script"
        path.write_text(f"{interpreter}\n{body}\n")
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
        return str(path)

    return make


Script = t.Callable[[str], str]


def lives(pid: int) -> bool:
    try:
        status = pathlib.Path("/proc", str(pid), "stat").read_text()
    except OSError:
        return False
    return status.rpartition(")")[2].split()[0] != "Z"


def gone(pid: int, seconds: float = 10) -> bool:
    end = time.monotonic() + seconds
    while lives(pid) and time.monotonic() < end:
        time.sleep(0.05)
    return not lives(pid)


def timed_out(command: t.Sequence[str], seconds: float) -> tuple[ServiceError, float]:
    began = time.monotonic()
    with pytest.raises(ServiceError, match=f"took more than {seconds:g} seconds and was ended") as raised:
        run_to_end(command, seconds)
    return raised.value, time.monotonic() - began


def test_output_and_exit_code_are_told(script: Script) -> None:
    assert run_to_end([script("echo out; echo err >&2; exit 3")], 20) == (3, "out\nerr")
    assert run_to_end([script("kill -9 $$")], 20).returncode == -9
    assert run_to_end([script('echo "$1|$2"'), "a b", "$x;"], 20).output == "a b|$x;"


def test_the_environment_is_ours_and_what_is_added(script: Script, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OURS", "1")
    assert run_to_end([script('echo "$OURS$ADDED"')], 20, environment={"ADDED": "2"}).output == "12"


def test_it_reads_nothing(script: Script) -> None:
    assert run_to_end([script("cat; read -r line; echo end")], 20) == (0, "end")


def test_who_ignores_sigterm_is_killed(script: Script, tmp_path: pathlib.Path) -> None:
    pid = tmp_path / "pid"
    error, seconds = timed_out([script(f"trap '' TERM; echo $$ >{pid}; echo begun; while :; do sleep 1; done")], 2)
    assert seconds < 20
    assert gone(int(pid.read_text()))
    assert error.details["log"] == "begun"


def test_who_obeys_sigterm_may_clean_up(script: Script, tmp_path: pathlib.Path) -> None:
    done = tmp_path / "cleaned"
    timed_out([script(f"trap 'touch {done}; exit' TERM; while :; do sleep 0.1; done")], 2)
    assert done.exists()


def test_children_are_killed_with_it(script: Script, tmp_path: pathlib.Path) -> None:
    pid = tmp_path / "pid"
    timed_out([script(f"(trap '' TERM; sh -c 'echo $$ >{pid}; exec sleep 600') & sleep 600")], 2)
    assert gone(int(pid.read_text()))


def test_a_flood_is_read_and_its_end_is_kept(script: Script) -> None:
    result = run_to_end([script("head -c 20000000 /dev/zero | tr '\\0' x; echo; echo the end")], 60)
    assert result.returncode == 0
    assert result.output.endswith("\nthe end")
    assert len(result.output) <= 256 * 1024


def test_an_endless_flood_costs_its_time(script: Script) -> None:
    error, seconds = timed_out([script("yes")], 1)
    assert seconds < 20
    assert len(error.details["log"]) <= 256 * 1024


def test_a_daemon_that_it_leaves_is_neither_waited_for_nor_killed(script: Script, tmp_path: pathlib.Path) -> None:
    """It holds the output open."""
    pid = tmp_path / "pid"
    began = time.monotonic()
    result = run_to_end(
        [script(f"sh -c 'echo $$ >{pid}; exec sleep 600' & while [ ! -s {pid} ]; do :; done; echo up")], 60
    )
    daemon = int(pid.read_text())
    try:
        assert result == (0, "up")
        assert time.monotonic() - began < 30
        assert lives(daemon)
    finally:
        os.kill(daemon, 9)


def test_who_closes_its_output_is_waited_for(script: Script) -> None:
    assert run_to_end([script("exec >&- 2>&-; sleep 0.5; exit 4")], 20).returncode == 4


def test_who_cannot_be_killed_is_not_waited_for(script: Script, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that waits for a disk that is gone does not obey SIGKILL either."""
    started = []

    class Kept(subprocess.Popen[bytes]):
        def __init__(self, *args: t.Any, **options: t.Any) -> None:
            super().__init__(*args, **options)
            started.append(self)

    with monkeypatch.context() as patched:
        patched.setattr(os, "killpg", lambda _group, _number: None)
        patched.setattr(subprocess, "Popen", Kept)
        timed_out([script("exec sleep 600")], 1)
    (process,) = started
    assert process.poll() is None
    process.kill()
    process.wait()


def test_who_is_asked_to_end_meanwhile_leaves_nothing_behind(script: Script, tmp_path: pathlib.Path) -> None:
    pid = tmp_path / "pid"

    def interrupt(_number: int, _frame: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        signal.alarm(1)
        with pytest.raises(KeyboardInterrupt):
            run_to_end([script(f"trap '' TERM INT; echo $$ >{pid}; while :; do sleep 1; done")], 600)
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)
    assert gone(int(pid.read_text()))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda make, _path: make("true", interpreter="#!/no/such/interpreter"), "No such file or directory"),
        (lambda _make, path: str(path / "absent"), "No such file or directory"),
        (lambda make, _path: make("true", interpreter="\x7fELF damaged"), "Exec format error"),
        (lambda _make, path: str(path), "Permission denied"),
        (lambda _make, _path: "a\0b", "ValueError"),
    ],
)
def test_what_cannot_be_started_is_told(make: t.Any, message: str, script: Script, tmp_path: pathlib.Path) -> None:
    with pytest.raises(ServiceError, match=f"^Cannot run .*: {message}"):
        run_to_end([make(script, tmp_path)], 20)
