# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""OpenSSL, asked whether it loads a certificate, as HAProxy will."""

from __future__ import annotations

import contextlib
import functools
import os
import shutil
import ssl
import tempfile
import threading
import typing as t

# A context takes one key at a time.
_LOCK: t.Final = threading.Lock()


def why_not_loaded(pem: bytes) -> str | None:
    """As WhyNotLoaded of the core. The bytes are shown to OpenSSL without being stored."""
    try:
        with _LOCK, as_files(pem) as (certificate, key):
            # Never ask on the terminal: a passphrase is not needed for what is written.
            _context().load_cert_chain(certificate, key, password=lambda: b"")
    except (ssl.SSLError, ValueError) as error:
        return (getattr(error, "reason", None) or "it gives no reason").replace("_", " ").lower()
    return None


@functools.lru_cache(maxsize=1)
def _context() -> ssl.SSLContext:
    """Of any strength: what is too weak is judged by verify.py, and HAProxy's own OpenSSL may be set otherwise."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.set_ciphers("ALL:@SECLEVEL=0")
    return context


@contextlib.contextmanager
def as_files(data: bytes) -> t.Iterator[tuple[str, str]]:
    """Two paths at which data can be read once, while the context lasts. It is stored in no file system."""
    if hasattr(os, "memfd_create"):
        descriptor = os.memfd_create("certificate")
        try:
            path = f"/proc/self/fd/{descriptor}"
            if os.path.exists(path):
                with open(descriptor, "wb", closefd=False) as file:
                    file.write(data)
                yield path, path
                return
        finally:
            os.close(descriptor)
    with _pipe(data) as certificate, _pipe(data) as key:
        yield certificate, key


@contextlib.contextmanager
def _pipe(data: bytes) -> t.Iterator[str]:
    """For systems without Linux's means: a named pipe in a directory of this user alone. A pipe stores nothing."""
    directory = tempfile.mkdtemp()
    path = os.path.join(directory, "certificate")

    def feed() -> None:
        # The reader has gone before the end: it has seen what it needs.
        with contextlib.suppress(BrokenPipeError), open(path, "wb") as pipe:
            pipe.write(data)

    feeder = threading.Thread(target=feed, daemon=True)
    try:
        os.mkfifo(path, 0o600)
        feeder.start()
        yield path
    finally:
        while feeder.is_alive():  # it waits for a reader that has never come
            os.close(os.open(path, os.O_RDONLY | os.O_NONBLOCK))
            feeder.join(0.01)
        shutil.rmtree(directory)
