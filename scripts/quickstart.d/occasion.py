# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A quickstart from its title to its exit code: in a directory of its own, of which nothing is left however it ends."""

from __future__ import annotations

import os
import pathlib
import shutil
import signal
import tempfile
import time
import typing as t

from claims import NotTrue
from screen import Screen
from stage import StageError

ROOT = pathlib.Path(__file__).resolve().parents[2]
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Show(t.Protocol):
    """What is performed."""

    def run(self) -> None:
        """Raises NotTrue, StageError or OSError."""

    def logs(self) -> dict[str, str]:
        """All that the programs have printed so far, by name."""


class Occasion(t.NamedTuple):
    """title, lines: what is shown first; make: the quickstart for a screen and a directory; next_commands: to go on."""

    title: str
    lines: t.Sequence[str]
    make: t.Callable[[Screen, pathlib.Path], Show]
    next_commands: t.Sequence[str]


def isolate(directory: pathlib.Path) -> None:
    """Let nothing of the user's settings in (above all no AWS account), and leave nothing in the user's home."""
    for name in [name for name in os.environ if name.startswith(("ANSIBLE_", "AWS_", "BOTO_"))]:
        del os.environ[name]
    (directory / "ansible.cfg").touch()
    os.environ.update(
        ANSIBLE_COLLECTIONS_PATH=str(ROOT / ".dev" / "collections"),
        ANSIBLE_CONFIG=str(directory / "ansible.cfg"),
        ANSIBLE_HOME=str(directory / "ansible"),
        ANSIBLE_NOCOLOR="1",
        ANSIBLE_NOCOWS="1",
        LC_ALL="C.UTF-8",
        NO_PROXY="127.0.0.1",
        no_proxy="127.0.0.1",
        PATH=os.pathsep.join([str(ROOT / ".dev/venv/bin"), os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"]),
    )


def stop(number: int, _frame: object) -> t.NoReturn:
    """Signals end the quickstart like an exception: everything is cleaned up on the way out, undisturbed."""
    for each in SIGNALS:
        signal.signal(each, signal.SIG_IGN)
    raise SystemExit(128 + number)


def perform(screen: Screen, make: t.Callable[[Screen, pathlib.Path], Show]) -> int:
    """The whole quickstart in a directory of its own. Returns the exit code."""
    # Below /tmp, for the path of a unix socket must be short.
    directory = pathlib.Path(tempfile.mkdtemp(prefix="quickstart-", dir="/tmp"))
    try:
        isolate(directory)
        quickstart = make(screen, directory)
        try:
            quickstart.run()
        except (NotTrue, StageError, OSError) as error:
            screen.failure(str(error), quickstart.logs())
            return 1
        return 0
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def hold(occasion: Occasion) -> int:
    """Returns the exit code."""
    for number in SIGNALS:
        signal.signal(number, stop)
    screen = Screen()
    start = time.monotonic()
    screen.title(occasion.title, *occasion.lines)
    try:
        code = perform(screen, occasion.make)
    except SystemExit:
        screen.gap()
        screen.text("Interrupted. Whatever was started has been stopped and removed.")
        raise
    if code:
        return code
    screen.gap()
    screen.text(f"Done in {time.monotonic() - start:.0f} s. What was started is stopped and removed. To go on:")
    screen.gap()
    for command in occasion.next_commands:
        screen.command(command)
    return 0
