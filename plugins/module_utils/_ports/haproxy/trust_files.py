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

from ..._core.haproxy.parsing import parse_authorities, parse_crls, parse_names
from ..._core.haproxy.trust_content import StoredTrust, TrustContent
from ..._errors import HaproxyError
from .errors import NotReferenced, PayloadTooLarge, ReloadRequired, TransactionOpen, UnsupportedCommand
from .runtime import RuntimeApi
from .transaction import Change, Condition, Transaction

OPTIONS = {"ca": "ca-file", "crl": "crl-file"}
# HAProxy's issue 3165: a CA file, a certificate, a CA file again, and the process crashes. Fixed in 3.3 and backported;
# of the branches before it only those are named whose fix has been seen at work.
_SAFE_SINCE = {(2, 8): 25, (3, 2): 26}
_ALWAYS_SAFE = (3, 3)
# An empty, unused CA file in HAProxy's memory: gone with the process, like the changes that it stands for.
_SHOWN = 20  # names in a message
_MARK = "@changed-at-run-time"


def certificates_take_effect(version: str) -> list[Condition]:
    """What must be so before a certificate is changed. Its check raises ReloadRequired when a CA or CRL file has
    changed at run time and this HAProxy, from then on, takes other certificates without serving them: the same fault as
    that of issue 3165.
    """

    def check(names: str) -> None:
        if _MARK in names:
            raise ReloadRequired(
                f"HAProxy {version} goes on serving what it has after CA or CRL files changed at run time"
                " (https://github.com/haproxy/haproxy/issues/3165), so reload it, or update it."
            )

    return [] if _is_safe(version) else [Condition(("show ssl ca-file",), check)]


class TrustFiles:
    """version: of the HAProxy; patience: seconds to wait for a lock or for another's transaction to end."""

    def __init__(self, api: RuntimeApi, version: str, *, patience: float = 3.0) -> None:
        self._version = version
        self._transactions = {kind: Transaction(api, f"ssl {option}", patience) for kind, option in OPTIONS.items()}
        self.pending: dict[str, str | None] = {}
        self._names: dict[str, list[str]] = {}
        for kind, option in OPTIONS.items():
            text = self._transactions[kind].ask(f"show ssl {option}")
            self.pending[kind], self._names[kind] = parse_names(text)
            self._transactions[kind].know(self._names[kind])
        self._touched = _MARK in self._names["ca"]
        self._changed = False

    def known_names(self, kind: str, name: str) -> list[str]:
        """HAProxy's own names of a file, the one asked for first: a path may be written in several ways, and links may
        lead to it. Raises NotReferenced.
        """
        names = [known for known in self._names[kind] if known != _MARK]
        place = os.path.realpath(name) if name.startswith("/") else None
        found = [known for known in names if known == name or (known[0] == "/" and os.path.realpath(known) == place)]
        if found:
            return sorted(found, key=lambda known: known != name)
        option = OPTIONS[kind]
        for other, its_names in self._names.items():
            if other != kind and name in its_names:
                raise NotReferenced(
                    f"{name} is a {OPTIONS[other]} of HAProxy, not a {option}. Set its kind to {other}."
                )
        shown = ", ".join(names[:_SHOWN]) + (f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else "")
        there = f"It has {shown}." if names else "It has none."
        raise NotReferenced(
            f"HAProxy's configuration has no {option} '{name}'. {there} Give the path as the configuration writes it,"
            " or add it there and reload."
        )

    def describe(self, kind: str, name: str) -> list[StoredTrust]:
        """What HAProxy holds under a known name."""
        transaction = self._transactions[kind]
        return self._members(kind, name, transaction.ask(*transaction.show(name)))

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

    def check_safe(self) -> None:
        """Raises ReloadRequired when this HAProxy could crash from one more change."""
        if self._touched and not _is_safe(self._version):
            raise ReloadRequired(
                f"HAProxy {self._version} may crash when CA or CRL files change at run time again after certificates"
                " did (https://github.com/haproxy/haproxy/issues/3165). It has taken one such change already, so"
                " reload it, or update it."
            )

    def update(self, kind: str, name: str, content: TrustContent) -> None:
        """Make HAProxy hold this content under a known name.

        Raises ReloadRequired, PayloadTooLarge, TransactionOpen, CertificateRefused or another HaproxyError; then
        HAProxy uses what it did before, and no transaction of this name stays open.
        """
        self.check_safe()
        self._mark()

        def is_held(shown: str, answer: str) -> bool:
            return content.is_held(self._members(kind, shown, answer))

        try:
            self._apply(kind, name, content.payloads, is_held)
        except (PayloadTooLarge, TransactionOpen):
            if not self._changed:
                self._unmark()
            raise
        self._changed = True

    def _apply(self, kind: str, name: str, payloads: t.Sequence[str], is_held: t.Callable[[str, str], bool]) -> None:
        apply = self._transactions[kind].apply
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

    def _mark(self) -> None:
        # Before the change, so that it is there even when this run is killed.
        if not self._changed and not _is_safe(self._version):
            self._transactions["ca"].ask("new ssl ca-file", _MARK)

    def _unmark(self) -> None:
        if not _is_safe(self._version):
            with contextlib.suppress(HaproxyError):
                self._transactions["ca"].ask("del ssl ca-file", _MARK)


def _is_safe(version: str) -> bool:
    numbers = [int(number) for number in re.findall(r"\d+", version)[:3]]
    branch = (*numbers[:2], 0, 0)[:2]
    return branch >= _ALWAYS_SAFE or numbers[2:] >= [_SAFE_SINCE.get(t.cast("tuple[int, int]", branch), 1 << 30)]
