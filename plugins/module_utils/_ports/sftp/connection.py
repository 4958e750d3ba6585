# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One SFTP connection: OpenSSH's client as a child process, and requests through its pipes.

Every wait ends at a deadline, whatever the host does; the child ends with the connection, and with this process.
"""

from __future__ import annotations

import contextlib
import ctypes
import itertools
import os
import selectors
import signal
import subprocess
import time
import typing as t

from ..._core.push import sftp

_MAX_READ = 65536
#: Requests that wait for their answers; and bytes that these have at most, for none is longer than what one reads.
_AT_ONCE = 256
_MOST_RECEIVED = _AT_ONCE * 2 * sftp.CHUNK
#: Of what ssh tells. Its end is what counts; and the host key, which comes early, is told within so much.
_KEPT_REPORT = 64 * 1024
#: Seconds for an orderly goodbye.
_GOODBYE = 2.0
_SIGKILL_WITH_PARENT = 1  # prctl(2): PR_SET_PDEATHSIG

try:
    _libc: t.Any = ctypes.CDLL(None)
except (OSError, TypeError):
    _libc = None


class ConnectionEnded(Exception):
    """No answer any more. timed_out: whether it was only silence."""

    def __init__(self, reason: str, *, timed_out: bool = False) -> None:
        super().__init__(reason)
        self.timed_out = timed_out


class SftpConnection:
    """Use it as a context. deadline: by time.monotonic(), until which everything has to be done; it may be moved.

    extensions: of the server, after begin().
    """

    def __init__(self, command: t.Sequence[str], environment: t.Mapping[str, str], deadline: float) -> None:
        """Raises OSError when the program cannot be started."""
        self.deadline = deadline
        self.extensions: frozenset[str] = frozenset()
        self._numbers = itertools.count(1)
        self._received = bytearray()
        self._report = bytearray()
        self._early_report = b""
        self._is_well = False
        self._selector = selectors.DefaultSelector()  # before the child, for it may fail
        parent = os.getpid()
        # Between fork and exec only prctl and getppid are called, so threads do no harm. No other means ends the child
        # with us at every step: one that waits for a host in its key exchange looks at none of its pipes.
        self._process = subprocess.Popen(
            command,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            bufsize=0,
            start_new_session=True,  # it has no terminal to ask at, and is ended with all that it has started
            preexec_fn=lambda: _end_with(parent),  # noqa: PLW1509
        )
        self._pipes = [t.cast("t.IO[bytes]", pipe) for pipe in (self._process.stdin, self._process.stdout)]
        self._errors = t.cast("t.IO[bytes]", self._process.stderr)
        for pipe in (*self._pipes, self._errors):
            os.set_blocking(pipe.fileno(), False)
        self._selector.register(self._pipes[1], selectors.EVENT_READ)
        self._selector.register(self._errors, selectors.EVENT_READ)

    def __enter__(self) -> SftpConnection:
        return self

    def __exit__(self, *_exception: object) -> None:
        self._end()
        self._selector.close()
        for pipe in (*self._pipes, self._errors):
            with contextlib.suppress(OSError):
                pipe.close()

    def cut(self) -> None:
        """End it at once, from another thread."""
        if self._process.poll() is None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, signal.SIGKILL)

    @property
    def report(self) -> str:
        """What ssh told: its beginning and its end."""
        return (self._early_report + bytes(self._report)).decode("utf-8", "replace")

    def begin(self) -> None:
        """Raises ConnectionEnded, when all that ssh has to tell is in the report; SftpNonsense."""
        try:
            with self._attentive():
                self._send(sftp.init_packet())
                self.extensions = sftp.parse_version(self._packet())
        except ConnectionEnded as ended:
            if not ended.timed_out:
                self._hear_out()
            raise

    def exchange(self, requests: t.Sequence[sftp.SftpRequest]) -> list[sftp.SftpReply]:
        """Their replies, in the same order. Raises ConnectionEnded, SftpNonsense."""
        replies: list[sftp.SftpReply] = []
        with self._attentive():
            for first in range(0, len(requests), _AT_ONCE):
                replies += self._exchange(requests[first : first + _AT_ONCE])
        return replies

    def pause(self, seconds: float) -> None:
        """Raises ConnectionEnded, SftpNonsense when the connection ends meanwhile."""
        end = time.monotonic() + seconds
        with self._attentive():
            while time.monotonic() < end:
                self._turn(end)
                if self._received:
                    raise sftp.SftpNonsense("it answered what it was not asked")

    @contextlib.contextmanager
    def _attentive(self) -> t.Iterator[None]:
        """Who does not answer in time, or rightly, gets no goodbye."""
        self._is_well = False
        yield
        self._is_well = True

    def _exchange(self, requests: t.Sequence[sftp.SftpRequest]) -> list[sftp.SftpReply]:
        numbers = [next(self._numbers) & 0xFFFFFFFF for _request in requests]
        unanswered = set(numbers)
        self._send(b"".join(map(sftp.SftpRequest.packet, requests, numbers)))
        replies = {}
        while unanswered:
            number, reply = sftp.parse_reply(self._packet())
            if number not in unanswered:
                raise sftp.SftpNonsense("it answered what it was not asked")
            unanswered.remove(number)
            replies[number] = reply
        return [replies[number] for number in numbers]

    # -- pipes --------------------------------------------------------------------------------------------------

    def _send(self, content: bytes) -> None:
        """All of it. What the host sends meanwhile is kept: it need not take more before we have listened."""
        left = memoryview(content)
        given = self._pipes[0]
        self._selector.register(given, selectors.EVENT_WRITE)
        try:
            while left:
                if given in self._turn_in_time():
                    left = left[self._written(left) :]
        finally:
            self._selector.unregister(given)

    def _written(self, content: memoryview) -> int:
        try:
            return os.write(self._pipes[0].fileno(), content[:_MAX_READ])
        except BlockingIOError:
            return 0
        except OSError:
            raise ConnectionEnded("it ended the connection") from None

    def _packet(self) -> bytes:
        """The next one, without its length."""
        while True:
            length = int.from_bytes(self._received[:4], "big")
            if len(self._received) >= 4:
                if not 5 <= length <= sftp.MAX_PACKET:
                    raise sftp.SftpNonsense(f"it announced a packet of {length} bytes")
                if len(self._received) >= 4 + length:
                    packet = bytes(self._received[4 : 4 + length])
                    del self._received[: 4 + length]
                    return packet
            self._turn_in_time()

    def _turn_in_time(self) -> list[t.IO[bytes]]:
        if time.monotonic() >= self.deadline:
            raise ConnectionEnded("it was silent for too long", timed_out=True)
        return self._turn(self.deadline)

    def _turn(self, until: float) -> list[t.IO[bytes]]:
        """Wait until a pipe is ready, read what there is. Returns those ready. Raises ConnectionEnded."""
        ready = [
            t.cast("t.IO[bytes]", key.fileobj) for key, _mask in self._selector.select(max(until - time.monotonic(), 0))
        ]
        if self._errors in ready:
            self._hear()
        if self._pipes[1] in ready:
            some = self._pipes[1].read(_MAX_READ)
            if some == b"":
                raise ConnectionEnded("it ended the connection")
            self._received += some or b""
            if len(self._received) > _MOST_RECEIVED:
                raise sftp.SftpNonsense("it sends more than it was asked for")
        return ready

    def _hear(self) -> bool:
        """Keep what ssh tells. False: it says no more."""
        some = self._errors.read(_MAX_READ)
        if some == b"":
            with contextlib.suppress(KeyError):
                self._selector.unregister(self._errors)
            return False
        self._report += some or b""
        if len(self._report) > 2 * _KEPT_REPORT:
            self._early_report = self._early_report or bytes(self._report[:_KEPT_REPORT])
            del self._report[:-_KEPT_REPORT]
        return True

    def _hear_out(self) -> None:
        """Its last words; it has ended, or is about to."""
        end = min(self.deadline, time.monotonic() + _GOODBYE)
        with selectors.DefaultSelector() as selector:
            selector.register(self._errors, selectors.EVENT_READ)
            while time.monotonic() < end:
                if selector.select(max(end - time.monotonic(), 0)) and not self._hear():
                    return

    # -- the child ----------------------------------------------------------------------------------------------

    def _end(self) -> None:
        """In order if it can, by force if not, and with all that it has started."""
        with contextlib.suppress(OSError):
            self._pipes[0].close()
        end = min(self.deadline, time.monotonic() + _GOODBYE) if self._is_well else 0
        with contextlib.suppress(ConnectionEnded, sftp.SftpNonsense):
            while time.monotonic() < end:  # what it still has to say must not keep it
                self._turn(end)
                self._received.clear()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(max(end - time.monotonic(), 0))
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()


def _end_with(parent: int) -> None:
    """In the child, before it becomes ssh: the kernel ends it when the thread that started it has ended."""
    if _libc is not None:
        _libc.prctl(_SIGKILL_WITH_PARENT, signal.SIGKILL)
        if os.getppid() != parent:  # it had ended before
            os._exit(1)
