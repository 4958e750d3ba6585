# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A CA's accounts in memory, by the rules of RFC 8555 section 7.3, whose external account bindings work once."""

from __future__ import annotations

import dataclasses
import typing as t

from ansible_collections.certops.rotation.plugins.module_utils._core.acme.account_secret import (
    AccountAuthority,
    AccountFacts,
)
from ansible_collections.certops.rotation.plugins.module_utils._core.acme.account_terms import ExternalBinding
from ansible_collections.certops.rotation.plugins.module_utils._core.acme.authority import DirectoryFacts
from ansible_collections.certops.rotation.plugins.module_utils._errors import AcmeError

DIRECTORY = "https://acme.example.com/directory"
TERMS = "https://acme.example.com/terms"


class MemoryAccounts(AccountAuthority):
    """accounts: key -> facts; calls: what was asked, in order; before, after: called with each change's name."""

    def __init__(self, *, eab_required: bool = False, keeps_contacts: bool = True) -> None:
        self.accounts: dict[str, AccountFacts] = {}
        self.calls: list[str] = []
        self.before: t.Callable[[str], None] = lambda change: None
        self.after: t.Callable[[str], None] = lambda change: None
        self._bindings: set[str] = set()
        self._eab_required = eab_required
        self._keeps_contacts = keeps_contacts

    @property
    def directory(self) -> str:
        return DIRECTORY

    @property
    def requests(self) -> int:
        return len(self.calls)

    def facts(self) -> DirectoryFacts:
        return DirectoryFacts(terms_of_service=TERMS, eab_required=self._eab_required)

    def find(self, key_pem: str) -> AccountFacts | None:
        self.calls.append("find")
        facts = self.accounts.get(key_pem)
        if facts and facts.status != "valid":
            raise AcmeError("the account is deactivated", "account", problem_type="unauthorized")
        return facts

    def register(
        self, key_pem: str, *, contacts: t.Sequence[str], terms_agreed: bool, binding: ExternalBinding | None
    ) -> AccountFacts:
        return self._change("register", lambda: self._register(key_pem, contacts, terms_agreed, binding))

    def set_contacts(self, key_pem: str, url: str, contacts: t.Sequence[str]) -> AccountFacts:
        def change() -> None:
            self.accounts[key_pem] = dataclasses.replace(self._own(key_pem, url), contacts=self._kept(contacts))

        self._change("set_contacts", change)
        return self.accounts[key_pem]

    def deactivate(self, key_pem: str, url: str) -> None:
        def change() -> None:
            self.accounts[key_pem] = dataclasses.replace(self._own(key_pem, url), status="deactivated")

        self._change("deactivate", change)

    def change_key(self, key_pem: str, url: str, new_key_pem: str) -> None:
        def change() -> None:
            if new_key_pem in self.accounts:
                raise AcmeError("the new key has an account", "account", problem_type="conflict")
            self.accounts[new_key_pem] = self._own(key_pem, url)
            del self.accounts[key_pem]

        self._change("change_key", change)

    def _register(
        self, key_pem: str, contacts: t.Sequence[str], terms_agreed: bool, binding: ExternalBinding | None
    ) -> AccountFacts:
        if key_pem in self.accounts:
            return self.accounts[key_pem]
        assert terms_agreed
        if self._eab_required:
            if binding is None or binding.key_id in self._bindings:
                raise AcmeError("the binding was used", "account", problem_type="unauthorized")
            self._bindings.add(binding.key_id)
        url = f"https://acme.example.com/account/{len(self.accounts) + 1}"
        self.accounts[key_pem] = AccountFacts(url, "valid", self._kept(contacts))
        return self.accounts[key_pem]

    def _kept(self, contacts: t.Sequence[str]) -> tuple[str, ...]:
        return tuple(contacts) if self._keeps_contacts else ()

    def _own(self, key_pem: str, url: str) -> AccountFacts:
        facts = self.accounts.get(key_pem)
        if facts is None or facts.url != url or facts.status != "valid":
            raise AcmeError("no such account", "account", problem_type="unauthorized")
        return facts

    def _change(self, name: str, change: t.Callable[[], t.Any]) -> t.Any:
        self.calls.append(name)
        self.before(name)
        result = change()
        self.after(name)
        return result
