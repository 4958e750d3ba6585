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
import os
import typing as t
from dataclasses import replace

from ..._core.haproxy.content import CertificateContent
from ..._core.haproxy.crt_list_line import PLAIN, UNUSABLE, CrtListLine, read_line
from ..._core.haproxy.lost_places import find_mark, is_mended, may_be_lost
from ..._core.haproxy.parsing import (
    CrtListEntry,
    HeldResponse,
    StoredCertificate,
    parse_certificate,
    parse_crt_list,
    parse_crt_lists,
    parse_held_response,
    parse_names,
)
from ..._core.haproxy.refusals import reason
from ..._core.haproxy.stapling import Staple
from ..._core.text import lines_of
from ..._errors import HaproxyError, InvalidOption
from .errors import CertificateInUse, CertificateRefused, CrtListRequired, ReloadRequired
from .runtime import RuntimeApi
from .transaction import CERTIFICATES, SMALL, SUCCESS, Change, Condition, Transaction, transaction_open
from .untold_marks import UntoldMarks

_SHOWN = 20  # crt-lists in a message
_TRUST = ("show ssl ca-file",)
_AT_ONCE = 50  # certificates that are asked for in one go


class CertificateMemory:
    """patience: seconds to wait for a lock or for another's transaction to end."""

    def __init__(self, api: RuntimeApi, *, patience: float = 3.0) -> None:
        self._api = api
        self._transaction = Transaction(api, CERTIFICATES, patience)
        self._crt_lists: dict[str, list[CrtListEntry]] | None = None
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

    def crt_lists(self) -> dict[str, list[CrtListEntry]]:
        """crt-list file or directory -> its entries. Read once, then kept up to date by the changes made here."""
        if self._crt_lists is None:
            names = parse_crt_lists(self._ask("show ssl crt-list"))
            self._crt_lists = {name: self._entries(name) for name in names}
        return self._crt_lists

    def find_crt_lists(self, name: str, crt_list: str | None = None) -> list[str]:
        """The crt-lists, as HAProxy calls them, that a certificate of this name goes to: it may have one by two paths.

        crt_list: file or directory, which comes first; all that are the certificate's own directory follow. Raises
        CrtListRequired when crt_list is not known to HAProxy, or nothing is found.
        """
        known = list(self.crt_lists())
        wanted = _same_path(crt_list, known) if crt_list else []
        if wanted or not crt_list:
            # Those by the directory's own path first, as the certificate's name begins with it.
            directory = os.path.dirname(name)
            found = [*wanted, *sorted(_same_path(directory, known), key=lambda one: one != directory)]
            if found:
                return list(dict.fromkeys(found))
        shown = ", ".join(known[:_SHOWN]) + (f" and {len(known) - _SHOWN} more" if len(known) > _SHOWN else "")
        loaded = f"It has {shown}." if known else "It has none."
        if crt_list:
            raise CrtListRequired(f"HAProxy has no crt-list '{crt_list}' for the certificate {name}. {loaded}")
        raise CrtListRequired(
            f"HAProxy does not know the new certificate {name}, and its directory is no certificate directory of"
            f" HAProxy. {loaded} Give one of them as crt_list, or add the certificate to the configuration and"
            " reload."
        )

    def named_lists(self, crt_list: str, name: str) -> list[str]:
        """Those that are this file or directory, as HAProxy calls them. name: of the certificate, for the message.

        Raises CrtListRequired when there is none.
        """
        found = _same_path(crt_list, self.crt_lists())
        return found or self.find_crt_lists(name, crt_list)

    def is_listed(self, name: str, crt_list: str) -> bool:
        """Has this crt-list (named as HAProxy does) an entry for the certificate?"""
        return any(entry.name == name for entry in self.crt_lists()[crt_list])

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
        self._replace(name, content, self._conditions_of(name), staple)

    def staple(self, name: str, content: CertificateContent, staple: Staple) -> None:
        """Serve this with the certificate that HAProxy holds already. Raises as update does."""
        self._replace(name, content, self._conditions_of(name), staple, is_held_already=True)

    def held_response(self, name: str) -> HeldResponse | None:
        """What HAProxy staples with a certificate; None also where it does not tell (before 2.5)."""
        return parse_held_response(self._ask(f"show {CERTIFICATES}", f"{name}.ocsp"))

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
            self._replace(name, content, staple=staple)
            self.link(name, crt_list, line)
        except BaseException:
            if created:
                with contextlib.suppress(HaproxyError):
                    self._ask("del ssl cert", name)
            raise

    def link(self, name: str, crt_list: str, line: CrtListLine = PLAIN) -> None:
        """Use a loaded certificate in crt_list (named as HAProxy does), by one more line there."""
        if line == PLAIN:
            answer = self._ask("add ssl crt-list", crt_list, name)
        else:
            answer = self._transaction.ask("add ssl crt-list", crt_list, payload=_written(name, line))
        if SUCCESS not in lines_of(answer) and "already exists in this directory" not in answer:
            which = f"the line '{line.text}'" if line != PLAIN else "it"
            raise CertificateRefused(f"HAProxy does not use {name} in {crt_list} by {which}: {reason(answer)}")
        entries = self.crt_lists()[crt_list]
        entries.append(CrtListEntry(name, max((entry.line for entry in entries), default=0) + 1, line.text))

    def all_entries(self, crt_list: str) -> list[CrtListEntry]:
        """The lines of a crt-list (named as HAProxy does), asked for anew: by their numbers they are removed."""
        entries = self.crt_lists()[crt_list] = self._entries(crt_list)
        return list(entries)

    def entries_of(self, names: t.Collection[str], crt_list: str) -> list[CrtListEntry]:
        """Those of these certificates, as all_entries."""
        return [entry for entry in self.all_entries(crt_list) if entry.name in names]

    def lists_with(self, name: str) -> list[str]:
        """The crt-lists that have entries for the certificate."""
        return [crt_list for crt_list in self.crt_lists() if self.is_listed(name, crt_list)]

    def unlink(self, name: str, crt_list: str) -> list[CrtListEntry]:
        """Take the certificate out of this crt-list; its entries, for relink.

        Raises CertificateInUse, ReloadRequired.
        """
        _check_removable(name)
        return self._unlink(crt_list, self.entries_of([name], crt_list))

    def unlink_line(self, name: str, crt_list: str, line: CrtListLine, number: int | None = None) -> None:
        """Take one line of the certificate out: one that says this, that with this number where there are several.

        Raises CertificateInUse, ReloadRequired.
        """
        _check_removable(name)
        found = [entry for entry in self.entries_of([name], crt_list) if read_line(entry.rest) == line]
        numbered = [entry for entry in found if entry.line == number]
        if found:
            self._unlink(crt_list, (numbered or found)[-1:])

    def _unlink(self, crt_list: str, entries: t.Sequence[CrtListEntry]) -> list[CrtListEntry]:
        """entries: as asked for just now. All of them or none."""
        removed: list[CrtListEntry] = []
        try:
            for entry in entries:
                which = f"{entry.name}:{entry.line}" if entry.line else entry.name  # those of a directory have none
                answer = self._ask("del ssl crt-list", crt_list, which)
                if not answer.startswith("Entry '"):
                    raise CertificateInUse(f"HAProxy keeps {entry.name} in {crt_list}: {reason(answer)}")
                removed.append(entry)
        except BaseException:
            self.relink(crt_list, removed)
            raise
        self.crt_lists()[crt_list] = [entry for entry in self.crt_lists()[crt_list] if entry not in removed]
        return removed

    def relink(self, crt_list: str, entries: t.Iterable[CrtListEntry]) -> None:
        """Undo of unlink, as well as it can be done."""
        for entry in entries:
            with contextlib.suppress(HaproxyError, InvalidOption):
                self._restore(crt_list, entry)
                self.crt_lists()[crt_list].append(entry)

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
    ) -> None:
        def is_held(_shown: str, answer: str) -> bool:
            stored = parse_certificate(answer)
            return stored is not None and content.is_leaf_of(stored)

        self._ahead.pop(name, None)
        payloads = [] if is_held_already else [content.payload]
        self._transaction.apply(Change(name, payloads, is_held, conditions, staple.parts if staple else ()))
        if content.untold is not None and not is_held_already:
            self.untold_marks.set(name, content.untold)
        if staple is not None:
            held = self.held_response(name)
            if held is not None and held.signature != staple.signature:
                raise HaproxyError(f"HAProxy does not staple the OCSP response that it was given with {name}.")

    def _restore(self, crt_list: str, entry: CrtListEntry) -> None:
        line = read_line(entry.rest)
        if line != PLAIN:
            self._api.execute("add ssl crt-list", crt_list, payload=_written(entry.name, line))
        else:
            self._ask("add ssl crt-list", crt_list, entry.name)

    def _entries(self, crt_list: str) -> list[CrtListEntry]:
        return parse_crt_list(self._ask("show ssl crt-list -n", crt_list))

    def _ask(self, command: str, *arguments: str) -> str:
        return self._transaction.ask(command, *arguments)


