# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""All that a rotation needs of a host, looked at without touching anything.

Standard library only, for it runs on every host each time, and is what says that a library is missing.
"""

from __future__ import annotations

import os
import stat
import typing as t
from dataclasses import asdict, dataclass

from .._core.file_advice import Circumstances, advice
from .._ports.host.libraries import MINIMUM_VERSIONS, missing_library
from .._ports.host.program_search import find_program
from .._ports.host.rights import is_root, run_as_root
from .._ports.store.mounts import is_read_only

_FILES_ONLY = "To write the files only, set option activate: false."


@dataclass(frozen=True)
class Check:
    """One thing looked at. problem: what is wrong and what to do, "" when all is well.

    name: the option, or a library; required: without it the rotation can do nothing.
    """

    name: str
    problem: str = ""
    required: bool = True

    def as_result(self) -> dict[str, t.Any]:
        return {**asdict(self), "ok": not self.problem}

    def __str__(self) -> str:
        return self.problem if self.name in MINIMUM_VERSIONS else f"option {self.name}: {self.problem}"


def preflight(params: t.Mapping[str, t.Any]) -> list[Check]:
    """All checks that these options call for. wished_libraries: those without which the run fails at its end only."""
    checks = [Check(name, missing_library(name) or "") for name in params["libraries"]]
    for name in params.get("wished_libraries", ()):
        checks.append(Check(name, missing_library(name) or "", required=False))
    checks.append(Check("path", _directory_problem(params["path"])))
    if params["activate"]:
        checks += _activation_checks(params)
        if params["prove"]:
            checks.append(Check("prove", _proof_problem(params)))
    return checks


def not_ready(checks: t.Iterable[Check]) -> str:
    """What keeps a rotation from being run; "" when nothing does."""
    missing = [f"- {check}" for check in checks if check.problem and check.required]
    if not missing:
        return ""
    count = "1 thing is" if len(missing) == 1 else f"{len(missing)} things are"
    return "\n".join((f"This host is not ready, {count} missing:", *missing))


def in_check_mode(message: str) -> str:
    """A warning in place of the failure."""
    return f"{message}\nOutside check mode this fails, unless an earlier task of the play provides them."


def _activation_checks(params: t.Mapping[str, t.Any]) -> t.Iterator[Check]:
    """HAProxy must be reachable in one way. A second one that is missing is worth a warning."""
    yield Check("layout", _layout_problem(params["layout"]))
    reload_problems = {method: reload_problem(method, params) for method in params["reload_methods"]}
    reloadable = not all(reload_problems.values())
    updatable = False
    if params["socket"]:
        problem = _socket_problem(params["socket"])
        updatable = not problem
        # Files alone are also what the first delivery is, before HAProxy was ever started.
        yield Check("socket", problem if updatable or reloadable else f"{problem} {_FILES_ONLY}", not reloadable)
    elif not reload_problems:
        yield Check("socket", f"Neither this nor option reload_methods is set. Set one of them. {_FILES_ONLY}")
    if reload_problems:
        problems = "" if reloadable else " ".join(f"{method}: {text}" for method, text in reload_problems.items())
        yield Check("reload_methods", problems, not updatable)


def _layout_problem(layout: str) -> str:
    if layout == "haproxy":
        return ""
    return f"HAProxy does not load the layout {layout}. Use the layout haproxy. {_FILES_ONLY}"


def _directory_problem(path: str) -> str:
    parent = os.path.dirname(os.path.abspath(path))
    if os.path.isdir(path):
        if os.access(path, os.W_OK | os.X_OK):
            return ""
        what = _kept_out(path) or "Run as root (become: true) or as the directory's owner."
        return f"This user may not write to {path}. {what}"
    if os.path.lexists(path):
        return f"{path} is not a directory. Move it away, or set another path."
    if not os.path.isdir(parent) and _is_missing(parent):
        return f"{parent}, the parent of {path}, does not exist. Create it (or install HAProxy, whose package does)."
    if not os.access(parent, os.W_OK | os.X_OK):
        what = _kept_out(parent) or "Run as root (become: true), or create it for this user."
        return f"This user may not create {path}. {what}"
    return ""


def _kept_out(place: str) -> str:
    """Why, where being root is no help, and what to do; "" else."""
    if is_read_only(place):
        return advice(Circumstances("EROFS"))
    return advice(Circumstances("EACCES", is_root=True)) if is_root() else ""


def _socket_problem(address: str) -> str:
    """Looked at only: an unchanged run never connects to HAProxy."""
    path = address.removeprefix("unix@")
    if not path.startswith("/"):
        return ""  # whether a TCP address is good is seen when it is used
    try:
        mode = os.stat(path).st_mode
    except FileNotFoundError:
        return f"{path} does not exist. Start HAProxy, or name the socket that its configuration has."
    except OSError as error:
        return f"{path} cannot be looked at: {error.strerror}. {run_as_root()}"
    if not stat.S_ISSOCK(mode):
        return f"{path} is not a socket. Name the socket that HAProxy's configuration has."
    if not os.access(path, os.R_OK | os.W_OK):
        what = run_as_root(", or let the socket's mode and group allow it")
        return f"This user may not use {path}. {what}"
    return ""


def reload_problem(method: str, params: t.Mapping[str, t.Any]) -> str:
    """Why this way to reload cannot work, and what to do; "" when nothing speaks against it."""
    binary = params["binary"]
    if params["check_config"]:
        if not find_program(binary):
            return (
                f"{binary}, which checks the configuration first, is not found. Set option binary, or"
                " option check_config: false where HAProxy is in a container."
            )
        # One that this user may not read is none: HAProxy reads it, and decides at the reload.
        missing = " ".join(filter(None, map(_missing_config, params["config"])))
        if missing:
            return missing
    return _METHOD_PROBLEMS[method](params)


def _master_problem(params: t.Mapping[str, t.Any]) -> str:
    if not params["master_socket"]:
        return "option master_socket is not set, the address after HAProxy's option -S."
    return _socket_problem(params["master_socket"])


def _docker_problem(params: t.Mapping[str, t.Any]) -> str:
    if not params["container"]:
        return "option container is not set."
    scheme, _separator, path = params["docker_host"].partition("://")
    if scheme != "unix" or os.access(path, os.R_OK | os.W_OK):
        return ""
    if _is_missing(path):
        return f"{path} does not exist. Start Docker, or set option docker_host."
    what = run_as_root(", or set option docker_host to a proxy")
    return f"This user may not use {path}. {what}"


def _http_problem(params: t.Mapping[str, t.Any]) -> str:
    return "" if params["reload_url"] else "option reload_url is not set."


def _signal_problem(params: t.Mapping[str, t.Any]) -> str:
    path = params["pid_file"]
    if not path:
        return "option pid_file is not set, the file after HAProxy's option -p."
    if os.access(path, os.R_OK):
        return ""
    if _is_missing(path):
        return f"{path} does not exist. Start HAProxy, or set option pid_file to the file that it writes."
    return f"This user may not read {path}. {run_as_root()}"


def _systemd_problem(_params: t.Mapping[str, t.Any]) -> str:
    # systemctl may well be installed where systemd is not the init system.
    if not find_program("systemctl") or not os.path.isdir("/run/systemd/system"):
        return "it does not run on this host. Take it off the list."
    return ""


_METHOD_PROBLEMS = {
    "master": _master_problem,
    "systemd": _systemd_problem,
    "docker": _docker_problem,
    "http": _http_problem,
    "signal": _signal_problem,
}


def _proof_problem(params: t.Mapping[str, t.Any]) -> str:
    if params["binds"]:
        return ""
    if params["config"]:
        return _config_problems(params["config"])
    return "Where does HAProxy serve the certificates? Set option config or option binds, or this to false."


def _config_problems(paths: t.Sequence[str]) -> str:
    problems = [
        _missing_config(path) or f"This user may not read {path}. {run_as_root()}"
        for path in paths
        if not os.access(path, os.R_OK)
    ]
    return " ".join(problems)


def _missing_config(path: str) -> str:
    return f"{path} does not exist. Name HAProxy's configuration in option config." if _is_missing(path) else ""


def _is_missing(path: str) -> bool:
    """What lies where this user may not look is not."""
    try:
        os.stat(path)
    except (FileNotFoundError, NotADirectoryError):
        return True
    except OSError:
        return False
    return False
