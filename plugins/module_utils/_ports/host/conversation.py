# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Run a program of the user's that is given something on its standard input."""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import subprocess
import time
import typing as t


class ProgramAnswer(t.NamedTuple):
    """returncode: negative for a signal; printed, told: the beginning of its standard output and standard error."""

    returncode: int
    printed: bytes
    told: bytes


def converse(command: t.Sequence[str], content: bytes, timeout: float, *, most: int = 1024 * 1024) -> ProgramAnswer:
    """Without a shell. content: its standard input; timeout: seconds; most: bytes that are kept of what it says.

    Raises OSError and ValueError when it cannot be started, subprocess.TimeoutExpired when it takes longer: then it has
    been ended, with all that it has started.
    """
    end = time.monotonic() + timeout
    process = subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        bufsize=0,
        start_new_session=True,  # it is ended with all that it has started
    )
    with process:
        try:
            printed, told = _exchange(process, content, end, most)
        except BaseException:  # also when somebody asks this process to end
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)
            raise
    return ProgramAnswer(process.returncode, printed, told)


def _exchange(process: subprocess.Popen[bytes], content: bytes, end: float, most: int) -> tuple[bytes, bytes]:
    """Give it its input, and read standard output and error, each up to a limit, until it has ended.

    end: by time.monotonic(). Raises TimeoutExpired. A child of it that keeps the pipes open is not waited for long.
    """
    given = t.cast("t.IO[bytes]", process.stdin)
    output, errors = t.cast("t.IO[bytes]", process.stdout), t.cast("t.IO[bytes]", process.stderr)
    kept = {output: bytearray(), errors: bytearray()}
    left = memoryview(content)
    with selectors.DefaultSelector() as selector:
        for pipe in (given, output, errors):
            os.set_blocking(pipe.fileno(), False)
        selector.register(given, selectors.EVENT_WRITE)
        selector.register(output, selectors.EVENT_READ)
        selector.register(errors, selectors.EVENT_READ)
        while process.poll() is None or selector.get_map():
            if time.monotonic() >= end:
                raise subprocess.TimeoutExpired(process.args, 0)
            ready = selector.select(min(0.1, end - time.monotonic()))
            if not ready and process.poll() is not None:
                break
            for key, _events in ready:
                pipe = t.cast("t.IO[bytes]", key.fileobj)
                if pipe is given:
                    left = _written(given, left)
                    closed = not left
                else:
                    some = pipe.read(65536)
                    kept[pipe] += (some or b"")[: most - len(kept[pipe])]
                    closed = not some
                if closed:
                    selector.unregister(pipe)
                    pipe.close()
    return bytes(kept[output]), bytes(kept[errors])


def _written(pipe: t.IO[bytes], content: memoryview) -> memoryview:
    """What is left. A program need not read what it does not want to know."""
    try:
        return content[os.write(pipe.fileno(), content[:65536]) :]
    except BlockingIOError:
        return content
    except OSError:
        return memoryview(b"")
