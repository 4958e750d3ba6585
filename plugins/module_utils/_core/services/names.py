# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Names of services that go on to a command line or into a request: whatever is no name of one service is refused."""

from __future__ import annotations

import re
import typing as t

from ..._errors import InvalidOption
from ..text import shown

#: systemd.unit(5).
UNIT_SUFFIXES: t.Final = (
    "service", "socket", "device", "mount", "automount", "swap", "target", "path", "timer", "slice", "scope",
)  # fmt: skip
# systemd.unit(5): valid characters, at most 255. A pattern would be several units, a dash in front an option, a
# template without an instance is none.
_UNIT: t.Final = re.compile(r"(?=.{1,255}\Z)[A-Za-z0-9:_.\\@][A-Za-z0-9:_.\\@-]*\Z")
_TEMPLATE: t.Final = re.compile(r"@(?:\.[a-z]+)?\Z|\A[@.]")
_INIT_SCRIPT: t.Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.@+-]{0,254}\Z")
# Docker Engine API, ContainerCreate and ServiceCreate: a name or an id.
_IN_DOCKER: t.Final = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_.-]{0,254}\Z")
_SIGNAL: t.Final = re.compile(r"[A-Z][A-Z0-9]{1,9}(?:[+-][0-9]{1,2})?\Z")
_MAX_SHOWN: t.Final = 60


def unit_name(name: str) -> str:
    """Of one systemd unit; without a suffix it is a service, as systemctl reads it. Raises InvalidOption."""
    if not _UNIT.match(name) or _TEMPLATE.search(name):
        raise InvalidOption(
            f"{_quoted(name)} is no name of a systemd unit: letters, digits and : _ . \\ @ and, inside, -"
        )
    return name if name.rpartition(".")[2] in UNIT_SUFFIXES and "." in name else f"{name}.service"


def init_script_name(name: str) -> str:
    """Of a script in /etc/init.d or rc.d. Raises InvalidOption."""
    if not _INIT_SCRIPT.match(name):
        raise InvalidOption(f"{_quoted(name)} is no name of an init script: letters, digits and _ . @ + -")
    return name


def docker_name(name: str) -> str:
    """Of a container or swarm service, a slash in front removed. Raises InvalidOption."""
    bare = name.removeprefix("/")
    if not _IN_DOCKER.match(bare):
        raise InvalidOption(f"{_quoted(name)} is no name in Docker: a letter or digit, then also _ . and -")
    return bare


def signal_name(name: str) -> str:
    """Without SIG, upper case; numbers are none, for they differ between machines. Raises InvalidOption."""
    bare = name.strip().upper().removeprefix("SIG")
    if not _SIGNAL.match(bare):
        raise InvalidOption(f"{_quoted(name)} is no name of a signal, such as HUP or USR1")
    return bare


def _quoted(name: str) -> str:
    text = shown(name)
    return repr(text if len(text) <= _MAX_SHOWN else f"{text[:_MAX_SHOWN]}...")
