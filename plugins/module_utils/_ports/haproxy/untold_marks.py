# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a running HAProxy was given with a certificate and does not tell by itself: intermediates, DH parameters.

Of intermediates it tells the names alone, so that one which was issued again goes unseen. It is remembered in HAProxy's
own memory, by the name of an empty, unused CA file (HAProxy 2.5): gone with the process, like what it is about.
"""

from __future__ import annotations

import contextlib
import hashlib

from ..._core.haproxy.parsing import parse_names
from ..._errors import HaproxyError
from .errors import UnsupportedCommand
from .transaction import Transaction

PREFIX = "@not-told/"
_DIGITS = 16
_BEGINNING = len(PREFIX) + _DIGITS + 1
_NOTHING = "nothing"
_AT_ONCE = 25  # commands in one request


class UntoldMarks:
    def __init__(self, transaction: Transaction) -> None:
        self._transaction = transaction
        self._marks: dict[str, list[str]] | None = None  # by what begins those of one name
        self._is_supported = True
        self._changes: list[tuple[str, str]] = []  # commands that are still to be sent

    def find(self, name: str, digest: str | None) -> bool | None:
        """Was the certificate of this name given this? None: nothing is remembered since HAProxy has started. digest:
        None for nothing. True, for want of anything better, where nothing can be remembered."""
        marks = self._of(name)
        return (_mark(name, digest) in marks if marks else None) if self._is_supported else True

    def set(self, name: str, digest: str | None) -> None:
        """Remember it, once this is saved. digest: None for nothing."""
        mark = _mark(name, digest)
        if self._of(name) != [mark]:
            self.forget(name)
            self._changes.append(("new ssl ca-file", mark))
            self._known()[_mark(name, "")] = [mark]

    def forget(self, name: str) -> None:
        """What was given to a certificate that is gone, once this is saved."""
        olds = self._of(name)
        self._changes += [("del ssl ca-file", old) for old in olds]
        self._known().pop(_mark(name, ""), None)

    def save(self) -> None:
        """Where that fails, a later run gives the same once more."""
        changes, self._changes = self._changes, []
        with contextlib.suppress(HaproxyError):
            for start in range(0, len(changes), _AT_ONCE):
                self._transaction.ask_all(*changes[start : start + _AT_ONCE])

    def _of(self, name: str) -> list[str]:
        return self._known().get(_mark(name, ""), [])

    def _known(self) -> dict[str, list[str]]:
        if self._marks is None:
            self._marks = {}
            try:
                answer = self._transaction.ask("show ssl ca-file")
                for mark in parse_names(answer)[1]:
                    if mark.startswith(PREFIX):
                        self._marks.setdefault(mark[:_BEGINNING], []).append(mark)
            except HaproxyError as error:
                self._is_supported = not isinstance(error, UnsupportedCommand)  # before 2.5
        return self._marks


def _mark(name: str, digest: str | None) -> str:
    whose = hashlib.sha256(name.encode("utf-8", "surrogateescape")).hexdigest()[:_DIGITS]
    return f"{PREFIX}{whose}/{_NOTHING if digest is None else digest[:_DIGITS]}"
