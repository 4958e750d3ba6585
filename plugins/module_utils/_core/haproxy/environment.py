# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

<<<<<<< HEAD
"""The environment of HAProxy's process, as far as it is known: its configuration reads and changes it. Pure."""
=======
"""The environment that HAProxy's configuration is read in. Pure."""
>>>>>>> main

from __future__ import annotations

import re
<<<<<<< HEAD
import typing as t

_VARIABLE = re.compile(r"([A-Za-z_]\w*)=")


class UnknownVariable(Exception):
    """A line needs a variable of HAProxy's environment that is not known here. Its text is the variable's name."""


def unknown_variable(unknown: UnknownVariable) -> str:
    """For messages about what needs it."""
    return f"needs the environment variable {unknown}, which is not known here"


class Environment:
    """known: names and values. whole: there are no others, so that one that is not among these is not set."""

    def __init__(self, known: t.Mapping[str, str], *, whole: bool = False) -> None:
        self._known = dict(known)
        self._unset: set[str] = set()
        self._doubtful: set[str] = set()
        self._whole = whole

    def value(self, name: str) -> str | None:
        """None when it is not set. Raises UnknownVariable when it is not known whether it is."""
        if name in self._known:
            return self._known[name]
        if self._is_unknown(name):
            raise UnknownVariable(name)
        return None

    def change(self, keyword: str, arguments: t.Sequence[str]) -> None:
        """setenv, presetenv, unsetenv and resetenv (configuration manual, 3.1)."""
        if keyword == "unsetenv":
            for name in arguments:
                self._set(name, None)
        elif keyword == "resetenv":
            kept = {name: self._known[name] for name in arguments if name in self._known}
            self._doubtful = {name for name in arguments if self._is_unknown(name)}
            self._known, self._whole = kept, True
        elif len(arguments) == 2 and keyword == "setenv":
            self._set(*arguments)
        elif len(arguments) == 2 and arguments[0] not in self._known and arguments[0] not in self._doubtful:
            self._set(*arguments)  # presetenv: who knows of another value says so

    def doubt(self, keyword: str, arguments: t.Sequence[str]) -> None:
        """A change of which it is not known whether it is made, or to what value."""
        names = arguments if keyword == "unsetenv" else arguments[:1]
        for name in set(self._known) - set(arguments) if keyword == "resetenv" else set(names):
            self._known.pop(name, None)
            self._doubtful.add(name)

    def _is_unknown(self, name: str) -> bool:
        return name in self._doubtful or not (self._whole or name in self._unset or name in self._known)

    def _set(self, name: str, value: str | None) -> None:
        self._doubtful.discard(name)
        self._unset.discard(name)
        self._known.pop(name, None)
        if value is None:
            self._unset.add(name)
        else:
            self._known[name] = value


def parse_environment(answer: str) -> dict[str, str]:
    """`show env`: name -> value. A line that does not begin with a name goes on with the value before it."""
    found: dict[str, str] = {}
    name = ""
    for line in answer.split("\n"):
        match = _VARIABLE.match(line)
        if match:
            name = match[1]
            found[name] = line[match.end() :]
        elif name:
            found[name] += f"\n{line}"
    return found
=======
import shlex
import typing as t

from ..text import lines_of
from .config_words import UnknownVariable, expand_address, split_words

_NAME = re.compile(r"[A-Za-z_]\w*")
#: What HAProxy sets by itself (configuration manual, 2.3), and what service managers tell one process alone.
_OF_THE_PROCESS: t.Final = frozenset(
    [
        "HAPROXY_CFGFILES",
        "HAPROXY_CLI",
        "HAPROXY_HTTPS_LOG_FMT",
        "HAPROXY_HTTP_CLF_LOG_FMT",
        "HAPROXY_HTTP_LOG_FMT",
        "HAPROXY_LOCALPEER",
        "HAPROXY_LOADED_CFGFILES",
        "HAPROXY_BRANCH",
        "HAPROXY_MASTER_CLI",
        "HAPROXY_MWORKER",
        "HAPROXY_MWORKER_REEXEC",
        "HAPROXY_MWORKER_WAIT_ONLY",
        "HAPROXY_PROCESSES",
        "HAPROXY_TCP_CLF_LOG_FMT",
        "HAPROXY_TCP_LOG_FMT",
        "LISTEN_FDNAMES",
        "LISTEN_FDS",
        "LISTEN_PID",
        "NOTIFY_SOCKET",
        "WATCHDOG_PID",
        "WATCHDOG_USEC",
    ]
)
_SETTING: t.Final = frozenset(("setenv", "presetenv"))
_ADDRESSES: t.Final = frozenset(("bind", "server", "default-server", "server-template", "source", "stats", "log"))


def of_process(block: bytes) -> dict[str, str]:
    """/proc/PID/environ (proc(5)), without what HAProxy sets by itself: told to another process, that misleads it."""
    pairs = (entry.decode("utf-8", "surrogateescape").partition("=") for entry in block.split(b"\0"))
    return {name: value for name, equals, value in pairs if equals and name and name not in _OF_THE_PROCESS}


def of_file(text: str) -> dict[str, str]:
    """A file as EnvironmentFile= names it (systemd.exec(5)): quotes, backslashes, comments of whole lines."""
    values: dict[str, str] = {}
    for line in _joined(lines_of(text)):
        name, equals, value = line.partition("=")
        name = name.strip()
        if equals and _NAME.fullmatch(name) and not name.startswith(("#", ";")):
            values[name] = _unquoted(value)
    return values


def of_unit(words: str) -> dict[str, str]:
    """`systemctl show --property=Environment`: NAME=value words, quoted where they have to be."""
    try:
        pairs = [word.partition("=") for word in shlex.split(words)]
    except ValueError:
        return {}
    return {name: value for name, equals, value in pairs if equals}


def unknown_variables(lines: t.Iterable[str], environment: t.Mapping[str, str]) -> list[str]:
    """Names of variables that a configuration uses, and that neither it nor the environment sets; each once."""
    known, unknown = dict(environment), dict[str, None]()
    for line in lines:
        words: t.Sequence[str] = ()
        try:
            words = split_words(line, known)
            if words and words[0] in _ADDRESSES:
                for word in words[1:]:
                    expand_address(word, known)
        except UnknownVariable as missing:
            unknown[str(missing)] = None
        if len(words) > 2 and words[0] in _SETTING:
            known[words[1]] = words[2]
    return [name for name in unknown if name not in _OF_THE_PROCESS]


def _joined(lines: t.Sequence[str]) -> t.Iterator[str]:
    """A backslash at the end of a line takes the next one with it."""
    begun = ""
    for line in lines:
        if not begun and line.lstrip().startswith(("#", ";")):
            continue
        if line.endswith("\\"):
            begun += line[:-1]
            continue
        yield begun + line
        begun = ""
    if begun:
        yield begun


def _unquoted(value: str) -> str:
    text = value.strip()
    try:
        lexer = shlex.shlex(text, posix=True)
        lexer.whitespace, lexer.commenters, lexer.whitespace_split = "", "", True
        return "".join(lexer)
    except ValueError:  # a quote that is not closed
        return text
>>>>>>> main
