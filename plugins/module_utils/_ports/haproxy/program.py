# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The program that runs as HAProxy, asked for what its configuration's conditions depend on (management guide, -cc)."""

from __future__ import annotations

import os
import stat
import typing as t

from ..._core.haproxy.conditions import KnownHaproxy
from ..._errors import ReloadError
from ..host.programs import run_program

_SECONDS = 5.0
_ANSWERS: t.Mapping[int, bool] = {0: True, 1: False}


class RunningProgram:
    """pid: of a HAProxy, as it tells it itself; in a container that may be another one's here."""

    def __init__(self, pid: int) -> None:
        self._path = f"/proc/{pid}/exe"
        self._answers: dict[str, bool | None] = {}

    def holds(self, predicate: str) -> bool | None:
        """Of a predicate such as "feature(QUIC)"; None when the program cannot be asked, or does not know it."""
        if predicate not in self._answers:
            self._answers[predicate] = self._ask(predicate) if self._is_trusted() else None
        return self._answers[predicate]

    def _ask(self, predicate: str) -> bool | None:
        try:
            return _ANSWERS.get(run_program([self._path, "-cc", predicate], _SECONDS).returncode)
        except ReloadError:
            return None

    def _is_trusted(self) -> bool:
        """A program that nobody but root, or who asks here, can have put there, and that is called as HAProxy is."""
        try:
            status, target = os.stat(self._path), os.readlink(self._path)
        except OSError:
            return False
        is_named = os.path.basename(target).startswith("haproxy")
        writable = status.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
        return is_named and status.st_uid in (0, os.geteuid()) and not writable


def known_haproxy(version: str | None, pid: int | None) -> KnownHaproxy:
    """version, pid: as HAProxy tells them, None where it does not."""
    return KnownHaproxy(version or None, None if pid is None else RunningProgram(pid).holds)
