# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What HAProxy's process was started with, so that its configuration is read here as it reads it itself.

A reload reads it with the variables, the working directory and the files of the running process, whatever its service
has by now.
"""

from __future__ import annotations

import contextlib
import os
import typing as t

from ..._core.haproxy.environment import of_file, of_process, of_unit
from ..._core.text import lines_of
from ..._errors import ReloadError
from ..host.processes import PROC, find_process
from ..host.programs import run_program
from ..store.atomic import read_regular_file

_NAME: t.Final = "haproxy"
_QUESTION: t.Final = 10.0  # seconds for systemd's answer
#: What the packages' services read where systemd does not run.
_DEFAULT_FILES: t.Final = ("/etc/default/haproxy", "/etc/sysconfig/haproxy")
_DELETED: t.Final = " (deleted)"  # of a program that was upgraded since


class Surroundings(t.NamedTuple):
    """environment: HAProxy's variables; is_known: whether that is all of them; directory: where its relative names
    begin; program, files: what runs, and what it was told to read (option -f), "" and () where that is not known.
    at_start: the variables with which this very process began to read its configuration, None where they are not known;
    a master has what the configuration made of them since.
    """

    environment: t.Mapping[str, str]
    is_known: bool = False
    directory: str = "/"
    program: str = ""
    files: t.Sequence[str] = ()
    at_start: t.Mapping[str, str] | None = None


def look_at_surroundings(
    given: t.Mapping[str, t.Any], pid: int | None, service: str = _NAME, *, proc: str = PROC
) -> Surroundings:
    """given: variables of the option environment, which go before all others; pid: of HAProxy's worker or master, None
    where it is not known; service: its unit, whose settings count where the process may not be looked at."""
    own = {name: str(value) for name, value in given.items()}
    started = None if pid is None else _of_process(pid, proc)
    if started is None:
        return Surroundings({**os.environ, **_of_service(service), **own})
    return started._replace(environment={**started.environment, **own}, at_start={**(started.at_start or {}), **own})


def reads_the_same(files: t.Sequence[str], others: t.Sequence[str]) -> bool:
    """Whether both lists for -f name the same files, in the same order."""
    return list(map(os.path.realpath, files)) == list(map(os.path.realpath, others))


def _of_process(pid: int, proc: str) -> Surroundings | None:
    """None: there is no such HAProxy, or it may not be looked at."""
    found = find_process(pid, proc)
    if found is None or not found.name.startswith(_NAME):
        return None
    above = find_process(found.parent, proc)  # a worker may have changed its root
    place = os.path.join(proc, str(above.pid if above and above.name.startswith(_NAME) else pid))
    try:
        environment = of_process(read_regular_file(os.path.join(place, "environ")))
        at_start = of_process(read_regular_file(os.path.join(proc, str(pid), "environ")))
        known = Surroundings(environment, is_known=True, at_start=at_start)
        if not os.path.samestat(os.stat(os.path.join(place, "root")), os.stat("/")):
            return known  # in a container: its paths are not those of this host
        directory = os.readlink(os.path.join(place, "cwd"))
        program = os.readlink(os.path.join(place, "exe")).removesuffix(_DELETED)
        words = read_regular_file(os.path.join(place, "cmdline")).decode("utf-8", "surrogateescape").split("\0")
    except OSError:
        return None
    directory, files = _told(words[1:], directory)
    return known._replace(directory=directory, program=program, files=files)


def _told(words: t.Sequence[str], directory: str) -> tuple[str, list[str]]:
    """Working directory and files, by the options -C and -f, and what follows -- (management guide, 3)."""
    files: list[str] = []
    options, _dashes, rest = "\0".join(words).partition("\0--\0")
    parts = options.split("\0")
    for option, value in zip(parts, parts[1:]):
        if option == "-f":
            files.append(value)
        elif option == "-C":
            directory = os.path.join(directory, value)
    files += filter(None, rest.split("\0"))
    return directory, [os.path.join(directory, file) for file in files]


def _of_service(unit: str) -> dict[str, str]:
    """Of its unit, or of the files that the usual services read. {} where nothing tells."""
    text = ""
    if os.path.isdir("/run/systemd/system"):
        command = ["systemctl", "show", "--property=Environment,EnvironmentFiles", "--", unit]
        with contextlib.suppress(ReloadError):
            text = run_program(command, _QUESTION).output
    pairs = [line.partition("=")[::2] for line in lines_of(text)]
    # Each with " (ignore_errors=yes)" or the like behind it.
    named = [value.rpartition(" (")[0] for name, value in pairs if name == "EnvironmentFiles"]
    values: dict[str, str] = {}
    for name, value in pairs:
        if name == "Environment":
            values.update(of_unit(value))
    for path in named if text else _DEFAULT_FILES:
        with contextlib.suppress(OSError):
            values.update(of_file(read_regular_file(path).decode("utf-8", "surrogateescape")))
    return values
