# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What loadable.py asks, for many certificates: a process of its own asks OpenSSL beside the work on the next ones.

OpenSSL 3.0 takes half a millisecond for each, and a thread of this process would fight with the others for Python's
lock. Content passes through pipes only.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import select
import subprocess
import sys
import typing as t

from ..._core.x509.bundle import CertificateBundle
from ..._core.x509.problems import Problem
from ..._core.x509.verify import loading_problems
from .loadable import why_not_loaded

#: Seconds to wait for the process. It takes milliseconds; without it each is asked here.
LIMIT: float = 15
_FEW: t.Final = 20  # to start a process takes as long as these
_SET_PIPE_SIZE: t.Final = getattr(fcntl, "F_SETPIPE_SZ", 1031)  # Linux; Python names it since 3.10
_PIPE_SIZE: t.Final = 1 << 20  # bytes: what is asked need not wait for what is answered
# It answers in the order of the questions, and only whether: who wants to know why asks loadable.py once more.
_PROGRAM: t.Final = """
import os, ssl, sys
source, answer = sys.stdin.buffer, sys.stdout.buffer
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.set_ciphers("ALL:@SECLEVEL=0")
while size := int.from_bytes(source.read(4), "big"):
    file = os.fdopen(os.memfd_create("certificate"), "wb")
    file.write(source.read(size))
    file.flush()
    path = f"/proc/self/fd/{file.fileno()}"
    try:
        context.load_cert_chain(path, path, password=lambda: b"")
    except Exception:
        answer.write(b"n")
    else:
        answer.write(b"y")
    file.close()
    answer.flush()
"""


class LoadingCheck:
    """expected: about how many bundles will be asked for. To be closed."""

    def __init__(self, expected: int) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._asked = 0
        self._answers = bytearray()
        if expected > _FEW and hasattr(os, "memfd_create") and os.path.isdir("/proc/self/fd"):
            with contextlib.suppress(OSError):  # then each is asked here
                self._process = _start()

    def ask(self, bundle: CertificateBundle) -> t.Callable[[], list[Problem]]:
        """Begin to ask. What is returned waits for the answer: the problems, none when OpenSSL loads it."""
        number = self._asked
        is_sent = self._send(bundle.render("haproxy")["pem"])

        def problems() -> list[Problem]:
            if is_sent and self._answer(number) == b"y":
                return []
            return loading_problems(bundle, why_not_loaded)  # with the reason, or because nobody has answered

        return problems

    def close(self) -> None:
        if self._process is not None:
            with contextlib.suppress(OSError), self._process:
                pass
            self._process = None

    def _send(self, pem: bytes) -> bool:
        if self._process is None:
            return False
        pipe = t.cast("t.IO[bytes]", self._process.stdin).fileno()
        rest = memoryview(len(pem).to_bytes(4, "big") + pem)
        try:
            while rest:
                _wait(pipe, select.POLLOUT)
                rest = rest[os.write(pipe, rest) :]
        except OSError:
            self._give_up()
            return False
        self._asked += 1
        return True

    def _answer(self, number: int) -> bytes:
        """b"" when the process has ended."""
        while len(self._answers) <= number and self._process is not None:
            pipe = t.cast("t.IO[bytes]", self._process.stdout).fileno()
            try:
                _wait(pipe, select.POLLIN)
                answers = os.read(pipe, 4096)
            except OSError:
                answers = b""
            self._answers += answers
            if not answers:
                self._give_up()
        return bytes(self._answers[number : number + 1])

    def _give_up(self) -> None:
        """What it was asked and has not answered is asked here."""
        if self._process is not None:
            self._process.kill()
        self.close()


def _wait(pipe: int, event: int) -> None:
    """Raises TimeoutError, an OSError."""
    poll = select.poll()
    poll.register(pipe, event)
    if not poll.poll(LIMIT * 1000):
        raise TimeoutError


def _start() -> subprocess.Popen[bytes]:
    # Isolated: it takes no module from the working directory, whoever may write there.
    command = [sys.executable, "-I", "-S", "-c", _PROGRAM]
    process = subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        start_new_session=True,  # a terminal asks all processes of its session to end
    )
    questions = t.cast("t.IO[bytes]", process.stdin)
    os.set_blocking(questions.fileno(), False)
    with contextlib.suppress(OSError):  # a smaller one makes the questions wait
        fcntl.fcntl(questions, _SET_PIPE_SIZE, _PIPE_SIZE)
    return process
