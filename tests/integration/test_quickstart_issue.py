# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The quickstart of issuing: what it says was checked by itself; here is how it ends, and that nothing is left."""

from __future__ import annotations

import os
import pathlib
import re
import subprocess

from ansible_collections.certops.rotation.tests.support import secrets_scan

ROOT = pathlib.Path(__file__).parents[2]
QUICKSTART = ROOT / "scripts" / "quickstart-issue"


def run_quickstart(**env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [QUICKSTART], capture_output=True, text=True, timeout=280, env={**os.environ, **env}, check=False
    )


def assert_nothing_is_left(output: str) -> None:
    match = re.search(r"haproxy_certificates_path: (/tmp/quickstart-[^/]+)/", output)
    assert match, output
    assert not pathlib.Path(match[1]).exists()
    for process in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            command = (process / "cmdline").read_bytes().decode(errors="replace")
        except OSError:  # gone meanwhile
            continue
        assert match[1] not in command


def test_from_a_row_to_a_renewal_under_load() -> None:
    run = run_quickstart()
    output = run.stdout
    assert run.returncode == 0, output + run.stderr
    assert run.stderr == ""
    secrets_scan.assert_no_private_key(output)
    assert [line[0] for line in output.splitlines() if re.match(r"\d  ", line)] == list("12345")
    handshakes = re.search(r"handshakes +([\d,]+) made, 0 failed", output)
    assert handshakes
    assert int(handshakes[1].replace(",", "")) >= 200
    old, new = re.findall(r"\b[0-9a-f]{64}\b", output)
    assert old != new
    workers = re.findall(r"worker process (\d+)", output)
    assert len(workers) == 2
    assert len(set(workers)) == 1
    assert "changed=0: nothing ordered, no certificate stored, HAProxy left alone" in output
    commands = [line for line in output.splitlines() if line.startswith("   $ ansible")]
    assert len(commands) == 4
    assert_nothing_is_left(output)


def test_a_false_claim_ends_it_with_all_logs(tmp_path: pathlib.Path) -> None:
    """A HAProxy that does not let itself be updated: the first certificate is not served."""
    real = subprocess.run(["sh", "-c", "command -v haproxy"], capture_output=True, text=True, check=True).stdout.strip()
    program = tmp_path / "haproxy"
    program.write_text(f'#!/bin/sh\nsed -i "s/level admin/level operator/" "$4"\nexec {real} "$@"\n')
    program.chmod(0o755)
    # scripts/quickstart.d puts its own directories before PATH, and none of them has a haproxy.
    run = run_quickstart(PATH=os.pathsep.join([str(tmp_path), os.environ["PATH"]]))
    assert run.returncode == 1
    assert "The quickstart failed: The playbook failed with exit code 2." in run.stdout
    for name in ("Pebble", "HAProxy", "Ansible"):
        assert f"--- {name} ---" in run.stdout
    secrets_scan.assert_no_private_key(run.stdout)
    assert_nothing_is_left(run.stdout)
