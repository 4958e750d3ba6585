# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Run a program, and keep what it said."""

from __future__ import annotations

import contextlib
import errno
import os
import selectors
import signal
import subprocess
import time
import typing as t

from ..._errors import ReloadError

_MAX_OUTPUT = 256 * 1024
_MAX_READ = 65536


class Completed(t.NamedTuple):
    """returncode and all output, standard error included."""

    returncode: int
    output: str


def run_program(
    command: t.Sequence[str],
    timeout: float,
    *,
    environment: t.Mapping[str, str] | None = None,
    directory: str | None = None,
) -> Completed:
    """Run it without a shell. timeout: seconds; environment, directory: in place of those of this process.

    Raises ReloadError when it cannot be started or takes longer. Of an output that is too long, the beginning is kept.
    """
    end = time.monotonic() + timeout
    try:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            bufsize=0,
            env=environment,
            cwd=directory,
            start_new_session=True,  # a terminal asks all processes of its session to end
        )
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error.__class__.__name__
        raise ReloadError(f"Cannot run {command[0]}: {reason}.{why_not_started(error)}") from None
    with process:
        try:
            output = _output_of(process, end)
            process.wait(max(end - time.monotonic(), 0))
        except subprocess.TimeoutExpired:
            _kill(process)
            raise ReloadError(
                f"'{' '.join(command)}' took more than {timeout:g} seconds. Raise the timeout if it needs more."
            ) from None
    return Completed(process.returncode, output.decode("utf-8", "replace").strip())


def why_not_started(error: Exception) -> str:
    """What to do about a program that is not started (execve(2)), with a space in front; "" for no advice."""
    number = getattr(error, "errno", None)
    if number == errno.ENOENT:
        return " Install it, or correct its name, or that of the interpreter in its first line."
    if number == errno.EACCES:
        return " See whether this user may run it: its mode, and a file system that is mounted noexec."
    if number == errno.ENOEXEC:
        return " It is no program of this machine, or its first line has to name an interpreter, such as #!/bin/sh."
    if number in (errno.EAGAIN, errno.ENOMEM):
        return " This host has no room for another process: see what takes memory or processes."
    return ""


def _kill(process: subprocess.Popen[bytes]) -> None:
    """With all that it has started."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


def _output_of(process: subprocess.Popen[bytes], end: float) -> bytes:
    """All until it closes its output, cut to a limit. end: by time.monotonic(). Raises TimeoutExpired."""
    pipe = t.cast("t.IO[bytes]", process.stdout)
    kept = bytearray()
    with selectors.DefaultSelector() as selector:
        selector.register(pipe, selectors.EVENT_READ)
        while True:
            left = end - time.monotonic()
            if left <= 0 or not selector.select(left):
                raise subprocess.TimeoutExpired(process.args, left)
            some = pipe.read(_MAX_READ)
            if not some:
                return bytes(kept)
            kept += some[: _MAX_OUTPUT - len(kept)]
