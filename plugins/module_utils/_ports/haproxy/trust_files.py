# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""CA files and CRL files in a running HAProxy: whom it trusts, changed whole or not at all.

Commands: management guide, section 9.3 (show/set/add/commit/abort ssl ca-file and crl-file; HAProxy 2.5, add: 2.7).
"""

from __future__ import annotations

import contextlib
import os
import re
import typing as t

from ..._core.haproxy.lost_places import (
    Mark,
    after_change,
    before_change,
    find_mark,
    has_changed_since,
    is_mark,
    is_mended,
)
from ..._core.haproxy.parsing import (
    StoredCertificate,
    parse_authorities,
    parse_crls,
    parse_is_used,
    parse_names,
)
from ..._core.haproxy.refusals import reason
from ..._core.haproxy.trust_content import StoredTrust, TrustContent
from ..._errors import HaproxyError, InvalidOption
from .certificates import CertificateMemory
from .errors import (
    CertificateRefused,
    NotReferenced,
    PayloadTooLarge,
    ReloadRequired,
    TransactionOpen,
    TrustFileInUse,
    UnsupportedCommand,
)
from .runtime import RuntimeApi
from .timestamps import crash_foreseen, find_timestamps
from .transaction import Change, Transaction
from .untold_marks import PREFIX as UNTOLD_MARK

OPTIONS = {"ca": "ca-file", "crl": "crl-file"}
SYSTEM = "@system-ca"  # the host's own authorities, which HAProxy loads for itself, too
_SHOWN = 20  # names in a message


class TrustFiles:
    """version: of the HAProxy; patience: seconds to wait for a lock or for another's transaction to end."""

    def __init__(self, api: RuntimeApi, version: str, *, patience: float = 3.0) -> None:
        self._api = api
        self._version = version
        self._patience = patience
        self._transactions = {kind: Transaction(api, f"ssl {option}", patience) for kind, option in OPTIONS.items()}
        self.pending: dict[str, str | None] = {}
        self._names: dict[str, list[str]] = {}
        self._mark: Mark | None = None
        for kind, option in OPTIONS.items():
            text = self._transactions[kind].ask(f"show ssl {option}")
            self.pending[kind], names = parse_names(text)
            self._transactions[kind].know(names)
            self._mark = self._mark or find_mark(names)
            self._names[kind] = [name for name in names if not is_mark(name) and not name.startswith(UNTOLD_MARK)]

    # Look

    def find_names(self, kind: str, name: str) -> list[str]:
        """HAProxy's own names of a file, the one asked for first: a path may be written in several ways, and links may
        lead to it. Empty when HAProxy has no such file. Raises NotReferenced when it has one of another kind.
        """
        names = self._names[kind]
        place = os.path.realpath(name) if name.startswith("/") else None
        found = [known for known in names if known == name or (known[0] == "/" and os.path.realpath(known) == place)]
        for other, its_names in self._names.items():
            if not found and other != kind and name in its_names:
                raise NotReferenced(
                    f"{name} is a {OPTIONS[other]} of HAProxy, not a {OPTIONS[kind]}. Set its kind to {other}."
                )
        return sorted(found, key=lambda known: known != name)

    def known_names(self, kind: str, name: str) -> list[str]:
        """As find_names, at least one. Raises NotReferenced."""
        found = self.find_names(kind, name)
        if found:
            return found
        option, names = OPTIONS[kind], self._names[kind]
        shown = ", ".join(names[:_SHOWN]) + (f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else "")
        there = f"It has {shown}." if names else "It has none."
        raise NotReferenced(
            f"HAProxy's configuration has no {option} '{name}'. {there} Give the path as the configuration writes it,"
            " or add it there and reload. For a new file that entries of crt-lists will use, set its state to present."
        )

    def describe(self, kind: str, name: str) -> list[StoredTrust]:
        """What HAProxy holds under a known name."""
        return self._members(kind, name, self._show(kind, name))

    def _show(self, kind: str, name: str) -> str:
        transaction = self._transactions[kind]
        return transaction.ask(*transaction.show(name))

    def _members(self, kind: str, name: str, answer: str) -> list[StoredTrust]:
        """name: as it was asked for; *name: in the open transaction."""
        if kind == "crl":
            return list(parse_crls(answer))
        ask = self._transactions[kind].ask
        members = parse_authorities(answer)
        # HAProxy 2.6 stops at the first one with a key of Ed25519 or Ed448; asked for one by one, it shows all.
        while members and members[-1].fingerprint_sha1 is None:
            following = parse_authorities(ask("show ssl ca-file", f"{name}:{len(members) + 1}"))
            if not following:
                break
            members += following
        return list(members)

    def check_safe(self, kind: str, name: str) -> None:
        """Raises ReloadRequired when this HAProxy could crash from a change of this known file."""
        if parse_is_used(self._show(kind, name)):
            self._check_used(name)

    def _check_used(self, name: str) -> list[StoredCertificate]:
        """Of a file that is used: no certificate has been loaded with another. All of them, if this is not mended."""
        memory = CertificateMemory(self._api, patience=self._patience)
        _transaction, names = memory.list_names()
        file = find_timestamps(names)
        if file is not None:
            raise crash_foreseen(name, file)
        if is_mended(self._version):
            return []
        found = self._certificates(memory, names)
        self._check_unchanged(found)
        return found

    def check_fits(self, kind: str, name: str, content: TrustContent) -> None:
        """Raises PayloadTooLarge for content that this HAProxy is known to have no room for."""
        transaction, payloads = self._transactions[kind], content.payloads
        try:
            transaction.check_fits(name, ["\n".join(payloads)])
        except PayloadTooLarge:
            if kind == "crl" or not self._can_append:
                raise
            transaction.check_fits(name, payloads)

    @property
    def _can_append(self) -> bool:
        return [int(number) for number in re.findall(r"\d+", self._version)[:2]] >= [2, 7]

    def check_removable(self, kind: str, names: t.Iterable[str]) -> None:
        """Raises TrustFileInUse for known names that have to stay."""
        for name in names:
            if name == SYSTEM:
                raise TrustFileInUse(f"{SYSTEM} is HAProxy's own, so it stays.")
            if parse_is_used(self._show(kind, name)):
                raise _in_use(kind, name)

    # Change

    def update(self, kind: str, name: str, content: TrustContent) -> None:
        """Make HAProxy hold this content under a known name.

        Raises ReloadRequired, PayloadTooLarge, TransactionOpen, CertificateRefused or another HaproxyError; then
        HAProxy uses what it did before, and no transaction of this name stays open.
        """
        is_used = parse_is_used(self._show(kind, name))
        before = self._check_used(name) if is_used else []
        if is_mended(self._version) or not is_used:
            self._apply(kind, name, content)
            return
        previous = self._mark
        self._remember(before_change(before))  # before the change, so that it is there even when this run is killed
        try:
            self._apply(kind, name, content)
        except (PayloadTooLarge, TransactionOpen):
            self._remember(previous)
            raise
        rebuilt = self._transactions[kind].rebuilt
        memory = CertificateMemory(self._api, patience=self._patience)
        after = self._certificates(memory, memory.list_names()[1])
        self._remember(after_change(f"{kind} {name}", rebuilt, before, after, previous))

    def add(self, kind: str, name: str, content: TrustContent) -> None:
        """Make a new file of this name, for entries of crt-lists to use. On failure nothing of it stays.

        Raises as update.
        """
        option = OPTIONS[kind]
        answer = self._transactions[kind].ask(f"new ssl {option}", name)
        if not answer.startswith("New C"):
            raise CertificateRefused(f"HAProxy does not take a {option} called {name}: {reason(answer)}")
        self._names[kind].append(name)
        try:
            self._apply(kind, name, content)
        except BaseException:
            with contextlib.suppress(HaproxyError):
                self._delete(kind, name)
            raise

    def remove(self, kind: str, name: str) -> None:
        """Take a known file that nothing uses out of memory. Raises TrustFileInUse or another HaproxyError."""
        self._transactions[kind].end([name])  # HAProxy would delete it all the same, and crash when it is committed
        self._delete(kind, name)

    # One step each

    def _delete(self, kind: str, name: str) -> None:
        answer = self._transactions[kind].ask(f"del ssl {OPTIONS[kind]}", name)
        if "in use" in answer:
            raise _in_use(kind, name)
        if "deleted!" not in answer and "doesn't exist" not in answer:
            raise CertificateRefused(f"HAProxy keeps {name}: {reason(answer)}")
        self._names[kind].remove(name)

    def _apply(self, kind: str, name: str, content: TrustContent) -> None:
        def is_held(shown: str, answer: str) -> bool:
            return content.is_held(self._members(kind, shown, answer))

        apply, payloads = self._transactions[kind].apply, content.payloads
        try:
            apply(Change(name, ["\n".join(payloads)], is_held))
        except PayloadTooLarge:
            if kind == "crl" or len(payloads) == 1:
                raise
            try:
                apply(Change(name, payloads, is_held))
                return
            except UnsupportedCommand:  # before HAProxy 2.7
                pass
            raise

    def _certificates(self, memory: CertificateMemory, names: t.Sequence[str]) -> list[StoredCertificate]:
        memory.expect(names)
        return [stored for stored in map(memory.describe, names) if stored is not None]

    def _check_unchanged(self, certificates: t.Sequence[StoredCertificate]) -> None:
        if self._mark is not None and has_changed_since(self._mark, certificates):
            raise ReloadRequired(
                f"HAProxy {self._version} may crash when CA or CRL files change at run time again after certificates"
                " did (https://github.com/haproxy/haproxy/issues/3165), and certificates have changed since the last"
                " time. So reload it, or update it."
            )

    def _remember(self, mark: Mark | None) -> None:
        """Set this mark in place of the one before."""
        previous, self._mark = self._mark, mark
        if mark == previous:
            return
        ask = self._transactions["ca"].ask
        if mark is not None:
            ask("new ssl ca-file", mark.name)
        if previous is not None:
            with contextlib.suppress(HaproxyError):  # two of them say the same as the stricter one
                ask("del ssl ca-file", previous.name)


def _in_use(kind: str, name: str) -> TrustFileInUse:
    return TrustFileInUse(
        f"HAProxy uses the {OPTIONS[kind]} {name} (on a line 'bind' or 'server', or in an entry of a crt-list), so it"
        " stays. Take it out there first: the entry with haproxy_certificate, a line of the configuration by a reload."
    )


def check_new_name(name: str) -> None:
    """Raises InvalidOption for a name that a new file cannot be used or looked at by, once it is there."""
    if set(name) & set(" \t:[]\"'\\#") or name[:1] in "*@":
        raise InvalidOption(
            f"'{name}' cannot be the name of a new file in HAProxy: an entry of a crt-list could not name it, or the"
            " Runtime API could not show it. Leave out white space, quotes, brackets, ':', '#', '\\', and '*' or '@'"
            " at its beginning."
        )
