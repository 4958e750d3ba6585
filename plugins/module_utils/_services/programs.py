# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Run a program and keep what it said; and HAProxy's own check of its configuration."""

from __future__ import annotations

import subprocess
import typing as t

from .._errors import ReloadError


class Completed(t.NamedTuple):
    """returncode and all output, standard error included."""

    returncode: int
    output: str


def run_program(command: t.Sequence[str], timeout: float) -> Completed:
    """Run it without a shell. timeout: seconds. Raises ReloadError when it cannot be started or takes longer."""
    try:
        process = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=timeout,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise ReloadError(
            f"'{' '.join(command)}' took more than {timeout:g} seconds. Raise the timeout if it needs more."
        ) from None
    except OSError as error:
        raise ReloadError(f"Cannot run {command[0]}: {error.strerror or error}. Install it or give its path.") from None
    return Completed(process.returncode, process.stdout.decode("utf-8", "replace").strip())


def check_configuration(executable: str, paths: t.Sequence[str], timeout: float) -> str:
    """`haproxy -c`; its output, which is empty in newer versions. The exit code decides. Raises ReloadError."""
    command = [executable, "-c"]
    for path in paths:
        command += ["-f", path]
    result = run_program(command, timeout)
    if result.returncode != 0:
        raise ReloadError(
            f"HAProxy's configuration {', '.join(paths)} is not valid, so it was not reloaded. See the log, correct"
            " it and run this again.",
            log=result.output,
        )
    return result.output
