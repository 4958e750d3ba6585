# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Encrypted content is opened by a process of its own, which can be ended.

What is encrypted may hide further layers, whose rounds effort.py cannot see before, and a key whose numbers take
minutes. One process opens all that this one asks for; it ends with it. Content passes through pipes only.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import threading
import typing as t

from ..._core.x509.problems import MaterialError

#: Seconds for one container or key. What effort.py lets through takes two on a slow core.
LIMIT: float = 15

# It uses nothing of this collection, which Ansible sends to hosts in a form that another process cannot import.
_PROGRAM: t.Final = """
import signal, sys
sys.path[:] = sys.argv[1:]
import warnings
from cryptography.hazmat.primitives.serialization import (
    Encoding, NoEncryption, PrivateFormat, load_pem_private_key, pkcs12)
warnings.simplefilter("ignore")
source, answer = sys.stdin.buffer, sys.stdout.buffer

def take():
    return source.read(int.from_bytes(source.read(4), "big"))

def opened(kind, passphrase, data):
    if kind == b"key":
        key, certificates = load_pem_private_key(data, passphrase, unsafe_skip_rsa_key_validation=True), []
    else:
        container = pkcs12.load_pkcs12(data, passphrase)
        key = container.key
        certificates = [container.cert and container.cert.certificate]
        certificates += [each.certificate for each in container.additional_certs]
    form = Encoding.DER, PrivateFormat.PKCS8, NoEncryption()
    ders = [each.public_bytes(Encoding.DER) if each else b"" for each in certificates]
    return [key.private_bytes(*form) if key else b"", *ders]

while True:
    kind = take()
    if not kind:
        break
    given, passphrase, data = take(), take(), take()
    signal.alarm(30)  # should the one that asks be gone
    try:
        parts = opened(kind, passphrase if given else None, data)
    except BaseException:
        parts = []
    signal.alarm(0)
    answer.write(len(parts).to_bytes(4, "big") + b"".join(len(part).to_bytes(4, "big") + part for part in parts))
    answer.flush()
"""


class _OpeningProcess:
    """One such process, started when it is needed. One question at a time."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._inherited: list[subprocess.Popen[bytes]] = []

    def forget(self) -> None:
        """After a fork the pipes belong to another process: two that ask would get each other's answers."""
        self._lock = threading.Lock()
        if self._process is not None:
            self._inherited.append(self._process)  # never closed here: what it closes may be another file by then
            self._process = None

    def ask(self, request: t.Iterable[bytes]) -> list[bytes]:
        """Raises EOFError when the content has ended the process, by time or otherwise; OSError when there is none."""
        with self._lock:
            if self._process is not None and self._process.poll() is not None:
                _end(self._process)
                self._process = None
            process = self._process = self._process or _start()
            watch = threading.Timer(LIMIT, process.kill)
            watch.start()
            try:
                return _answer(process, b"".join(len(part).to_bytes(4, "big") + part for part in request))
            except (EOFError, BrokenPipeError):
                self._process = None
                if _end(process) > 0:  # not by a signal: it could not even begin
                    raise OSError("cryptography cannot be loaded in a process of its own") from None
                raise EOFError from None
            finally:
                watch.cancel()


_PROCESS: t.Final = _OpeningProcess()
os.register_at_fork(after_in_child=_PROCESS.forget)


class ProcessOpener:
    """The Opener of the core. passphrase: None or empty where there is none."""

    def __init__(self, passphrase: str | bytes | None = None) -> None:
        self._passphrase = (passphrase.encode() if isinstance(passphrase, str) else passphrase) or None

    @property
    def has_passphrase(self) -> bool:
        return self._passphrase is not None

    def open(self, kind: t.Literal["key", "pkcs12"], data: bytes) -> list[bytes]:
        """As Opener.open."""
        given = b"y" if self._passphrase is not None else b""
        try:
            return _PROCESS.ask([kind.encode(), given, self._passphrase or b"", data])
        except EOFError:
            raise MaterialError(
                "content_too_costly",
                f"To open it takes more than {LIMIT:.0f} seconds, or more memory than there is: export it again with"
                " fewer iterations, and not encrypted twice.",
            ) from None


def _start() -> subprocess.Popen[bytes]:
    # Isolated: it takes no module from the working directory, whoever may write there.
    command = [sys.executable, "-I", "-c", _PROGRAM, *filter(None, sys.path)]
    return subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        start_new_session=True,  # a terminal asks all processes of its session to end
    )


def _end(process: subprocess.Popen[bytes]) -> int:
    """Of one that has closed its pipes: its exit code, negative for a signal."""
    with contextlib.suppress(BrokenPipeError), process:
        pass
    return process.wait()


def _answer(process: subprocess.Popen[bytes], request: bytes) -> list[bytes]:
    pipe = t.cast("t.IO[bytes]", process.stdin)
    pipe.write(request)
    pipe.flush()
    count = int.from_bytes(_exactly(process, 4), "big")
    return [_exactly(process, int.from_bytes(_exactly(process, 4), "big")) for _part in range(count)]


def _exactly(process: subprocess.Popen[bytes], size: int) -> bytes:
    data = t.cast("t.IO[bytes]", process.stdout).read(size)
    if len(data) < size:
        raise EOFError
    return data
