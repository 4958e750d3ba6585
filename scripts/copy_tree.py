# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Make a directory hold exactly the files whose NUL-separated names come on standard input; keep tests/output."""

from __future__ import annotations

import os
import pathlib
import shutil
import sys


def copy_tree(destination: pathlib.Path, names: list[str]) -> None:
    """Copy what changed, remove what vanished: modification times survive, so that caches keyed on them hold."""
    wanted = {name for name in names if os.path.lexists(name)}
    for present in sorted(destination.rglob("*"), reverse=True):
        relative = present.relative_to(destination)
        if relative.parts[:2] == ("tests", "output"):
            continue
        if present.is_dir() and not present.is_symlink():
            if not any(present.iterdir()):
                present.rmdir()
        elif str(relative) not in wanted:
            present.unlink()
    for name in wanted:
        target = destination / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(name, target, follow_symlinks=False)


if __name__ == "__main__":
    copy_tree(pathlib.Path(sys.argv[1]), [name for name in sys.stdin.read().split("\0") if name])
