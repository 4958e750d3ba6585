# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Certificates in a running HAProxy: what it holds, and changes that take effect whole or not at all.

Commands: management guide, section 9.3 (show/new/set/commit/abort/del ssl cert, show/add/del ssl crt-list).
Names are always those that HAProxy lists. What is changed here lives in memory: a reload reads the disk again.
"""

from __future__ import annotations

import contextlib
import os

from .._errors import HaproxyError
from .content import CertificateContent
from .errors import CertificateInUse, CertificateRefused, CrtListRequired
from .parsing import (
    CrtListEntry,
    StoredCertificate,
    parse_certificate,
    parse_crt_list,
    parse_crt_lists,
    parse_names,
)
from .runtime import RuntimeApi
from .transaction import SUCCESS, Change, Transaction, one_line, transaction_open
from .trust_files import check_certificates_take_effect

_KIND = "ssl cert"


class CertificateMemory:
    """patience: seconds to wait for a lock or for another's transaction to end."""

    def __init__(self, api: RuntimeApi, *, patience: float = 3.0) -> None:
        self._api = api
        self._transaction = Transaction(api, _KIND, patience)
        self._crt_lists: dict[str, list[CrtListEntry]] | None = None

    # Look

    def list_names(self) -> tuple[str | None, list[str]]:
        """The name of the open transaction, if any, and the names of all certificates."""
        return parse_names(self._ask("show ssl cert"))

    def describe(self, name: str) -> StoredCertificate | None:
        """What HAProxy holds under this name; None when it holds nothing."""
        return parse_certificate(self._ask("show ssl cert", name))

    def crt_lists(self) -> dict[str, list[CrtListEntry]]:
        """crt-list file or directory -> its entries. Read once, then kept up to date by the changes made here."""
        if self._crt_lists is None:
            names = parse_crt_lists(self._ask("show ssl crt-list"))
            self._crt_lists = {name: self._entries(name) for name in names}
        return self._crt_lists

    def find_crt_list(self, name: str, crt_list: str | None = None) -> str:
        """The crt-list, as HAProxy calls it, that a new certificate of this name goes to.

        crt_list: file or directory; None: the certificate's own directory. Raises CrtListRequired.
        """
        known = list(self.crt_lists())
        wanted = crt_list or os.path.dirname(name)
        for candidate in known:
            if candidate == wanted or os.path.realpath(candidate) == os.path.realpath(wanted):
                return candidate
        loaded = f"It has {', '.join(known)}." if known else "It has none."
        if crt_list:
            raise CrtListRequired(f"HAProxy has no crt-list '{crt_list}' for the new certificate {name}. {loaded}")
        raise CrtListRequired(
            f"HAProxy does not know the new certificate {name}, and its directory is no certificate directory of"
            f" HAProxy. {loaded} Give one of them as crt_list, or add the certificate to the configuration and"
            " reload."
        )

    def is_listed(self, name: str, crt_list: str) -> bool:
        """Has this crt-list (named as HAProxy does) an entry for the certificate?"""
        return any(entry.name == name for entry in self.crt_lists()[crt_list])

    # Change

    def check_effective(self, version: str) -> None:
        """version: of the HAProxy. Raises ReloadRequired when this process would take an update, and not serve it."""
        check_certificates_take_effect(self._ask, version)

    def update(self, name: str, content: CertificateContent) -> None:
        """Replace the certificate of a known name and see that HAProxy then holds this one.

        Raises PayloadTooLarge, TransactionOpen, CertificateRefused or another HaproxyError; then HAProxy serves what
        it did before, and no transaction of this name stays open.
        """
        self._transaction.apply(Change(name, [content.payload], lambda shown: _is(content, self.describe(shown))))

    def add(self, name: str, content: CertificateContent, crt_list: str) -> None:
        """Load a new certificate and use it in crt_list (named as HAProxy does). On failure nothing of it stays."""
        answer = self._ask("new ssl cert", name)
        created = answer.startswith("New empty certificate store")
        if not created and "already exists" not in answer:
            raise CertificateRefused(f"HAProxy does not take a certificate called {name}: {one_line(answer)}")
        try:
            self.update(name, content)
            self.link(name, crt_list)
        except BaseException:
            if created:
                with contextlib.suppress(HaproxyError):
                    self._ask("del ssl cert", name)
            raise

    def link(self, name: str, crt_list: str) -> None:
        """Use a loaded certificate in crt_list (named as HAProxy does)."""
        answer = self._ask("add ssl crt-list", crt_list, name)
        if SUCCESS not in answer.splitlines() and "already exists in this directory" not in answer:
            raise CertificateRefused(f"HAProxy does not use {name} in {crt_list}: {one_line(answer)}")
        entries = self.crt_lists()[crt_list]
        entries.append(CrtListEntry(name, max((entry.line for entry in entries), default=0) + 1, ""))

    def lists_with(self, name: str) -> list[str]:
        """The crt-lists that have entries for the certificate."""
        return [crt_list for crt_list in self.crt_lists() if self.is_listed(name, crt_list)]

    def remove(self, name: str) -> None:
        """Take the certificate out of every crt-list and out of memory. Raises CertificateInUse, with all as before."""
        removed: list[tuple[str, CrtListEntry]] = []
        try:
            for crt_list in self.lists_with(name):
                # Line numbers of our own bookkeeping are guesses, so read them again.
                entries = [entry for entry in self._entries(crt_list) if entry.name == name]
                for entry in entries:
                    which = name if len(entries) == 1 else f"{name}:{entry.line}"
                    answer = self._ask("del ssl crt-list", crt_list, which)
                    if not answer.startswith("Entry '"):
                        raise CertificateInUse(f"HAProxy keeps {name} in {crt_list}: {one_line(answer)}")
                    removed.append((crt_list, entry))
            answer = self._ask("del ssl cert", name)
            if "ongoing transaction" in answer:
                raise transaction_open(name, name, _KIND)
            if "deleted!" not in answer or "can't be deleted" in answer:
                raise CertificateInUse(
                    f"HAProxy's configuration itself names {name} ('crt' or a default certificate), so it stays in"
                    f" use: {one_line(answer)} Take it out of the configuration and reload."
                )
        except BaseException:
            for crt_list, entry in removed:
                with contextlib.suppress(HaproxyError):
                    self._restore(crt_list, entry)
            raise
        for crt_list, entries in self.crt_lists().items():
            self.crt_lists()[crt_list] = [entry for entry in entries if entry.name != name]

    # One step each

    def _restore(self, crt_list: str, entry: CrtListEntry) -> None:
        if entry.rest:
            self._api.execute("add ssl crt-list", crt_list, payload=f"{entry.name} {entry.rest}")
        else:
            self._ask("add ssl crt-list", crt_list, entry.name)

    def _entries(self, crt_list: str) -> list[CrtListEntry]:
        return parse_crt_list(self._ask("show ssl crt-list -n", crt_list))

    def _ask(self, command: str, *arguments: str) -> str:
        return self._transaction.ask(command, *arguments)


def _is(content: CertificateContent, stored: StoredCertificate | None) -> bool:
    return stored is not None and content.is_leaf_of(stored)
