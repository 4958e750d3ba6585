# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A real SSH server on loopback, which lets this user in by a key of its own."""

from __future__ import annotations

import contextlib
import getpass
import os
import pathlib
import shutil
import socket
import subprocess
import sys
import time
import typing as t


class SshServer(t.NamedTuple):
    """pid: of the process that listens, whose children are the sessions; variables: by which Ansible gets in."""

    pid: int
    variables: dict[str, t.Any]


@contextlib.contextmanager
def ssh_server(directory: pathlib.Path, addresses: t.Sequence[str], port: int) -> t.Iterator[SshServer]:
    """directory: for keys, settings and the log, perhaps shared with others. AssertionError when it does not start."""
    program = shutil.which("sshd")
    assert program, "sshd is missing: install openssh-server"
    for name in ("host", "user"):
        if not (directory / name).exists():
            command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(directory / name)]
            subprocess.run(command, check=True, timeout=30, stdin=subprocess.DEVNULL)
    if os.geteuid() == 0:
        pathlib.Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)  # where sshd separates privileges
    config, log = directory / f"sshd-{addresses[0]}", directory / "sshd.log"
    lines = [
        f"Port {port}",
        *(f"ListenAddress {address}" for address in addresses),
        f"HostKey {directory / 'host'}",
        f"AuthorizedKeysFile {directory / 'user.pub'}",
        "PidFile none",
        "UsePAM no",
        "StrictModes no",
        "PasswordAuthentication no",
        "MaxStartups 200",
        "Subsystem sftp internal-sftp",
    ]
    config.write_text("\n".join(lines) + "\n")
    with log.open("ab") as output:
        process = subprocess.Popen([program, "-D", "-e", "-f", str(config)], stdin=subprocess.DEVNULL, stderr=output)
    try:
        deadline = time.monotonic() + 30
        for address in addresses:
            while True:
                try:
                    socket.create_connection((address, port), timeout=2).close()
                    break
                except OSError:
                    has_failed = process.poll() is not None or time.monotonic() > deadline
                    assert not has_failed, log.read_text()
                    time.sleep(0.05)
        yield SshServer(
            process.pid,
            {
                "ansible_connection": "ssh",
                "ansible_port": port,
                "ansible_user": getpass.getuser(),
                "ansible_ssh_private_key_file": str(directory / "user"),
                "ansible_ssh_common_args": "-o UserKnownHostsFile=/dev/null -o StrictHostKeyChecking=no"
                " -o LogLevel=ERROR",
                "ansible_python_interpreter": sys.executable,
            },
        )
    finally:
        process.terminate()
        process.wait(30)
