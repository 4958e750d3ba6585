# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""With which key ssh logs in, and how it gets what it needs without a file: by memory of this process.

The kernel shows a process's open files to itself, its user and root only, below /proc (memfd_create(2), proc(5)).
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import os
import stat

from ..._errors import PushError

_BEGINNING = 4096
_OPENSSH = b"-----BEGIN OPENSSH PRIVATE KEY-----"
#: After the magic: the cipher's name, "none" for a key without a passphrase (OpenSSH's file PROTOCOL.key).
_MAGIC = b"openssh-key-v1\0\0\0\0"
_LOCKED = "is protected by a passphrase: give it by the option passphrase"


class MemoryFile:
    """Content that another program of this user reads by its path, while this object is open."""

    def __init__(self, content: bytes, *, executable: bool = False) -> None:
        """Raises OSError."""
        written = os.memfd_create("certops-push")
        try:
            os.fchmod(written, stat.S_IRUSR | (stat.S_IXUSR if executable else 0))
            os.write(written, content)
            # A program that somebody has open for writing cannot be run.
            self._descriptor = os.open(f"/proc/self/fd/{written}", os.O_RDONLY | os.O_CLOEXEC)
        finally:
            os.close(written)
        self.path = f"/proc/{os.getpid()}/fd/{self._descriptor}"

    def close(self) -> None:
        os.close(self._descriptor)


class Passphrase:
    """What ssh asks for it, SSH_ASKPASS: neither a command line nor the environment nor a disk has it. Of OpenSSH 8.4
    and newer; older ones ask where there is a DISPLAY."""

    def __init__(self, passphrase: str) -> None:
        """Raises OSError."""
        self._resources = contextlib.ExitStack()
        with self._resources:
            secret = self._resources.enter_context(contextlib.closing(MemoryFile(f"{passphrase}\n".encode())))
            script = f"#!/bin/sh\nexec cat {secret.path}\n".encode()
            program = self._resources.enter_context(contextlib.closing(MemoryFile(script, executable=True)))
            self.environment = {"SSH_ASKPASS": program.path, "SSH_ASKPASS_REQUIRE": "force", "DISPLAY": "none"}
            self._resources = self._resources.pop_all()

    def close(self) -> None:
        self._resources.close()


def key_options(path: str | None, *, has_passphrase: bool) -> list[str]:
    """Of ssh, for this private key; None: those of ssh-agent, and the user's own. Raises PushError (local) where ssh
    could not use it."""
    asks = ["-oBatchMode=no", "-oNumberOfPasswordPrompts=1"] if has_passphrase else ["-oBatchMode=yes"]
    if path is None:
        return asks
    has_agent = bool(os.environ.get("SSH_AUTH_SOCK"))
    if any(char in path for char in '"\\'):  # which versions of ssh read in different ways
        raise PushError(f"private_key_file {path}: ssh takes no quotation mark or backslash there. Rename it.", "local")
    lack = _lack(path)
    needs_agent = bool(lack) and not (has_passphrase and lack == _LOCKED)
    if needs_agent and not has_agent:
        raise PushError(f"{path} {lack}, or put the key into an ssh-agent and set SSH_AUTH_SOCK.", "local")
    agent = [] if needs_agent else ["-oIdentityAgent=none"]
    quoted = path.replace("%", "%%")
    return [*asks, "-oIdentitiesOnly=yes", *agent, f'-oIdentityFile="{quoted}"']


def _lack(path: str) -> str:
    """What it takes to log in with it, "" for nothing more. Raises PushError when it cannot be used."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            status = os.fstat(descriptor)
            content = os.read(descriptor, _BEGINNING)
        finally:
            os.close(descriptor)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "it is no path"
        raise PushError(f"Cannot read the private key {path}: {reason}. Correct private_key_file.", "local") from None
    if b"PRIVATE KEY-----" not in content:
        return "holds no private key: correct private_key_file"
    if status.st_uid == os.getuid() and status.st_mode & 0o077:
        mode = f"{stat.S_IMODE(status.st_mode):04o}"
        raise PushError(f"{path} has mode {mode}, so ssh does not use it. It must be 0600.", "local")
    return _LOCKED if _is_encrypted(content) else ""


def _is_encrypted(content: bytes) -> bool:
    if not content.lstrip().startswith(_OPENSSH):
        return b"ENCRYPTED" in content
    lines = content.split(_OPENSSH, 1)[1].split()
    with contextlib.suppress(IndexError, binascii.Error):
        head = base64.b64decode(lines[0][:40])[: len(_MAGIC) + 5]
        return head.startswith(_MAGIC) and head[len(_MAGIC) :] != b"\x04none"
    return False
