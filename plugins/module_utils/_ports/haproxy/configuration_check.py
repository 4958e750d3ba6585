# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""`haproxy -c`: does HAProxy take its configuration? And is it HAProxy who refuses, or is it that we lack something?"""

from __future__ import annotations

import os
import stat
import typing as t

from ..._core.haproxy.check_log import denied_lines, named_files
from ..._core.haproxy.environment import unknown_variables
from ..._core.text import listed
from ..._errors import HaproxyError, ReloadError
from ..host.program_search import find_program
from ..host.programs import Completed, run_program
from ..host.rights import is_root, run_as_root
from .config_files import config_files, config_lines
from .surroundings import Surroundings, reads_the_same

_REFUSED: t.Final = 1  # HAProxy's exit code


class CheckImpossible(ReloadError):
    """The check could not tell, for a reason of ours; details["check_log"]: what the program said."""


def check_configuration(
    executable: str,
    paths: t.Sequence[str],
    timeout: float,
    environment: t.Mapping[str, t.Any],
    look: t.Callable[[], Surroundings],
) -> str:
    """What it says where it takes it, which is nothing in newer versions.

    environment: variables, beside those of this process; look: tells with what HAProxy itself reads it, asked for only
    where it is refused without that; timeout: seconds, for each try.

    Raises ReloadError: where HAProxy refuses it, with its log in the details, and where there is nothing to check or to
    check with, without one; CheckImpossible where it cannot be told here.
    """
    files = [os.path.abspath(path) for path in paths]
    for path in files:
        if not os.path.lexists(path) and os.access(os.path.dirname(path), os.X_OK):
            raise ReloadError(f"{path} does not exist. Name HAProxy's configuration in option config.")
    program = find_program(executable)
    command = [program or executable, "-c", *(word for path in files for word in ("-f", path))]
    first = Surroundings({**os.environ, **{name: str(value) for name, value in environment.items()}})
    output = ""
    try:
        result = _run(command, timeout, first)
        if result.returncode == 0:
            return result.output
        known = look()
        if (known.environment, known.directory) != (first.environment, first.directory):
            result = _run(command, timeout, known)
        if result.returncode == 0:
            return result.output
        lack, output = _lack(command[0], files, result, known), result.output
    except ReloadError as not_run:
        if not program:
            raise  # to install it, or to do without, is the user's to say
        lack = not_run.message
    if lack:
        raise CheckImpossible(
            f"Whether HAProxy takes its configuration {', '.join(paths)} could not be told beforehand: {lack}",
            check_log=output,
        )
    raise ReloadError(
        f"HAProxy's configuration {', '.join(paths)} is not valid, so it was not reloaded. See the log, correct"
        " it and run this again.",
        log=output,
    )


def _run(command: t.Sequence[str], timeout: float, known: Surroundings) -> Completed:
    directory = known.directory if os.access(known.directory, os.X_OK) else "/"
    return run_program(command, timeout, environment=known.environment, directory=directory)


def _lack(program: str, files: t.Sequence[str], result: Completed, known: Surroundings) -> str:
    """What of ours keeps the program from judging, and what to do; "" for nothing."""
    if result.returncode != _REFUSED:
        how = f"signal {-result.returncode}" if result.returncode < 0 else f"exit code {result.returncode}"
        return f"{program} ended with {how}, which is no verdict. See whether it runs: '{program} -vv'."
    closed = [path for path in named_files(result.output) if _is_closed(os.path.join(known.directory, path))]
    if closed:
        return f"this user may not read {listed(closed)}. {run_as_root()}"
    denied = denied_lines(result.output)
    if denied:
        return f"this process may not do what HAProxy may: {denied[0]}. {run_as_root(', and not confined')}"
    if known.program and not _is_same(known.program, program):
        return (
            f"{program} refuses it, but what runs is {known.program}. Name that in option binary, or set option"
            " check_config: false."
        )
    if known.files and not reads_the_same(known.files, files):
        return (
            f"HAProxy was started with other files: {listed(known.files)}. Name all of them in option config, in this"
            " order."
        )
    if not known.is_known:
        unknown = _unknown(files, known)
        if unknown:
            or_as_root = "" if is_root() else ", or run as root (become: true)"
            return (
                f"the environment variable {listed(unknown)} of HAProxy's process is not known here. Give it in option"
                f" environment{or_as_root}."
            )
    return ""


def _is_same(running: str, program: str) -> bool:
    return os.path.realpath(running) == os.path.realpath(program)


def _is_closed(path: str) -> bool:
    """Whether it is there, or may be, and this process may not read it: by its mode, or as it is confined."""
    try:
        mode = os.stat(path).st_mode
        if stat.S_ISREG(mode) or stat.S_ISDIR(mode):
            os.close(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC))
    except PermissionError:
        return True
    except (OSError, ValueError):
        return False
    return False


def _unknown(files: t.Sequence[str], known: Surroundings) -> list[str]:
    try:
        lines = [line for path in files for file in config_files(path) for line in config_lines(file)]
    except HaproxyError:
        return []
    return unknown_variables(lines, known.environment)
