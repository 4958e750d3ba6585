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
import time

from .._errors import HaproxyError
from .content import CertificateContent
from .errors import CertificateInUse, CertificateRefused, CrtListRequired, PayloadTooLarge, TransactionOpen
from .parsing import (
    CrtListEntry,
    StoredCertificate,
    parse_certificate,
    parse_certificate_list,
    parse_crt_list,
    parse_crt_lists,
)
from .runtime import RuntimeApi

_SUCCESS = "Success!"
_LOCKED = "currently locked"


class CertificateMemory:
    """patience: seconds to wait for a lock or for another's transaction to end."""

    def __init__(self, api: RuntimeApi, *, patience: float = 3.0) -> None:
        self._api = api
        self._patience = min(patience, api.timeout)
        self._crt_lists: dict[str, list[CrtListEntry]] | None = None

    # Look

    def list_names(self) -> tuple[str | None, list[str]]:
        """The name of the open transaction, if any, and the names of all certificates."""
        return parse_certificate_list(self._ask("show ssl cert"))

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

    def update(self, name: str, content: CertificateContent) -> None:
        """Replace the certificate of a known name and see that HAProxy then holds this one.

        Raises PayloadTooLarge, TransactionOpen, CertificateRefused or another HaproxyError; then HAProxy serves what
        it did before, and no transaction of this name stays open.
        """
        deadline = time.monotonic() + self._patience
        pause = 0.02
        while True:
            obstacle = self._try_update(name, content, last_try=time.monotonic() >= deadline)
            if obstacle is None:
                return
            if time.monotonic() >= deadline:
                raise obstacle
            time.sleep(pause)
            pause = min(pause * 2, 0.1)  # others hold the lock for milliseconds

    def add(self, name: str, content: CertificateContent, crt_list: str) -> None:
        """Load a new certificate and use it in crt_list (named as HAProxy does). On failure nothing of it stays."""
        answer = self._ask("new ssl cert", name)
        created = answer.startswith("New empty certificate store")
        if not created and "already exists" not in answer:
            raise CertificateRefused(f"HAProxy does not take a certificate called {name}: {_one_line(answer)}")
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
        if _SUCCESS not in answer.splitlines() and "already exists in this directory" not in answer:
            raise CertificateRefused(f"HAProxy does not use {name} in {crt_list}: {_one_line(answer)}")
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
                        raise CertificateInUse(f"HAProxy keeps {name} in {crt_list}: {_one_line(answer)}")
                    removed.append((crt_list, entry))
            answer = self._ask("del ssl cert", name)
            if "ongoing transaction" in answer:
                raise _transaction_open(name, name)
            if "deleted!" not in answer or "can't be deleted" in answer:
                raise CertificateInUse(
                    f"HAProxy's configuration itself names {name} ('crt' or a default certificate), so it stays in"
                    f" use: {_one_line(answer)} Take it out of the configuration and reload."
                )
        except BaseException:
            for crt_list, entry in removed:
                with contextlib.suppress(HaproxyError):
                    self._restore(crt_list, entry)
            raise
        for crt_list, entries in self.crt_lists().items():
            self.crt_lists()[crt_list] = [entry for entry in entries if entry.name != name]

    # One step each

    def _try_update(self, name: str, content: CertificateContent, last_try: bool) -> HaproxyError | None:
        """One set and commit. Returns the obstacle when waiting may help; raises when it will not."""
        pending = self._open_transaction()
        # A transaction of this very name that stays open was left by a run that was killed: set replaces its content.
        if pending is not None and not (pending == name and last_try):
            return _transaction_open(name, pending)
        try:
            obstacle = self._set(name, content) or self._commit(name, content)
        except BaseException:
            self._abort(name)
            raise
        if obstacle is not None:
            self._abort(name)
        return obstacle

    def _set(self, name: str, content: CertificateContent) -> HaproxyError | None:
        answer = self._api.execute("set ssl cert", name, payload=content.payload, may_be_empty=True)
        if _LOCKED in answer:
            return HaproxyError(
                f"HAProxy's certificates stay locked by another command; {name} was not updated. Try again."
            )
        if (
            f"Transaction updated for certificate {name}!" in answer
            or f"Transaction created for certificate {name}!" in answer
        ):
            # Confirmed by asking: the answer to a payload says nothing about what was kept, and before 3.1 the `set` of
            # another one, whatever its name, may have replaced it since.
            if _is(content, parse_certificate(self._ask("show ssl cert", f"*{name}"))):
                return None
            return HaproxyError(
                f"HAProxy took {name} and then lost it: it was reloaded, or another one uses it. Try again."
            )
        if "Transaction updated for certificate " in answer:
            # Before 3.1 `set` does not look at the name: our content is now in another's transaction.
            other = answer.partition("Transaction updated for certificate ")[2].partition("!\n")[0].rstrip("!")
            self._abort(other)
            return _transaction_open(name, other)
        if "ongoing transaction is about" in answer:
            return _transaction_open(name, _quoted(answer))
        if not answer or "too big" in answer:
            raise PayloadTooLarge(
                f"{name} with its chain and key ({len(content.payload)} bytes) does not fit the buffer of this"
                " HAProxy's Runtime API (tune.bufsize, 16384 bytes unless set). Reload HAProxy to load it from disk,"
                " or raise tune.bufsize."
            )
        raise CertificateRefused(f"HAProxy refused {name}: {_one_line(answer)}")

    def _commit(self, name: str, content: CertificateContent) -> HaproxyError | None:
        answer = self._api.execute("commit ssl cert", name)
        if _SUCCESS in answer.splitlines():
            if _is(content, self.describe(name)):
                return None
            return HaproxyError(
                f"HAProxy does not hold the new certificate as {name} although it said so: it was reloaded, or"
                " another one changes certificates at the same time. Try again."
            )
        if _LOCKED in answer or "No ongoing transaction" in answer:
            return HaproxyError(f"HAProxy did not commit {name}: {_one_line(answer)} Try again.")
        raise CertificateRefused(f"HAProxy refused {name} and still serves what it had: {_one_line(answer)}")

    def _abort(self, name: str) -> None:
        with contextlib.suppress(HaproxyError):
            self._ask("abort ssl cert", name)

    def _restore(self, crt_list: str, entry: CrtListEntry) -> None:
        if entry.rest:
            self._api.execute("add ssl crt-list", crt_list, payload=f"{entry.name} {entry.rest}")
        else:
            self._ask("add ssl crt-list", crt_list, entry.name)

    def _open_transaction(self) -> str | None:
        # The transaction is listed first, so the length of the list costs nothing.
        return parse_certificate_list(self._ask("show ssl cert", max_lines=2))[0]

    def _entries(self, crt_list: str) -> list[CrtListEntry]:
        return parse_crt_list(self._ask("show ssl crt-list -n", crt_list))

    def _ask(self, command: str, *arguments: str, max_lines: int | None = None) -> str:
        """Run a command, again while HAProxy's certificates are locked by another one. Even reading needs the lock."""
        deadline = time.monotonic() + self._patience
        while _LOCKED in (answer := self._api.execute(command, *arguments, max_lines=max_lines)):
            if time.monotonic() >= deadline:
                raise HaproxyError(f"HAProxy's certificates stay locked by another command: {command}. Try again.")
            time.sleep(0.02)
        return answer


def _is(content: CertificateContent, stored: StoredCertificate | None) -> bool:
    return stored is not None and content.is_leaf_of(stored)


def _transaction_open(name: str, other: str) -> TransactionOpen:
    return TransactionOpen(
        f"{name} cannot be changed while another's transaction about {other} is open in HAProxy. Wait for the one"
        f" who opened it; if nobody did, end it with 'abort ssl cert {other}' on this socket.",
        transaction=other,
    )


def _quoted(answer: str) -> str:
    return answer.partition("about '")[2].partition("'")[0]


def _one_line(answer: str) -> str:
    """HAProxy's words in one line: its reasons, without the progress report."""
    lines = [line.strip() for line in answer.splitlines()]
    return "; ".join(line.rstrip("!. ") for line in lines if line) + "."
