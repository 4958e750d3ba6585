# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Certificates in a running HAProxy: what it holds, and changes that take effect whole or not at all.

Commands: management guide, section 9.3 (show/new/set/commit/abort/del ssl cert, show/add/del ssl crt-list).
Names are always those that HAProxy lists. What is changed here lives in memory: a reload reads the disk again.
"""

from __future__ import annotations

import contextlib
import itertools
import typing as t
from dataclasses import replace

from ..._core.haproxy.content import CertificateContent
from ..._core.haproxy.crt_list_line import PLAIN, CrtListLine
from ..._core.haproxy.lost_places import find_mark, is_mended, may_be_lost
from ..._core.haproxy.parsing import (
    CrtListEntry,
    HeldResponse,
    StoredCertificate,
    parse_certificate,
    parse_held_response,
    parse_names,
)
from ..._core.haproxy.refusals import reason
from ..._core.haproxy.stapling import Staple
from ..._errors import HaproxyError, InvalidOption
from .crt_lists import CrtListMemory
from .errors import CertificateInUse, CertificateRefused, ReloadRequired, UnsupportedCommand
from .runtime import RuntimeApi
from .transaction import CERTIFICATES, SMALL, Change, Condition, Transaction, transaction_open
from .untold_marks import UntoldMarks

_TRUST = ("show ssl ca-file",)
_AT_ONCE = 50  # certificates that are asked for in one go


class CertificateMemory(CrtListMemory):
    """patience: seconds to wait for a lock or for another's transaction to end."""

    def __init__(self, api: RuntimeApi, *, patience: float = 3.0) -> None:
        super().__init__(Transaction(api, CERTIFICATES, patience))
        self._trust: str | None = None
        self.untold_marks = UntoldMarks(self._transaction)
        self._expected: dict[str, None] = {}  # in their order
        self._ahead: dict[str, StoredCertificate] = {}

    # Look

    def list_names(self) -> tuple[str | None, list[str]]:
        """The name of the open transaction, if any, and the names of all certificates."""
        transaction, names = parse_names(self._ask("show ssl cert"))
        self._transaction.know([*names, *([transaction] if transaction is not None else [])])
        return transaction, names

    def expect(self, names: t.Iterable[str]) -> None:
        """Names that will be described once each, about in this order: several of them are then read in one go."""
        self._expected = dict.fromkeys(names)

    def describe(self, name: str) -> StoredCertificate | None:
        """What HAProxy holds under this name; None when it holds nothing."""
        if name in self._expected:
            self._read_expected(name)
        return self._ahead.pop(name, None) or _parsed(self._ask(*self._transaction.show(name)), name)

    def read_ahead(self, name: str) -> StoredCertificate | None:
        """What describe will say, where that has been read already."""
        return self._ahead.get(name)

    def dump(self, name: str) -> str:
        """The PEM that HAProxy holds, with the key (3.1 and newer, else UnsupportedCommand)."""
        return self._ask("dump ssl cert", name)

    # Change

    def check_effective(self, version: str, stored: t.Iterable[StoredCertificate]) -> None:
        """version: of the HAProxy; stored: what is to be updated or, where no crt-list has it, removed.

        Raises ReloadRequired when this process would take the change, and go on serving what it has (see lost_places).
        It is asked for once; from then on each update asks again, together with what it asks anyway.
        """
        if is_mended(version):
            return
        if self._trust is None:
            self._trust = self._ask(*_TRUST)
        for one in stored:
            self._check_places(one.name, one.status, self._trust)

    def update(self, name: str, content: CertificateContent, staple: Staple | None = None) -> None:
        """Replace the certificate of a known name and see that HAProxy then holds this one.

        staple: is served with it; without one none is. Raises PayloadTooLarge, TransactionOpen, CertificateRefused or
        another HaproxyError; then HAProxy serves what it did before, and no transaction of this name stays open.
        """
        self._check_staple(name, self._replace(name, content, self._conditions_of(name), staple))

    def staple(self, name: str, content: CertificateContent, staple: Staple) -> None:
        """Serve this with the certificate that HAProxy holds already. Raises as update does."""
        self._check_staple(name, self._replace(name, content, self._conditions_of(name), staple, is_held_already=True))

    def held_response(self, name: str) -> HeldResponse | None:
        """What HAProxy staples with a certificate. Raises UnsupportedCommand where it does not tell (before 2.5)."""
        answer = self._ask(f"show {CERTIFICATES}", f"{name}.ocsp")
        if "Can't display" in answer:
            raise UnsupportedCommand("This HAProxy does not tell which OCSP responses it has.")
        return parse_held_response(answer)

    def add(
        self,
        name: str,
        content: CertificateContent,
        crt_list: str,
        line: CrtListLine = PLAIN,
        staple: Staple | None = None,
    ) -> None:
        """Load a new certificate and use it in crt_list (named as HAProxy does). On failure nothing of it stays."""
        answer = self._ask("new ssl cert", name)
        created = answer.startswith("New empty certificate store")
        if not created and "already exists" not in answer:
            raise CertificateRefused(f"HAProxy does not take a certificate called {name}: {reason(answer)}")
        try:
            staple = self._replace(name, content, staple=staple)
            self.link(name, crt_list, line)
            self._check_staple(name, staple)
        except BaseException:
            if created:
                with contextlib.suppress(HaproxyError):
                    self._ask("del ssl cert", name)
            raise

    def remove(self, *names: str) -> None:
        """Take these names out of every crt-list and out of memory, all or none.

        Raises CertificateInUse or another HaproxyError, with all as before.
        """
        removed: list[tuple[str, list[CrtListEntry]]] = []
        try:
            for name in names:
                removed += [(crt_list, self.unlink(name, crt_list)) for crt_list in self.lists_with(name)]
            self._transaction.end(names)
            for name in names:
                # Once one is deleted, there is no way back: its key is not known here.
                stored = self.describe(name) if len(names) > 1 else None
                if stored is not None and stored.status == "Used":
                    raise _in_use(name, "in use")
            for name in names:
                answer = self._ask("del ssl cert", name)
                if "ongoing transaction" in answer:
                    raise transaction_open(name, name, CERTIFICATES)
                if "deleted!" not in answer or "can't be deleted" in answer:
                    raise _in_use(name, reason(answer))
                self.untold_marks.forget(name)
        except BaseException:
            for crt_list, entries in reversed(removed):
                self.relink(crt_list, entries)
            raise

    # One step each

    def _check_places(self, name: str, status: str | None, trust: str) -> None:
        """status: as HAProxy shows it, None to ask for it where it counts. trust: the list of CA files."""
        mark = find_mark(parse_names(trust)[1])
        if mark is None:
            return
        if status is None:
            stored = _parsed(self._ask(*self._transaction.show(name)), name)
            status = stored.status if stored else ""
        if may_be_lost(mark, status):
            raise ReloadRequired(
                f"This HAProxy may go on serving what it has of {name}, since CA or CRL files that are used with it"
                " have changed at run time (https://github.com/haproxy/haproxy/issues/3165). So reload it, or update"
                " it."
            )

    def _read_expected(self, name: str) -> None:
        """This one and some of those that follow. What is not told clearly will be asked for by itself."""
        names, size = [], 0
        for one in itertools.islice((name, *(other for other in self._expected if other != name)), _AT_ONCE):
            size += 2 * len(one.encode("utf-8", "surrogateescape")) + len("show ssl cert ;")  # all of it escaped
            if size > SMALL:
                break
            names.append(one)
        for one in names:
            del self._expected[one]
        if len(names) > 1:
            answers: list[str] = []
            with contextlib.suppress(InvalidOption):  # one of the names is none, which is the matter of that one
                answers = self._transaction.ask_all(*map(self._transaction.show, names))
            for one, stored in zip(names, map(parse_certificate, answers)):
                if stored is not None and stored.name == one:
                    self._ahead[one] = stored

    def _conditions_of(self, name: str) -> list[Condition]:
        condition = Condition(_TRUST, lambda answer: self._check_places(name, None, answer))
        return [] if self._trust is None else [condition]

    def _replace(
        self,
        name: str,
        content: CertificateContent,
        conditions: t.Sequence[Condition] = (),
        staple: Staple | None = None,
        *,
        is_held_already: bool = False,
    ) -> Staple | None:
        """The OCSP response that went along: one that was only found may not stop the certificate."""

        def is_held(_shown: str, answer: str) -> bool:
            stored = parse_certificate(answer)
            return stored is not None and content.is_leaf_of(stored)

        self._ahead.pop(name, None)
        change = Change(name, [] if is_held_already else [content.payload], is_held, conditions)
        try:
            self._transaction.apply(change._replace(parts=staple.parts if staple is not None else ()))
        except CertificateRefused:
            if staple is None or staple.is_given or is_held_already:
                raise
            self._transaction.apply(change)
            staple = None
        if not is_held_already:
            self.untold_marks.set(name, content.untold)
        return staple

    def _check_staple(self, name: str, staple: Staple | None) -> None:
        """Raises HaproxyError when a response that had to be served is not."""
        if staple is None or not staple.is_given:
            return
        with contextlib.suppress(UnsupportedCommand):
            held = self.held_response(name)
            if held is None or held.signature != staple.signature:
                stored = self.describe(name)
                if stored is None or stored.status != "Unused":  # of those HAProxy reads it when they are used
                    raise HaproxyError(f"HAProxy does not staple the OCSP response that it was given with {name}.")


def _parsed(answer: str, name: str) -> StoredCertificate | None:
    stored = parse_certificate(answer)
    return replace(stored, name=name) if stored is not None else None  # HAProxy's answer has no say in it


def _in_use(name: str, why: str) -> CertificateInUse:
    return CertificateInUse(
        f"HAProxy's configuration itself names {name} ('crt' or a default certificate), so it stays in use: {why} Take"
        " it out of the configuration and reload."
    )
