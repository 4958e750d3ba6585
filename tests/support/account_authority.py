# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A CA's accounts in memory, by the rules of RFC 8555 section 7.3, whose external account bindings work once."""

from __future__ import annotations

import dataclasses
import typing as t

from ansible_collections.certops.rotation.plugins.module_utils._core.acme.account import AcmeAccount, ExternalAccount
from ansible_collections.certops.rotation.plugins.module_utils._core.acme.account_secret import AccountAuthority
from ansible_collections.certops.rotation.plugins.module_utils._core.acme.authority import DirectoryFacts
from ansible_collections.certops.rotation.plugins.module_utils._errors import AcmeError

DIRECTORY = "https://acme.example.com/directory"
T = t.TypeVar("T")
TERMS = "https://acme.example.com/terms"


class MemoryAccounts(AccountAuthority):
    """accounts: key -> account; deactivated: keys; calls: what was asked, in order; before, after: called with each
    change's name."""

    def __init__(self, *, eab_required: bool = False, keeps_contacts: bool = True) -> None:
        self.accounts: dict[str, AcmeAccount] = {}
        self.deactivated: set[str] = set()
        self.calls: list[str] = []
        self.before: t.Callable[[str], None] = lambda change: None
        self.after: t.Callable[[str], None] = lambda change: None
        self._used: set[str] = set()
        self._eab_required = eab_required
        self._keeps_contacts = keeps_contacts

    def facts(self) -> DirectoryFacts:
        return DirectoryFacts(terms_of_service=TERMS, eab_required=self._eab_required)

    def find(self, key_pem: str) -> AcmeAccount | None:
        self.calls.append("find")
        if key_pem in self.deactivated:
            raise AcmeError("the account is deactivated", "account", problem_type="unauthorized")
        return self.accounts.get(key_pem)

    def register(
        self,
        key_pem: str,
        *,
        contacts: t.Sequence[str],
        terms_agreed: bool,
        external_account: ExternalAccount | None,
    ) -> AcmeAccount:
        return self._change("register", lambda: self._register(key_pem, contacts, terms_agreed, external_account))

    def set_contacts(self, account: AcmeAccount, contacts: t.Sequence[str]) -> AcmeAccount:
        def change() -> AcmeAccount:
            self._require(account)
            changed = dataclasses.replace(account, contacts=self._kept(contacts))
            self.accounts[account.key_pem] = changed
            return changed

        return self._change("set_contacts", change)

    def deactivate(self, account: AcmeAccount) -> None:
        def change() -> None:
            self._require(account)
            self.deactivated.add(account.key_pem)

        self._change("deactivate", change)

    def change_key(self, account: AcmeAccount, new_key_pem: str) -> AcmeAccount:
        def change() -> AcmeAccount:
            if new_key_pem in self.accounts:
                raise AcmeError("the new key has an account", "request", problem_type="conflict")
            self._require(account)
            changed = dataclasses.replace(account, key_pem=new_key_pem)
            self.accounts[new_key_pem] = changed
            del self.accounts[account.key_pem]
            return changed

        return self._change("change_key", change)

    def _register(
        self, key_pem: str, contacts: t.Sequence[str], terms_agreed: bool, external: ExternalAccount | None
    ) -> AcmeAccount:
        if key_pem in self.accounts:
            return self.accounts[key_pem]
        assert terms_agreed
        if self._eab_required:
            if external is None or external.key_id in self._used:
                raise AcmeError("the binding was used", "account", problem_type="unauthorized")
            self._used.add(external.key_id)
        url = f"https://acme.example.com/account/{len(self.accounts) + 1}"
        self.accounts[key_pem] = AcmeAccount(DIRECTORY, url, key_pem, self._kept(contacts))
        return self.accounts[key_pem]

    def _kept(self, contacts: t.Sequence[str]) -> tuple[str, ...]:
        return tuple(contacts) if self._keeps_contacts else ()

    def _require(self, account: AcmeAccount) -> None:
        found = self.accounts.get(account.key_pem)
        if found is None or found.url != account.url or account.key_pem in self.deactivated:
            raise AcmeError("no such account", "account", problem_type="unauthorized")

    def _change(self, name: str, change: t.Callable[[], T]) -> T:
        self.calls.append(name)
        self.before(name)
        result = change()
        self.after(name)
        return result
