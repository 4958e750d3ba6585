# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The baseline: a bare script that sets and commits every PEM file, a connection for each command, and checks little.

Usage: bare.py SOCKET FILE...
"""

from __future__ import annotations

import pathlib
import socket
import sys


def execute(address: str, command: bytes) -> bytes:
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(address)
        connection.sendall(command)
        return b"".join(iter(lambda: connection.recv(65536), b""))


if __name__ == "__main__":
    for path in sys.argv[2:]:
        execute(sys.argv[1], b"set ssl cert %s <<\n%s\n" % (path.encode(), pathlib.Path(path).read_bytes()))
        answer = execute(sys.argv[1], b"commit ssl cert %s\n" % path.encode())
        if b"Success!" not in answer:
            sys.exit(f"{path}: {answer.decode()}")