def _parsed(answer: str, name: str) -> StoredCertificate | None:
    stored = parse_certificate(answer)
    return replace(stored, name=name) if stored is not None else None  # HAProxy's answer has no say in it


def _check_removable(name: str) -> None:
    if ":" in name:
        raise ReloadRequired(
            f"{name} has a colon in its name, behind which HAProxy's command 'del ssl crt-list' expects the number"
            " of a line, so it cannot be taken out at run time: reload HAProxy."
        )


def _written(name: str, line: CrtListLine) -> str:
    """A line of a crt-list. Raises InvalidOption for a name that none can hold."""
    if UNUSABLE.search(name):
        raise InvalidOption(
            f"A line of a crt-list cannot hold the name {name!r}: use one without white space, control characters and"
            " '['."
        )
    return f"{name} {line.text}"


def _in_use(name: str, why: str) -> CertificateInUse:
    return CertificateInUse(
        f"HAProxy's configuration itself names {name} ('crt' or a default certificate), so it stays in use: {why} Take"
        " it out of the configuration and reload."
    )


def _same_path(path: str, known: t.Iterable[str]) -> list[str]:
    """Those that are this path, or lead to the same place on this host."""
    place = os.path.realpath(path)
    return [one for one in known if one == path or os.path.realpath(one) == place]
