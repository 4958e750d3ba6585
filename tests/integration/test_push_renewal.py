# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The module push_renewal runs real programs when it is time, says how they ended, and stops those that do not."""

from __future__ import annotations

import pathlib
import subprocess
import time
import typing as t
from datetime import datetime, timedelta, timezone

import pytest
from ansible_collections.certops.rotation.plugins.module_utils._core.instants import isoformat_utc
from ansible_collections.certops.rotation.plugins.module_utils._core.push.renew_schedule import UNITS, renew_schedule
from ansible_collections.certops.rotation.tests.support import pki
from ansible_collections.certops.rotation.tests.support.fork_server import ModuleServer
from ansible_collections.certops.rotation.tests.support.module import ModuleRun


class Renewing:
    """A program whose runs are counted."""

    def __init__(self, modules: ModuleServer, directory: pathlib.Path) -> None:
        self._modules = modules
        self.directory = directory
        self.stamp = directory / "state" / "last-renewal"
        self.program = directory / "renew it"
        self.write("exit 0")

    def write(self, script: str) -> None:
        self.program.write_text(f'#!/bin/sh\necho "$@" >> "{self.directory}/runs"\n{script}\n')
        self.program.chmod(0o755)

    def run(self, *, check: bool = False, **args: t.Any) -> ModuleRun:
        given = {"renew_exec": str(self.program), "stamp": str(self.stamp), **args}
        return self._modules.run("push_renewal", given, check=check)

    @property
    def runs(self) -> list[str]:
        path = self.directory / "runs"
        return path.read_text().splitlines() if path.exists() else []

    def ran_before(self, **ago: float) -> None:
        self.stamp.parent.mkdir(exist_ok=True)
        self.stamp.write_text(isoformat_utc(datetime.now(timezone.utc) - timedelta(**ago)))


@pytest.fixture
def renewing(modules: ModuleServer, tmp_path: pathlib.Path) -> Renewing:
    return Renewing(modules, tmp_path)


def test_check_run_check_run(renewing: Renewing) -> None:
    args = {"renew_every": 2, "renew_args": ["renew", "--a b", "$(x)"]}
    predicted = renewing.run(check=True, **args)
    assert (predicted.result["changed"], predicted.result["ran"], predicted.result["exit_code"]) == (True, True, None)
    assert (renewing.runs, renewing.stamp.exists()) == ([], False)
    done = renewing.run(**args)
    assert (done.result["changed"], done.result["exit_code"], done.result["last"]) == (True, 0, None)
    assert renewing.runs == ["renew --a b $(x)"]
    assert renewing.stamp.stat().st_mode & 0o777 == 0o600
    for again in (renewing.run(check=True, **args), renewing.run(**args)):
        assert (again.result["changed"], again.result["ran"]) == (False, False)
        assert again.result["last"]
    assert len(renewing.runs) == 1


def test_it_is_run_again_when_it_is_time(renewing: Renewing) -> None:
    renewing.ran_before(days=1)
    assert not renewing.run(renew_every=2).result["ran"]
    assert renewing.run(renew_every=2, force=True).result["ran"]
    renewing.ran_before(days=2)
    assert renewing.run(renew_every=2).result["ran"]
    assert not renewing.run(renew_every=2).result["ran"]


@pytest.mark.parametrize("left", ["", "yesterday", "2027", "\0\xff", "9999-12-31T00:00:00Z"])
def test_what_is_remembered_wrongly_means_never(renewing: Renewing, left: str) -> None:
    renewing.ran_before()
    renewing.stamp.write_text(left, encoding="latin-1")
    assert renewing.run(renew_every=5).result["ran"]
    assert not renewing.run(renew_every=5).result["ran"]


