# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The quickstart of watching: what it says was checked by itself; here is how it ends, and that the dashboard alone is
left."""

from __future__ import annotations

import contextlib
import os
import pathlib
import re
import subprocess
import time
import typing as t

from ansible_collections.certops.rotation.tests.support import secrets_scan

ROOT = pathlib.Path(__file__).parents[2]
QUICKSTART = ROOT / "scripts" / "quickstart-watch"
DASHBOARD = ROOT / ".dev" / "watch.html"


def run_quickstart(**env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [QUICKSTART], capture_output=True, text=True, timeout=400, env={**os.environ, **env}, check=False
    )


def assert_nothing_is_left(output: str) -> None:
    match = re.search(r"(/tmp/quickstart-[a-z0-9_]+)", output)
    assert match, output
    assert not pathlib.Path(match[1]).exists()
    deadline = time.monotonic() + 30
    while commands := [command for command in running() if match[1] in command]:
        assert time.monotonic() < deadline, commands
        time.sleep(0.2)


def running() -> t.Iterator[str]:
    """Command lines of all processes."""
    for process in pathlib.Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):  # gone meanwhile
            yield (process / "cmdline").read_bytes().decode(errors="replace")


def test_a_dozen_servers_two_scans_and_a_dashboard() -> None:
    DASHBOARD.unlink(missing_ok=True)
    run = run_quickstart()
    output = run.stdout
    assert run.returncode == 0, output + run.stderr
    assert run.stderr == ""
    secrets_scan.assert_no_private_key(output)
    assert [line[0] for line in output.splitlines() if re.match(r"\d  ", line)] == list("123456")
    for kind in ("nginx", "HAProxy", "openssl", "Dovecot", "vsftpd", "slapd", "Prosody", "PostgreSQL", "MariaDB"):
        assert kind in output
    assert "15 endpoints, by TLS and by 10 kinds of STARTTLS" in output
    assert re.search(r"webhook +nothing new; \d+ events in all, each once", output)
    page = DASHBOARD.read_text()
    secrets_scan.assert_no_private_key(page)
    assert "shop.example.test" in page
    assert str(DASHBOARD) in output
    assert_nothing_is_left(output)


def test_a_server_that_does_not_start_ends_it_with_all_logs(tmp_path: pathlib.Path) -> None:
    program = tmp_path / "vsftpd"
    program.write_text('#!/bin/sh\necho "500 OOPS: not today, $1"\nexit 1\n')
    program.chmod(0o755)
    run = run_quickstart(PATH=os.pathsep.join([str(tmp_path), os.environ["PATH"]]))
    assert run.returncode == 1
    assert "The quickstart failed: files does not start." in run.stdout
    assert "--- files ---" in run.stdout
    assert "500 OOPS: not today" in run.stdout
    secrets_scan.assert_no_private_key(run.stdout)
    assert_nothing_is_left(run.stdout)
