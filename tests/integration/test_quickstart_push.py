# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The quickstart of pushing: what it says was checked by itself; here is how it ends, and that nothing is left."""

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
QUICKSTART = ROOT / "scripts" / "quickstart-push"


def run_quickstart(**env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [QUICKSTART], capture_output=True, text=True, timeout=400, env={**os.environ, **env}, check=False
    )


def assert_nothing_is_left(output: str) -> None:
    match = re.search(r"certificate_push_queue: (/tmp/quickstart-[^/]+)/", output)
    assert match, output
    assert not pathlib.Path(match[1]).exists()
    deadline = time.monotonic() + 30  # whoever was killed takes its ssh along, which is not instant
    while commands := [command for command in running() if match[1] in command]:
        assert time.monotonic() < deadline, commands
        time.sleep(0.2)


def running() -> t.Iterator[str]:
    """Command lines of all processes."""
    for process in pathlib.Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):  # gone meanwhile
            yield (process / "cmdline").read_bytes().decode(errors="replace")


def test_three_hosts_one_of_them_down_and_a_renewal_under_load() -> None:
    run = run_quickstart()
    output = run.stdout
    assert run.returncode == 0, output + run.stderr
    assert run.stderr == ""
    secrets_scan.assert_no_private_key(output)
    assert [line[0] for line in output.splitlines() if re.match(r"\d  ", line)] == list("123456")
    assert "with exit code 2: web2 has nothing yet" in output
    assert re.search(r"web2 +is owed it: cannot connect to 127\.0\.0\.1:\d+: Connection refused", output)
    assert re.search(r"the others +nothing was uploaded to them again", output)
    handshakes = re.findall(
        r"^ . (web1|lb1|web2) +serves the new one.* ([\d,]+) handshakes made, 0 failed", output, re.MULTILINE
    )
    assert [host for host, _number in handshakes] == ["web1", "lb1", "web2"]
    assert all(int(number.replace(",", "")) >= 100 for _host, number in handshakes)
    assert "changed=0: no host was connected to" in output
    assert_nothing_is_left(output)


def test_a_false_claim_ends_it_with_all_logs(tmp_path: pathlib.Path) -> None:
    """An nginx that is told to read its files again, and does not: a service that keeps the old one is seen."""
    real = subprocess.run(["sh", "-c", "command -v nginx"], capture_output=True, text=True, check=True).stdout.strip()
    program = tmp_path / "nginx"
    program.write_text(f'#!/bin/sh\ncase "$*" in *reload*) exit 0 ;; esac\nexec {real} "$@"\n')
    program.chmod(0o755)
    run = run_quickstart(PATH=os.pathsep.join([str(tmp_path), os.environ["PATH"]]))
    assert run.returncode == 1
    assert "The quickstart failed: " in run.stdout
    for name in ("Pebble", "certbot", "Ansible", "Ansible, started by watches"):
        assert f"--- {name} ---" in run.stdout
    secrets_scan.assert_no_private_key(run.stdout)
    assert_nothing_is_left(run.stdout)
