# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What somebody who may write in a directory can put there, and a victim elsewhere that nothing may happen to."""

from __future__ import annotations

import os
import pathlib
import subprocess
import sys
import tempfile
import typing as t

from . import secrets_scan
from .fork_server import ModuleServer
from .module import ModuleRun, module_command, module_request, parse_result
from .systemd_host import become

NOBODY = 65534
#: What can be in place of a file: by name, how it is put there. Each takes the path, and the victim's directory.
PLANTS: dict[str, t.Callable[[pathlib.Path, pathlib.Path], object]] = {
    "link to a file": lambda path, victim: path.symlink_to(victim / "file"),
    "link to a directory": lambda path, victim: path.symlink_to(victim),
    "link to nothing": lambda path, victim: path.symlink_to(victim / "new"),
    "another name of a file": lambda path, victim: os.link(victim / "file", path),
    "FIFO": lambda path, victim: os.mkfifo(path),
    "socket": lambda path, victim: _bind(path),
    "device": lambda path, victim: as_root("mknod", str(path), "c", "1", "5"),
    "directory": lambda path, victim: (path / "inside").mkdir(parents=True),
}


def as_root(*command: str) -> str:
    """Its output."""
    return subprocess.run([*become(), *command], check=True, capture_output=True, text=True).stdout


def as_nobody(*command: str) -> bool:
    """Whether it succeeded."""
    who = [f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"]
    return not subprocess.run([*become(), "setpriv", *who, *command], capture_output=True, check=False).returncode


def run_module_as_root(
    modules: ModuleServer, module: str, args: t.Mapping[str, t.Any], *, check: bool = False
) -> ModuleRun:
    """For what only root can do: to give files away."""
    if not become():
        return modules.run(module, args, check=check)
    environment = [f"{name}={os.environ[name]}" for name in ("PYTHONPATH", "PATH")]
    process = subprocess.run(
        [*become(), "env", *environment, *module_command()],
        input=module_request(module, args, check=check, diff=True),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        cwd=pathlib.Path(__file__).parents[2],
    )
    output = process.stdout + process.stderr
    secrets_scan.assert_no_private_key(output)
    return parse_result(module, process.returncode, output)


class RootPlace:
    """A directory of root's that everybody may look into, on __enter__; gone on __exit__."""

    def __enter__(self) -> pathlib.Path:
        self._path = as_root("mktemp", "-d", f"{tempfile.gettempdir()}/hostile-XXXXXXXX").strip()
        as_root("chmod", "755", self._path)
        return pathlib.Path(self._path)

    def __exit__(self, *_exception: object) -> None:
        as_root("rm", "-rf", self._path)


class Victim:
    """A directory with a file that is nobody's business."""

    def __init__(self, path: pathlib.Path) -> None:
        self.path = path
        path.mkdir(mode=0o755)
        (path / "file").write_text("the victim's own")
        (path / "file").chmod(0o644)
        self._before = self._state()

    def look_again(self) -> None:
        """What is there now is what must stay."""
        self._before = self._state()

    def assert_untouched(self) -> None:
        assert self._state() == self._before

    def _state(self) -> list[tuple[t.Any, ...]]:
        found = []
        for path in [self.path, *sorted(self.path.rglob("*"))]:
            status = path.lstat()
            content = path.read_bytes() if path.is_file() else None
            found.append((path.name, status.st_mode, status.st_uid, status.st_gid, status.st_ino, content))
        return found


def _bind(path: pathlib.Path) -> None:
    """By a short relative name: those of sockets are limited."""
    code = "import os, socket, sys; os.chdir(sys.argv[1]); socket.socket(socket.AF_UNIX).bind(sys.argv[2])"
    subprocess.run([sys.executable, "-c", code, str(path.parent), path.name], check=True)
