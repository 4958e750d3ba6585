# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A disk that can be filled."""

from __future__ import annotations

import contextlib
import os
import pathlib
import subprocess
import typing as t


@contextlib.contextmanager
def tiny_file_system(directory: pathlib.Path, uid: int | None = None) -> t.Iterator[pathlib.Path]:
    """A tmpfs of 256 KiB on the directory, which is there, owned by uid, else by us. Needs root, or sudo without a
    password."""
    sudo = [] if os.geteuid() == 0 else ["sudo", "-n"]
    options = f"size=256k,mode=0700,uid={os.geteuid() if uid is None else uid}"
    subprocess.run([*sudo, "mount", "-t", "tmpfs", "-o", options, "tmpfs", str(directory)], check=True)
    try:
        yield directory
    finally:
        subprocess.run([*sudo, "umount", str(directory)], check=True)


def fill(mount: pathlib.Path) -> pathlib.Path:
    """Until nothing more fits. Returns the file that takes the room."""
    ballast = mount / "ballast"
    with contextlib.suppress(OSError), ballast.open("wb", buffering=0) as file:
        while True:
            file.write(bytes(4096))
    return ballast
