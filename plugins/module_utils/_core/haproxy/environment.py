# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The environment that HAProxy's configuration is read in. Pure."""

from __future__ import annotations

import re
import shlex
import typing as t

from ..text import lines_of
from .config_words import expand_address, split_words
from .variables import Environment, UnknownVariable

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
    known, unknown = Environment(environment), dict[str, None]()
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
            known.change("setenv", words[1:3])
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
