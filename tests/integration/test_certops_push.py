# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The program certops-push takes options and environment variables as certdeploy-server does, and says by its exit code
how it went. What it starts is a program that writes down with what."""

from __future__ import annotations

import json
import pathlib
import signal
import subprocess
import sys
import time
import typing as t

import pytest

ROOT = pathlib.Path(__file__).parents[2]
PROGRAM = ROOT / "roles/certificate_push/files/certops_push.py"
LINEAGE, DOMAINS = "/etc/letsencrypt/live/example.com", "www.example.com example.com"


class Program:
    def __init__(self, directory: pathlib.Path) -> None:
        self.calls_file = directory / "calls"
        self.wake = directory / "wake"
        self.wake.mkdir()
        self._run = directory / "run"
        self.does("exit 0")

    def does(self, script: str) -> None:
        dump = f"import json, sys; open({str(self.calls_file)!r}, 'a').write(json.dumps(sys.argv[1:]) + '\\n')"
        self._run.write_text(f'#!/bin/sh\n{sys.executable} -c "{dump}" "$@"\n{script}\n')
        self._run.chmod(0o755)

    def command(self, *arguments: str, renew: bool = False, every: int = 15) -> list[str]:
        own = ["--run", str(self._run), "--wake", str(self.wake), "--every", str(every)]
        own += ["--collections", str(ROOT / ".dev/collections")]
        if renew:
            own += ["--renew-every", "1", "--renew-unit", "minute", "--renew-at", ""]
        return [sys.executable, str(PROGRAM), *own, "--", *arguments]

    def run(self, *arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.command(*arguments), env=environ, capture_output=True, text=True, check=False, timeout=30
        )

    @property
    def calls(self) -> list[list[str]]:
        return (
            [json.loads(line) for line in self.calls_file.read_text().splitlines()] if self.calls_file.exists() else []
        )

    def call(self) -> tuple[dict[str, t.Any], list[str]]:
        """Of its only one: the variables, and what is behind them."""
        ((playbook, option, variables, *rest),) = self.calls
        assert (playbook, option) == ("certops.rotation.push", "--extra-vars")
        found = json.loads(variables)
        assert found.pop("push_hosts") == "localhost"
        return found, rest


@pytest.fixture
def program(tmp_path: pathlib.Path) -> Program:
    return Program(tmp_path)


def test_with_nothing_to_do_it_ends_with_1(program: Program) -> None:
    for arguments in ((), ("--lineage", LINEAGE), ("--domains", DOMAINS), ("--log-level", "DEBUG")):
        ended = program.run(*arguments)
        assert ended.returncode == 1
        assert "both --lineage and --domains" in ended.stderr
    assert program.calls == []


QUEUED = {
    "certificate_push_lineages": "/etc/letsencrypt/live",
    "certificate_push_requeue": ["example.com"],
    "certificate_push_requeue_domains": ["www.example.com", "example.com"],
}
MEANINGS: dict[tuple[tuple[str, ...], tuple[tuple[str, str], ...]], tuple[dict[str, t.Any], list[str]]] = {
    (("--push",), ()): ({}, []),
    (("--lineage", LINEAGE, "--domains", DOMAINS), ()): (QUEUED, ["--tags", "queue"]),
    (("--lineage", f"{LINEAGE}/", "--domains", DOMAINS, "--push"), ()): (QUEUED, []),
    (("--push", "--lineage", LINEAGE), ()): ({**QUEUED, "certificate_push_requeue_domains": []}, []),
    (("--renew",), ()): ({"certificate_push_renew_force": True}, ["--tags", "renew"]),
    (("--renew", "--push"), ()): ({"certificate_push_renew_force": True}, ["--tags", "renew"]),
    (("--daemon", "--push"), ()): ({}, []),
    (("--push", "--config", "/etc/certdeploy/server.yml"), ()): (
        {"certificate_push_config": "/etc/certdeploy/server.yml"},
        [],
    ),
    (("--push", "--log-level", "DEBUG"), ()): ({}, ["-vv"]),
    (("--push", "--log-level", "INFO"), ()): ({}, ["-v"]),
    (("--push", "--log-level", "CRITICAL"), ()): ({}, []),
    ((), (("RENEWED_LINEAGE", LINEAGE), ("RENEWED_DOMAINS", DOMAINS))): (QUEUED, ["--tags", "queue"]),
    ((), (("CERTDEPOLY_PUSH_ONLY", "true"),)): ({}, []),
    ((), (("CERTDEPLOY_PUSH_ONLY", "true"),)): ({}, []),
    ((), (("CERTDEPOLY_SERVER_PUSH_ONLY", "1"),)): ({}, []),
    ((), (("CERTDEPLOY_RENEW_ONLY", "true"),)): ({"certificate_push_renew_force": True}, ["--tags", "renew"]),
    ((), (("CERTDEPLOY_SERVER_RENEW_ONLY", "YES"),)): ({"certificate_push_renew_force": True}, ["--tags", "renew"]),
    # --push goes before the daemon, and so does what a hook is told.
    ((), (("CERTDEPOLY_PUSH_ONLY", "true"), ("CERTDEPLOY_SERVER_DAEMON", "true"))): ({}, []),
    (
        (),
        (("RENEWED_LINEAGE", LINEAGE), ("RENEWED_DOMAINS", DOMAINS), ("CERTDEPLOY_SERVER_DAEMON", "true")),
    ): (QUEUED, ["--tags", "queue"]),
    (("--push",), (("CERTDEPLOY_SERVER_CONFIG", "/a.yml"), ("CERTDEPLOY_LOG_LEVEL", "DEBUG"))): (
        {"certificate_push_config": "/a.yml"},
        ["-vv"],
    ),
    # Options go before the environment.
    (
        ("--push", "--config", "/b.yml", "--log-level", "INFO"),
        (("CERTDEPLOY_SERVER_CONFIG", "/a.yml"), ("CERTDEPLOY_LOG_LEVEL", "DEBUG")),
    ): (
        {"certificate_push_config": "/b.yml"},
        ["-v"],
    ),
    (
        ("--push", "--lineage", "one", "--domains", "a.example"),
        (("RENEWED_LINEAGE", LINEAGE), ("RENEWED_DOMAINS", DOMAINS)),
    ): (
        {"certificate_push_requeue": ["one"], "certificate_push_requeue_domains": ["a.example"]},
        [],
    ),
    (("--push",), (("CERTDEPLOY_RENEW_ONLY", "false"), ("CERTDEPLOY_SERVER_DAEMON", ""))): ({}, []),
}


@pytest.mark.parametrize(("given", "meant"), MEANINGS.items(), ids=lambda value: str(value)[:80])
def test_what_options_and_environment_mean(program: Program, given: t.Any, meant: t.Any) -> None:
    arguments, environ = given
    ended = program.run(*arguments, **dict(environ))
    assert ended.returncode == 0, ended.stderr
    assert program.call() == meant


@pytest.mark.parametrize(
    ("arguments", "environ"),
    [
        (("--daemon", "--lineage", LINEAGE), {}),
        (("--daemon", "--domains", DOMAINS), {}),
        (("--daemon", "--renew"), {}),
        (("--log-level", "debug"), {}),
        (("--push",), {"CERTDEPLOY_LOG_LEVEL": "loud"}),
        (("--push",), {"CERTDEPLOY_SERVER_DAEMON": "perhaps"}),
        (("--pus",), {}),
        (("--lineage",), {}),
    ],
)
def test_what_excludes_each_other_or_means_nothing_is_refused(
    program: Program, arguments: tuple[str, ...], environ: dict[str, str]
) -> None:
    ended = program.run(*arguments, **environ)
    assert ended.returncode == 2
    assert ended.stderr
    assert program.calls == []


def test_its_exit_code_is_that_of_the_run(program: Program) -> None:
    program.does("exit 4")
    assert program.run("--push").returncode == 4


class Staying:
    """The daemon."""

    def __init__(self, program: Program, **options: t.Any) -> None:
        self._process = subprocess.Popen(program.command("--daemon", **options), env={"PATH": "/usr/bin:/bin"})

    def __enter__(self) -> Staying:
        return self

    def __exit__(self, *_exception: object) -> None:
        self._process.kill()
        self._process.wait()

    def end(self) -> int:
        self._process.send_signal(signal.SIGTERM)
        return self._process.wait(60)


def eventually(condition: t.Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline, "it did not come to be"
        time.sleep(0.1)


def test_it_stays_where_it_is_asked_to_and_sees_what_hooks_drop(program: Program) -> None:
    program.does(f"rm -f {program.wake}/*")
    with Staying(program) as staying:
        eventually(lambda: program.calls == [[]])
        (program.wake / "renewed").touch()
        eventually(lambda: len(program.calls) > 1)
        eventually(lambda: not list(program.wake.iterdir()))
        assert staying.end() == 128 + signal.SIGTERM


def test_while_it_stays_it_renews_when_it_is_time(program: Program) -> None:
    with Staying(program, renew=True):
        eventually(lambda: len(program.calls) >= 2)
    renewal = [call for call in program.calls if call]
    assert renewal[0][-2:] == ["--tags", "renew"]
    assert "certificate_push_renew_force" not in renewal[0][2]


def test_what_it_has_started_ends_with_it(program: Program, tmp_path: pathlib.Path) -> None:
    program.does(f"echo $$ > {tmp_path}/pid; sleep 300")
    with Staying(program) as staying:
        eventually(lambda: (tmp_path / "pid").exists() and bool((tmp_path / "pid").read_text()))
        staying.end()
        process = pathlib.Path("/proc", (tmp_path / "pid").read_text().strip())
        eventually(lambda: not process.exists())