def test_a_failure_is_told_with_its_output_and_not_repeated_at_once(renewing: Renewing) -> None:
    renewing.write("echo out; echo Some challenges have failed. >&2; exit 3")
    failed = renewing.run(renew_every=2)
    assert failed.failed
    assert failed.result["msg"] == f"{renewing.program} ended with exit code 3. See its output."
    assert (failed.result["exit_code"], failed.result["output"]) == (3, "out\nSome challenges have failed.")
    assert not renewing.run(renew_every=2).result["ran"]


def test_one_that_does_not_end_is_stopped_with_all_it_started(renewing: Renewing) -> None:
    renewing.write(f"sleep 600 & echo $! > '{renewing.directory}/child'; echo begun; wait")
    begun = time.monotonic()
    failed = renewing.run(renew_timeout=1)
    assert time.monotonic() - begun < 30
    assert failed.failed
    assert "did not end within 1 seconds" in failed.result["msg"]
    child = (renewing.directory / "child").read_text().strip()
    status = pathlib.Path(f"/proc/{child}/status")
    assert not status.exists() or "State:\tZ" in status.read_text()


@pytest.mark.parametrize("program", ["/nowhere/certbot", "no-such-certbot", "/etc"])
def test_a_program_that_is_not_there_is_named(renewing: Renewing, program: str) -> None:
    failed = renewing.run(renew_exec=program)
    assert failed.failed
    assert failed.result["msg"].startswith(f"Cannot run {program}: there is no such program, or it may not be run.")


def test_its_own_exit_code_127_is_its_own(renewing: Renewing) -> None:
    renewing.write("exit 127")
    assert "ended with exit code 127" in renewing.run().result["msg"]


def test_a_private_key_in_its_output_is_not_shown(renewing: Renewing) -> None:
    key = renewing.directory / "key.pem"
    key.write_text(pki.private_key_pem(pki.new_key()))
    for end in ("exit 0", "exit 1"):
        renewing.write(f"cat '{key}'; {end}")
        run = renewing.run(force=True)
        assert not set(key.read_text().splitlines()) & set(run.output.replace("\\n", "\n").splitlines())
        assert run.result["output"] == "It is not shown, for there is a private key in it."


def test_it_renews_where_nothing_can_be_remembered(renewing: Renewing) -> None:
    (renewing.directory / "file").touch()
    run = renewing.run(stamp=str(renewing.directory / "file" / "stamp"))
    assert run.result["exit_code"] == 0
    assert "Cannot remember the time in" in str(run.result["warnings"])


@pytest.mark.parametrize(
    ("args", "said"),
    [
        ({"renew_unit": "monday", "renew_every": 2}, "renew_unit is not to be a weekday"),
        ({"renew_every": 0}, "renew_every is to be"),
        ({"renew_unit": "fortnight"}, "renew_unit is to be"),
        ({"renew_at": 900}, "YAML reads 15:00 as the number 900"),
        ({"renew_timeout": 0}, "renew_timeout is to be"),
        ({"renew_exec": ""}, "renew_exec is to be"),
    ],
)
def test_what_means_nothing_is_refused_before_anything_runs(
    renewing: Renewing, args: dict[str, t.Any], said: str
) -> None:
    for check in (True, False):
        failed = renewing.run(check=check, **args)
        assert failed.failed
        assert said in failed.result["msg"]
    assert renewing.runs == []


def test_a_real_systemd_understands_all_calendar_expressions() -> None:
    schedules = [
        renew_schedule(every, unit, at)
        for unit in UNITS
        for every in ((1,) if unit.endswith("day") and unit != "day" else (1, 2, 5, 7, 24, 36, 48, 60, 90, 120))
        for at in {"minute": (None,), "hour": (None, ":07")}.get(unit, (None, "00:05", "23:59"))
    ]
    for expression in sorted({schedule.on_calendar for schedule in schedules}):
        command = ["systemd-analyze", "calendar", "--iterations=3", expression]
        shown = subprocess.run(command, capture_output=True, text=True, check=False)
        assert shown.returncode == 0, shown.stderr
        assert "Iter. #3" in shown.stdout or "Iteration #3" in shown.stdout
