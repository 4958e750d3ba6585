# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A program of the user's own, and the host's init scripts."""

from __future__ import annotations

import os
import shutil
import typing as t

from ..._core.services.definitions import Activation
from ..._errors import ServiceError
from .missing import ServiceMissing
from .programs import run_to_end

# By which an init script is run, in this order: SysV and BSD, OpenRC.
_RUNNERS = ("service", "rc-service")
_INIT_DIRECTORIES = ("/etc/init.d", "/etc/rc.d", "/usr/local/etc/rc.d")
_NOT_INSTALLED = 5  # of systemctl(1), exit status
_FOR_ROOT = "/usr/local/sbin:/usr/sbin:/sbin"


class ScriptService:
    """program: an absolute path, or a name that is looked for on PATH and then in the current directory; arguments: of
    it; timeout: seconds; environment: what it is told."""

    def __init__(
        self, program: str, arguments: t.Sequence[str], timeout: float, environment: t.Mapping[str, str]
    ) -> None:
        self._program = program
        self._arguments = arguments
        self._timeout = timeout
        self._environment = environment

    def activate(self) -> Activation:
        """Raises ServiceError; ServiceMissing."""
        path = find_script(self._program)
        result = run_to_end([path, *self._arguments], self._timeout, environment=self._environment)
        return _success(path, result.returncode, result.output)


def find_script(program: str) -> str:
    """Its absolute path. Raises ServiceMissing where there is none, ServiceError for one that cannot be run."""
    if os.path.isabs(program):
        candidates = [program]
    else:
        candidates = [*filter(None, [shutil.which(program)]), os.path.abspath(program)]
    found = next((path for path in candidates if os.path.lexists(path)), None)
    if found is None:
        places = "" if os.path.isabs(program) else f", neither on PATH nor in {os.getcwd()}"
        raise ServiceMissing(f"There is no {program}{places}. Give the script's absolute path.")
    if not os.path.isfile(found):
        raise ServiceError(f"{found} is no file that can be run. Give the path of a script.")
    if not os.access(found, os.X_OK):
        raise ServiceError(f"{found} is not executable. Run 'chmod +x {found}'.")
    return os.path.abspath(found)


class InitScript:
    """name: of the script; action: restart or reload; timeout: seconds; directories: where the scripts are; systemd:
    a directory that is there where systemd is the init system, whose units the program service knows as well."""

    def __init__(
        self,
        name: str,
        action: str,
        timeout: float,
        *,
        directories: t.Sequence[str] = _INIT_DIRECTORIES,
        systemd: str = "/run/systemd/system",
    ) -> None:
        self._name = name
        self._action = action
        self._timeout = timeout
        self._directories = directories
        self._systemd = systemd

    def activate(self) -> Activation:
        """Raises ServiceError; ServiceMissing."""
        path = os.pathsep.join(filter(None, (os.environ.get("PATH"), _FOR_ROOT)))
        runner = next(filter(None, (shutil.which(name, path=path) for name in _RUNNERS)), None)
        if runner is None:
            raise ServiceError(f"This host has no program {' or '.join(_RUNNERS)}. Use another type of service.")
        scripts = [os.path.join(directory, self._name) for directory in self._directories]
        missing = ServiceMissing(f"There is no init script {self._name} in {' or '.join(self._directories)}.")
        has_script, has_units = any(map(os.path.exists, scripts)), os.path.isdir(self._systemd)
        if not has_script and not has_units:
            raise missing
        result = run_to_end([runner, self._name, self._action], self._timeout, environment={"PATH": path})
        if not has_script and result.returncode == _NOT_INSTALLED:
            raise missing
        return _success(f"{runner} {self._name} {self._action}", result.returncode, result.output)


def _success(command: str, returncode: int, output: str) -> Activation:
    if returncode < 0:
        raise ServiceError(f"{command} was ended by signal {-returncode}.", log=output)
    if returncode:
        raise ServiceError(f"{command} failed with exit code {returncode}.", log=output)
    return Activation(output)
