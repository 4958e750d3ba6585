# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Many processes create the shared authority at once, some are killed and run again: one authority comes of it.

benchmarks/bootstrap does it twenty times over.
"""

from __future__ import annotations

import subprocess
import sys


def test_fifty_instances_boot_at_once_and_a_third_is_killed() -> None:
    program = "ansible_collections.certops.rotation.benchmarks.bootstrap.benchmark"
    run = subprocess.run(
        [sys.executable, "-m", program, "--rounds", "1"], capture_output=True, text=True, timeout=300, check=False
    )
    assert run.returncode == 0, run.stdout + run.stderr
    assert "each round one authority, 4 secrets, 4 versions" in run.stdout
