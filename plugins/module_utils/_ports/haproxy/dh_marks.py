# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which DH parameters a running HAProxy was given with a certificate, which it does not tell by itself.

It is remembered in HAProxy's own memory, by the name of an empty, unused CA file (HAProxy 2.5): gone with the process,
like the parameters.
"""

from __future__ import annotations

import contextlib
import hashlib
import typing as t

from ..._core.haproxy.parsing import parse_names
from ..._errors import HaproxyError

PREFIX = "@dh-parameters/"
_DIGITS = 16


class DhMarks:
    """ask: runs a command with its arguments."""

    def __init__(self, ask: t.Callable[..., str]) -> None:
        self._ask = ask
        self._marks: list[str] | None = None

    def find(self, name: str, digest: str) -> bool | None:
        """Was the certificate of this name given these? None: it was given none since HAProxy has started."""
        marks = self._of(name)
        return _mark(name, digest) in marks if marks else None

    def set(self, name: str, digest: str) -> None:
        """Remember it. Where that fails, a later run gives the same parameters once more."""
        mark = _mark(name, digest)
        with contextlib.suppress(HaproxyError):
            for old in self._of(name):
                self._ask("del ssl ca-file", old)
            self._ask("new ssl ca-file", mark)
            self._marks = [*(one for one in self._marks or () if one not in self._of(name)), mark]

    def _of(self, name: str) -> list[str]:
        if self._marks is None:
            try:
                self._marks = [one for one in parse_names(self._ask("show ssl ca-file"))[1] if one.startswith(PREFIX)]
            except HaproxyError:  # before 2.5
                self._marks = []
        return [one for one in self._marks if one.startswith(_mark(name, ""))]


def _mark(name: str, digest: str) -> str:
    whose = hashlib.sha256(name.encode("utf-8", "surrogateescape")).hexdigest()[:_DIGITS]
    return f"{PREFIX}{whose}/{digest[:_DIGITS]}"
