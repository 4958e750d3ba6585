# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The quickstart is a test itself; here is what it cannot say of itself: how it ends, and that nothing is left."""

from __future__ import annotations

import os
import pathlib
import pty
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time

import pytest
from ansible_collections.certops.rotation.tests.support import secrets_scan

ROOT = pathlib.Path(__file__).parents[2]
QUICKSTART = ROOT / "scripts" / "quickstart"
ESCAPE = "\033["


def directory_of(output: str) -> str:
    """Where that run worked, as its inventory says."""
    match = re.search(r"haproxy_certificates_path: (/tmp/quickstart-[^/]+)/", output)
    assert match, output
    return match[1]


def processes_in(directory: str) -> list[str]:
    found = []
    for process in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            where, command = (
                str((process / "cwd").readlink()),
                (process / "cmdline").read_bytes().decode(errors="replace"),
            )
        except OSError:  # gone meanwhile
            continue
        if where.startswith(directory) or directory in command:
            found.append(command)
    return found


def assert_nothing_is_left(output: str) -> None:
    directory = directory_of(output)
    assert not pathlib.Path(directory).exists()
    assert processes_in(directory) == []


def run_quickstart(path: str = "") -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "PATH": os.pathsep.join(filter(None, [path, os.environ["PATH"]]))}
    return subprocess.run([QUICKSTART], capture_output=True, text=True, timeout=170, env=env, check=False)


def test_it_shows_a_rotation_and_leaves_nothing_behind():
    run = run_quickstart()
    output = run.stdout
    assert run.returncode == 0, output + run.stderr
    assert run.stderr == ""
    assert ESCAPE not in output
    secrets_scan.assert_no_private_key(output)
    old, new = re.findall(r"\b[0-9a-f]{64}\b", output)
    assert old != new
    handshakes = re.search(r"handshakes +([\d,]+) made, 0 failed", output)
    assert handshakes
    assert int(handshakes[1].replace(",", "")) >= 200
    workers = re.findall(r"worker process (\d+)", output)
    assert len(workers) == 2
    assert len(set(workers)) == 1
    assert "changed=0" in output
    assert re.search(r"AWS API calls +1 ListSecrets; no secret value was read", output)
    assert output.count("$ ansible-playbook certops.rotation.rotate -i inventory.yml\n") == 3
    assert max(len(line) for line in output.splitlines()) <= 120
    assert_nothing_is_left(output)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_it_in_good_order(number, tmp_path):
    log = tmp_path / "log"
    with log.open("wb") as file:
        process = subprocess.Popen([QUICKSTART], stdout=file, stderr=subprocess.STDOUT, start_new_session=True)
    try:
        deadline = time.monotonic() + 60
        while "2  Deliver" not in log.read_text():
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline
            time.sleep(0.1)
        time.sleep(0.5)
        os.killpg(process.pid, number)
        assert process.wait(30) == 128 + number
    finally:
        process.kill()
    output = log.read_text()
    assert "Interrupted" in output
    assert "Traceback" not in output
    assert_nothing_is_left(output)


def haproxy_that(action: str, directory: pathlib.Path) -> str:
    """A directory for PATH with a program called haproxy. action: shell, may use $real."""
    program = directory / "haproxy"
    real = shutil.which("haproxy")
    assert real
    program.write_text(f"#!/bin/sh\nreal={shlex.quote(real)}\n{action}\n")
    program.chmod(0o755)
    return str(directory)


def test_a_program_that_does_not_start_is_shown(tmp_path):
    run = run_quickstart(haproxy_that("echo 'no memory left'; exit 1", tmp_path))
    assert run.returncode == 1
    assert "--- HAProxy ---\nno memory left\n" in run.stdout
    assert run.stdout.endswith("The quickstart failed: haproxy does not start.\n")


def test_a_failing_playbook_shows_its_whole_log(tmp_path):
    demote = 'sed -i \'s/level admin/level operator/\' "$4"; exec "$real" "$@"'
    run = run_quickstart(haproxy_that(demote, tmp_path))
    assert run.returncode == 1, run.stdout
    assert "PLAY RECAP" in run.stdout
    assert "level admin" in run.stdout  # what to do about it
    secrets_scan.assert_no_private_key(run.stdout)
    assert "The quickstart failed: The playbook failed with exit code 2." in run.stdout
    assert_nothing_is_left(run.stdout)


def on_a_terminal(env: dict[str, str]) -> str:
    """What a step looks like there."""
    code = "from screen import Screen; Screen().step(1, 'One'); Screen().proven('two', 'three')"
    master, slave = pty.openpty()
    environment = {**os.environ, "TERM": "xterm", "PYTHONPATH": f"{QUICKSTART}.d", "PYTHONIOENCODING": "utf-8", **env}
    environment = {name: value for name, value in environment.items() if value}
    subprocess.run([sys.executable, "-c", code], stdout=slave, env=environment, check=True, timeout=30)
    os.close(slave)
    output = os.read(master, 65536).decode()
    os.close(master)
    return output


@pytest.mark.parametrize(
    ("env", "coloured"),
    [({"NO_COLOR": ""}, True), ({"NO_COLOR": "1"}, False), ({"NO_COLOR": "", "TERM": "dumb"}, False)],
)
def test_colours_are_for_terminals_that_want_them(env, coloured):
    assert (ESCAPE in on_a_terminal(env)) is coloured


def test_the_commands_to_go_on_with_work():
    commands = re.findall(r'^    "(.*)",$', (ROOT / "scripts/quickstart.d/__main__.py").read_text(), re.MULTILINE)
    less, doc, make = commands
    assert (ROOT / less.removeprefix("less ")).is_file()
    shown = subprocess.run(doc, shell=True, cwd=ROOT, capture_output=True, text=True, check=True, timeout=60)
    assert "certificate_sync" in shown.stdout
    subprocess.run([*make.split(), "--dry-run"], cwd=ROOT, capture_output=True, check=True, timeout=60)
