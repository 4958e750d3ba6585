# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Run somebody else's program, whatever it does: it costs its time-out and no more.

Unlike host.programs, which waits until all of what a program has started has closed its output, this one is done when
the program itself is: what restarts a service may leave a daemon behind.
"""

from __future__ import annotations

import collections
import contextlib
import os
import selectors
import signal
import subprocess
import time
import typing as t

from ..._errors import ServiceError
from ..host.programs import why_not_started

_MAX_OUTPUT = 256 * 1024
_MAX_READ = 65536
_PAUSE = 0.05  # seconds between two looks whether it has ended
_LAST_WORDS = 0.2  # seconds for what it printed before it ended
_GRACE = 2.0  # seconds after SIGTERM


class Ended(t.NamedTuple):
    """returncode, negative for a signal; output: the end of all that it printed, standard error included."""

    returncode: int
    output: str


def run_to_end(command: t.Sequence[str], timeout: float, *, environment: t.Mapping[str, str] | None = None) -> Ended:
    """Without a shell and without input. timeout: seconds; environment: what is added to that of this process.

    Raises ServiceError when it cannot be started, or takes longer: then it is asked to end, and soon after it is ended,
    with its process group.
    """
    end = time.monotonic() + timeout
    try:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            bufsize=0,
            start_new_session=True,  # of which it is the process group's leader
            env={**os.environ, **(environment or {})},
        )
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error.__class__.__name__
        raise ServiceError(f"Cannot run {command[0]}: {reason}.{why_not_started(error)}") from None
    with _Output(t.cast("t.IO[bytes]", process.stdout)) as output:
        try:
            is_over = output.read_until_end_of(process, end)
        except BaseException:  # somebody asks this process to end
            _end_group(process, signal.SIGKILL)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(_GRACE)
            raise
        if not is_over:
            _end_group(process, signal.SIGTERM)
            output.read_until_end_of(process, end + _GRACE)
            _end_group(process, signal.SIGKILL)
            # Not for ever: one that waits for a disk cannot be ended.
            output.read_until_end_of(process, time.monotonic() + _GRACE)
        output.read_what_is_there(_LAST_WORDS)
    if not is_over:
        raise ServiceError(
            f"{command[0]} took more than {timeout:g} seconds and was ended. Raise the timeout if it needs more.",
            log=output.text,
        )
    return Ended(process.returncode, output.text)


class _Output:
    """Its end, up to a limit; all of it is read, so that nobody has to wait for a reader."""

    def __init__(self, pipe: t.IO[bytes]) -> None:
        self._pipe = pipe
        self._parts: collections.deque[bytes] = collections.deque()
        self._size = 0
        self._is_open = True
        self._selector = selectors.DefaultSelector()
        os.set_blocking(pipe.fileno(), False)
        self._selector.register(pipe, selectors.EVENT_READ)

    def __enter__(self) -> _Output:
        return self

    def __exit__(self, *_exception: object) -> None:
        self._selector.close()
        self._pipe.close()

    def read_until_end_of(self, process: subprocess.Popen[bytes], end: float) -> bool:
        """Whether it ended before the time (time.monotonic) was over."""
        while process.poll() is None:
            left = end - time.monotonic()
            if left <= 0:
                return False
            self._read(min(_PAUSE, left))
        return True

    def read_what_is_there(self, seconds: float) -> None:
        """Somebody else may hold the pipe open, and even go on to print."""
        end = time.monotonic() + seconds
        while self._is_open and time.monotonic() < end and self._read(0):
            pass

    def _read(self, seconds: float) -> bool:
        if not self._is_open:
            time.sleep(seconds)
            return False
        if not self._selector.select(seconds):
            return False
        try:
            some = self._pipe.read(_MAX_READ)
        except OSError:
            some = b""
        if not some:
            self._is_open = some is None  # None: another reader was quicker; b"": nobody holds it any more
            if not self._is_open:
                self._selector.unregister(self._pipe)
            return self._is_open
        self._parts.append(some)
        self._size += len(some)
        while self._size - len(self._parts[0]) >= _MAX_OUTPUT:
            self._size -= len(self._parts.popleft())
        return True

    @property
    def text(self) -> str:
        return b"".join(self._parts)[-_MAX_OUTPUT:].decode("utf-8", "replace").strip()


def _end_group(process: subprocess.Popen[bytes], number: int) -> None:
    """With all that it has started, unless that has made a session of its own."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, number)
